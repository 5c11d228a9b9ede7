//! From the events of a streamed answer to the core chunks. It keeps no text, only open tool calls.

use serde_json::Value;
use tachikoma_backends_core::{CompletionChunk, FinishReason, ToolCallDelta, ToolCallFragment, Usage};

use super::fields::{self, Content};
use crate::decode::answer::{self, Decoder, OpenCalls, some};
use crate::decode::error_body;
use crate::decode::sse::SseEvent;
use crate::error::CodexError;
use crate::openai::types::{
    ChatCompletionStreamResponseDelta, CompletionUsage, CreateChatCompletionStreamResponse,
};

/// A streamed answer so far.
#[derive(Debug)]
pub(crate) struct ChatStream {
    tool_calls: OpenCalls,
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
            tool_calls: OpenCalls::new(max_tool_calls, max_argument_bytes),
            finish_reason: None,
            done: false,
            usage: None,
            id: None,
            model: None,
            service_tier: None,
            has_event: false,
        }
    }

    fn delta(
        &mut self,
        delta: ChatCompletionStreamResponseDelta,
    ) -> Result<Option<CompletionChunk>, CodexError> {
        let content = Content::read(delta.content, [delta.reasoning_content, delta.reasoning])?;
        let mut tool_calls: Vec<ToolCallDelta> = Vec::new();
        for call in delta.tool_calls.into_iter().flatten() {
            let function = call.function.unwrap_or_default();
            tool_calls.extend(self.tool_calls.push(ToolCallFragment {
                index: call.index.and_then(answer::index),
                id: call.id.as_deref(),
                name: function.name.as_deref(),
                arguments: &answer::arguments(function.arguments),
            })?);
        }
        if let Some(call) = delta.function_call {
            tool_calls.extend(self.tool_calls.push(ToolCallFragment {
                index: Some(0),
                id: None,
                name: call.name.as_deref(),
                arguments: &answer::arguments(call.arguments),
            })?);
        }
        let chunk = CompletionChunk {
            delta: content.text,
            tool_calls,
            refusal: delta.refusal.and_then(some),
            reasoning: some(content.reasoning),
            ..CompletionChunk::default()
        };
        Ok((chunk != CompletionChunk::default()).then_some(chunk))
    }
}

impl Decoder for ChatStream {
    /// A finish reason or `[DONE]` was seen.
    fn is_whole(&self) -> bool {
        self.done || self.finish_reason.is_some()
    }

    /// `[DONE]` was seen.
    fn is_done(&self) -> bool {
        self.done
    }

    fn event(&mut self, event: &SseEvent) -> Result<Option<CompletionChunk>, CodexError> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(None);
        }
        let chunk = match serde_json::from_str::<CreateChatCompletionStreamResponse>(data) {
            Ok(chunk) if event.event != "error" => chunk,
            read => return Err(answer::unreadable(data, read.err(), "choice")),
        };
        let CreateChatCompletionStreamResponse {
            choices, error, object, id, model, service_tier, usage, ..
        } = chunk;
        if error.is_some() || object.as_deref() == Some("error") {
            return Err(answer::unreadable(data, None, "choice"));
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

    fn finish(&mut self) -> Result<CompletionChunk, CodexError> {
        if !self.is_whole() {
            return Err(answer::truncated(self.has_event, "no finish_reason and no [DONE]"));
        }
        let text = self.finish_reason.take().unwrap_or_default();
        let has_calls = !self.tool_calls.is_empty();
        let otherwise = if has_calls { FinishReason::ToolUse } else { FinishReason::Stop };
        let reason = fields::finish_reason(&text, has_calls).unwrap_or(otherwise);
        self.tool_calls.finish(reason.is_cut())?;
        Ok(CompletionChunk {
            finish_reason_text: (reason == FinishReason::Other).then_some(text),
            id: self.id.take(),
            model: self.model.take(),
            service_tier: self.service_tier.take(),
            ..CompletionChunk::last(reason, self.usage)
        })
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
