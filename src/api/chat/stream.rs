//! Converts the events of a streamed response to the core chunks. It keeps no text, only open tool calls.

use serde::Deserialize;
use serde_json::Value;
use tachikoma_backends_core::{CompletionChunk, FinishReason, Usage};

use super::choice::Choices;
use super::preamble::Reader;
use super::{coerce, finish};
use crate::CodexError;
use crate::api::{ResponseContext, body, citation, duplicates, json_budget, unknown_fields, usage};
use crate::openai::types::{
    ChatCompletionResponseChoice, ChatCompletionStreamChoice, CreateChatCompletionResponse as Chunk,
    CreateChatCompletionStreamResponse as UsualChunk,
};
use crate::runtime::decoder::{self, Decoder, Piece, Progress};
use crate::runtime::events::Event;
use crate::runtime::json;
use crate::runtime::unknown::UnknownFields;
use crate::server::ERRORS;

/// A streamed response so far.
#[derive(Debug)]
pub(crate) struct ChatStream {
    choices: Choices,
    /// The origin of the response's state.
    state_origin: String,
    progress: Progress,
    /// Content has arrived since the last finish reason.
    is_resumed: bool,
    usage: Option<Usage>,
    meta: ResponseMeta,
    has_event: bool,
    /// A choice has arrived, even if it was empty.
    has_choice: bool,
    /// The first event with neither a choice nor an error: quoted if nothing else arrives.
    unread: Option<Value>,
    reader: Reader,
}

impl ChatStream {
    pub(crate) fn new(context: ResponseContext) -> Self {
        let ResponseContext { max_tool_calls, max_call_bytes, state_origin, .. } = context;
        Self {
            choices: Choices::new(max_tool_calls, max_call_bytes),
            state_origin,
            progress: Progress::Open,
            is_resumed: false,
            usage: None,
            meta: ResponseMeta::default(),
            has_event: false,
            has_choice: false,
            unread: None,
            reader: Reader::default(),
        }
    }

    /// Reads the JSON of one event, which is mostly of the documented form.
    fn data(&mut self, data: &str, piece: &mut Piece) -> Result<(), CodexError> {
        let reason = match self.reader.read(data) {
            Ok(chunk) => return self.usual_chunk(chunk, data, piece),
            Err(reason) => reason,
        };
        if duplicates::is_reason(&reason) {
            let value = duplicates::read(data).map_err(|reason| body::unreadable(data, reason))?;
            return self.value(value, piece);
        }
        let values = serde_json::Deserializer::from_str(data).into_iter::<Value>();
        for value in values {
            // For what is not JSON, the first reason is the most precise.
            let Ok(value) = value else {
                // Lines without an empty line between them are one event.
                if data.lines().next_back().is_some_and(is_done) {
                    self.progress = Progress::Done;
                    return Ok(());
                }
                return Err(body::unreadable(data, reason));
            };
            self.value(value, piece)?;
        }
        Ok(())
    }

    /// Reads JSON that is not of the documented form, or several events in one.
    fn value(&mut self, mut value: Value, piece: &mut Piece) -> Result<(), CodexError> {
        match value {
            Value::Array(values) => values.into_iter().try_for_each(|value| self.value(value, piece)),
            Value::String(text) if is_done(text.trim()) => {
                self.progress = Progress::Done;
                Ok(())
            }
            value if json::is_empty(&value) => Ok(()),
            _ => {
                coerce::event(&mut value);
                let data = value.to_string();
                let chunk = match body::read(value) {
                    Ok(chunk) => chunk,
                    Err(error) => {
                        let value = serde_json::from_str(&data).unwrap_or_default();
                        return Err(ERRORS.find_error(&value).unwrap_or(error));
                    }
                };
                piece.append(self.chunk(chunk, &data)?);
                Ok(())
            }
        }
    }

    /// Reads a chunk of the documented form.
    fn usual_chunk(&mut self, chunk: UsualChunk, data: &str, piece: &mut Piece) -> Result<(), CodexError> {
        let UsualChunk { choices, error, usage, base_resp: _, citations: _, search_results: _ } = chunk;
        let mut choices = choices.unwrap_or_default();
        let start = self.begin(choices.is_empty(), error.as_ref(), usage.as_ref(), data)?;
        let index = |(position, choice): (usize, &ChatCompletionStreamChoice)| {
            choice.index.and_then(json::to_index).unwrap_or(position)
        };
        self.choices.announce(choices.iter().enumerate().map(index))?;
        let mut has_finish = false;
        for (position, choice) in choices.iter_mut().enumerate() {
            has_finish |= self.choices.delta(position, choice, piece)?;
        }
        self.end(start, has_finish, piece, data);
        Ok(())
    }

    /// Reads a chunk of any form, or a whole response.
    fn chunk(&mut self, chunk: Chunk, data: &str) -> Result<Piece, CodexError> {
        let Chunk {
            choices,
            error,
            usage,
            base_resp,
            citations,
            search_results,
            id: _,
            model: _,
            service_tier: _,
        } = chunk;
        let choices = choices.unwrap_or_default();
        let start =
            self.begin(choices.is_empty(), error.as_ref().or(base_resp.as_ref()), usage.as_ref(), data)?;
        let index = |(position, choice): (usize, &ChatCompletionResponseChoice)| {
            json::index(choice.index.as_ref()).unwrap_or(position)
        };
        self.choices.announce(choices.iter().enumerate().map(index))?;
        let (mut piece, mut has_finish) = (Piece::default(), false);
        for (position, choice) in choices.into_iter().enumerate() {
            has_finish |= self.choices.read(position, choice, &mut piece)?;
        }
        // Perplexity and xAI have the sources beside the choices, the first of these with their titles.
        let sources = [search_results, citations].into_iter().flatten();
        let sources =
            sources.map(|sources| citation::citations(&sources)).find(|sources| !sources.is_empty());
        self.choices.cite(sources.unwrap_or_default(), &mut piece);
        self.end(start, has_finish, &piece, data);
        Ok(piece)
    }

    /// Reads the fields of an event beside its choices.
    fn begin(
        &mut self,
        is_empty: bool,
        error: Option<&Value>,
        usage: Option<&Value>,
        data: &str,
    ) -> Result<EventStart, CodexError> {
        // MiniMax reports an outcome in each event, and an `error` may state that there was none.
        if error.is_some_and(|error| !json::is_empty(error)) {
            let value: Value = serde_json::from_str(data).unwrap_or_default();
            if let Some(error) = ERRORS.find_error(&value) {
                return Err(error);
            }
        }
        let start = EventStart { is_first: !self.has_event, had_finish: self.choices.has_finish() };
        self.has_event = true;
        if is_empty {
            self.note_unread(data)?;
        }
        self.has_choice |= !is_empty;
        if let Some(usage) = usage {
            self.usage = usage::later(self.usage, usage::read(usage, &usage::CHAT));
        }
        Ok(start)
    }

    fn end(&mut self, start: EventStart, has_finish: bool, piece: &Piece, data: &str) {
        let EventStart { is_first, had_finish } = start;
        if is_first || (has_finish && !had_finish) {
            unknown_fields::note_chat(&mut self.choices.unknown, data.as_bytes());
            self.meta.keep(serde_json::from_str(data).unwrap_or_default());
        }
        if has_finish || had_finish {
            self.advance(has_finish, had_finish && piece.has_content());
        }
        if self.choices.failure.is_some() {
            self.progress = Progress::Done;
        }
    }

    /// Reads a whole response, which also ends it.
    ///
    /// # Errors
    /// It is an error, or holds no choice.
    pub(super) fn whole(&mut self, mut response: Chunk, body: &str) -> Result<Piece, CodexError> {
        let meta = ResponseMeta {
            id: response.id.take(),
            model: response.model.take(),
            service_tier: response.service_tier.take(),
        };
        let piece = self.chunk(response, body)?;
        if !self.has_choice {
            return Err(body::absent_in(body, "choice"));
        }
        self.progress = Progress::Done;
        self.meta = meta;
        Ok(piece)
    }

    /// Updates the progress: a finish reason is the end only while no content follows it.
    fn advance(&mut self, has_finish: bool, has_resumed: bool) {
        if has_resumed {
            self.progress = Progress::Resumed;
        } else if has_finish && self.progress == Progress::Open {
            self.progress = Progress::Finished;
        }
        self.is_resumed = (self.is_resumed || has_resumed) && !has_finish;
    }

    /// Records an event without a choice, which may be an error in some form, or unknown.
    fn note_unread(&mut self, data: &str) -> Result<(), CodexError> {
        let Ok(value) = serde_json::from_str::<Value>(data) else { return Ok(()) };
        let has_choices = value.get("choices").is_some_and(Value::is_array);
        if !has_choices && let Some(error) = ERRORS.find_error(&value) {
            return Err(error);
        }
        if !json::is_empty(&value) {
            if !has_choices {
                self.choices
                    .unknown
                    .add_event(value.get("type").and_then(Value::as_str).unwrap_or("without choices"));
            }
            self.unread.get_or_insert(value);
        }
        Ok(())
    }

    /// The finish reason, and its text if it has no variant.
    fn finish_reason(&mut self) -> Result<(FinishReason, Option<String>), CodexError> {
        let is_done = self.progress == Progress::Done;
        if self.choices.is_empty() {
            // Content arrived that could not be read.
            let unread =
                self.choices.take_unread().or(self.unread.take().filter(|_| !self.choices.has_finish()));
            if let Some(unread) = unread {
                return Err(ERRORS.unrecognized_error(&unread).maybe_processed());
            }
        }
        if let Some(word) = self.choices.failure.take() {
            return Err(finish::failed(&word));
        }
        if self.is_resumed && !is_done && !self.choices.has_complete_arguments() {
            return Err(decoder::truncated(true, "half a tool call came after its finish_reason"));
        }
        match self.choices.finish_reason() {
            // It ends in calls, but none arrived: the turn is not complete.
            Some((FinishReason::ToolUse, word)) if !self.choices.has_calls() => {
                Ok((FinishReason::Other, Some(word)))
            }
            Some((reason, word)) => Ok((reason, (reason == FinishReason::Other).then_some(word))),
            None if is_done && self.has_choice => Ok((self.choices.default_finish_reason(), None)),
            None => {
                let awaited = match is_done {
                    true => "it holds neither content nor a finish_reason",
                    false => "no finish_reason and no [DONE] came",
                };
                Err(decoder::truncated(self.has_event, awaited))
            }
        }
    }
}

/// The state of the stream before an event.
struct EventStart {
    is_first: bool,
    had_finish: bool,
}

fn is_done(data: &str) -> bool {
    data.eq_ignore_ascii_case("[DONE]")
}

impl Decoder for ChatStream {
    fn progress(&self) -> Progress {
        self.progress
    }

    fn event(&mut self, event: &Event<'_>) -> Result<Option<Piece>, CodexError> {
        let data = body::data(event);
        if is_done(data) {
            self.progress = Progress::Done;
            return Ok(None);
        }
        if data.is_empty() {
            return Ok(None);
        }
        json_budget::check(data)?;
        if event.event == "error" {
            return Err(match serde_json::from_str(data) {
                Ok(value) => body::absent(&value, "choice"),
                Err(reason) => body::unreadable(data, reason),
            });
        }
        let mut piece = Piece::default();
        self.data(data, &mut piece)?;
        // A whole response in place of events ends with its last byte.
        if event.is_bare && self.has_choice && self.progress == Progress::Open && data.contains("\"message\"")
        {
            self.progress = Progress::Done;
        }
        Ok(piece.if_any())
    }

    fn finish(&mut self) -> Result<CompletionChunk, CodexError> {
        let (reason, word) = self.finish_reason()?;
        let state = self.choices.take_state(&self.state_origin);
        self.choices.end(reason)?;
        let (text, reasoning, refusal) = self.choices.take_alternative();
        let mut chunk = CompletionChunk::last(reason, self.usage);
        chunk.delta = text;
        chunk.reasoning = decoder::some(reasoning);
        chunk.refusal = decoder::some(refusal);
        chunk.finish_reason_text = word;
        if !reason.is_cut() {
            chunk.provider_state = state;
        }
        chunk.id = json::into_text(self.meta.id.take());
        chunk.model = json::into_text(self.meta.model.take());
        chunk.service_tier = json::into_text(self.meta.service_tier.take());
        Ok(chunk)
    }

    fn unknown(&mut self) -> UnknownFields {
        std::mem::take(&mut self.choices.unknown)
    }
}

/// The id, model and service tier of a response. Every event repeats them, so they are read only from the first one and the one
/// that ends the response.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponseMeta {
    pub(super) id: Option<Value>,
    pub(super) model: Option<Value>,
    pub(super) service_tier: Option<Value>,
}

impl ResponseMeta {
    /// Sets the fields that are not set yet.
    fn keep(&mut self, new: Self) {
        for (held, new) in
            [(&mut self.id, new.id), (&mut self.model, new.model), (&mut self.service_tier, new.service_tier)]
        {
            *held = held.take().or(new).filter(|value| !json::is_empty(value));
        }
    }
}

#[cfg(test)]
mod timing_tests;
