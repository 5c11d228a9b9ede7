//! From bytes to events, from error bodies to categories, from headers to limits. Pure.

pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod calls;
pub(crate) mod duplicates;
pub(crate) mod error_body;
pub(crate) mod json;
pub(crate) mod rate_limit;
pub(crate) mod sse;
pub(crate) mod streamed;
