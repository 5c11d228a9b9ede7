//! The [`Backend`] trait, through which Tachikoma calls every LLM, and its types: messages, tools, requests, responses, streamed
//! chunks, errors.
//!
//! It depends on no HTTP client and no provider; these are in the crates of the backends, such as
//! [`tachikoma-backend-codex`](https://docs.rs/tachikoma-backend-codex) for OpenAI. A program depends on such a crate, which has these
//! items at its root. The author of a backend depends on this one:
//!
//! ```
//! use std::sync::Arc;
//! use futures::{StreamExt, stream};
//! use tachikoma_backends_core::*;
//!
//! /// A backend that repeats the last message.
//! #[derive(Debug)]
//! struct Echo(BackendInfo);
//!
//! #[async_trait]
//! impl Backend for Echo {
//!     fn info(&self) -> &BackendInfo {
//!         &self.0
//!     }
//!     async fn complete(
//!         &self,
//!         request: CompletionRequest,
//!     ) -> Result<CompletionResponse, BackendError> {
//!         let stream = self.complete_stream(request).await?;
//!         Ok(CollectingStream::new(stream).collect().await?)
//!     }
//!     async fn complete_stream(
//!         &self,
//!         request: CompletionRequest,
//!     ) -> Result<CompletionStream, BackendError> {
//!         let no_messages = BackendError::InvalidRequest("no messages".into());
//!         let last = request.messages.last().ok_or(no_messages)?;
//!         let text = CompletionChunk::text(last.text());
//!         let end = CompletionChunk::last(FinishReason::Stop, None);
//!         Ok(stream::iter([Ok(text), Ok(end)]).boxed())
//!     }
//!     async fn health_check(&self) -> Result<bool, BackendError> {
//!         Ok(true)
//!     }
//! }
//!
//! # futures::executor::block_on(async {
//! let backend: Arc<dyn Backend> = Arc::new(Echo(BackendInfo::new("echo", "echo-1")));
//! let response = backend.complete(CompletionRequest::user("Hi")).await?;
//! assert_eq!(response.content.as_deref(), Some("Hi"));
//! # Ok::<(), BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # The contract
//!
//! - A stream has any number of delta chunks, then exactly one chunk with `is_final` (finish reason, usage) or exactly one error, then
//!   it ends. Dropping it cancels the request.
//! - A tool call in [`tool_calls`](CompletionResponse::tool_calls) is whole. One that was cut is in
//!   [`incomplete_tool_calls`](CompletionResponse::incomplete_tool_calls) alone.
//! - Each error has a [category](ErrorCategory), and [`ErrorDetails`] with what is known of it.
//!
//! [`Conformance`](struct.Conformance.html) (feature `conformance`) checks these rules for a backend.
//!
//! # Where to find what
//!
//! | Task | Items |
//! |---|---|
//! | Send and stream | [`CompletionRequest`], [`CompletionResponse`], [`CompletionChunk`], [`CollectingStream`], [`Usage`] |
//! | Hold a conversation | [`Message`], [`ContentPart`], [`CompletionResponse::to_message`], [`Backend::compact`] |
//! | Give the model tools | [`ToolDefinition`], [`Tool`], [`ToolRunner`] with [`Approval`] and [`ToolRunEvent`], [`CustomTool`], [`HostedTool`] |
//! | Read what the model did | [`OutputItem`], [`ItemContent`], [`Citation`] |
//! | Get typed responses | [`BackendExt::complete_as`], [`ResponseFormat::json_schema`], [`Structured`], [`strict_schema`] |
//! | Handle errors | [`BackendError`], [`ErrorCategory`], [`ErrorDetails`], [`BackendExt::complete_with_retry`], [`Backoff`] |
//! | Use several backends | [`Fallback`], [`FallbackEntry`] |
//! | Test | [`ScriptedBackend`](struct.ScriptedBackend.html) for programs, [`Conformance`](struct.Conformance.html) for backends |
//!
//! Structs and enums are `non_exhaustive`: make them by their constructors and `with_*` methods, or set the public fields.
//!
//! # Features
//!
//! | Feature (off by default) | Content |
//! |---|---|
//! | `test-util` | [`ScriptedBackend`](struct.ScriptedBackend.html), which replies with texts, tool calls, errors, chunks and delays in the order of a script, and records the requests |
//! | `conformance` | [`Conformance`](struct.Conformance.html), the rules of streams, tool calls, errors and cancellation as checks |
//!
//! # Stability
//!
//! Rust 1.88 is required. Before 1.0 a minor release may break the interface, a patch release does not:
//! [the policy](https://github.com/tachikoma-rs/tachikoma-backend-codex/blob/main/docs/stability.md) has the details.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod backend_ext;
mod backoff;
mod cache_report;
mod collect;
mod compaction;
#[cfg(any(test, feature = "conformance"))]
mod conformance;
mod content;
mod error;
mod fallback;
mod item;
mod message;
mod parse;
mod request;
mod response;
mod retry;
mod schema;
#[cfg(any(test, feature = "test-util"))]
mod scripted;
mod setters;
mod stream;
mod structured;
mod tool;
mod tool_arguments;
mod tool_call;
mod tool_macro;
mod tool_result;
mod tool_runner;
mod writer;

pub use async_trait::async_trait;
pub use backend::{Backend, BackendCapabilities, BackendInfo};
pub use backend_ext::BackendExt;
pub use backoff::Backoff;
pub use cache_report::{CacheCost, CacheReport, CacheStep, CacheTotal};
pub use collect::{CollectError, CollectingStream};
pub use compaction::{CompactedConversation, CompactionRequest};
#[cfg(any(test, feature = "conformance"))]
pub use conformance::{Conformance, ConformanceReport};
pub use content::{ContentPart, ImageDetail, MediaSource, PartOptions};
pub use error::{BackendError, ErrorCategory, ErrorDetails, Transcript};
pub use fallback::{Fallback, FallbackAction, FallbackEntry, FallbackHealth};
pub use item::{
    Citation, CodeExecution, CodeOutput, Compaction, FileSearch, FileSearchResult, ImageGeneration,
    ItemContent, ItemEvent, ItemProgress, ItemUpdate, McpCall, McpTool, McpTools, MessageItem, OtherItem,
    OutputItem, ReasoningItem, TokenLogprob, ToolCallItem, ToolOutputItem, ToolSearch, WebSearch,
    WebSearchAction,
};
pub use message::{Message, MessageContent, ProviderState, Role};
pub use request::{
    AllowedTool, CompletionRequest, Moderation, PromptCache, PromptCacheMode, ReasoningEffort,
    ReasoningSummary, ResponseFormat, ToolChoice, Truncation, Verbosity,
};
pub use response::{CompletionResponse, FinishReason, Usage};
pub use schema::{OrderedSchema, SchemaChange, StrictSchema, strict_schema, strict_schema_of};
#[cfg(any(test, feature = "test-util"))]
pub use scripted::{ScriptedBackend, ScriptedReply};
pub use stream::{CompletionChunk, CompletionStream, Phase};
pub use structured::{Structured, StructuredError, StructuredStream};
pub use tool::{
    CustomTool, CustomToolFormat, GrammarSyntax, HostedTool, ToolDefinition, ToolDefinitionBuilder,
    ToolParameter, ToolParameters, ToolSpec,
};
pub use tool_call::{
    ToolArgumentsError, ToolCall, ToolCallAccumulator, ToolCallDelta, ToolCallFragment, ToolCallKind,
};
pub use tool_result::ToolResult;
pub use tool_runner::{
    Approval, Json, Tool, ToolFunction, ToolReturn, ToolRun, ToolRunError, ToolRunErrorKind, ToolRunEvent,
    ToolRunner,
};
pub use writer::WriteError;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
