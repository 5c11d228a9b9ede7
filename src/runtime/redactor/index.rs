//! Finds secrets, and long parts of them, in a text.

use std::ops::Range;

/// The number of bytes by which secrets are looked up. Shorter secrets are not found: a key of three letters would mask
/// ordinary words.
pub(super) const MIN_SECRET: usize = 6;

/// The shortest part of a secret that is masked without the rest, in bytes after its public prefix.
const MIN_PART: usize = 8;

/// The length from which a part is masked even if it looks like plain words.
const LONG_PART: usize = 16;

/// Every part of [`MIN_PART`] bytes holds a window that starts at a multiple of this.
const STRIDE: usize = MIN_PART - MIN_SECRET + 1;

const FILTER_BITS: usize = 1 << 12;

/// One encoding of a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) text: Vec<u8>,
    /// The length of the public prefix, as in `sk-proj-`.
    pub(super) prefix: usize,
    /// Whether parts of it are secret as well.
    pub(super) has_parts: bool,
    /// Whether it is matched as whole words only.
    pub(super) is_word: bool,
}

impl Pattern {
    /// Whether these bytes of it are secret.
    fn is_secret(&self, part: &Range<usize>) -> bool {
        if part.len() == self.text.len() {
            return true;
        }
        let hidden = part.end.saturating_sub(part.start.max(self.prefix));
        let is_distinctive = || self.text.get(part.clone()).is_some_and(is_varied);
        self.has_parts && hidden >= MIN_PART && (part.len() >= LONG_PART || is_distinctive())
    }
}

/// Whether it has digits or letters of both cases, as keys do and most words do not.
fn is_varied(text: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| text.iter().any(is);
    has(u8::is_ascii_digit) || has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
}

/// Looks up the windows of many patterns at once.
pub(super) struct Index {
    patterns: Vec<Pattern>,
    /// A window's bytes, its pattern and its offset there; sorted.
    windows: Vec<(u64, usize, usize)>,
    /// A bit for the hash of each window.
    filter: Vec<u64>,
}

impl Index {
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        let mut windows = Vec::new();
        for (number, pattern) in patterns.iter().enumerate() {
            let count = if pattern.has_parts { usize::MAX } else { 1 };
            let starts = pattern.text.windows(MIN_SECRET).enumerate().step_by(STRIDE).take(count);
            windows.extend(starts.map(|(start, window)| (key(window), number, start)));
        }
        windows.sort_unstable();
        let mut filter = vec![0; FILTER_BITS / 64];
        for (key, ..) in &windows {
            let bit = hash(*key);
            if let Some(word) = filter.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        Self { patterns, windows, filter }
    }

    /// Finds the secrets in the text, in order and without overlaps, ignoring case.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        if self.windows.is_empty() {
            return found;
        }
        let bytes = text.as_bytes();
        let mut resume = 0;
        for (at, window) in bytes.windows(MIN_SECRET).enumerate() {
            if at < resume {
                continue;
            }
            let key = key(window);
            let bit = hash(key);
            if self.filter.get(bit / 64).is_none_or(|word| word >> (bit % 64) & 1 == 0) {
                continue;
            }
            let Some(range) = self.longest(text, at, key) else { continue };
            resume = range.end;
            match found.last_mut() {
                Some(last) if range.start <= last.end => last.end = range.end,
                _ => found.push(range),
            }
        }
        found
    }

    /// The longest secret around this window of the text.
    fn longest(&self, text: &str, at: usize, key: u64) -> Option<Range<usize>> {
        let first = self.windows.partition_point(|(other, ..)| *other < key);
        let same = self.windows.iter().skip(first).take_while(|(other, ..)| *other == key);
        let ranges = same.filter_map(|(_, number, start)| self.extend(text, at, *number, *start));
        ranges.max_by_key(Range::len)
    }

    fn extend(&self, text: &str, at: usize, number: usize, start: usize) -> Option<Range<usize>> {
        let pattern = self.patterns.get(number)?;
        let bytes = text.as_bytes();
        let same = |pair: &(&u8, &u8)| pair.0.eq_ignore_ascii_case(pair.1);
        let before = pattern.text.iter().take(start).rev().zip(bytes.iter().take(at).rev());
        let before = before.take_while(same).count();
        let after = pattern.text.iter().skip(start).zip(bytes.iter().skip(at)).take_while(same).count();
        if !pattern.is_secret(&(start - before..start + after)) {
            return None;
        }
        let range = whole_characters(text, at - before..at + after);
        (!pattern.is_word || is_word(text, &range)).then_some(range)
    }
}

/// Whether no letter or digit precedes or follows it.
fn is_word(text: &str, range: &Range<usize>) -> bool {
    let before = text.get(..range.start).and_then(|before| before.chars().next_back());
    let after = text.get(range.end..).and_then(|after| after.chars().next());
    ![before, after].into_iter().flatten().any(char::is_alphanumeric)
}

/// Extends the range to whole characters.
fn whole_characters(text: &str, mut range: Range<usize>) -> Range<usize> {
    while !text.is_char_boundary(range.start) {
        range.start -= 1;
    }
    while !text.is_char_boundary(range.end) {
        range.end += 1;
    }
    range
}

/// The window, ignoring case.
fn key(window: &[u8]) -> u64 {
    window.iter().fold(0, |key, byte| key << 8 | u64::from(byte.to_ascii_lowercase()))
}

fn hash(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize % FILTER_BITS
}
