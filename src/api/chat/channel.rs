//! The text of one kind in a response: content, reasoning or refusal.

use crate::api::streamed_text::StreamedText;
use crate::runtime::{decoder::append, unknown::UnknownFields};

/// How much text of another choice is kept, in bytes.
const MAX_ALTERNATIVE: usize = 16 << 20;

/// The length in bytes from which a message that begins with all the text so far is taken for a repetition.
const MIN_REPETITION: usize = 8;

/// The text of one kind. It is that of the first choice; that of another one is an alternative, used only where the first has
/// none.
#[derive(Debug, Default)]
pub(super) struct Channel {
    streamed: StreamedText,
    alternative: Option<(usize, String)>,
}

/// Where a message comes from.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// The choice, by its place.
    pub(super) choice: usize,
    /// Whether this choice is the response.
    pub(super) is_first: bool,
    pub(super) form: Form,
}

/// How a message relates to what came before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// The next piece.
    Delta,
    /// The whole message once more, beside or after its pieces.
    Snapshot,
    /// A message that may be either, as its beginning shows.
    Message { is_last: bool },
}

impl Channel {
    /// Whether there is no text of this kind.
    pub(super) fn is_empty(&self) -> bool {
        self.streamed.is_empty() && self.alternative.is_none()
    }

    /// Whether the text of this kind is that of a choice which is not the first.
    pub(super) fn is_alternative(&self, choice: usize) -> bool {
        self.streamed.is_empty() && self.alternative.as_ref().is_some_and(|(held, _)| *held == choice)
    }

    fn add_alternative(&mut self, choice: usize, text: &str, unknown: &mut UnknownFields) {
        let (held_choice, held) = self.alternative.get_or_insert_with(|| (choice, String::new()));
        if *held_choice != choice || held.len() + text.len() > MAX_ALTERNATIVE || !self.streamed.is_empty() {
            unknown.add_value("choices[]", "alternative");
            return;
        }
        held.push_str(text);
    }

    /// The alternative, where the first choice has nothing.
    pub(super) fn take_alternative(&mut self) -> String {
        let held = self.alternative.take().filter(|_| self.streamed.is_empty());
        held.map(|(_, text)| text).unwrap_or_default()
    }

    /// Adds the part of `text` that has not been passed on yet.
    pub(super) fn add(
        &mut self,
        source: Source,
        text: String,
        piece: &mut String,
        unknown: &mut UnknownFields,
    ) {
        let Source { choice, is_first, form } = source;
        if text.is_empty() {
            return;
        }
        if !is_first {
            self.add_alternative(choice, &text, unknown);
            return;
        }
        let rest = match form {
            Form::Delta => None,
            Form::Snapshot if self.streamed.covers(&text) => return,
            Form::Message { is_last: true }
                if text.len() >= MIN_REPETITION && self.streamed.covers(&text) =>
            {
                return;
            }
            // A server that writes its pieces as messages may begin one as it began the first.
            Form::Message { is_last: false } if self.streamed.len() < MIN_REPETITION => None,
            Form::Snapshot | Form::Message { .. } => self.streamed.rest(&text).map(str::len),
        };
        if form == Form::Snapshot && rest.is_none() {
            unknown.add_value("choices[].message", "other text");
            return;
        }
        let start = rest.map_or(0, |rest| text.len() - rest);
        let text = if start == 0 { text } else { text.get(start..).unwrap_or_default().to_owned() };
        self.streamed.add(&text);
        append(piece, text);
    }
}
