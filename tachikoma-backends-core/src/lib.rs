#![doc = include_str!("../README.md")]

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
mod tool_result;
mod tool_runner;

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
