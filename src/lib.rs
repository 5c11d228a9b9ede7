//! The OpenAI backend of Tachikoma: a client for OpenAI, Azure OpenAI and every server that speaks OpenAI's API.
//!
//! Its requests and responses are generated from OpenAI's API document; programs use them through [`Backend`], the trait that all
//! of Tachikoma's backends implement.
//!
//! ```
//! use std::io::Write;
//! use futures::StreamExt;
//! use tachikoma_backend_codex::{
//!     Backend, CodexBackend, CodexBackendConfig, CollectingStream, CompletionRequest,
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // `from_env()` reads OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL in place of this.
//!     let config = CodexBackendConfig::new("sk-...").with_model("gpt-5.6-terra");
//! #   let server = tachikoma_openai_mock::MockServer::start().await?;
//! #   let config = config.with_base_url(server.base_url());
//!     let backend = CodexBackend::new(config)?;
//!
//!     let request = CompletionRequest::user("Say hello");
//!     let mut stream = CollectingStream::new(backend.complete_stream(request).await?);
//!     while let Some(chunk) = stream.next().await {
//!         print!("{}", chunk?.delta);
//!         std::io::stdout().flush()?;
//!     }
//!     let response = stream.collect().await?;
//!     println!("\n{:.6} USD", backend.cost(&response)?.usd);
//!     assert!(response.content.is_some_and(|text| !text.is_empty()));
//!     Ok(())
//! }
//! ```
//!
//! Requests need a Tokio runtime with I/O and timers, as `#[tokio::main]` makes it. `futures` has `StreamExt`, which reads streams;
//! typed responses and tools derive `serde::Deserialize` and `schemars::JsonSchema` (version 1).
//!
//! # Where to find what
//!
//! | Task | Items |
//! |---|---|
//! | Configure | [`CodexBackendConfig`] lists all settings with their variables and defaults; [`Credentials`], [`Reliability`] |
//! | Send and stream | [`CodexBackend`], [`CompletionRequest`], [`CompletionResponse`], [`CompletionChunk`], [`CollectingStream`], [`Usage`] |
//! | Hold a conversation | [`Message`], [`ContentPart`] for images, files and recordings, [`CompletionResponse::to_message`] |
//! | Give the model tools | [`ToolDefinition`], [`Tool`], [`ToolRunner`], the loop of an agent, with [`Approval`] and [`ToolRunEvent`]; [`CustomTool`] |
//! | Use OpenAI's own tools | [`tools`]: web search, code interpreter, MCP, shell and others; [`CompletionResponse::items`] has what they did |
//! | Get typed responses | [`BackendExt::complete_as`], [`ResponseFormat`], [`Structured`], [`StructuredError`] |
//! | Handle errors | [`BackendError`], [`ErrorCategory`], [`CodexError`], which has more details; [`Reliability`] for timeouts and retries |
//! | Know models, costs, limits | [`OpenAIModel`], [`models`], [`CodexBackend::cost`], [`CodexBackend::count_request_tokens`], [`InputLimit`], [`CodexBackend::rate_limits`] |
//! | Choose the API | [`Api`], [`CodexBackend::api_for`], [`CodexBackend::preview`] |
//! | Use another server, or Azure | [`CodexBackendConfig::with_base_url`], [`Azure`], [`AccessToken`], [`CodexBackend::list_models`] |
//! | Run for hours | [`Backend::compact`], [`ToolRunner::with_compaction`], [`WebSocket`](enum.WebSocket.html), [`CodexBackendConfig::with_server_state`], [`CodexBackendConfig::with_resume`], [`BackgroundResponse`] |
//! | Run many agents | [`Gate`], [`Fallback`](tachikoma_backends_core::Fallback), [`CodexBackend::cache_report`], [`prefix_break`] |
//! | Record, replay, test | [`Recorder`], [`CodexBackendConfig::with_transcripts`], [`tachikoma-openai-mock`][mock], [`ScriptedBackend`] |
//! | Watch | `tracing` spans of each call; [`with_meter`](CodexBackendConfig#method.with_meter) for metrics; [`CodexBackend::unknown_fields`] |
//! | Make embeddings | [`CodexBackend::embed`], [`EmbeddingRequest`] |
//!
//! # Features
//!
//! | Feature | Content |
//! |---|---|
//! | `rustls-ring` (default) | TLS by rustls and ring, with the certificates of the system |
//! | `rustls` | TLS by rustls and AWS-LC, as the default of `reqwest` |
//! | `native-tls` | TLS by the library of the system |
//! | `gzip` | compressed responses, where a server offers them |
//! | `key-command` | [`Credentials::key_command`], a program that prints the key |
//! | `tokens` | exact token counts instead of estimates; its tables add 35 to 50 MB to a binary |
//! | `apply-patch` | [`PatchDirectory`](tools/apply_patch/struct.PatchDirectory.html), which applies the patches of OpenAI's `apply_patch` tool to files |
//! | `websocket` | the Responses API over a [`WebSocket`](enum.WebSocket.html) |
//! | `otel` | metrics by OpenTelemetry's API |
//! | `openai-types` | the types generated from OpenAI's document, as [`openai_types`](openai_types/index.html); outside semver |
//!
//! # Stability
//!
//! Rust 1.88 is required; a higher version only comes with a minor release. Before 1.0 a minor release may break the interface, a patch
//! release does not. Outside of that are the features `openai-types` and `internals`, the texts of errors, `Debug` output, and what
//! is known of models, the default model included. [The policy][stability] has the details.
//!
//! # Further
//!
//! The [examples] are complete programs that need no key: without one they talk to [`tachikoma-openai-mock`][mock], a server for
//! tests. [Coming from another client][migrate] compares the names. Most types here are those of [`tachikoma_backends_core`], the
//! crate of the trait, at the root of this one.
//!
//! [`ScriptedBackend`]: https://docs.rs/tachikoma-backends-core/latest/tachikoma_backends_core/struct.ScriptedBackend.html
//! [examples]: https://github.com/tachikoma-rs/tachikoma-backend-codex/tree/main/examples
//! [migrate]: https://github.com/tachikoma-rs/tachikoma-backend-codex/blob/main/docs/migrate.md
//! [mock]: https://docs.rs/tachikoma-openai-mock
//! [stability]: https://github.com/tachikoma-rs/tachikoma-backend-codex/blob/main/docs/stability.md

#![cfg_attr(docsrs, feature(doc_cfg))]

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
/// The types generated from OpenAI's API document. Not covered by semver: each refresh of the document may change them. OpenAI's prose
/// is not vendored; its API reference describes each field by the same name.
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
    ToolRunner, ToolSpec, Transcript, Usage, WriteError, async_trait, strict_schema, strict_schema_of, tool,
};
pub use target::WireApi;
pub use tokens::TokenCount;
pub use validate::{PrefixBreak, PrefixBreakCause, prefix_break};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
