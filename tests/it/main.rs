//! The one test binary.

mod backend;
mod bad_input;
mod live;
mod scenarios;
mod server;
mod tidy;
