//! Between the core types and the generated ones of Chat Completions. Pure.

mod channel;
mod choice;
mod coerce;
mod content;
mod conversation;
mod finish;
mod message;
mod preamble;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream;
mod usage;
