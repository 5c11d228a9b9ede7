#![doc = include_str!("../README.md")]

mod api;
mod auth;
mod backend;
mod config;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod models;
mod openai;
mod runtime;
mod server;
mod target;
mod tokens;
pub mod tools;
mod validate;

pub use api::embeddings::{EmbeddingInput, EmbeddingRequest, EmbeddingResponse, VectorEncoding};
pub use auth::{AccessToken, ApiKey, Credentials, KeyKind, TokenError, TokenProvider};
pub use backend::{ApiChoice, BackgroundResponse, BackgroundStatus, CodexBackend, RequestPreview};
#[cfg(feature = "websocket")]
pub use config::WebSocket;
pub use config::{Api, CodexBackendConfig, InputLimit};
pub use models::{Cost, OpenAIModel, ServiceTier};
#[cfg(feature = "openai-types")]
pub use openai::JsonSchema;
/// The types generated from OpenAI's API document. Not covered by semver: each refresh of the document may change them.
#[cfg(feature = "openai-types")]
pub use openai::types as openai_types;
pub use runtime::gate::Gate;
pub use runtime::rate_limit::{RateLimit, RateLimits};
pub use runtime::unknown::{UnknownField, UnknownFieldKind};
pub use runtime::{Error as CodexError, Recorder, Reliability};
#[doc(no_inline)]
pub use secrecy::SecretString;
pub use server::Azure;
/// The crate of the trait, so that one dependency is enough. Most of its items are also at the root.
#[doc(no_inline)]
pub use tachikoma_backends_core;
#[doc(no_inline)]
pub use tachikoma_backends_core::{
    AllowedTool, Approval, Backend, BackendError, BackendExt, CacheReport, Citation, CollectingStream,
    CompactedConversation, CompletionChunk, CompletionRequest, CompletionResponse, CompletionStream,
    ContentPart, CustomTool, ErrorCategory, FinishReason, GrammarSyntax, HostedTool, ImageDetail,
    ItemContent, ItemEvent, ItemUpdate, MediaSource, Message, MessageContent, MessageItem, OutputItem,
    ReasoningEffort, ResponseFormat, Role, StrictSchema, Structured, StructuredError, Tool, ToolCall,
    ToolChoice, ToolDefinition, ToolParameter, ToolParameters, ToolResult, ToolRunError, ToolRunEvent,
    ToolRunner, ToolSpec, Transcript, Usage, async_trait, strict_schema, strict_schema_of,
};
pub use target::WireApi;
pub use tokens::TokenCount;
pub use validate::{PrefixBreak, PrefixBreakCause, prefix_break};
