#![doc = include_str!("../README.md")]

mod auth;
mod backend;
mod chat;
mod config;
mod decode;
mod error;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod models;
mod openai;
mod transport;
mod validate;

pub use backend::{CodexBackend, RequestPreview};
pub use config::CodexBackendConfig;
pub use error::CodexError;
pub use models::OpenAIModel;
