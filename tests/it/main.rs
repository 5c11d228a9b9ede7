//! The one test binary.

mod backend;
mod bad_input;
mod bodies;
mod documents;
mod live;
mod oracle;
mod scenarios;
mod server;
mod tidy;
