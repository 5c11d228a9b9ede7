//! The content of a response's choices. One is requested, so all that arrive are parts of one response: some gateways put the
//! text into the first and the tool calls into the second.

mod lenient;

use serde_json::Value;
use tachikoma_backends_core::{
    Citation, ErrorCategory, FinishReason, ItemEvent, ItemUpdate, ProviderState, ToolCallAccumulator,
    ToolCallFragment,
};

use super::channel::{Channel, Form, Source};
use super::finish;
use super::state::MessageState;
use crate::CodexError;
use crate::api::calls::OpenCalls;
use crate::openai::types::{
    ChatCompletionStreamChoice, ChatCompletionStreamDelta, ChatCompletionStreamToolCall,
};
use crate::runtime::{decoder::Piece, json, unknown::UnknownFields};

/// The offset between the call indices of two choices, since each may count from 0.
const CALLS_PER_CHOICE: usize = 1 << 20;

/// More choices than any server sends for one.
const MAX_CHOICES: usize = 128;

/// More citations than any answer needs.
const MAX_CITATIONS: usize = 1000;

/// The content so far of the choices of one response.
#[derive(Debug)]
pub(super) struct Choices {
    calls: OpenCalls,
    /// The calls came as the older `function_call`.
    has_function_call: bool,
    text: Channel,
    reasoning: Channel,
    refusal: Channel,
    /// The indices of the choices, in order of arrival.
    indices: Vec<usize>,
    /// The choice that is the response, by its place; decided once it has content.
    first: usize,
    is_decided: bool,
    /// A bit for each choice that has calls: of the others, only the finish reason of the first one counts.
    with_calls: u128,
    /// A finish reason that means that the server failed.
    pub(super) failure: Option<String>,
    /// The last finish reason of each choice that has one.
    reasons: Vec<(usize, String)>,
    /// The first content that is not read.
    unread: Option<Value>,
    pub(super) unknown: UnknownFields,
    /// The fields of the message that the server wants back.
    pub(super) state: MessageState,
    /// The further content of calls that the server wants back, by the place of the call.
    extra_contents: Vec<(usize, Value)>,
    /// The citations that have been passed on.
    citations: Vec<Citation>,
}

impl Choices {
    pub(super) fn new(max_tool_calls: usize, max_call_bytes: usize) -> Self {
        Self {
            calls: OpenCalls::new(max_tool_calls, max_call_bytes),
            has_function_call: false,
            text: Channel::default(),
            reasoning: Channel::default(),
            refusal: Channel::default(),
            indices: Vec::new(),
            first: 0,
            is_decided: false,
            with_calls: 0,
            failure: None,
            reasons: Vec::new(),
            unread: None,
            unknown: UnknownFields::default(),
            state: MessageState::default(),
            extra_contents: Vec::new(),
            citations: Vec::new(),
        }
    }

    /// Registers the choices of an event, before their content is added: of all that have arrived by then, the one with the
    /// lowest index is the response.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn announce(
        &mut self,
        indices: impl ExactSizeIterator<Item = usize>,
    ) -> Result<(), CodexError> {
        if self.is_decided && indices.len() == 1 {
            return Ok(());
        }
        for index in indices {
            self.ordinal(index)?;
        }
        if !self.is_decided {
            let lowest = self.indices.iter().enumerate().min_by_key(|(_, index)| **index);
            self.first = lowest.map_or(0, |(ordinal, _)| ordinal);
        }
        Ok(())
    }

    /// Adds the content of a choice of the usual form. Returns whether it has a finish reason.
    ///
    /// # Errors
    /// A limit is exceeded.
    pub(super) fn delta(
        &mut self,
        position: usize,
        choice: &mut ChatCompletionStreamChoice,
        piece: &mut Piece,
    ) -> Result<bool, CodexError> {
        // The other fields are typed as booleans, and empty: with content in them, the chunk is not of the usual form.
        let ChatCompletionStreamChoice { delta, finish_reason, index, .. } = choice;
        let ordinal = self.ordinal(index.and_then(json::to_index).unwrap_or(position))?;
        let source = self.source(ordinal, Form::Delta);
        let (held, held_calls) = (piece.size(), piece.tool_calls.len());
        if let Some(delta) = delta {
            let ChatCompletionStreamDelta {
                content, reasoning, reasoning_content, refusal, tool_calls, ..
            } = delta;
            let Self {
                text: text_channel,
                reasoning: reasoning_channel,
                refusal: refusal_channel,
                unknown,
                state,
                ..
            } = self;
            if let Some(text) = content.take() {
                text_channel.add(source, text, &mut piece.text, unknown);
            }
            if source.is_first {
                for (field, text) in [("reasoning_content", &*reasoning_content), ("reasoning", &*reasoning)]
                {
                    if let Some(text) = text {
                        state.add_text(field, text);
                    }
                }
            }
            // Servers that send both fields send the same text in both.
            if let Some(text) = reasoning_content.take().filter(|text| !text.is_empty()).or(reasoning.take())
            {
                reasoning_channel.add(source, text, &mut piece.reasoning, unknown);
            }
            if let Some(text) = refusal.take() {
                refusal_channel.add(source, text, &mut piece.refusal, unknown);
            }
            let tool_calls = tool_calls.take().unwrap_or_default();
            let is_unnumbered = tool_calls.len() > 1 && tool_calls.iter().all(|call| call.index.is_none());
            for (position, call) in tool_calls.into_iter().enumerate() {
                let ChatCompletionStreamToolCall { id, index, function, .. } = call;
                let function = function.unwrap_or_default();
                // In a list of several, the position is the index.
                let index = index.and_then(json::to_index).or(is_unnumbered.then_some(position));
                let index = index.map(|index| index.saturating_add(ordinal * CALLS_PER_CHOICE));
                let (name, arguments) = (function.name.as_deref(), function.arguments.unwrap_or_default());
                let fragment = ToolCallFragment::new(index, id.as_deref(), name, arguments);
                piece.tool_calls.extend(self.calls.push(fragment, ToolCallAccumulator::push_fragment)?);
            }
        }
        Ok(self.note(source, piece.size() > held, piece.tool_calls.len() > held_calls, finish_reason.take()))
    }

    fn source(&self, choice: usize, form: Form) -> Source {
        Source { choice, is_first: choice == self.first, form }
    }

    /// Updates the state after a choice. Returns whether it has a finish reason.
    #[inline]
    fn note(&mut self, source: Source, has_content: bool, has_calls: bool, word: Option<String>) -> bool {
        if has_calls {
            self.with_calls |= 1 << source.choice;
        }
        self.is_decided |= source.is_first && has_content;
        let Some(word) = word.filter(|word| !finish::is_empty(word)) else { return false };
        if finish::meaning(&word, false) == FinishReason::Error {
            self.failure = Some(word);
            return true;
        }
        match self.reasons.iter_mut().find(|(held, _)| *held == source.choice) {
            Some((_, held)) => *held = word,
            None => self.reasons.push((source.choice, word)),
        }
        true
    }

    /// Adds citations that have not been passed on yet: some servers repeat all of them in each chunk.
    pub(super) fn cite(&mut self, citations: Vec<Citation>, piece: &mut Piece) {
        for citation in citations {
            if !self.citations.contains(&citation) && self.citations.len() < MAX_CITATIONS {
                self.citations.push(citation.clone());
                piece.items.push(ItemEvent::new(0, ItemUpdate::Citation(citation)));
            }
        }
    }

    /// The state for the next turn, of a response from this origin.
    pub(super) fn take_state(&mut self, origin: &str) -> Option<ProviderState> {
        let mut state = std::mem::take(&mut self.state);
        for (place, content) in self.extra_contents.drain(..) {
            if let Some(id) = self.calls.id(place) {
                state.add_call(id, content);
            }
        }
        state.into_provider_state(origin)
    }

    /// The place of a choice in order of arrival.
    #[inline]
    fn ordinal(&mut self, index: usize) -> Result<usize, CodexError> {
        if let Some(ordinal) = self.indices.iter().position(|held| *held == index) {
            return Ok(ordinal);
        }
        if self.indices.len() >= MAX_CHOICES {
            let message =
                format!("the server's response has more than {MAX_CHOICES} choices; one was requested");
            return Err(CodexError::new(ErrorCategory::Parse, message).maybe_processed());
        }
        self.indices.push(index);
        Ok(self.indices.len() - 1)
    }

    /// Whether nothing has been read.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |channel: &Channel| channel.is_empty();
        self.calls.is_empty() && [&self.text, &self.reasoning, &self.refusal].into_iter().all(is_empty)
    }

    /// The content that was not read.
    pub(super) fn take_unread(&mut self) -> Option<Value> {
        self.unread.take()
    }

    pub(super) fn has_finish(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// The finish reason, also as the server spells it: of several choices, the most severe one.
    pub(super) fn finish_reason(&mut self) -> Option<(FinishReason, String)> {
        let has_calls = !self.calls.is_empty();
        let reasons = std::mem::take(&mut self.reasons).into_iter();
        let reasons = reasons.filter(|(choice, _)| {
            *choice == self.first || self.with_calls & (1 << choice) != 0 || self.is_alternative(*choice)
        });
        let meanings = reasons.map(|(_, word)| (finish::meaning(&word, has_calls), word));
        meanings.max_by_key(|(reason, _)| finish::severity(*reason))
    }

    /// Whether the text of the response is this choice's.
    fn is_alternative(&self, choice: usize) -> bool {
        let holds = |channel: &Channel| channel.is_alternative(choice);
        [&self.text, &self.reasoning, &self.refusal].into_iter().any(holds)
    }

    /// The text, reasoning and refusal of another choice, each where the first one has none.
    pub(super) fn take_alternative(&mut self) -> (String, String, String) {
        (self.text.take_alternative(), self.reasoning.take_alternative(), self.refusal.take_alternative())
    }

    /// Whether the arguments of every call are complete JSON, or missing.
    pub(super) fn has_complete_arguments(&self) -> bool {
        self.calls.has_complete_arguments()
    }

    /// The finish reason of a response without one: its calls may be incomplete.
    pub(super) fn default_finish_reason(&self) -> FinishReason {
        if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::Other }
    }

    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Ends the response.
    ///
    /// # Errors
    /// A tool call has no name.
    pub(super) fn end(&mut self, reason: FinishReason) -> Result<(), CodexError> {
        self.calls.finish(reason.ends_turn())
    }
}
