//! From the events of a streamed answer to the core chunks. It keeps no text, only open tool calls.

use serde_json::Value;
use tachikoma_backends_core::{
    CompletionChunk, ErrorCategory, FinishReason, ToolCallAccumulator, ToolCallDelta, ToolCallFragment, Usage,
};

use super::fields::{self, Content};
use crate::decode::error_body;
use crate::decode::sse::SseEvent;
use crate::error::CodexError;
use crate::openai::types::{
    ChatCompletionStreamResponseDelta, CompletionUsage, CreateChatCompletionStreamResponse,
};

/// A streamed answer so far.
#[derive(Debug)]
pub(crate) struct ChatStream {
    max_tool_calls: usize,
    max_argument_bytes: usize,
    argument_bytes: usize,
    tool_calls: ToolCallAccumulator,
    finish_reason: Option<String>,
    done: bool,
    usage: Option<Usage>,
    id: Option<String>,
    model: Option<String>,
    service_tier: Option<String>,
    has_event: bool,
}

impl ChatStream {
    /// An answer of no more tool calls than this, whose arguments have no more bytes than this in all.
    pub(crate) fn new(max_tool_calls: usize, max_argument_bytes: usize) -> Self {
        Self {
            max_tool_calls,
            max_argument_bytes,
            argument_bytes: 0,
            tool_calls: ToolCallAccumulator::default(),
            finish_reason: None,
            done: false,
            usage: None,
            id: None,
            model: None,
            service_tier: None,
            has_event: false,
        }
    }

    /// Whether nothing that may still come is needed: a finish reason or `[DONE]` was seen.
    pub(crate) fn is_whole(&self) -> bool {
        self.done || self.finish_reason.is_some()
    }

    /// Whether `[DONE]` was seen: what follows it is of no interest.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Takes the next event and returns what there is of it to hand out.
    ///
    /// # Errors
    /// It is an error in the server's words, or cannot be read.
    pub(crate) fn event(&mut self, event: &SseEvent) -> Result<Option<CompletionChunk>, CodexError> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(None);
        }
        let chunk = match serde_json::from_str::<CreateChatCompletionStreamResponse>(data) {
            Ok(chunk) if event.event != "error" => chunk,
            read => return Err(self.unreadable(data, read.err())),
        };
        let CreateChatCompletionStreamResponse {
            choices, error, object, id, model, service_tier, usage, ..
        } = chunk;
        if error.is_some() || object.as_deref() == Some("error") {
            return Err(self.unreadable(data, None));
        }
        let had_choices = choices.is_some();
        let mut handed_out: Option<CompletionChunk> = None;
        for (position, choice) in choices.into_iter().flatten().enumerate() {
            if !fields::is_first(position, choice.index) {
                continue;
            }
            if let Some(delta) = choice.delta {
                handed_out = match (handed_out, self.delta(delta)?) {
                    (Some(one), Some(other)) => Some(join(one, other)),
                    (one, other) => one.or(other),
                };
            }
            match choice.finish_reason.as_deref() {
                None | Some("") => {}
                Some("error") => return Err(fields::failed()),
                Some(reason) => self.finish_reason = Some(reason.to_owned()),
            }
        }
        if !had_choices
            && usage.is_none()
            && let Ok(value) = serde_json::from_str::<Value>(data)
            && let Some(error) = error_body::inside_success(&value)
        {
            return Err(error);
        }
        self.has_event = true;
        self.usage = usage.and_then(|usage: CompletionUsage| fields::usage(usage)).or(self.usage);
        keep(&mut self.id, id);
        keep(&mut self.model, model);
        keep(&mut self.service_tier, service_tier);
        Ok(handed_out)
    }

    fn delta(
        &mut self,
        delta: ChatCompletionStreamResponseDelta,
    ) -> Result<Option<CompletionChunk>, CodexError> {
        let content = Content::read(delta.content, [delta.reasoning_content, delta.reasoning])?;
        let mut tool_calls: Vec<ToolCallDelta> = Vec::new();
        for call in delta.tool_calls.into_iter().flatten() {
            let function = call.function.unwrap_or_default();
            tool_calls.extend(self.tool_calls.push_fragment(ToolCallFragment {
                index: call.index.and_then(index),
                id: call.id.as_deref(),
                name: function.name.as_deref(),
                arguments: &fields::arguments(function.arguments),
            }));
        }
        if let Some(call) = delta.function_call {
            tool_calls.extend(self.tool_calls.push_fragment(ToolCallFragment {
                index: Some(0),
                id: None,
                name: call.name.as_deref(),
                arguments: &fields::arguments(call.arguments),
            }));
        }
        fields::limit_tool_calls(self.tool_calls.len(), self.max_tool_calls)?;
        self.argument_bytes += tool_calls.iter().map(|call| call.arguments_delta.len()).sum::<usize>();
        if self.argument_bytes > self.max_argument_bytes {
            let message =
                format!("the arguments of the tool calls have more than {} bytes", self.max_argument_bytes);
            return Err(CodexError::new(ErrorCategory::Parse, message)
                .with_hint("Raise with_max_event_bytes if the server is to be trusted."));
        }
        let some = |text: String| (!text.is_empty()).then_some(text);
        let chunk = CompletionChunk {
            delta: content.text,
            tool_calls,
            refusal: delta.refusal.and_then(some),
            reasoning: some(content.reasoning),
            ..CompletionChunk::default()
        };
        Ok((chunk != CompletionChunk::default()).then_some(chunk))
    }

    /// The stream is over: the final chunk.
    ///
    /// # Errors
    /// It ended before the answer did.
    pub(crate) fn finish(&mut self) -> Result<CompletionChunk, CodexError> {
        if !self.is_whole() {
            let message = if self.has_event {
                "the stream ended before the answer did: no finish_reason and no [DONE] came"
            } else {
                "the server answered with an empty stream"
            };
            return Err(CodexError::new(ErrorCategory::TruncatedStream, message)
                .with_hint("What has arrived is only a part; ask again."));
        }
        let text = self.finish_reason.take().unwrap_or_default();
        let has_calls = !self.tool_calls.is_empty();
        let otherwise = if has_calls { FinishReason::ToolUse } else { FinishReason::Stop };
        let reason = fields::finish_reason(&text, has_calls).unwrap_or(otherwise);
        if !reason.is_cut() && !std::mem::take(&mut self.tool_calls).finish(false).1.is_empty() {
            return Err(CodexError::new(
                ErrorCategory::Parse,
                "the server streamed a tool call without a name",
            ));
        }
        Ok(CompletionChunk {
            finish_reason_text: (reason == FinishReason::Other).then_some(text),
            id: self.id.take(),
            model: self.model.take(),
            service_tier: self.service_tier.take(),
            ..CompletionChunk::last(reason, self.usage)
        })
    }

    /// The error that an event is, or why it cannot be read.
    fn unreadable(&self, data: &str, reason: Option<serde_json::Error>) -> CodexError {
        match serde_json::from_str::<Value>(data) {
            Ok(value) => error_body::inside_success(&value).unwrap_or_else(|| match reason {
                None => error_body::without_answer(&value),
                Some(reason) => {
                    let message =
                        format!("the server streamed an event that is not of the documented form: {reason}");
                    CodexError::new(ErrorCategory::Parse, message).with_source(reason)
                }
            }),
            Err(reason) => error_body::not_json(data.as_bytes(), &reason).with_source(reason),
        }
    }
}

/// Two pieces that came at once, as one.
fn join(one: CompletionChunk, other: CompletionChunk) -> CompletionChunk {
    let texts = |one: Option<String>, other: Option<String>| match (one, other) {
        (Some(one), Some(other)) => Some(one + &other),
        (one, other) => one.or(other),
    };
    CompletionChunk {
        delta: one.delta + &other.delta,
        tool_calls: [one.tool_calls, other.tool_calls].concat(),
        refusal: texts(one.refusal, other.refusal),
        reasoning: texts(one.reasoning, other.reasoning),
        ..CompletionChunk::default()
    }
}

fn keep(held: &mut Option<String>, new: Option<String>) {
    if held.is_none() {
        *held = new.filter(|text| !text.is_empty());
    }
}

/// The server's number for a call.
fn index(number: f64) -> Option<usize> {
    let in_range = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    in_range.then_some(number as usize)
}
