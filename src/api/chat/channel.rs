//! The text of one kind in a response: content, reasoning or refusal.

use crate::api::streamed::Streamed;
use crate::runtime::unknown::UnknownFields;

/// How much text of another choice is kept, in bytes.
const MAX_ALTERNATIVE: usize = 16 << 20;

/// From how many bytes on a message that begins with all the text so far repeats it.
const SURE: usize = 8;

/// The text of one kind. It is the first choice's; what another choice has of it is an alternative, and counts only where the
/// first one has none.
#[derive(Debug, Default)]
pub(super) struct Channel {
    streamed: Streamed,
    alternative: Option<(usize, String)>,
}

/// Where a message comes from.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// The choice, by its place.
    pub(super) choice: usize,
    /// Whether that is the response.
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
    /// A message that may be either, as can be told by its beginning.
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
            unknown.value("choices[]", "alternative");
            return;
        }
        held.push_str(text);
    }

    /// The alternative, where the first choice has nothing.
    pub(super) fn take_alternative(&mut self) -> String {
        let held = self.alternative.take().filter(|_| self.streamed.is_empty());
        held.map(|(_, text)| text).unwrap_or_default()
    }

    /// Adds what `text` brings to what has been passed on.
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
            Form::Delta => {
                self.streamed.add(&text);
                append(piece, text);
                return;
            }
            Form::Snapshot if self.streamed.covers(&text) => return,
            Form::Message { is_last: true } if text.len() >= SURE && self.streamed.covers(&text) => return,
            // A server that writes its pieces as messages may begin one as it began the first.
            Form::Message { is_last: false } if self.streamed.len() < SURE => None,
            Form::Snapshot | Form::Message { .. } => self.streamed.rest(&text).map(str::len),
        };
        if form == Form::Snapshot && rest.is_none() {
            unknown.value("choices[].message", "other text");
            return;
        }
        let rest = rest.map_or(0, |rest| text.len() - rest);
        let text = if rest == 0 { text } else { text.get(rest..).unwrap_or_default().to_owned() };
        self.streamed.add(&text);
        append(piece, text);
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
