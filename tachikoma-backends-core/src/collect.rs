//! From chunks to a whole response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use thiserror::Error;

use crate::item::ItemCollector;
use crate::{
    BackendError, CompletionChunk, CompletionResponse, CompletionStream, FinishReason, Phase,
    ToolCallAccumulator,
};

/// Puts a streamed response together. It is a [`Stream`] of the same chunks, so that a response can be displayed while it
/// arrives and is whole in the end.
///
/// ```
/// # use futures::{StreamExt, stream};
/// # use tachikoma_backends_core::*;
/// # futures::executor::block_on(async {
/// # let chunks = [Ok(CompletionChunk::text("Hi")),
/// #     Ok(CompletionChunk::last(FinishReason::Stop, None))];
/// # let stream = stream::iter(chunks).boxed();
/// let mut stream = CollectingStream::new(stream);
/// while let Some(Ok(chunk)) = stream.next().await {
///     print!("{}", chunk.delta);
/// }
/// let response = stream.collect().await?;
/// assert_eq!(response.content.as_deref(), Some("Hi"));
/// # Ok::<(), CollectError>(())
/// # }).unwrap();
/// ```
pub struct CollectingStream {
    inner: CompletionStream,
    arrived: Arrived,
    end: Option<Result<(), BackendError>>,
}

/// What has arrived of a response.
#[derive(Clone, Debug, Default)]
struct Arrived {
    response: CompletionResponse,
    tool_calls: ToolCallAccumulator,
    items: ItemCollector,
}

impl CollectingStream {
    /// Collects what `stream` yields.
    pub fn new(stream: CompletionStream) -> Self {
        Self { inner: stream, arrived: Arrived::default(), end: None }
    }

    /// Reads the rest of the stream and returns the whole response.
    ///
    /// # Errors
    /// [`CollectError`], which holds what had arrived: the text so far and the tool calls.
    pub async fn collect(mut self) -> Result<CompletionResponse, CollectError> {
        while self.next().await.is_some() {}
        match self.end.take() {
            Some(Ok(())) => Ok(self.arrived.into_response(true)),
            Some(Err(error)) => Err(CollectError::new(error, self.arrived.into_response(false))),
            None => Err(CollectError::new(no_end(), self.arrived.into_response(false))),
        }
    }

    /// What has arrived so far. Before the final chunk, its [finish reason](CompletionResponse::finish_reason) is
    /// [`FinishReason::Error`] and only those tool calls are whole of which the provider has stated that they are complete.
    pub fn partial(&self) -> CompletionResponse {
        self.arrived.clone().into_response(self.has_final_chunk())
    }

    /// Like [`partial`](Self::partial), without a copy. The rest of the response is cancelled.
    pub fn into_partial(self) -> CompletionResponse {
        let has_final_chunk = self.has_final_chunk();
        self.arrived.into_response(has_final_chunk)
    }

    fn has_final_chunk(&self) -> bool {
        matches!(self.end, Some(Ok(())))
    }
}

impl CompletionResponse {
    /// The response that these chunks make: deltas, then the final chunk.
    pub fn from_chunks(chunks: impl IntoIterator<Item = CompletionChunk>) -> Self {
        let mut arrived = Arrived::default();
        let mut has_final_chunk = false;
        for chunk in chunks {
            arrived.push(&chunk);
            has_final_chunk |= chunk.is_final;
        }
        arrived.into_response(has_final_chunk)
    }
}

impl Arrived {
    fn push(&mut self, chunk: &CompletionChunk) {
        let response = &mut self.response;
        let is_commentary = chunk.phase == Some(Phase::Commentary);
        let text = if is_commentary { &mut response.commentary } else { &mut response.content };
        append(text, &chunk.delta);
        append(&mut response.refusal, chunk.refusal.as_deref().unwrap_or_default());
        append(&mut response.reasoning, chunk.reasoning.as_deref().unwrap_or_default());
        for delta in &chunk.tool_calls {
            self.tool_calls.push(delta);
        }
        self.items.push(chunk);
        if chunk.is_final {
            let CompletionChunk { usage, finish_reason, finish_reason_text, .. } = chunk.clone();
            response.usage = usage;
            response.finish_reason = finish_reason.unwrap_or_default();
            response.finish_reason_text = finish_reason_text;
            response.model = chunk.model.clone().unwrap_or_default();
            response.id.clone_from(&chunk.id);
            response.request_id.clone_from(&chunk.request_id);
            response.service_tier.clone_from(&chunk.service_tier);
            response.provider_state.clone_from(&chunk.provider_state);
        }
    }

    /// The response with its calls, which are whole by evidence only where there was no final chunk.
    fn into_response(self, has_final_chunk: bool) -> CompletionResponse {
        let Self { mut response, tool_calls, items } = self;
        if !has_final_chunk {
            response.finish_reason = FinishReason::Error;
        }
        (response.tool_calls, response.incomplete_tool_calls) =
            tool_calls.finish(response.finish_reason.ends_turn());
        response.items = items.finish(&response);
        response
    }
}

fn append(text: &mut Option<String>, delta: &str) {
    if !delta.is_empty() {
        text.get_or_insert_default().push_str(delta);
    }
}

/// The error of a stream that ended without a final chunk or an error.
pub(crate) fn no_end() -> BackendError {
    BackendError::TruncatedStream("the stream ended without a final chunk: the response is not whole".into())
}

impl Stream for CollectingStream {
    type Item = Result<CompletionChunk, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        let item = match ready!(self.inner.poll_next_unpin(context)) {
            Some(Ok(chunk)) => {
                self.arrived.push(&chunk);
                if chunk.is_final {
                    self.end = Some(Ok(()));
                }
                Ok(chunk)
            }
            Some(Err(error)) => {
                self.end = Some(Err(error.clone()));
                Err(error)
            }
            None => {
                self.end = Some(Err(no_end()));
                Err(no_end())
            }
        };
        Poll::Ready(Some(item))
    }
}

impl fmt::Debug for CollectingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectingStream").field("response", &self.arrived.response).finish_non_exhaustive()
    }
}

/// A streamed response that failed, with what had arrived of it.
#[derive(Clone, Debug, Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct CollectError {
    /// What went wrong.
    #[source]
    pub error: BackendError,
    /// The text so far; tool calls that the provider has not stated to be complete are in `incomplete_tool_calls`.
    pub partial: Box<CompletionResponse>,
}

impl CollectError {
    /// This error, after this much of the response had arrived.
    pub fn new(error: BackendError, partial: CompletionResponse) -> Self {
        Self { error, partial: Box::new(partial) }
    }
}

impl From<CollectError> for BackendError {
    fn from(error: CollectError) -> Self {
        error.error
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::stream;

    use super::*;
    use crate::{ToolCall, ToolCallDelta, Usage};

    fn text(delta: &str) -> Result<CompletionChunk, BackendError> {
        Ok(CompletionChunk { delta: delta.into(), ..Default::default() })
    }

    fn call(index: usize, id: &str, arguments: &str) -> Result<CompletionChunk, BackendError> {
        let delta = ToolCallDelta {
            index,
            id: Some(id.into()),
            name: Some("now".into()),
            arguments_delta: arguments.into(),
            ..Default::default()
        };
        Ok(CompletionChunk { tool_calls: vec![delta], ..Default::default() })
    }

    fn collect(
        chunks: Vec<Result<CompletionChunk, BackendError>>,
    ) -> Result<CompletionResponse, CollectError> {
        block_on(CollectingStream::new(stream::iter(chunks).boxed()).collect())
    }

    #[test]
    fn the_pieces_make_the_whole() {
        let usage = Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, ..Default::default() };
        let last = CompletionChunk {
            model: Some("m".into()),
            ..CompletionChunk::last(FinishReason::ToolUse, Some(usage))
        };
        let thought = CompletionChunk { reasoning: Some("Hm.".into()), ..Default::default() };
        let response =
            collect(vec![Ok(thought), text("Hel"), text("lo"), call(0, "call_1", "{}"), Ok(last)]).unwrap();
        let expected = CompletionResponse {
            content: Some("Hello".into()),
            reasoning: Some("Hm.".into()),
            tool_calls: vec![ToolCall::new("call_1", "now", "{}")],
            finish_reason: FinishReason::ToolUse,
            usage: Some(usage),
            model: "m".into(),
            ..Default::default()
        };
        assert_eq!(response, expected.with_derived_items());
    }

    #[test]
    fn an_error_keeps_what_had_arrived() {
        let failed = || Err(BackendError::Network("connection reset".into()));
        let error =
            collect(vec![text("Hel"), call(0, "a", "{}"), call(1, "b", "{\"x"), failed()]).unwrap_err();
        assert_eq!(error.to_string(), "network failure: connection reset");
        assert_eq!(error.partial.content.as_deref(), Some("Hel"));
        assert_eq!(error.partial.tool_calls, []);
        let calls = [ToolCall::new("a", "now", "{}"), ToolCall::new("b", "now", "{\"x")];
        assert_eq!(error.partial.incomplete_tool_calls, calls);
    }

    #[test]
    fn an_end_without_a_final_chunk_is_an_error() {
        let error = collect(vec![text("Hel")]).unwrap_err();
        assert_eq!(error.error.category(), crate::ErrorCategory::TruncatedStream);
        assert_eq!(error.partial.content.as_deref(), Some("Hel"));
        assert!(collect(vec![]).is_err());
    }

    #[test]
    fn a_cut_call_is_never_among_the_whole_ones() {
        let cut = Ok(CompletionChunk::last(FinishReason::Length, None));
        let response = collect(vec![call(0, "a", "{\"path\": \"li"), cut]).unwrap();
        assert_eq!(response.tool_calls, []);
        assert_eq!(response.incomplete_tool_calls, [ToolCall::new("a", "now", "{\"path\": \"li")]);
    }

    #[test]
    fn the_partial_response_is_there_at_any_time() {
        let last = Ok(CompletionChunk::last(FinishReason::ToolUse, None));
        let rest = ToolCallDelta { arguments_delta: "1}".into(), ..Default::default() };
        let rest = Ok(CompletionChunk { tool_calls: vec![rest], ..Default::default() });
        let chunks = vec![text("Hel"), call(0, "a", "{\"x\":"), text("lo"), rest, last];
        // The text, the whole calls and the incomplete ones after each number of chunks.
        let table = [
            (None, None, FinishReason::Error),
            (Some("Hel"), None, FinishReason::Error),
            (Some("Hel"), Some((false, "{\"x\":")), FinishReason::Error),
            (Some("Hello"), Some((false, "{\"x\":")), FinishReason::Error),
            (Some("Hello"), Some((false, "{\"x\":1}")), FinishReason::Error),
            (Some("Hello"), Some((true, "{\"x\":1}")), FinishReason::ToolUse),
        ];
        for (count, (text, call, finish_reason)) in table.into_iter().enumerate() {
            let mut stream = CollectingStream::new(stream::iter(chunks.clone()).boxed());
            for _ in 0..count {
                block_on(stream.next()).unwrap().unwrap();
            }
            let partial = stream.partial();
            let (mut whole, mut incomplete) = (Vec::new(), Vec::new());
            if let Some((is_whole, arguments)) = call {
                let list = if is_whole { &mut whole } else { &mut incomplete };
                list.push(ToolCall::new("a", "now", arguments));
            }
            assert_eq!(partial.content.as_deref(), text, "{count}");
            assert_eq!(partial.tool_calls, whole, "{count}");
            assert_eq!(partial.incomplete_tool_calls, incomplete, "{count}");
            assert_eq!(partial.finish_reason, finish_reason, "{count}");
            assert_eq!(stream.into_partial(), partial, "{count}");
        }
    }
}
