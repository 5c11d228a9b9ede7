//! Between the core types and the generated ones of Chat Completions. Pure.

mod fields;
mod message;
mod preamble;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream;
