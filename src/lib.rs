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
mod target;
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
#[cfg(feature = "openai-types")]
pub use encode::JsonSchema;
pub use error::CodexError;
pub use models::{Cost, OpenAIModel, ServiceTier};
/// The types that are generated from OpenAI's API document. Outside semver: each refresh of the document may change them.
#[cfg(feature = "openai-types")]
pub use openai::types as openai_types;
#[doc(no_inline)]
pub use secrecy::SecretString;
/// The trait's crate, whole, so that one dependency is enough. What most programs need is at the root as well.
#[doc(no_inline)]
pub use tachikoma_backends_core;
#[doc(no_inline)]
pub use tachikoma_backends_core::{
    Approval, Backend, BackendError, BackendExt, CollectingStream, CompletionChunk, CompletionRequest,
    CompletionResponse, CompletionStream, ContentPart, ErrorCategory, FinishReason, Message, ReasoningEffort,
    ResponseFormat, Role, StrictSchema, Structured, StructuredError, Tool, ToolCall, ToolChoice,
    ToolDefinition, ToolParameter, ToolResult, ToolRunError, ToolRunEvent, ToolRunner, Usage, async_trait,
    strict_schema, strict_schema_of,
};
pub use target::WireApi;
pub use tokens::TokenCount;
