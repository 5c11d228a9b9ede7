//! A response as it arrives.

use std::pin::Pin;

use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::setters::{optional_setters, setters};
use crate::{BackendError, FinishReason, ItemEvent, ProviderState, ToolCallDelta, Usage};

/// A response as it arrives: any number of delta chunks, then exactly one final chunk or exactly one error, then the end.
///
/// Dropping it cancels the request.
pub type CompletionStream = Pin<Box<dyn Stream<Item = Result<CompletionChunk, BackendError>> + Send>>;

/// A piece of a streamed response.
///
/// ```
/// use futures::StreamExt;
/// use tachikoma_backends_core::{Backend, CompletionRequest, FinishReason, ScriptedBackend};
///
/// let backend = ScriptedBackend::new().with_reply("It snows in Oslo.");
/// # futures::executor::block_on(async {
/// let mut stream = backend.complete_stream(CompletionRequest::user("Weather?")).await?;
/// let (mut text, mut end) = (String::new(), None);
/// while let Some(chunk) = stream.next().await {
///     let chunk = chunk?;
///     text.push_str(&chunk.delta); // a user interface shows it now
///     end = chunk.finish_reason;
/// }
/// assert_eq!((text.as_str(), end), ("It snows in Oslo.", Some(FinishReason::Stop)));
/// # Ok::<(), tachikoma_backends_core::BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CompletionChunk {
    /// The next piece of text, often empty.
    pub delta: String,
    /// What the text is to the user, where the provider tells such messages apart; without it, it belongs to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The item that text, refusal or reasoning of this chunk belong to, where the provider names it: its
    /// [index](ItemEvent::index).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<usize>,
    /// News of items: which have begun, what hosted tools do, citations, which are whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemEvent>,
    /// Pieces of tool calls; feed them to a [`ToolCallAccumulator`](crate::ToolCallAccumulator).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallDelta>,
    /// The next piece of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The next piece of the model's reasoning, which is not part of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The number of the provider's event that it comes from, in a stream that can be resumed: the place to go on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<u64>,
    /// Whether this is the last chunk. The fields below are set only there.
    pub is_final: bool,
    /// What the response cost; `None` where the server did not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why the response ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// The provider's own name of it, where the reason is [`FinishReason::Other`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason_text: Option<String>,
    /// The model that responded, as the server names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The response's id at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The id of the HTTP request at the provider, for support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The class of service that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// What the backend wants back in the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_state: Option<ProviderState>,
}

/// What a message of the model is to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// A remark on the way to the answer, such as what the model is about to do.
    Commentary,
    /// The answer.
    FinalAnswer,
}

impl CompletionChunk {
    /// A piece of text.
    pub fn text(delta: impl Into<String>) -> Self {
        Self { delta: delta.into(), ..Self::default() }
    }

    /// The chunk that ends a stream whose usage is known.
    pub fn final_chunk(usage: Usage, finish_reason: FinishReason) -> Self {
        Self::last(finish_reason, Some(usage))
    }

    /// The chunk that ends a stream, whether the server states the usage or not.
    pub fn last(finish_reason: FinishReason, usage: Option<Usage>) -> Self {
        Self { is_final: true, finish_reason: Some(finish_reason), usage, ..Self::default() }
    }

    setters! {
        with_delta(delta: impl Into<String>);
        with_tool_calls(tool_calls: Vec<ToolCallDelta>);
        with_items(items: Vec<ItemEvent>);
        with_usage(usage: impl Into<Option<Usage>>);
    }

    optional_setters! {
        with_phase(phase: Phase);
        with_item(item: usize);
        with_refusal(refusal: impl Into<String>);
        with_reasoning(reasoning: impl Into<String>);
        with_sequence_number(sequence_number: u64);
        with_finish_reason(finish_reason: FinishReason);
        with_finish_reason_text(finish_reason_text: impl Into<String>);
        with_model(model: impl Into<String>);
        with_id(id: impl Into<String>);
        with_request_id(request_id: impl Into<String>);
        with_service_tier(service_tier: impl Into<String>);
        with_provider_state(provider_state: ProviderState);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_set_what_they_name() {
        let text = CompletionChunk::text("Hi");
        assert_eq!((text.delta.as_str(), text.is_final), ("Hi", false));
        assert_eq!(CompletionChunk { delta: String::new(), ..text }, CompletionChunk::default());
        let usage = Usage::new(3, 4);
        let last = CompletionChunk::final_chunk(usage, FinishReason::Length);
        assert_eq!(last, CompletionChunk::last(FinishReason::Length, Some(usage)));
        assert!(last.is_final);
    }
}
