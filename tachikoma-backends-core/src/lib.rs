#![doc = include_str!("../README.md")]

mod backend;
mod collect;
mod error;
mod message;
mod request;
mod response;
mod retry;
mod stream;
mod tool;
mod tool_call;
mod tool_runner;

pub use async_trait::async_trait;
pub use backend::{Backend, BackendCapabilities, BackendInfo};
pub use collect::{CollectError, CollectingStream};
pub use error::{BackendError, ErrorCategory, ErrorDetails};
pub use message::{
    ContentPart, FileSource, ImageDetail, ImageSource, Message, MessageContent, ProviderState, Role,
};
pub use request::{CompletionRequest, ReasoningEffort, ResponseFormat, ToolChoice, Verbosity};
pub use response::{CompletionResponse, FinishReason, Usage};
pub use retry::BackendExt;
pub use stream::{CompletionChunk, CompletionStream, Phase};
pub use tool::{ToolDefinition, ToolDefinitionBuilder, ToolParameter, ToolParameters};
pub use tool_call::{
    ToolArgumentsError, ToolCall, ToolCallAccumulator, ToolCallDelta, ToolCallFragment, ToolResult,
};
pub use tool_runner::{ToolRun, ToolRunError, ToolRunEvent, ToolRunner};
