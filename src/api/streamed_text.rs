//! [`StreamedText`]: text that servers send in pieces, as a whole at the end, or both.

/// How much of the beginning is kept to recognize the whole by, in bytes. The memory of a stream must not grow with its text.
const HEAD: usize = 64;

/// By how many bytes a whole may be shorter than its pieces and still be the same text, since servers trim it.
const MAX_TRIMMED: usize = 16;

/// The text of one kind that has been passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamedText {
    head: Vec<u8>,
    length: usize,
}

impl StreamedText {
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its length, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds the next piece.
    pub(crate) fn add(&mut self, piece: &str) {
        let room = HEAD.saturating_sub(self.head.len());
        if room > 0 {
            self.head.extend(piece.bytes().take(room));
        }
        self.length += piece.len();
    }

    /// The part of a whole text that the pieces lack. `None` if it does not begin with them.
    pub(crate) fn rest<'a>(&self, whole: &'a str) -> Option<&'a str> {
        whole.as_bytes().starts_with(&self.head).then(|| whole.get(self.length..)).flatten()
    }

    /// Whether a whole text adds nothing to the pieces, of which a server may have trimmed the ends.
    pub(crate) fn covers(&self, whole: &str) -> bool {
        let shared = self.head.len().min(whole.len());
        self.length >= whole.len()
            && self.length - whole.len() <= MAX_TRIMMED
            && self.head.get(..shared) == whole.as_bytes().get(..shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_adds_what_its_pieces_lack() {
        #[track_caller]
        fn check(pieces: &[&str], whole: &str, rest: Option<&str>, covers: bool) {
            let mut streamed = StreamedText::default();
            pieces.iter().for_each(|piece| streamed.add(piece));
            assert_eq!((streamed.rest(whole), streamed.covers(whole)), (rest, covers), "{pieces:?} {whole}");
        }
        check(&[], "Hello", Some("Hello"), false);
        check(&["Hel", "lo"], "Hello", Some(""), true);
        check(&["Hel"], "Hello", Some("lo"), false);
        check(&["Hel", "lo "], "Hello", None, true);
        check(&["Hel"], "lo", None, false);
        check(&["é"], "\u{e9}a", Some("a"), false);
        check(&["a"], "\u{e9}", None, false);
        let long = "0123456789".repeat(20);
        check(&[&long, "a"], &format!("{long}ab"), Some("b"), false);
        check(&[&long], &long, Some(""), true);
        check(&[&long], "0123456789", None, false);
    }
}
