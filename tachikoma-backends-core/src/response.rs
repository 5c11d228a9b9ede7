//! Responses of a model.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::item::ItemCollector;
use crate::setters::{optional_setters, setters};
use crate::{
    CompletionChunk, ItemEvent, ItemUpdate, Message, MessageContent, OutputItem, Phase, ProviderState,
    ToolCall, ToolCallDelta,
};

/// A whole response.
///
/// What the model did, and what its text cites:
///
/// ```
/// use tachikoma_backends_core::{Citation, CompletionResponse, ItemContent, MessageItem, OutputItem};
///
/// # let page = Citation::new("url_citation").with_url("https://example.com/oslo").with_start(5).with_end(12);
/// # let message = MessageItem::new("Oslo has 725,000 people.").with_citations(vec![page]);
/// # let response = CompletionResponse::default().with_items(vec![OutputItem::new(message)]);
/// # let mut found = Vec::new();
/// for item in &response.items {
///     match &item.content {
///         ItemContent::WebSearch(search) => println!("searched for {:?}", search.queries),
///         ItemContent::CodeExecution(run) => println!("ran {}", run.code),
///         ItemContent::Message(message) => {
///             for Citation { url, start, end, .. } in &message.citations {
///                 println!("characters {start:?} to {end:?} are from {url:?}");
/// #               found.push((url.clone(), *start, *end));
///             }
///         }
///         other => println!("{other:?}"),
///     }
/// }
/// # assert_eq!(found, [(Some("https://example.com/oslo".to_owned()), Some(5), Some(12))]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CompletionResponse {
    /// The text of the answer; `None` where it has no text, as with most tool calls. Several messages are paragraphs.
    pub content: Option<String>,
    /// What the model wrote to the user on its way to the answer, such as what it is about to do ([`Phase::Commentary`]). It is
    /// not part of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commentary: Option<String>,
    /// The calls that the model made, each whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Everything that the model did, in order: messages with their citations, reasoning, calls, and the work of hosted tools.
    /// The other fields hold the text and the calls of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<OutputItem>,
    /// Calls that are not known to be whole: cut by the limit on tokens, or ended by an unknown reason. Never run these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete_tool_calls: Vec<ToolCall>,
    /// Why the response ended.
    pub finish_reason: FinishReason,
    /// The provider's own name of it, where [`finish_reason`](Self::finish_reason) is [`FinishReason::Other`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason_text: Option<String>,
    /// What it cost in tokens; `None` where the server did not report it.
    pub usage: Option<Usage>,
    /// The model that responded, as the server names it.
    pub model: String,
    /// The text with which the model declined to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The model's reasoning, where the server sends it. It is not part of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
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

impl CompletionResponse {
    /// A response of this text that has ended its turn.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: Some(content.into()), ..Self::default() }
    }

    setters! {
        with_tool_calls(tool_calls: Vec<ToolCall>);
        with_items(items: Vec<OutputItem>);
        with_incomplete_tool_calls(incomplete_tool_calls: Vec<ToolCall>);
        with_finish_reason(finish_reason: FinishReason);
        with_usage(usage: impl Into<Option<Usage>>);
        with_model(model: impl Into<String>);
    }

    optional_setters! {
        with_content(content: impl Into<String>);
        with_commentary(commentary: impl Into<String>);
        with_finish_reason_text(finish_reason_text: impl Into<String>);
        with_refusal(refusal: impl Into<String>);
        with_reasoning(reasoning: impl Into<String>);
        with_id(id: impl Into<String>);
        with_request_id(request_id: impl Into<String>);
        with_service_tier(service_tier: impl Into<String>);
        with_provider_state(provider_state: ProviderState);
    }

    /// The text of the answer; empty if the response has no text, such as a refusal and most tool calls.
    ///
    /// ```
    /// # use tachikoma_backends_core::CompletionResponse;
    /// assert_eq!(CompletionResponse::new("Oslo").text(), "Oslo");
    /// assert_eq!(CompletionResponse::default().text(), "");
    /// ```
    pub fn text(&self) -> &str {
        self.content.as_deref().unwrap_or_default()
    }

    /// The same response with the [items](Self::items) that its other fields make: reasoning, text, calls. For a backend whose
    /// provider has no items.
    #[must_use]
    pub fn with_derived_items(mut self) -> Self {
        self.items = ItemCollector::default().finish(&self);
        self
    }

    /// The assistant turn to append to the conversation: text (commentary and answer as paragraphs), refusal, tool calls and
    /// provider state, everything except incomplete calls.
    pub fn to_message(&self) -> Message {
        self.clone().into()
    }
}

impl CompletionResponse {
    /// The response as the chunks of a stream, for a backend that cannot stream: the commentary, the rest of the content, then the final
    /// one. [`CollectingStream`](crate::CollectingStream) makes the same response of them again.
    pub fn into_chunks(self) -> impl Iterator<Item = CompletionChunk> + Send {
        let done = |(index, item)| ItemEvent::new(index, ItemUpdate::Done(item));
        // Items that the other fields make are derived again from the chunks.
        let is_derived = self.items == ItemCollector::default().finish(&self);
        let items = if is_derived { Vec::new() } else { self.items };
        let items = items.into_iter().enumerate().map(done);
        // A reason that ends the turn is evidence enough for all calls.
        let is_evidence_needed = !self.finish_reason.ends_turn();
        let whole = self.tool_calls.into_iter().map(|call| (call, is_evidence_needed));
        let calls = whole.chain(self.incomplete_tool_calls.into_iter().map(|call| (call, false)));
        let commentary = self.commentary.map(|delta| CompletionChunk {
            delta,
            phase: Some(Phase::Commentary),
            ..CompletionChunk::default()
        });
        let content = CompletionChunk {
            delta: self.content.unwrap_or_default(),
            tool_calls: calls
                .enumerate()
                .map(|(index, (call, is_complete))| {
                    let ToolCall { id, name, arguments, kind, namespace } = call;
                    let (id, name, arguments_delta) = (Some(id), Some(name), arguments);
                    ToolCallDelta { index, id, name, arguments_delta, is_complete, kind, namespace }
                })
                .collect(),
            items: items.collect(),
            refusal: self.refusal,
            reasoning: self.reasoning,
            ..CompletionChunk::default()
        };
        let last = CompletionChunk {
            finish_reason_text: self.finish_reason_text,
            model: Some(self.model),
            id: self.id,
            request_id: self.request_id,
            service_tier: self.service_tier,
            provider_state: self.provider_state,
            ..CompletionChunk::last(self.finish_reason, self.usage)
        };
        commentary.into_iter().chain([content, last])
    }
}

impl From<CompletionResponse> for Message {
    fn from(response: CompletionResponse) -> Self {
        let paragraphs: Vec<String> = [response.commentary, response.content].into_iter().flatten().collect();
        let content = MessageContent::Text(paragraphs.join("\n\n"));
        Self {
            refusal: response.refusal,
            provider_state: response.provider_state,
            ..Self::assistant_with_tool_calls(content, response.tool_calls)
        }
    }
}

/// Why a response ended.
///
/// ```
/// use tachikoma_backends_core::{CompletionResponse, FinishReason};
///
/// /// The text, with a mark where it was cut.
/// fn text(response: &CompletionResponse) -> String {
///     let text = response.content.as_deref().unwrap_or_default();
///     if response.finish_reason.is_cut() { format!("{text} [...]") } else { text.to_owned() }
/// }
/// let response = CompletionResponse::new("Once upon a");
/// assert_eq!(text(&response), "Once upon a");
/// assert_eq!(text(&response.with_finish_reason(FinishReason::Length)), "Once upon a [...]");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// The model had finished, or wrote a stop text.
    #[default]
    Stop,
    /// The limit on tokens was reached: the response is cut.
    Length,
    /// The model wants tools to be run.
    ToolUse,
    /// The provider's content filter cut the response.
    ContentFilter,
    /// The server failed within the response.
    Error,
    /// An unknown reason, whose text is kept beside it: no evidence that the model ended its turn.
    Other,
}

impl FinishReason {
    /// Its name, as in serde.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolUse => "tool_use",
            Self::ContentFilter => "content_filter",
            Self::Error => "error",
            Self::Other => "other",
        }
    }

    /// Whether the response was cut before its end.
    pub const fn is_cut(self) -> bool {
        matches!(self, Self::Length | Self::ContentFilter | Self::Error)
    }

    /// Whether the model is known to have ended its turn: only then are its tool calls whole without further evidence. An
    /// unknown reason does not.
    pub const fn ends_turn(self) -> bool {
        matches!(self, Self::Stop | Self::ToolUse)
    }
}

/// What a response cost, in tokens.
///
/// ```
/// use tachikoma_backends_core::Usage;
///
/// let steps = [Usage::new(1_000, 50), Usage::new(1_100, 20).with_cached_tokens(1_000)];
/// let total: Usage = steps.into_iter().sum();
/// assert_eq!((total.prompt_tokens, total.completion_tokens, total.total_tokens), (2_100, 70, 2_170));
/// assert_eq!(total.cached_tokens, Some(1_000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Tokens of the response, reasoning included.
    pub completion_tokens: u32,
    /// Both together.
    pub total_tokens: u32,
    /// Tokens of the prompt that came from the provider's cache; `None` where the server did not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u32>,
    /// Tokens of the prompt that were written to the provider's cache, apart from [those it came from](Self::cached_tokens);
    /// `None` where the server did not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u32>,
    /// Tokens of the response that were spent on reasoning; `None` where the server did not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u32>,
}

impl Usage {
    /// So many tokens of the prompt and of the response, and their sum.
    pub fn new(prompt_tokens: u32, completion_tokens: u32) -> Self {
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Self { prompt_tokens, completion_tokens, total_tokens, ..Self::default() }
    }

    setters! {
        with_total_tokens(total_tokens: u32);
    }

    optional_setters! {
        with_cached_tokens(cached_tokens: u32);
        with_cache_write_tokens(cache_write_tokens: u32);
        with_reasoning_tokens(reasoning_tokens: u32);
    }
}

/// What two responses cost together. A detail that only one of them reports is that one's.
impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let both = |one: Option<u32>, other: Option<u32>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self {
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_add(other.completion_tokens),
            total_tokens: self.total_tokens.saturating_add(other.total_tokens),
            cached_tokens: both(self.cached_tokens, other.cached_tokens),
            cache_write_tokens: both(self.cache_write_tokens, other.cache_write_tokens),
            reasoning_tokens: both(self.reasoning_tokens, other.reasoning_tokens),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use futures::executor::block_on;
    use futures::{StreamExt, stream};

    use super::*;
    use crate::{CollectingStream, Role};

    #[test]
    fn a_response_survives_the_way_through_chunks() {
        let response = CompletionResponse {
            content: Some("It is".into()),
            commentary: Some("Let me look.".into()),
            tool_calls: vec![ToolCall::new("call_1", "now", "{}")],
            incomplete_tool_calls: vec![ToolCall::new("call_2", "write", "{\"te")],
            finish_reason: FinishReason::Length,
            usage: Some(Usage { prompt_tokens: 1, ..Default::default() }),
            model: "m".into(),
            refusal: Some("Not that.".into()),
            reasoning: Some("Hm.".into()),
            id: Some("id".into()),
            request_id: Some("req_1".into()),
            service_tier: Some("flex".into()),
            ..Default::default()
        };
        let response = response.with_derived_items();
        let stream = stream::iter(response.clone().into_chunks().map(Ok)).boxed();
        assert_eq!(block_on(CollectingStream::new(stream).collect()).unwrap(), response);
    }

    #[test]
    fn usage_is_the_sum_of_both() {
        for (prompt, completion, total) in [(0, 0, 0), (100, 50, 150), (u32::MAX, 1, u32::MAX)] {
            let usage = Usage::new(prompt, completion);
            assert_eq!(
                (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
                (prompt, completion, total)
            );
            assert_eq!((usage.cached_tokens, usage.reasoning_tokens), (None, None));
        }
    }

    #[test]
    fn usages_add_up() {
        let usage = |count: u32, detail: Option<u32>| Usage {
            prompt_tokens: count,
            completion_tokens: count,
            total_tokens: count,
            cached_tokens: detail,
            cache_write_tokens: detail,
            reasoning_tokens: detail,
        };
        for (one, other, expected) in [
            (usage(1, Some(2)), usage(3, Some(4)), usage(4, Some(6))),
            (usage(1, None), usage(3, Some(4)), usage(4, Some(4))),
            (usage(1, None), usage(3, None), usage(4, None)),
            (usage(u32::MAX, Some(u32::MAX)), usage(3, Some(4)), usage(u32::MAX, Some(u32::MAX))),
        ] {
            assert_eq!(one + other, expected);
            assert_eq!(other + one, expected);
            assert_eq!([one, other].into_iter().sum::<Usage>(), expected);
        }
    }

    #[test]
    fn a_response_of_a_text_has_ended_its_turn() {
        let response = CompletionResponse::new("Hi");
        assert_eq!(response.content.as_deref(), Some("Hi"));
        assert!(response.finish_reason.ends_turn());
        assert_eq!(
            CompletionResponse { content: None, items: vec![], ..response },
            CompletionResponse::default()
        );
    }

    #[test]
    fn a_response_becomes_the_next_turn_without_loss() {
        let state = ProviderState::new("codex", json!([{"type": "reasoning"}]));
        let response = CompletionResponse {
            content: Some("It is noon.".into()),
            commentary: Some("Let me look.".into()),
            tool_calls: vec![ToolCall::new("call_1", "now", "{}")],
            refusal: Some("Not that.".into()),
            provider_state: Some(state.clone()),
            ..Default::default()
        };
        let message = response.to_message();
        assert_eq!(message.role, Role::Assistant);
        assert_eq!(message.content.as_text(), Some("Let me look.\n\nIt is noon."));
        assert_eq!(message.tool_calls, response.tool_calls);
        assert_eq!(message.refusal, response.refusal);
        assert_eq!(message.provider_state, Some(state));
    }
}
