//! Encodes requests as JSON, as `serde_json` does, but searches strings for characters to escape eight bytes at a time: in a
//! long conversation, looking at each byte is nearly all the work.

mod strings;

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, Formatter};
use tachikoma_backends_core::ErrorCategory;

use self::strings::StringsAsBytes;
use crate::CodexError;

/// The JSON of a generated request.
///
/// # Errors
/// It cannot be represented in JSON.
pub(crate) fn json(request: &impl Serialize) -> Result<Bytes, CodexError> {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, BytesAsStrings);
    request.serialize(StringsAsBytes(&mut serializer)).map_err(unencodable)?;
    Ok(text.into())
}

/// The error for a request that cannot be represented in JSON.
pub(crate) fn unencodable(error: serde_json::Error) -> CodexError {
    let message = format!("the request cannot be encoded as JSON: {error}");
    CodexError::unsent(ErrorCategory::InvalidRequest, message).with_source(error)
}

/// Writes compact JSON, and as strings the bytes that [`StringsAsBytes`] makes of them.
struct BytesAsStrings;

impl Formatter for BytesAsStrings {
    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &[u8]) -> io::Result<()> {
        self.begin_string(writer)?;
        let mut text = text;
        loop {
            let (plain, rest) = text.split_at(plain(text));
            writer.write_all(plain)?;
            let Some((byte, rest)) = rest.split_first() else { break };
            let escape = match byte {
                b'"' => CharEscape::Quote,
                b'\\' => CharEscape::ReverseSolidus,
                b'\x08' => CharEscape::Backspace,
                b'\x0C' => CharEscape::FormFeed,
                b'\n' => CharEscape::LineFeed,
                b'\r' => CharEscape::CarriageReturn,
                b'\t' => CharEscape::Tab,
                other => CharEscape::AsciiControl(*other),
            };
            self.write_char_escape(writer, escape)?;
            text = rest;
        }
        self.end_string(writer)
    }
}

/// How many bytes at the beginning need no escape.
#[inline]
fn plain(text: &[u8]) -> usize {
    /// A one in each byte.
    const ONES: u64 = u64::MAX / 0xFF;
    // The high bit of each byte that is below the limit; only bits above the first one set may be wrong.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & (ONES << 7);
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, rest) = text.as_chunks();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let end = rest.iter().take_while(|byte| !matches!(byte, ..0x20 | b'"' | b'\\')).count();
    text.len() - rest.len() + end
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: &impl Serialize) {
        let expected = serde_json::to_string(value).unwrap();
        assert_eq!(String::from_utf8(super::json(value).unwrap().into()).unwrap(), expected);
    }

    #[test]
    fn every_byte_at_every_offset_in_a_word() {
        for byte in 0..=0x7F_u8 {
            for before in 0..17 {
                let text =
                    format!("{}{}{}", "é".repeat(before), char::from(byte), "\u{7F}😀 a\"".repeat(before));
                check(&text);
                check(&text.get(before..));
            }
        }
    }

    /// Every kind of value that serde knows.
    #[derive(Serialize)]
    struct Everything<'a> {
        numbers: (u8, i8, u16, i16, u32, i32, u64, i64, f32, f64),
        nothing: ((), Option<&'a str>, Nothing),
        text: Option<&'a str>,
        character: char,
        bytes: &'a [u8],
        keys: BTreeMap<&'a str, bool>,
        variants: Vec<Variant<'a>>,
        #[serde(flatten)]
        further: BTreeMap<&'a str, Wrapped<'a>>,
    }

    #[derive(Serialize)]
    struct Nothing;

    #[derive(Serialize)]
    struct Wrapped<'a>(&'a str);

    #[derive(Serialize)]
    enum Variant<'a> {
        Unit,
        Newtype(&'a str),
        Tuple(&'a str, u8),
        Struct { text: &'a str },
    }

    #[test]
    fn every_kind_of_value() {
        let text = "a\n\"b\"";
        check(&Everything {
            numbers: (1, -1, 1, -1, 1, -1, u64::MAX, i64::MIN, 0.1, 1e300),
            nothing: ((), None, Nothing),
            text: Some(text),
            character: '"',
            bytes: b"\"a",
            keys: BTreeMap::from([(text, true)]),
            variants: vec![
                Variant::Unit,
                Variant::Newtype(text),
                Variant::Tuple(text, 1),
                Variant::Struct { text },
            ],
            further: BTreeMap::from([("further", Wrapped(text))]),
        });
    }

    proptest! {
        #[test]
        fn any_text(text in any::<String>(), ascii in "[\\x00-\\x7F]{0,40}") {
            check(&[&text, &ascii]);
            check(&json!({ (ascii): text }));
        }
    }
}
