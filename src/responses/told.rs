//! Words that servers stream in pieces, at the end of a part, or both.

/// How some kind of words has come: in pieces, or whole at the end of its part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    Not,
    InPieces,
    Whole,
}

impl Told {
    /// The next piece of the words.
    pub(super) fn piece(&mut self, delta: Option<String>) -> String {
        let delta = delta.unwrap_or_default();
        if !delta.is_empty() {
            *self = Self::InPieces;
        }
        delta
    }

    /// All the words of a part; nothing of it if they come in pieces.
    pub(super) fn whole(&mut self, text: Option<String>) -> String {
        let text = text.filter(|_| *self != Self::InPieces).unwrap_or_default();
        if !text.is_empty() {
            *self = Self::Whole;
        }
        text
    }
}
