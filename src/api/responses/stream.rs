//! Converts the events of a streamed response to the core chunks. It keeps the items to send back, and open tool calls.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::Value;
use tachikoma_backends_core::{CompletionChunk, ErrorCategory, ItemUpdate, ToolCallDelta};

use super::event::{self, EventKind, delta_of, text_of};
use super::item::{Item, ItemKind};
use super::items::{Items, Place, TextKind};
use super::response::{self, StreamEnd};
use super::state;
use crate::CodexError;
use crate::api::unknown_fields;
use crate::api::{ResponseContext, body, calls, citation, duplicates, json_budget, usage};
use crate::openai::types::{Response, ResponseStreamEvent as ResponseEvent};
use crate::runtime::decoder::{self, Decoder, Piece, Progress};
use crate::runtime::events::Event;
use crate::runtime::json;
use crate::runtime::unknown::UnknownFields;
use crate::server::ERRORS;

/// A streamed response so far.
#[derive(Debug)]
pub(crate) struct ResponsesStream {
    context: ResponseContext,
    items: Items,
    /// The further pieces of the last event, since each message has its own phase.
    pieces: VecDeque<Piece>,
    last: Option<CompletionChunk>,
    is_done: bool,
    has_event: bool,
    /// The first event of an unknown kind: quoted if nothing else arrives.
    unread: Option<Value>,
    /// `unread` is an event of the response itself, which is then not empty.
    has_unread_content: bool,
    /// Events of unknown kinds are not errors, since servers add new ones.
    unknown: UnknownFields,
    id: Option<String>,
    model: Option<String>,
}

/// The kind of an event, parsed first, since most kinds of events need no more.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

impl ResponsesStream {
    /// A response under the limits of this context; the one on bytes limits its items as well.
    pub(crate) fn new(context: ResponseContext) -> Self {
        Self {
            items: Items::new(context.max_tool_calls, context.max_call_bytes),
            context,
            pieces: VecDeque::new(),
            last: None,
            is_done: false,
            has_event: false,
            unread: None,
            has_unread_content: false,
            unknown: UnknownFields::default(),
            id: None,
            model: None,
        }
    }

    /// Reads an event of the documented form.
    fn read(
        &mut self,
        kind: EventKind,
        name: &str,
        mut event: ResponseEvent,
        data: &str,
    ) -> Result<Piece, CodexError> {
        let mut piece = Piece::default();
        match kind {
            EventKind::Created => {
                let mut response = event.response.unwrap_or_default();
                let id = response.id.as_ref().and_then(json::text).filter(|id| !id.is_empty());
                if !self.items.is_empty() && id.is_some() && self.id.is_some() && id != self.id {
                    let message = "the server began another response in the middle of the first one";
                    return Err(CodexError::new(ErrorCategory::TruncatedStream, message).maybe_processed());
                }
                self.keep_meta(&mut response, false)?;
            }
            EventKind::ItemAdded | EventKind::ItemDone => {
                let Some(value) = event.item.take().filter(Value::is_object) else { return Ok(piece) };
                unknown_fields::note_item(&mut self.unknown, Item(&value).text("type"));
                let is_done = kind == EventKind::ItemDone;
                return self.items.item(Place::from_event(&event), value, is_done, &mut self.unknown);
            }
            EventKind::PartDone | EventKind::PartAdded | EventKind::SummaryPart => {
                let is_begun = kind == EventKind::PartAdded;
                let part = event.part.take().unwrap_or_default();
                let is_summary = kind == EventKind::SummaryPart;
                let text_kind = if is_summary { TextKind::Summary } else { TextKind::Text };
                // Some servers send the text of reasoning as a part too.
                let is_reasoning = Item(&part).text("type").contains("reasoning");
                for (field, text_kind) in [("text", text_kind), ("refusal", TextKind::Refusal)] {
                    let text_kind = if is_reasoning { TextKind::Reasoning } else { text_kind };
                    let (place, text) = (Place::from_event(&event), Item(&part).text(field));
                    self.items.text_done(&place, text_kind, text, &mut piece)?;
                    if text_kind == TextKind::Text && is_begun {
                        self.items.announce(&place, text);
                    }
                }
            }
            EventKind::TextDelta => self.delta(TextKind::Text, event, &mut piece)?,
            EventKind::TextDone => self.done(TextKind::Text, event, &mut piece)?,
            EventKind::RefusalDelta => self.delta(TextKind::Refusal, event, &mut piece)?,
            EventKind::RefusalDone => self.done(TextKind::Refusal, event, &mut piece)?,
            EventKind::SummaryDelta => self.delta(TextKind::Summary, event, &mut piece)?,
            EventKind::SummaryDone => self.done(TextKind::Summary, event, &mut piece)?,
            EventKind::ReasoningDelta => self.delta(TextKind::Reasoning, event, &mut piece)?,
            EventKind::ReasoningDone => self.done(TextKind::Reasoning, event, &mut piece)?,
            EventKind::ArgumentsDelta => {
                let delta = delta_of(&mut event)?;
                let place = Place::from_event(&event);
                piece.tool_calls.extend(self.items.arguments(&place, None, &delta, false)?);
            }
            EventKind::ArgumentsDone => {
                let whole = calls::arguments(event.arguments.take().or(event.input.take()));
                let name = event.name.as_ref().and_then(Value::as_str);
                let place = Place::from_event(&event);
                piece.tool_calls.extend(self.items.arguments(&place, name, &whole, true)?);
            }
            EventKind::Annotation => {
                let citation = event.annotation.as_ref().and_then(citation::citation);
                let update = citation.map(ItemUpdate::Citation);
                let place = Place::from_event(&event);
                self.items.update(&place, ItemKind::Message, update, &mut piece)?;
            }
            EventKind::Progress => {
                let update = Some(ItemUpdate::Progress(event::progress(name, &mut event)));
                let place = Place::from_event(&event);
                self.items.update(&place, ItemKind::Other, update, &mut piece)?;
            }
            EventKind::Completed | EventKind::Incomplete => {
                unknown_fields::note_response(&mut self.unknown, data.as_bytes());
                let response = match event.response {
                    Some(response) => response,
                    // Some servers put its fields in the event itself.
                    None => serde_json::from_str(data).unwrap_or_default(),
                };
                self.end(response, kind == EventKind::Incomplete)?;
            }
            EventKind::Failed | EventKind::Cancelled => {
                let status = if kind == EventKind::Failed { "failed" } else { "cancelled" };
                return Err(response::failed(response::failure_details(event.response, data), status));
            }
            EventKind::Error => return Err(body::absent_in(data, "output")),
        }
        Ok(piece)
    }

    fn delta(
        &mut self,
        kind: TextKind,
        mut event: ResponseEvent,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        let text = delta_of(&mut event)?;
        let place = Place::from_event(&event);
        if let Some(logprobs) =
            event.logprobs.as_ref().map(citation::logprobs).filter(|list| !list.is_empty())
        {
            let update = Some(ItemUpdate::Logprobs(logprobs));
            self.items.update(&place, ItemKind::Message, update, piece)?;
        }
        self.items.text_delta(&place, kind, text, piece)
    }

    fn done(
        &mut self,
        kind: TextKind,
        mut event: ResponseEvent,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        let text = if kind == TextKind::Refusal { event.refusal.take() } else { event.text.take() };
        self.items.text_done(&Place::from_event(&event), kind, &text_of(text), piece)
    }

    /// Keeps the response's id and model, which servers send in the first event, the last, or both.
    ///
    /// # Errors
    /// It is not the response to the whole conversation.
    fn keep_meta(&mut self, response: &mut Response, is_last: bool) -> Result<(), CodexError> {
        if let Some(storing) = &self.context.storing {
            storing.read(response, is_last)?;
        }
        let text = |value: Option<Value>| json::into_text(value).filter(|text| !text.is_empty());
        self.id = text(response.id.take()).or(self.id.take());
        self.model = text(response.model.take()).or(self.model.take());
        Ok(())
    }

    /// Reads the last event: content that has not arrived before is taken from the whole response in it, item by item.
    pub(super) fn end(&mut self, mut response: Response, is_incomplete: bool) -> Result<(), CodexError> {
        self.has_event = true;
        self.keep_meta(&mut response, true)?;
        let Response { error, incomplete_details, output, output_text, service_tier, status, usage, .. } =
            response;
        let status = json::into_text(status).unwrap_or_default().to_ascii_lowercase();
        if let Some(error) = response::unfinished(&status, error) {
            return Err(error);
        }
        let output = match output {
            Some(Value::Array(items)) => items,
            Some(item @ (Value::Object(_) | Value::String(_))) => vec![item],
            _ => Vec::new(),
        };
        let reason = incomplete_details.and_then(|details| json::text(details.get("reason")?));
        let has_reason = reason.as_deref().is_some_and(|reason| !reason.is_empty());
        let is_incomplete = is_incomplete || status == "incomplete" || has_reason;
        self.pieces.extend(self.items.last_items(&output, is_incomplete, &mut self.unknown)?);
        let items = if output.is_empty() { self.items.take_done() } else { output };
        // The same text once more, or the only text that a minimal server sends.
        let text = output_text.map(|text| text_of(Some(text))).filter(|_| !self.items.has_text());
        self.pieces.extend(text.and_then(|text| Piece { text, ..Piece::default() }.if_any()));
        self.note_unread(&items)?;

        let has_content = !self.items.is_empty() || self.pieces.iter().any(Piece::has_content);
        if self.has_unread_content && !has_content && items.is_empty() {
            return Err(ERRORS.unrecognized_error(&self.unread.take().unwrap_or_default()).maybe_processed());
        }
        let usage = usage.as_ref().and_then(|usage| usage::read(usage, &usage::RESPONSES));
        let hosted_calls = self.items.hosted_calls(&items)?;
        self.pieces.extend(Piece { tool_calls: hosted_calls, ..Piece::default() }.if_any());
        let end = StreamEnd::new(is_incomplete.then_some(reason), &status, usage.as_ref(), &self.context)
            .with_items(&items, has_content, !self.items.calls.is_empty())
            .with_open_call(self.items.open_hosted_call())
            .with_calls(self.items.is_contradictory());
        if end.is_evidence_needed() {
            let complete = |index| ToolCallDelta::new(index).with_is_complete(true);
            let tool_calls: Vec<_> = self.items.done_calls().map(complete).collect();
            self.pieces.extend(Piece { tool_calls, ..Piece::default() }.if_any());
        }
        let StreamEnd { finish_reason, finish_reason_text, .. } = end;
        self.items.calls.finish(finish_reason.ends_turn())?;
        self.is_done = true;
        let last = self.last.insert(CompletionChunk::last(finish_reason, usage));
        last.finish_reason_text = finish_reason_text;
        last.id = self.id.take();
        last.model = self.model.take();
        last.service_tier = json::into_text(service_tier).filter(|tier| !tier.is_empty());
        if !finish_reason.is_cut() {
            last.provider_state = state::new(items, &self.context.state_origin);
        }
        Ok(())
    }

    /// Records parts of unknown types. A response with no other content is an error that quotes one.
    fn note_unread(&mut self, items: &[Value]) -> Result<(), CodexError> {
        for part in items.iter().map(Item).flat_map(Item::unread_parts) {
            self.unknown.add_value("output[].content[].type", part.text("type"));
            if self.items.is_empty() && !self.pieces.iter().any(Piece::has_content) {
                return Err(ERRORS.unrecognized_error(part.0).maybe_processed());
            }
        }
        Ok(())
    }

    /// Reads an event of another kind: an error under some name, a response without a name, or one that is not needed.
    fn other(&mut self, kind: &str, data: &str) -> Result<(), CodexError> {
        let may_hold_content = !self.has_unread_content && kind.starts_with("response.");
        if !kind.is_empty() && self.unread.is_some() && !may_hold_content && !data.contains("\"error\"") {
            unknown_fields::note_event(&mut self.unknown, kind);
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).unwrap_or_default();
        if json::is_empty(&value) {
            return Ok(());
        }
        let has_error = value.get("error").is_some_and(|error| !json::is_empty(error));
        let holds_output = |value: &Value| {
            let is_output = |field: &Value| field.is_array() || field.is_object() || field.is_string();
            ["output", "output_text"].iter().any(|field| value.get(*field).is_some_and(is_output))
        };
        if kind.is_empty() && !has_error && value.get("choices").is_none() {
            match value.get("response") {
                _ if holds_output(&value) => return self.end(body::read(value)?, false),
                Some(response) if holds_output(response) => {
                    return self.end(body::read(response.clone())?, false);
                }
                _ => {}
            }
        }
        if let Some(error) = ERRORS.find_error(&value).filter(|_| kind.is_empty() || has_error) {
            return Err(error);
        }
        unknown_fields::note_event(&mut self.unknown, if kind.is_empty() { "without type" } else { kind });
        if kind.starts_with("response.") && !unknown_fields::is_event(kind) && !self.has_unread_content {
            self.has_unread_content = true;
            self.unread = None;
        }
        self.unread.get_or_insert(value);
        Ok(())
    }

    /// Reads an event that is not of the documented form: a field of another type is either not needed or an error.
    fn undocumented(
        &mut self,
        kind: EventKind,
        name: &str,
        data: &str,
        reason: &serde_json::Error,
    ) -> Result<Piece, CodexError> {
        let read =
            if duplicates::is_reason(reason) { duplicates::read(data) } else { serde_json::from_str(data) };
        let mut value: Value = read.map_err(|reason| body::unreadable(data, reason))?;
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|name, value| name != "response" || value.is_object());
        }
        self.read(kind, name, body::read(value)?, data)
    }
}

impl Decoder for ResponsesStream {
    fn event(&mut self, event: &Event<'_>) -> Result<Option<Piece>, CodexError> {
        let data = body::data(event);
        if data.eq_ignore_ascii_case("[DONE]") {
            self.is_done = true;
            return Ok(None);
        }
        if data.is_empty() {
            return Ok(None);
        }
        json_budget::check(data)?;
        // Most servers send the kind in the `event` field as well, so that the data is parsed only once.
        let named = EventKind::from_name(&event.event);
        let mut parsed = named.and_then(|_| serde_json::from_str::<ResponseEvent>(data).ok());
        let kind = match parsed.as_mut().map(|event| event.type_.take()) {
            Some(Some(Value::String(kind))) => Some(Cow::Owned(kind)),
            Some(_) => None,
            None => match serde_json::from_str::<Kind<'_>>(data) {
                Ok(Kind { kind }) => kind,
                Err(reason) => match serde_json::from_str::<Value>(data) {
                    Ok(value) if json::is_empty(&value) => return Ok(None),
                    Ok(value) => {
                        value.get("type").and_then(Value::as_str).map(|kind| Cow::Owned(kind.to_owned()))
                    }
                    Err(_) => return Err(body::unreadable(data, reason)),
                },
            },
        };
        let kind = match kind.as_deref().unwrap_or_default() {
            "" if event.event != "message" => &*event.event,
            kind => kind,
        };
        self.has_event = true;
        let Some(event_kind) = EventKind::from_name(kind) else {
            return self.other(kind, data).map(|()| self.next_piece());
        };
        let piece = match parsed.map_or_else(|| serde_json::from_str(data), Ok) {
            Ok(event) => self.read(event_kind, kind, event, data)?,
            Err(reason) => self.undocumented(event_kind, kind, data, &reason)?,
        };
        Ok(piece.if_any().or_else(|| self.next_piece()))
    }

    fn next_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// A response is complete only with its last event.
    fn progress(&self) -> Progress {
        if self.is_done { Progress::Done } else { Progress::Open }
    }

    fn finish(&mut self) -> Result<CompletionChunk, CodexError> {
        if let Some(last) = self.last.take() {
            return Ok(last);
        }
        match self.unread.take().filter(|_| self.items.is_empty()) {
            Some(unread) => Err(ERRORS.unrecognized_error(&unread).maybe_processed()),
            None => {
                let awaited = "neither response.completed nor another last event came";
                Err(decoder::truncated(self.has_event, awaited))
            }
        }
    }

    fn unknown(&mut self) -> UnknownFields {
        std::mem::take(&mut self.unknown)
    }
}
