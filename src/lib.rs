#![doc = include_str!("../README.md")]

mod absorbed;
mod attachment;
mod auth;
mod backend;
mod chat;
mod config;
mod decode;
mod embeddings;
mod encode;
mod error;
mod extra;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod models;
mod openai;
mod responses;
mod schema;
mod structured;
mod telemetry;
mod tokens;
mod transport;
mod validate;

pub use absorbed::{Absorbed, AbsorbedKind};
pub use auth::{AccessToken, ApiKey, Azure, Credentials, KeyKind, TokenError, TokenProvider};
pub use backend::{ApiChoice, CodexBackend, RequestPreview};
pub use config::{Api, CodexBackendConfig, InputLimit};
pub use decode::rate_limit::{RateLimit, RateLimits};
pub use embeddings::{EmbeddingInput, EmbeddingRequest, EmbeddingResponse, VectorEncoding};
pub use error::CodexError;
pub use models::{Cost, OpenAIModel, ServiceTier};
/// The types that are generated from OpenAI's API document. Outside semver: each refresh of the document may change them.
#[cfg(feature = "openai-types")]
pub use openai::types as openai_types;
pub use schema::{ResponseFormatExt, StrictSchema, ToolDefinitionExt, strict_schema, strict_schema_of};
pub use structured::{Structured, StructuredError, StructuredStream};
pub use tokens::TokenCount;
