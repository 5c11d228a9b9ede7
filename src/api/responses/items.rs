//! The items of a response, as they arrive: in pieces, as a whole when they are done, and once more when the response is.

mod announced;
mod place;
mod text;

use serde::de::IgnoredAny;
use serde_json::Value;
use tachikoma_backends_core::{
    ErrorCategory, ItemEvent, ItemUpdate, Phase, ToolCall, ToolCallDelta, ToolCallFragment, ToolCallKind,
};

use self::announced::AnnouncedText;
pub(super) use self::place::Place;
use self::text::ItemText;
pub(super) use self::text::TextKind;
use super::item::{Item, ItemKind};
use super::{hosted_call, hosted_item};
use crate::CodexError;
use crate::api::{calls::OpenCalls, streamed_text::StreamedText};
use crate::runtime::{decoder::Piece, unknown::UnknownFields};

/// The items that have arrived, in part or as a whole.
#[derive(Debug)]
pub(super) struct Items {
    items: Vec<OpenItem>,
    pub(super) calls: OpenCalls,
    /// Where the last text of each channel was, so that text elsewhere begins a paragraph.
    last: [Option<(usize, TextKind, Option<usize>)>; 4],
    /// Pieces refer to items by the ids that these began with.
    has_stable_ids: bool,
    /// The whole arguments of a call do not begin with their pieces.
    has_contradiction: bool,
    bytes: usize,
    /// The number of text parts in all items.
    parts: usize,
    max_items: usize,
    max_bytes: usize,
}

/// An item that has begun.
#[derive(Debug, Default)]
struct OpenItem {
    id: Option<String>,
    index: Option<usize>,
    call_id: Option<String>,
    kind: Option<ItemKind>,
    phase: Option<Phase>,
    /// By [`TextKind`].
    texts: [ItemText; 4],
    announced: AnnouncedText,
    arguments: StreamedText,
    /// Its place among the calls.
    call: Option<usize>,
    /// It is a call of a custom tool.
    is_custom: bool,
    /// That it is one has been passed on.
    is_custom_sent: bool,
    namespace: Option<String>,
    /// Its beginning, or the whole item, has been passed on as an event.
    is_started: bool,
    is_reported: bool,
    /// Its type, if it began as a call that the client may have to run.
    begun_call: Option<&'static str>,
    has_name: bool,
    /// The whole item, once it has arrived.
    value: Option<Value>,
    /// The server has reported it as done.
    is_done: bool,
    /// Its arguments may be complete: they are JSON, or free text.
    is_plausible: bool,
    /// It is among the items of the last event.
    is_matched: bool,
}

impl Items {
    /// At most `max_items` calls, eight times as many items, and `max_bytes` in total.
    pub(super) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self {
            items: Vec::new(),
            calls: OpenCalls::new(max_items, max_bytes),
            last: [None; 4],
            has_stable_ids: false,
            has_contradiction: false,
            bytes: 0,
            parts: 0,
            // Calls have a limit of their own; reasoning and messages come between them.
            max_items: max_items.saturating_mul(8),
            max_bytes,
        }
    }

    /// Whether nothing has been read.
    pub(super) fn is_empty(&self) -> bool {
        let has_text = |item: &OpenItem| item.texts.iter().any(|text| !text.streamed.is_empty());
        self.calls.is_empty() && !self.items.iter().any(has_text)
    }

    /// Whether a call has pieces that are neither complete nor the beginning of its whole arguments.
    pub(super) fn is_contradictory(&self) -> bool {
        self.has_contradiction && !self.calls.has_complete_arguments()
    }

    /// Whether a message has text or a refusal.
    pub(super) fn has_text(&self) -> bool {
        let texts = [TextKind::Text, TextKind::Refusal];
        let held = |item: &OpenItem, kind: &TextKind| {
            item.texts.get(*kind as usize).is_some_and(|text| !text.streamed.is_empty())
        };
        self.items.iter().any(|item| texts.iter().any(|kind| held(item, kind)))
    }

    /// Adds a piece of a call's arguments, or all of them.
    pub(super) fn arguments(
        &mut self,
        place: &Place,
        name: Option<&str>,
        arguments: &str,
        is_whole: bool,
    ) -> Result<Option<ToolCallDelta>, CodexError> {
        let item = self.find_or_open(place, ItemKind::Call)?;
        let arguments = match self.items.get_mut(item) {
            Some(open) if !is_whole => open.announced.rest(arguments),
            _ => arguments,
        };
        self.push_call(item, None, name, arguments, is_whole)
    }

    /// Adds an item, as a whole or as it begins. Returns what is new in it.
    pub(super) fn item(
        &mut self,
        place: Place,
        value: Value,
        is_done: bool,
        unknown: &mut UnknownFields,
    ) -> Result<Piece, CodexError> {
        let item = Item(&value);
        let place = Place { id: item.word("id").map(Into::into).or(place.id), is_item: true, ..place };
        let call_id = item.word("call_id").map(String::from);
        let found = self.find(&place, item.kind(), call_id.as_deref());
        let position = match found {
            Some(position) => position,
            None => self.open(&place, item.kind())?,
        };
        let mut piece = self.fill(position, item, is_done, unknown)?;
        self.report(position, &value, is_done, &mut piece);
        if is_done {
            self.keep(position, value)?;
        } else if let Some(open) = self.items.get_mut(position) {
            open.announced = AnnouncedText::new(match item.kind() {
                ItemKind::Call => item.arguments(),
                _ => item.message_text(),
            });
        }
        Ok(piece)
    }

    /// Adds the items of the last event, each of which may have arrived before. Returns what is new in each.
    pub(super) fn last_items(
        &mut self,
        values: &[Value],
        is_incomplete: bool,
        unknown: &mut UnknownFields,
    ) -> Result<Vec<Piece>, CodexError> {
        let mut pieces = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let item = Item(value);
            let position = match self.find_last(index, item) {
                Some(position) => position,
                None => self
                    .open(&Place { id: item.word("id").map(Into::into), ..Place::default() }, item.kind())?,
            };
            let mut piece = self.fill(position, item, true, unknown)?;
            self.report(position, value, true, &mut piece);
            if let Some(open) = self.items.get_mut(position) {
                open.is_matched = true;
                open.is_done |= !is_incomplete || item.text("status") == "completed";
                open.is_done &= !item.is_incomplete();
            }
            pieces.extend(piece.if_any());
        }
        Ok(pieces)
    }

    /// Adds an event of the item to a piece, if it is news: that it has begun, or is whole.
    fn report(&mut self, position: usize, value: &Value, is_whole: bool, piece: &mut Piece) {
        let Some(open) = self.items.get_mut(position) else { return };
        if open.is_reported || (open.is_started && !is_whole) {
            return;
        }
        open.is_started = true;
        open.is_reported = is_whole;
        open.begun_call = hosted_call::kind(Item(value));
        let item = hosted_item::output_item(value);
        let update = if is_whole { ItemUpdate::Done(item) } else { ItemUpdate::Started(item) };
        piece.items.push(ItemEvent::new(position, update));
    }

    /// Adds an update of the item at a place to a piece.
    pub(super) fn update(
        &mut self,
        place: &Place,
        kind: ItemKind,
        update: Option<ItemUpdate>,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        if let Some(update) = update {
            let position = self.find_or_open(place, kind)?;
            piece.items.push(ItemEvent::new(position, update));
        }
        Ok(())
    }

    /// The calls of the provider's tools among these items, which the client has to run.
    pub(super) fn hosted_calls(&mut self, items: &[Value]) -> Result<Vec<ToolCallDelta>, CodexError> {
        let mut deltas = Vec::new();
        for call in hosted_call::calls(items) {
            let ToolCall { id, name, arguments, kind, .. } = call;
            // Each is a call of its own, after those of functions.
            let index = usize::MAX - deltas.len();
            let fragment = ToolCallFragment::new(Some(index), Some(&id), Some(&name), arguments);
            let delta = self.calls.push(fragment, |calls, fragment| calls.push_indexed(index, fragment))?;
            deltas.extend(delta.map(|delta| delta.with_kind(kind).with_is_complete(true)));
        }
        Ok(deltas)
    }

    /// The type of the first call of a hosted tool that began and did not arrive as a whole.
    pub(super) fn open_hosted_call(&self) -> Option<&'static str> {
        self.items.iter().filter(|item| !item.is_reported).find_map(|item| item.begun_call)
    }

    /// Takes the items that arrived as a whole, in the server's order.
    pub(super) fn take_done(&mut self) -> Vec<Value> {
        let mut values: Vec<_> =
            self.items.iter_mut().filter_map(|item| Some((item.index, item.value.take()?))).collect();
        // Items without an index stay in order of arrival.
        if values.iter().all(|(index, _)| index.is_some()) {
            values.sort_by_key(|(index, _)| *index);
        }
        values.into_iter().map(|(_, value)| value).collect()
    }

    /// The calls that the server has reported as done, for a response that was cut.
    pub(super) fn done_calls(&self) -> impl Iterator<Item = usize> {
        self.items.iter().filter_map(|item| item.call.filter(|_| item.is_done && item.is_plausible))
    }

    /// Adds the content of a whole item that its pieces lacked.
    fn fill(
        &mut self,
        position: usize,
        item: Item<'_>,
        is_whole: bool,
        unknown: &mut UnknownFields,
    ) -> Result<Piece, CodexError> {
        let mut piece = Piece::default();
        if let Some(open) = self.items.get_mut(position) {
            open.kind = Some(item.kind());
            open.phase = item.phase().or(open.phase);
            open.call_id = open.call_id.take().or_else(|| item.word("call_id").map(Into::into));
        }
        match item.kind() {
            ItemKind::Message => {
                let reasoning = item.message_reasoning();
                self.fill_text(position, TextKind::Reasoning, &reasoning, &mut piece, unknown);
                self.fill_text(position, TextKind::Text, &item.message_text(), &mut piece, unknown);
                self.fill_text(position, TextKind::Refusal, &item.message_refusal(), &mut piece, unknown);
            }
            ItemKind::Reasoning => {
                self.fill_text(position, TextKind::Summary, &item.paragraphs("summary"), &mut piece, unknown);
                let fields = ["content", "text"].into_iter().map(|field| item.paragraphs(field));
                let text = fields.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
                // Some servers stream the item's content as a summary.
                if !self.has_summary(position, &text) {
                    self.fill_text(position, TextKind::Reasoning, &text, &mut piece, unknown);
                }
            }
            ItemKind::Call => {
                // The item's id is the call's only if it has no `call_id`.
                let call_id = item.word("call_id").or_else(|| item.word("id").filter(|_| is_whole));
                let (name, arguments) = (item.call_name(), item.arguments());
                if let Some(open) = self.items.get_mut(position) {
                    open.is_custom |= item.text("type") == "custom_tool_call";
                    open.namespace = open.namespace.take().or_else(|| item.word("namespace").map(Into::into));
                    let is_json = || serde_json::from_str::<IgnoredAny>(&arguments).is_ok();
                    open.is_plausible = open.is_custom || is_json();
                }
                let delta = self.push_call(position, call_id.as_deref(), Some(name), &arguments, true)?;
                piece.tool_calls.extend(delta);
            }
            ItemKind::Other => {}
        }
        Ok(piece)
    }

    fn push_call(
        &mut self,
        item: usize,
        id: Option<&str>,
        name: Option<&str>,
        arguments: &str,
        is_whole: bool,
    ) -> Result<Option<ToolCallDelta>, CodexError> {
        let Some(open) = self.items.get_mut(item) else { return Ok(None) };
        let is_first = open.call.is_none() && is_whole;
        if is_first && self.calls.is_repetition(id.unwrap_or_default(), name.unwrap_or_default(), arguments) {
            return Ok(None);
        }
        let arguments = match is_whole && !open.arguments.is_empty() {
            true => {
                let rest = open.arguments.rest(arguments);
                let is_contradictory = rest.is_none() && !arguments.is_empty();
                self.has_contradiction |= is_contradictory;
                open.is_plausible &= !is_contradictory;
                rest.unwrap_or_default()
            }
            false => arguments,
        };
        open.arguments.add(arguments);
        let name = name.filter(|name| !name.is_empty() && !open.has_name);
        open.has_name |= name.is_some();
        let fragment = ToolCallFragment::new(None, id, name, arguments);
        let mut delta = self.calls.push(fragment, |calls, fragment| calls.push_indexed(item, fragment))?;
        let mut is_new_kind = false;
        if let (Some(open), Some(delta)) = (self.items.get_mut(item), &mut delta) {
            open.call.get_or_insert(delta.index);
            if open.is_custom {
                is_new_kind = !std::mem::replace(&mut open.is_custom_sent, true);
                delta.kind = ToolCallKind::Custom;
            }
            if delta.name.is_some() {
                delta.namespace.clone_from(&open.namespace);
            }
        }
        let is_new = |delta: &ToolCallDelta| {
            is_new_kind || delta.id.is_some() || delta.name.is_some() || !delta.arguments_delta.is_empty()
        };
        Ok(delta.filter(is_new))
    }

    /// Keeps an item unchanged, for servers whose last event does not repeat it.
    fn keep(&mut self, position: usize, value: Value) -> Result<(), CodexError> {
        let Some(open) = self.items.get_mut(position) else { return Ok(()) };
        open.is_done = !Item(&value).is_incomplete();
        if open.value.is_none() {
            self.bytes += value.to_string().len();
        }
        open.value = Some(value);
        if self.bytes <= self.max_bytes {
            return Ok(());
        }
        let message = format!("the items of the response have more than {} bytes", self.max_bytes);
        Err(CodexError::new(ErrorCategory::Parse, message)
            .with_hint("Raise with_max_event_bytes if you trust this server."))
    }
}
