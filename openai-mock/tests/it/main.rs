//! Drives the server over HTTP, as its users do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod chat;
mod client;
#[cfg(feature = "cli")]
mod command;
mod embeddings;
mod faults;
mod refusals;
mod schema;
mod scripted;
mod server;
mod stream;
mod tools;
