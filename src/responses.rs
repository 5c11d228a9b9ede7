//! Between the core types and the generated ones of the Responses API. Pure.

mod input;
mod item;
pub(crate) mod request;
pub(crate) mod response;
mod state;
pub(crate) mod stream;
mod told;
