//! The counting rule: a token is four bytes of text, the last one perhaps fewer.

pub(crate) const BYTES_PER_TOKEN: usize = 4;

/// The highest output limit of OpenAI's models, in tokens.
pub(crate) const MOST_OUTPUT: u32 = 128_000;

pub(crate) fn count(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// How many of at most `bytes` bytes at the start of the text end with a whole character.
pub(crate) fn whole_characters(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}
