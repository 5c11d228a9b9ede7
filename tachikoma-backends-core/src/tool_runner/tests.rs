//! Runs against a model that follows a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::{
    BackendError, BackendInfo, CompletionChunk, CompletionStream, FinishReason, Message, Role, Usage,
    async_trait,
};

mod approval;
mod calls;
mod cancel;
mod compaction;
mod ending;
mod events;
mod history;
mod schedule;

/// What the model does with a request.
#[derive(Clone, Debug)]
enum Reply {
    Response(Box<CompletionResponse>),
    /// An error in the place of a response.
    Refused(BackendError),
    /// An error after these chunks of a stream.
    Broken(Vec<CompletionChunk>, BackendError),
    /// A piece of text, then nothing more.
    Hang,
}

impl From<CompletionResponse> for Reply {
    fn from(response: CompletionResponse) -> Self {
        Self::Response(response.into())
    }
}

/// A model that follows a script and keeps the requests.
#[derive(Debug, Default)]
struct Model {
    info: BackendInfo,
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<CompletionRequest>>,
    /// Held by each open stream, so that its count is the number of streams.
    open_streams: Arc<()>,
}

impl Model {
    fn new(replies: impl IntoIterator<Item = impl Into<Reply>>) -> Self {
        let replies = replies.into_iter().map(Into::into).collect();
        Self { replies: Mutex::new(replies), ..Self::default() }
    }

    fn next(&self, request: CompletionRequest) -> Reply {
        self.requests.lock().unwrap().push(request);
        self.replies.lock().unwrap().pop_front().unwrap()
    }

    fn requests(&self) -> Vec<CompletionRequest> {
        self.requests.lock().unwrap().clone()
    }
}

#[async_trait]
impl Backend for Model {
    fn info(&self) -> &BackendInfo {
        &self.info
    }
    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        match self.next(request) {
            Reply::Response(response) => Ok(*response),
            Reply::Refused(error) | Reply::Broken(_, error) => Err(error),
            Reply::Hang => pending().await,
        }
    }
    async fn complete_stream(&self, request: CompletionRequest) -> Result<CompletionStream, BackendError> {
        let reply = self.next(request);
        tokio::task::yield_now().await;
        let open = Arc::clone(&self.open_streams);
        let chunks: CompletionStream = match reply {
            Reply::Response(response) => stream::iter(response.into_chunks().map(Ok)).boxed(),
            Reply::Refused(error) => return Err(error),
            Reply::Broken(chunks, error) => {
                stream::iter(chunks.into_iter().map(Ok).chain([Err(error)])).boxed()
            }
            Reply::Hang => stream::iter([Ok(text_chunk("Let me"))]).chain(stream::pending()).boxed(),
        };
        let chunks = chunks.then(move |chunk| {
            let open = Arc::clone(&open);
            async move {
                tokio::task::yield_now().await;
                drop(open);
                chunk
            }
        });
        Ok(chunks.boxed())
    }
    async fn health_check(&self) -> Result<bool, BackendError> {
        Ok(true)
    }
}

fn usage(tokens: u32) -> Option<Usage> {
    Some(Usage { prompt_tokens: tokens, total_tokens: tokens, cached_tokens: Some(1), ..Usage::default() })
}

fn text(text: &str) -> CompletionResponse {
    CompletionResponse { content: Some(text.into()), usage: usage(5), ..Default::default() }
}

fn text_chunk(delta: &str) -> CompletionChunk {
    CompletionChunk { delta: delta.into(), ..Default::default() }
}

/// Calls, as name and arguments, with ids from `call_0` on.
fn calls(calls: &[(&str, &str)]) -> CompletionResponse {
    let calls = calls.iter().enumerate();
    let tool_calls =
        calls.map(|(at, (name, arguments))| ToolCall::new(format!("call_{at}"), *name, *arguments));
    CompletionResponse {
        tool_calls: tool_calls.collect(),
        finish_reason: FinishReason::ToolUse,
        usage: usage(7),
        ..Default::default()
    }
}

const ONE: &str = r#"{"n": 1}"#;

#[derive(Deserialize, JsonSchema)]
struct Number {
    n: i32,
}

fn definition(name: &str) -> ToolDefinition {
    ToolDefinition::from_type::<Number>(name, "For tests")
}

fn say() -> Tool {
    Tool::new(definition("say"), async |Number { n }| format!("it is {n}"))
}

fn ask() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Go")])
}

/// The texts of the results in the conversation.
fn results(messages: &[Message]) -> Vec<String> {
    let results = messages.iter().filter(|message| message.role == Role::Tool);
    results.map(|message| message.content.to_text()).collect()
}

/// Checks that a server takes the conversation: each turn with calls is followed by one result for each, in order.
#[track_caller]
fn assert_valid(messages: &[Message]) {
    let mut messages = messages.iter().peekable();
    while let Some(message) = messages.next() {
        assert_ne!(message.role, Role::Tool, "a result without a call: {message:?}");
        for call in &message.tool_calls {
            let result = messages.next().unwrap();
            assert_eq!((result.role, result.tool_call_id.as_ref()), (Role::Tool, Some(&call.id)));
            assert!(serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(&call.arguments).is_ok());
        }
    }
}
