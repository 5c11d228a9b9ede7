//! Finds the item that a piece, or a repeated item, belongs to.

use tachikoma_backends_core::ErrorCategory;

use super::text::TextKind;
use super::{Items, OpenItem};
use crate::CodexError;
use crate::api::responses::item::{Item, ItemKind};
use crate::openai::types::ResponseStreamEvent as Event;
use crate::runtime::json;

/// Where a piece belongs.
#[derive(Clone, Debug, Default)]
pub(in crate::api::responses) struct Place {
    pub(super) id: Option<String>,
    pub(super) index: Option<usize>,
    pub(super) part: Option<usize>,
    /// It is the place of an item, not of a piece.
    pub(super) is_item: bool,
}

impl Place {
    /// The place that an event names.
    pub(in crate::api::responses) fn from_event(event: &Event) -> Self {
        let part = event.summary_index.as_ref().or(event.content_index.as_ref());
        Self {
            id: event.item_id.as_ref().and_then(json::text).filter(|id| !id.is_empty()),
            index: json::index(event.output_index.as_ref()),
            part: json::index(part),
            is_item: false,
        }
    }
}

impl Items {
    pub(super) fn find_or_open(&mut self, place: &Place, kind: ItemKind) -> Result<usize, CodexError> {
        match self.find(place, kind, None) {
            Some(position) => {
                let held = self.items.get(position).and_then(|item| item.id.as_ref());
                self.has_stable_ids |= held.is_some() && held == place.id.as_ref();
                Ok(position)
            }
            None => self.open(place, kind),
        }
    }

    /// The item at a place: by id, by index, by the id of its call. A place that names no item so far is in the last item of
    /// the kind, unless its index is new: some servers make up an id for each event.
    pub(super) fn find(&self, place: &Place, kind: ItemKind, call_id: Option<&str>) -> Option<usize> {
        let position = |is: &dyn Fn(&OpenItem) -> bool| self.items.iter().rposition(is);
        let id = place.id.as_deref();
        let by_id = || {
            let id = id?;
            position(&|item| item.id.as_deref() == Some(id) || item.call_id.as_deref() == Some(id))
        };
        let by_index = || {
            let index = place.index?;
            let is_other_call = |item: &OpenItem| {
                call_id.is_some_and(|id| item.call_id.as_deref().is_some_and(|held| held != id))
            };
            position(&|item| {
                item.index == Some(index) && item.kind.is_none_or(|held| held == kind) && !is_other_call(item)
            })
        };
        let by_call_id = || {
            let call_id = call_id.filter(|id| !id.is_empty())?;
            let is_other =
                |item: &OpenItem| place.index.is_some() && item.index.is_some() && item.index != place.index;
            position(&|item| item.call_id.as_deref() == Some(call_id) && !is_other(item))
        };
        // If ids have been found before, an unknown one is that of a new item.
        let last = || {
            let is_new = place.index.is_some()
                || call_id.is_some()
                || id.is_some() && (place.is_item || self.has_stable_ids);
            if is_new { None } else { position(&|item| item.kind == Some(kind)) }
        };
        by_id().or_else(by_index).or_else(by_call_id).or_else(last)
    }

    /// The item that an item of the last event repeats: by id or by the id of its call, else by its index or its order, if its
    /// content so far agrees.
    pub(super) fn find_last(&self, index: usize, item: Item<'_>) -> Option<usize> {
        let (id, call_id) = (item.word("id"), item.word("call_id"));
        let free = || self.items.iter().enumerate().filter(|(_, open)| !open.is_matched);
        let is_same = |held: &Option<String>, given: &Option<std::borrow::Cow<'_, str>>| {
            held.is_some() && held.as_deref() == given.as_deref()
        };
        let by_id = || free().find(|(_, open)| is_same(&open.id, &id));
        let by_call_id = || free().find(|(_, open)| is_same(&open.call_id, &call_id));
        let alike = || free().filter(|(_, open)| open.agrees(item));
        let by_index = || alike().find(|(_, open)| open.index == Some(index));
        let in_order = || alike().next();
        by_id().or_else(by_call_id).or_else(by_index).or_else(in_order).map(|(position, _)| position)
    }

    pub(super) fn open(&mut self, place: &Place, kind: ItemKind) -> Result<usize, CodexError> {
        if self.items.len() >= self.max_items {
            let message = format!("the server's response holds more than {} items", self.max_items);
            return Err(CodexError::new(ErrorCategory::Parse, message)
                .with_hint("Raise with_max_tool_calls if you trust this server."));
        }
        let Place { id, index, .. } = place.clone();
        self.items.push(OpenItem { id, index, kind: Some(kind), ..OpenItem::default() });
        Ok(self.items.len() - 1)
    }
}

impl OpenItem {
    /// Whether the content so far can be a part of this item.
    fn agrees(&self, item: Item<'_>) -> bool {
        let text = |kind: TextKind, whole: &str| {
            let held = self.texts.get(kind as usize).map(|text| &text.streamed);
            held.is_none_or(|held| held.is_empty() || held.rest(whole).is_some() || held.covers(whole))
        };
        self.kind == Some(item.kind())
            && match item.kind() {
                ItemKind::Message => {
                    text(TextKind::Text, &item.message_text())
                        && text(TextKind::Refusal, &item.message_refusal())
                }
                ItemKind::Reasoning => {
                    text(TextKind::Summary, &item.paragraphs("summary"))
                        && text(TextKind::Reasoning, &item.paragraphs("content"))
                }
                ItemKind::Call => self.arguments.rest(&item.arguments()).is_some() && self.call_id.is_none(),
                ItemKind::Other => false,
            }
    }
}
