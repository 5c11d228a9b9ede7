//! From the events of a streamed answer to the core chunks. It keeps the items that are sent again, and open tool calls.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use tachikoma_backends_core::{CompletionChunk, ErrorCategory, ToolCallDelta, ToolCallFragment};

use super::item::{self, Item, PARAGRAPH, Said};
use super::response::{self, Ending};
use super::state;
use super::told::Told;
use crate::absorbed::Unknown;
use crate::decode::answer::{self, Decoder, OpenCalls, Piece, some};
use crate::decode::error_body;
use crate::decode::sse::SseEvent;
use crate::error::CodexError;
use crate::openai::types::{Response, ResponseStreamEvent as Event};

/// A streamed answer so far.
#[derive(Debug)]
pub(crate) struct ResponsesStream {
    calls: OpenCalls,
    open: Vec<OpenItem>,
    text: Told,
    refusal: Told,
    reasoning: Told,
    /// The part of the reasoning that spoke last.
    thought: Option<Thought>,
    items: Items,
    limit: Option<u32>,
    last: Option<CompletionChunk>,
    done: bool,
    has_event: bool,
    /// Events of kinds that this crate does not know. They are no errors: servers get new ones.
    unknown: Unknown,
    id: Option<String>,
    model: Option<String>,
}

/// An item that is a tool call, at its place among the calls.
#[derive(Debug)]
struct OpenItem {
    id: Option<String>,
    output_index: Option<usize>,
    call_id: String,
    has_arguments: bool,
}

/// What an event says of a tool call.
#[derive(Clone, Copy, Debug, Default)]
struct CallPiece<'a> {
    call_id: Option<&'a str>,
    name: Option<&'a str>,
    arguments: &'a str,
    /// Whether these are all of the arguments, which may have come in pieces already.
    whole: bool,
}

/// Where reasoning stands: the event's name up to its last dot, and the item's and the part's numbers.
#[derive(Debug, PartialEq)]
struct Thought {
    kind: String,
    item: (Option<String>, Option<usize>),
    part: Option<usize>,
}

/// The items that are done, for servers whose last event does not repeat them.
#[derive(Debug)]
struct Items {
    items: Vec<Value>,
    bytes: usize,
    max_bytes: usize,
}

/// What is looked at first, since most kinds of events need no more.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

impl ResponsesStream {
    /// An answer of no more tool calls than this, whose arguments, and whose items, have no more bytes than this in all.
    /// `limit` is what [`Ending::of`] makes of it.
    pub(crate) fn new(max_tool_calls: usize, max_bytes: usize, limit: Option<u32>) -> Self {
        Self {
            calls: OpenCalls::new(max_tool_calls, max_bytes),
            open: Vec::new(),
            text: Told::Not,
            refusal: Told::Not,
            reasoning: Told::Not,
            thought: None,
            items: Items { items: Vec::new(), bytes: 0, max_bytes },
            limit,
            last: None,
            done: false,
            has_event: false,
            unknown: Unknown::default(),
            id: None,
            model: None,
        }
    }

    fn known(&mut self, kind: &str, mut event: Event) -> Result<Piece, CodexError> {
        let [delta, text] = [event.delta.take(), event.text.take()];
        let mut chunk = Piece::default();
        match kind {
            "response.output_text.delta" => chunk.text = self.text.piece(delta),
            "response.output_text.done" => chunk.text = self.text.whole(text),
            "response.refusal.delta" => chunk.refusal = self.refusal.piece(delta),
            "response.refusal.done" => chunk.refusal = self.refusal.whole(event.refusal.take()),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let piece = self.reasoning.piece(delta);
                chunk.reasoning = self.think(kind, &event, piece);
            }
            "response.reasoning_summary_text.done" | "response.reasoning_text.done" => {
                let whole = self.reasoning.whole(text);
                chunk.reasoning = self.think(kind, &event, whole);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let piece = delta.as_deref().unwrap_or_default();
                chunk
                    .tool_calls
                    .extend(self.call(&event, CallPiece { arguments: piece, ..Default::default() })?);
            }
            "response.function_call_arguments.done" => {
                let whole = answer::arguments(event.arguments.take());
                let name = event.name.as_deref();
                let call = CallPiece { name, arguments: &whole, whole: true, ..Default::default() };
                chunk.tool_calls.extend(self.call(&event, call)?);
            }
            "response.output_item.added" | "response.output_item.done" => {
                let value = event.item.take().unwrap_or_default();
                let item = Item(&value);
                self.unknown.item(item.text("type"));
                if item.is_call() {
                    chunk.tool_calls.extend(self.call_item(&event, item)?);
                }
                if kind.ends_with("done") {
                    self.items.push(value)?;
                }
            }
            "response.created" => self.note(event.response.unwrap_or_default()),
            "response.failed" => {
                return Err(response::failed(event.response.and_then(|response| response.error), "failed"));
            }
            _ => return self.end(kind, event.response.unwrap_or_default()),
        }
        Ok(chunk)
    }

    /// What the server calls itself and its answer; servers say it in the first event, the last, or both.
    fn note(&mut self, response: Response) {
        let stated = |text: Option<String>| text.and_then(some);
        self.id = stated(response.id).or(self.id.take());
        self.model = stated(response.model).or(self.model.take());
    }

    /// Begins a paragraph where another part of the reasoning goes on.
    fn think(&mut self, kind: &str, event: &Event, text: String) -> String {
        if text.is_empty() {
            return text;
        }
        let now = Thought {
            kind: kind.rsplit_once('.').map_or(kind, |(kind, _)| kind).to_owned(),
            item: (event.item_id.clone(), event.output_index.and_then(answer::index)),
            part: event.summary_index.or(event.content_index).and_then(answer::index),
        };
        match self.thought.replace(now) {
            Some(before) if Some(&before) != self.thought.as_ref() => PARAGRAPH.to_owned() + &text,
            _ => text,
        }
    }

    fn call_item(&mut self, event: &Event, item: Item<'_>) -> Result<Option<ToolCallDelta>, CodexError> {
        let id = some(item.text("id").to_owned()).or_else(|| event.item_id.clone());
        let event = Event { item_id: id, output_index: event.output_index, ..Event::default() };
        // An item that is being added may hold nothing yet, one that is done holds all of it again.
        let (call_id, name) = (Some(item.text("call_id")), Some(item.text("name")));
        self.call(&event, CallPiece { call_id, name, arguments: &item.arguments(), whole: true })
    }

    /// Takes what an event says of a tool call.
    fn call(&mut self, event: &Event, said: CallPiece<'_>) -> Result<Option<ToolCallDelta>, CodexError> {
        let CallPiece { call_id, name, mut arguments, whole } = said;
        let index = event.output_index.and_then(answer::index);
        let id = event.item_id.as_deref().filter(|id| !id.is_empty());
        let found = self.open.iter().position(|open| match (id, &open.id, index, open.output_index) {
            (Some(one), Some(other), ..) => one == other || one == open.call_id,
            (.., Some(one), Some(other)) => one == other,
            _ => false,
        });
        let by_call_id = || {
            let call_id = call_id.filter(|id| !id.is_empty())?;
            self.open.iter().position(|open| open.call_id == call_id)
        };
        // Neither an id nor a number: it is about the call that came last.
        let is_nameless = id.is_none() && index.is_none() && call_id.is_none();
        let last = || self.open.len().checked_sub(1).filter(|_| is_nameless);
        let position = found.or_else(by_call_id).or_else(last).unwrap_or(self.open.len());
        if position == self.open.len() {
            self.open.push(OpenItem {
                id: id.map(str::to_owned),
                output_index: index,
                call_id: call_id.unwrap_or_default().to_owned(),
                has_arguments: false,
            });
        }
        if let Some(open) = self.open.get_mut(position) {
            if whole && open.has_arguments {
                arguments = "";
            }
            open.has_arguments |= !arguments.is_empty();
        }
        let arguments = arguments.into();
        let delta =
            self.calls.push(ToolCallFragment { index: Some(position), id: call_id, name, arguments })?;
        let is_new = |delta: &ToolCallDelta| {
            delta.id.is_some() || delta.name.is_some() || !delta.arguments_delta.is_empty()
        };
        Ok(delta.filter(is_new))
    }

    /// The last event: what has not come in pieces is taken from the whole answer in it.
    fn end(&mut self, kind: &str, response: Response) -> Result<Piece, CodexError> {
        if response.status.as_deref() == Some("failed") {
            return Err(response::failed(response.error, "failed"));
        }
        let Response { incomplete_details, output, service_tier, status, usage, .. } = response.clone();
        self.note(response);
        let streamed = std::mem::take(&mut self.items.items);
        let items = output.filter(|items| !items.is_empty()).unwrap_or(streamed);
        let said = Said::of(&items);
        let untold = |told: Told, text: String| if told == Told::Not { text } else { String::new() };
        let mut chunk = Piece {
            text: untold(self.text, said.text),
            refusal: untold(self.refusal, said.refusal),
            reasoning: untold(self.reasoning, said.reasoning),
            tool_calls: Vec::new(),
        };
        if self.calls.is_empty() {
            for call in item::calls(&items) {
                chunk.tool_calls.extend(self.call_item(&Event::default(), call)?);
            }
        }
        let usage = usage.and_then(response::usage);
        let reason = incomplete_details.and_then(|details| details.reason);
        let is_cut = kind == "response.incomplete" || status.as_deref() == Some("incomplete");
        let Ending { finish_reason, finish_reason_text } =
            Ending::of(is_cut.then_some(reason), usage.as_ref(), self.limit, !self.calls.is_empty());
        self.calls.finish(finish_reason.is_cut())?;
        self.done = true;
        self.last = Some(CompletionChunk {
            finish_reason_text,
            id: self.id.take(),
            model: self.model.take(),
            service_tier,
            provider_state: if finish_reason.is_cut() { None } else { state::of(items) },
            ..CompletionChunk::last(finish_reason, usage)
        });
        Ok(chunk)
    }

    /// An event of another kind: an error under some name, or of no interest.
    fn other(&mut self, kind: &str, data: &str) -> Result<(), CodexError> {
        if kind.is_empty() || data.contains("\"error\"") {
            let value: Value = serde_json::from_str(data).unwrap_or_default();
            let has_error = value.get("error").is_some_and(|error| !error.is_null());
            if let Some(error) = error_body::inside_success(&value).filter(|_| kind.is_empty() || has_error) {
                return Err(error);
            }
        }
        self.unknown.event(kind);
        Ok(())
    }
}

impl Decoder for ResponsesStream {
    fn event(&mut self, event: &SseEvent<'_>) -> Result<Option<Piece>, CodexError> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(None);
        }
        let unreadable = |reason| answer::unreadable(data, reason, "event");
        // Most servers write the kind in front of the data as well; then one look at the data is enough.
        let mut read = is_known(&event.event).then(|| serde_json::from_str::<Event>(data).ok()).flatten();
        let kind = match read.as_mut().map(|event| event.type_.take()) {
            Some(kind) => kind.map(Cow::Owned),
            None => match serde_json::from_str::<Kind<'_>>(data) {
                Ok(Kind { kind }) => kind,
                Err(reason) => return Err(unreadable(Some(reason))),
            },
        };
        let kind = match kind.as_deref().unwrap_or_default() {
            "" if event.event != "message" => &*event.event,
            kind => kind,
        };
        if kind == "error" {
            return Err(unreadable(None));
        }
        self.has_event = true;
        if !is_known(kind) {
            return self.other(kind, data).map(|()| None);
        }
        let event = match read {
            Some(event) => event,
            None => serde_json::from_str(data).map_err(|reason| unreadable(Some(reason)))?,
        };
        if let "response.completed" | "response.incomplete" = kind {
            self.unknown.response(data.as_bytes());
        }
        let chunk = self.known(kind, event)?;
        Ok(chunk.if_any())
    }

    /// Only with its last event is an answer whole.
    fn is_whole(&self) -> bool {
        self.last.is_some()
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(&mut self) -> Result<CompletionChunk, CodexError> {
        let awaited = "neither response.completed nor another last event";
        self.last.take().ok_or_else(|| answer::truncated(self.has_event, awaited))
    }

    fn unknown(&mut self) -> Unknown {
        std::mem::take(&mut self.unknown)
    }
}

/// Whether the kind of event is read.
fn is_known(kind: &str) -> bool {
    matches!(
        kind,
        "response.created"
            | "response.output_item.added"
            | "response.output_item.done"
            | "response.output_text.delta"
            | "response.output_text.done"
            | "response.refusal.delta"
            | "response.refusal.done"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning_summary_text.done"
            | "response.reasoning_text.delta"
            | "response.reasoning_text.done"
            | "response.function_call_arguments.delta"
            | "response.function_call_arguments.done"
            | "response.custom_tool_call_input.delta"
            | "response.completed"
            | "response.incomplete"
            | "response.failed"
    )
}

impl Items {
    fn push(&mut self, item: Value) -> Result<(), CodexError> {
        self.bytes += item.to_string().len();
        if self.bytes > self.max_bytes {
            let message = format!("the items of the answer have more than {} bytes", self.max_bytes);
            return Err(CodexError::new(ErrorCategory::Parse, message)
                .with_hint("Raise with_max_event_bytes if the server is to be trusted."));
        }
        self.items.push(item);
        Ok(())
    }
}
