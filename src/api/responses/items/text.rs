//! The text in items: messages, refusals and reasoning, in pieces and as wholes.

use tachikoma_backends_core::Phase;

use super::{AnnouncedText, Items, Place};
use crate::CodexError;
use crate::api::responses::item::{ItemKind, PARAGRAPH};
use crate::api::streamed_text::StreamedText;
use crate::runtime::decoder::{Piece, append};
use crate::runtime::unknown::UnknownFields;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api::responses) enum TextKind {
    Text,
    Refusal,
    Summary,
    Reasoning,
}

/// More parts than the items of any response have; further ones are not distinguished.
const MAX_PARTS: usize = 5000;

/// The text of one kind in an item.
#[derive(Debug, Default)]
pub(super) struct ItemText {
    pub(super) streamed: StreamedText,
    parts: Vec<Part>,
}

#[derive(Debug, Default)]
struct Part {
    index: Option<usize>,
    streamed: StreamedText,
    is_done: bool,
}

impl Items {
    /// Adds a piece of text.
    pub(in crate::api::responses) fn text_delta(
        &mut self,
        place: &Place,
        kind: TextKind,
        text: String,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        if text.is_empty() {
            return Ok(());
        }
        let item = self.find_or_open(place, item_kind(kind))?;
        let mut text = text;
        if let Some(open) = self.items.get_mut(item).filter(|_| kind == TextKind::Text) {
            let length = open.announced.rest(&text).len();
            text.drain(..text.len() - length);
        }
        if text.is_empty() {
            return Ok(());
        }
        if let Some(part) = self.part(item, kind, place.part) {
            part.streamed.add(&text);
        }
        self.emit(item, kind, Some(boundary(kind, place)), text, piece);
        Ok(())
    }

    /// Adds the whole text of a part, of which pieces may have arrived.
    pub(in crate::api::responses) fn text_done(
        &mut self,
        place: &Place,
        kind: TextKind,
        whole: &str,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        if whole.is_empty() {
            return Ok(());
        }
        let item = self.find_or_open(place, item_kind(kind))?;
        let Some(part) = self.part(item, kind, place.part) else { return Ok(()) };
        if part.is_done && place.part.is_none() && part.streamed.rest(whole).is_none() {
            // Without an index, a second whole text is that of another part.
            *part = Part::default();
        }
        part.is_done = true;
        let Some(rest) = part.streamed.rest(whole).filter(|rest| !rest.is_empty()).map(str::to_owned) else {
            return Ok(());
        };
        part.streamed.add(&rest);
        self.emit(item, kind, Some(boundary(kind, place)), rest, piece);
        Ok(())
    }

    /// Records the text that a part begins with, which may be repeated in pieces.
    pub(in crate::api::responses) fn announce(&mut self, place: &Place, text: &str) {
        let position = self.find(place, ItemKind::Message, None);
        if let Some(open) = position.and_then(|position| self.items.get_mut(position)) {
            open.announced = AnnouncedText::new(text.to_owned());
        }
    }

    /// Whether this text is the item's summary.
    pub(super) fn has_summary(&self, item: usize, whole: &str) -> bool {
        let held = self.items.get(item).and_then(|open| open.texts.get(TextKind::Summary as usize));
        held.is_some_and(|held| !held.streamed.is_empty() && held.streamed.covers(whole))
    }

    pub(super) fn fill_text(
        &mut self,
        item: usize,
        kind: TextKind,
        whole: &str,
        piece: &mut Piece,
        unknown: &mut UnknownFields,
    ) {
        let Some(text) = self.items.get(item).and_then(|open| open.texts.get(kind as usize)) else { return };
        match text.streamed.rest(whole) {
            Some(rest) if !rest.is_empty() => self.emit(item, kind, None, rest.to_owned(), piece),
            None if !whole.is_empty() && !text.streamed.covers(whole) => {
                unknown.add_value("output[].content", "other text");
            }
            _ => {}
        }
    }

    /// Passes text on. Another message, or another `part` of reasoning, begins a paragraph; without a part, the text continues
    /// its item.
    fn emit(
        &mut self,
        item: usize,
        kind: TextKind,
        part: Option<Option<usize>>,
        text: String,
        piece: &mut Piece,
    ) {
        let Some(open) = self.items.get_mut(item) else { return };
        let (channel, target) = match kind {
            TextKind::Text if open.phase == Some(Phase::Commentary) => (0, &mut piece.text),
            TextKind::Text => (1, &mut piece.text),
            TextKind::Refusal => (2, &mut piece.refusal),
            TextKind::Summary | TextKind::Reasoning => (3, &mut piece.reasoning),
        };
        let (Some(last), Some(held)) = (self.last.get_mut(channel), open.texts.get_mut(kind as usize)) else {
            return;
        };
        let before = *last;
        let in_item = before.filter(|(before, before_kind, _)| (*before, *before_kind) == (item, kind));
        let is_same = in_item.is_some_and(|(.., before)| part.is_none_or(|part| part == before));
        *last = Some((item, kind, part.or(in_item.map(|(.., part)| part)).flatten()));
        piece.item = Some(item);
        if kind == TextKind::Text {
            piece.phase = open.phase;
        }
        if before.is_some() && !is_same {
            target.push_str(PARAGRAPH);
            if in_item.is_some() {
                held.streamed.add(PARAGRAPH);
            }
        }
        held.streamed.add(&text);
        append(target, text);
    }

    /// The part that a piece belongs to: by its index, else the last one.
    fn part(&mut self, item: usize, kind: TextKind, index: Option<usize>) -> Option<&mut Part> {
        let is_full = self.parts >= MAX_PARTS;
        let text = self.items.get_mut(item)?.texts.get_mut(kind as usize)?;
        let last = text.parts.len().checked_sub(1);
        let found = match index {
            Some(_) if !is_full => text.parts.iter().position(|part| part.index == index),
            _ => last,
        };
        let position = found.unwrap_or_else(|| {
            text.parts.push(Part { index, ..Part::default() });
            self.parts += 1;
            text.parts.len() - 1
        });
        text.parts.get_mut(position)
    }
}

/// The part that is a paragraph of its own: those of reasoning are, those of a message are not.
fn boundary(kind: TextKind, place: &Place) -> Option<usize> {
    place.part.filter(|_| item_kind(kind) == ItemKind::Reasoning)
}

fn item_kind(kind: TextKind) -> ItemKind {
    match kind {
        TextKind::Text | TextKind::Refusal => ItemKind::Message,
        TextKind::Summary | TextKind::Reasoning => ItemKind::Reasoning,
    }
}
