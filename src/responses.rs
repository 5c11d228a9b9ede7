//! Between the core types and the generated ones of the Responses API. Pure.

mod event;
mod input;
mod item;
mod items;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod state;
pub(crate) mod stream;
