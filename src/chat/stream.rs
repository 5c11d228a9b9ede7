//! From the events of a streamed answer to the core chunks. It keeps no text, only open tool calls.

use serde::Deserialize;
use serde_json::Value;
use tachikoma_backends_core::{CompletionChunk, FinishReason, ToolCallFragment, Usage};

use super::fields::{self, Content};
use super::preamble::Reader;
use crate::absorbed::Unknown;
use crate::decode::answer::{self, Decoder, OpenCalls, Piece};
use crate::decode::error_body;
use crate::decode::sse::SseEvent;
use crate::error::CodexError;
use crate::openai::types::{ChatCompletionStreamResponseDelta, CreateChatCompletionStreamResponse};

/// A streamed answer so far.
#[derive(Debug)]
pub(crate) struct ChatStream {
    tool_calls: OpenCalls,
    finish_reason: Option<String>,
    done: bool,
    usage: Option<Usage>,
    names: Names,
    has_event: bool,
    unknown: Unknown,
    reader: Reader,
}

impl ChatStream {
    /// An answer of no more tool calls than this, whose arguments have no more bytes than this in all.
    pub(crate) fn new(max_tool_calls: usize, max_argument_bytes: usize) -> Self {
        Self {
            tool_calls: OpenCalls::new(max_tool_calls, max_argument_bytes),
            finish_reason: None,
            done: false,
            usage: None,
            names: Names::default(),
            has_event: false,
            unknown: Unknown::default(),
            reader: Reader::default(),
        }
    }

    /// Adds what a delta says.
    fn delta(
        &mut self,
        delta: &mut ChatCompletionStreamResponseDelta,
        said: &mut Piece,
    ) -> Result<(), CodexError> {
        let reasoning = [delta.reasoning_content.take(), delta.reasoning.take()];
        let content = Content::read(delta.content.take(), reasoning)?;
        append(&mut said.text, content.text);
        append(&mut said.reasoning, content.reasoning);
        append(&mut said.refusal, delta.refusal.take().unwrap_or_default());
        for call in delta.tool_calls.iter_mut().flatten() {
            let function = call.function.take().unwrap_or_default();
            said.tool_calls.extend(self.tool_calls.push(ToolCallFragment {
                index: call.index.and_then(answer::index),
                id: call.id.as_deref(),
                name: function.name.as_deref(),
                arguments: answer::arguments(function.arguments).into(),
            })?);
        }
        if let Some(call) = delta.function_call.take() {
            said.tool_calls.extend(self.tool_calls.push(ToolCallFragment {
                index: Some(0),
                id: None,
                name: call.name.as_deref(),
                arguments: answer::arguments(call.arguments).into(),
            })?);
        }
        Ok(())
    }
}

/// Adds a piece, which is mostly the only one and is then taken as it is.
fn append(text: &mut String, piece: String) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.push_str(&piece);
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

    fn event(&mut self, event: &SseEvent<'_>) -> Result<Option<Piece>, CodexError> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(None);
        }
        let mut chunk = match self.reader.read(data) {
            Ok(chunk) if event.event != "error" => chunk,
            read => return Err(answer::unreadable(data, read.err(), "choice")),
        };
        let CreateChatCompletionStreamResponse { choices, error, usage } = &mut chunk;
        if error.is_some() {
            return Err(answer::unreadable(data, None, "choice"));
        }
        let had_choices = choices.is_some();
        let mut said = Piece::default();
        let mut has_names = !self.has_event;
        for (position, choice) in choices.iter_mut().flatten().enumerate() {
            if !fields::is_first(position, choice.index) {
                continue;
            }
            if let Some(delta) = &mut choice.delta {
                self.delta(delta, &mut said)?;
            }
            match choice.finish_reason.as_deref() {
                None | Some("") => {}
                Some("error") => return Err(fields::failed()),
                Some(reason) => {
                    self.finish_reason = Some(reason.to_owned());
                    has_names = true;
                }
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
        self.usage = usage.take().and_then(fields::usage).or(self.usage);
        if has_names {
            self.unknown.chat(data.as_bytes());
            self.names.keep(serde_json::from_str(data).unwrap_or_default());
        }
        Ok(said.if_any())
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
            id: self.names.id.take(),
            model: self.names.model.take(),
            service_tier: self.names.service_tier.take(),
            ..CompletionChunk::last(reason, self.usage)
        })
    }

    fn unknown(&mut self) -> Unknown {
        std::mem::take(&mut self.unknown)
    }
}

/// What the server calls itself and its answer. Every event repeats it, so only the first and the one that ends the answer are
/// read for it.
#[derive(Debug, Default, Deserialize)]
struct Names {
    id: Option<String>,
    model: Option<String>,
    service_tier: Option<String>,
}

impl Names {
    /// Takes what is not known yet.
    fn keep(&mut self, new: Self) {
        for (held, new) in
            [(&mut self.id, new.id), (&mut self.model, new.model), (&mut self.service_tier, new.service_tier)]
        {
            *held = held.take().or(new).filter(|text| !text.is_empty());
        }
    }
}
