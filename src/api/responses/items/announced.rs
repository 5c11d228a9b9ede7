//! The text that an item began with: some servers send it once more in pieces.

/// Text that has been passed on and may be repeated from its beginning.
#[derive(Debug, Default)]
pub(super) struct AnnouncedText {
    text: String,
    repeated: usize,
}

impl AnnouncedText {
    pub(super) fn new(text: String) -> Self {
        Self { text, repeated: 0 }
    }

    /// The part of a piece that is new. A piece that does not repeat the text continues it.
    pub(super) fn rest<'a>(&mut self, piece: &'a str) -> &'a str {
        let left = self.text.get(self.repeated..).unwrap_or_default();
        if left.is_empty() {
            return piece;
        }
        if left.starts_with(piece) {
            self.repeated += piece.len();
            return "";
        }
        let rest = piece.strip_prefix(left).unwrap_or(piece);
        *self = Self::default();
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions() {
        for (text, pieces, expected) in [
            ("", vec!["a", "b"], "ab"),
            ("ab", vec!["a", "b"], ""),
            ("ab", vec!["a", "bc", "a"], "ca"),
            ("ab", vec!["c", "a"], "ca"),
            ("é", vec!["é", "é"], "é"),
        ] {
            let mut announced = AnnouncedText::new(text.to_owned());
            let found: String = pieces.iter().map(|piece| announced.rest(piece)).collect();
            assert_eq!(found, expected, "{text} {pieces:?}");
        }
    }
}
