//! What a scripted backend replies.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::{
    BackendError, CompletionChunk, CompletionRequest, CompletionResponse, FinishReason, ToolCall,
    ToolCallDelta,
};

/// The characters in a delta of a response that is streamed: few, so that consumers have to put several together.
const DELTA_CHARS: usize = 4;

/// What a [`ScriptedBackend`](super::ScriptedBackend) replies to one request.
///
/// | Reply | Made by |
/// |---|---|
/// | a text | [`text`](Self::text), or `From` a string |
/// | tool calls | [`tool_call`](Self::tool_call), [`tool_calls`](Self::tool_calls) |
/// | a whole response | `From` a [`CompletionResponse`] |
/// | an error before the response begins | `From` a [`BackendError`] |
/// | the chunks of a stream, which may break off with an error | `From` a `Vec<Result<CompletionChunk, BackendError>>` |
/// | what a function makes of the request | [`from_fn`](Self::from_fn) |
///
/// Chunks are sent unchanged, up to the first final chunk or error; if there is neither, the stream ends with
/// [`BackendError::TruncatedStream`]. Tool calls of responses that have no id get `call_1`, `call_2` and so on.
#[derive(Clone, Debug)]
pub struct ScriptedReply {
    body: Body,
    delay: Duration,
    chunk_delay: Duration,
}

#[derive(Clone)]
enum Body {
    Response(Box<CompletionResponse>),
    Chunks(Vec<Result<CompletionChunk, BackendError>>),
    Error(BackendError),
    Computed(Arc<dyn Fn(&CompletionRequest) -> ScriptedReply + Send + Sync>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(response) => response.fmt(f),
            Self::Chunks(chunks) => chunks.fmt(f),
            Self::Error(error) => error.fmt(f),
            Self::Computed(_) => f.write_str("Fn"),
        }
    }
}

impl ScriptedReply {
    fn new(body: Body) -> Self {
        Self { body, delay: Duration::ZERO, chunk_delay: Duration::ZERO }
    }

    /// A response of this text.
    pub fn text(content: impl Into<String>) -> Self {
        CompletionResponse::new(content).into()
    }

    /// A call of this tool.
    pub fn tool_call(name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        Self::tool_calls([(name, arguments)])
    }

    /// Calls of these tools, in one response. For arguments that are not valid JSON, or calls that are incomplete, use a
    /// [`CompletionResponse`].
    pub fn tool_calls(calls: impl IntoIterator<Item = (impl Into<String>, impl Into<Value>)>) -> Self {
        let calls =
            calls.into_iter().map(|(name, arguments)| ToolCall::new("", name, arguments.into().to_string()));
        let finish_reason = FinishReason::ToolUse;
        CompletionResponse { tool_calls: calls.collect(), finish_reason, ..Default::default() }.into()
    }

    /// What this function makes of the request: a text, a response, an error, or any other reply.
    ///
    /// ```
    /// # use tachikoma_backends_core::{ScriptedBackend, ScriptedReply};
    /// let echo = ScriptedReply::from_fn(|request| {
    ///     request.messages.last().map(|message| message.text()).unwrap_or_default()
    /// });
    /// let backend = ScriptedBackend::new().with_default_reply(echo);
    /// ```
    pub fn from_fn<R: Into<Self>>(
        function: impl Fn(&CompletionRequest) -> R + Send + Sync + 'static,
    ) -> Self {
        Self::new(Body::Computed(Arc::new(move |request| function(request).into())))
    }

    /// The time until the response begins, or fails.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The time between the chunks. A response that is not streamed takes as long.
    #[must_use]
    pub fn with_chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay = delay;
        self
    }

    /// What is sent in response to this request. `tool_calls` is the number of calls that have got an id.
    pub(super) fn prepare(self, request: &CompletionRequest, tool_calls: &AtomicUsize) -> PreparedReply {
        let Self { body, delay, chunk_delay } = self;
        let chunks = match body {
            Body::Response(mut response) => {
                for call in response.tool_calls.iter_mut().chain(&mut response.incomplete_tool_calls) {
                    if call.id.is_empty() {
                        call.id = format!("call_{}", tool_calls.fetch_add(1, Ordering::SeqCst) + 1);
                    }
                }
                Ok(response.into_chunks().flat_map(into_deltas).map(Ok).collect())
            }
            Body::Chunks(chunks) => Ok(chunks),
            Body::Error(error) => Err(error),
            Body::Computed(function) => {
                let reply = function(request).prepare(request, tool_calls);
                return PreparedReply {
                    delay: delay.saturating_add(reply.delay),
                    chunk_delay: chunk_delay.saturating_add(reply.chunk_delay),
                    chunks: reply.chunks,
                };
            }
        };
        PreparedReply { delay, chunk_delay, chunks }
    }
}

/// What is sent in response to a request, and when.
pub(super) struct PreparedReply {
    pub(super) delay: Duration,
    pub(super) chunk_delay: Duration,
    pub(super) chunks: Result<Vec<Result<CompletionChunk, BackendError>>, BackendError>,
}

impl From<&str> for ScriptedReply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for ScriptedReply {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<CompletionResponse> for ScriptedReply {
    fn from(response: CompletionResponse) -> Self {
        Self::new(Body::Response(Box::new(response)))
    }
}

impl From<BackendError> for ScriptedReply {
    fn from(error: BackendError) -> Self {
        Self::new(Body::Error(error))
    }
}

impl From<Vec<Result<CompletionChunk, BackendError>>> for ScriptedReply {
    fn from(chunks: Vec<Result<CompletionChunk, BackendError>>) -> Self {
        Self::new(Body::Chunks(chunks))
    }
}

/// The chunk in deltas of a few characters, as servers send them.
fn into_deltas(chunk: CompletionChunk) -> Vec<CompletionChunk> {
    if chunk.is_final {
        return vec![chunk];
    }
    let CompletionChunk { delta, phase, item, items, tool_calls, refusal, reasoning, .. } = chunk;
    let empty = CompletionChunk::default;
    let reasoning = split(&reasoning.unwrap_or_default())
        .map(|piece| CompletionChunk { reasoning: Some(piece), ..empty() });
    let refusal =
        split(&refusal.unwrap_or_default()).map(|piece| CompletionChunk { refusal: Some(piece), ..empty() });
    let text = split(&delta).map(|delta| CompletionChunk { delta, phase, ..empty() });
    let calls = tool_calls
        .into_iter()
        .flat_map(into_call_deltas)
        .map(|delta| CompletionChunk { tool_calls: vec![delta], ..empty() });
    let items = items.into_iter().map(|event| CompletionChunk { items: vec![event], ..empty() });
    let deltas = reasoning.chain(refusal).chain(text).map(|chunk| CompletionChunk { item, ..chunk });
    deltas.chain(calls).chain(items).collect()
}

/// A call as deltas: first the id and the name, then the arguments. The last one holds whether the call is complete.
fn into_call_deltas(call: ToolCallDelta) -> Vec<ToolCallDelta> {
    let ToolCallDelta { index, arguments_delta, is_complete, .. } = call;
    let arguments = split(&arguments_delta).map(|arguments_delta| ToolCallDelta {
        index,
        arguments_delta,
        ..Default::default()
    });
    let start = ToolCallDelta { arguments_delta: String::new(), is_complete: false, ..call };
    let mut deltas: Vec<_> = std::iter::once(start).chain(arguments).collect();
    if let Some(last) = deltas.last_mut() {
        last.is_complete = is_complete;
    }
    deltas
}

/// The text in pieces of whole characters.
fn split(text: &str) -> std::vec::IntoIter<String> {
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = characters.chunks(DELTA_CHARS).map(|piece| piece.iter().collect()).collect();
    pieces.into_iter()
}
