//! A limit on the size of a document in memory: two bytes on the wire (`{}`) can take a kilobyte.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tachikoma_backends_core::ErrorCategory;

use crate::CodexError;

/// Shorter documents, in bytes, cannot become large.
const SHORT: usize = 64 << 10;
/// Nor can documents with fewer structural characters, however long their text is.
const FEW_MARKS: usize = 20_000;
/// The maximum size of a document, in values of about 80 bytes.
const MAX_VALUES: usize = 1_000_000;
/// The lists whose elements become structs, and the size of such an element in values.
const STRUCTURES: [&str; 2] = ["choices", "tool_calls"];
const STRUCTURE: usize = 16;
/// A field that is not read, whatever its size.
const IGNORED: &str = "logprobs";

/// # Errors
/// The JSON of `text` would become too large.
pub(crate) fn check(text: &str) -> Result<(), CodexError> {
    let marks = || memchr::memchr3_iter(b'{', b'[', b',', text.as_bytes()).take(FEW_MARKS).count();
    if text.len() <= SHORT || marks() < FEW_MARKS {
        return Ok(());
    }
    let mut left = MAX_VALUES;
    let budget = Budget { left: &mut left, cost: 1 };
    // Syntax errors are reported where the JSON is parsed.
    let _ = budget.deserialize(&mut serde_json::Deserializer::from_str(text));
    if left > 0 {
        return Ok(());
    }
    let message = format!("the server's response holds more than {MAX_VALUES} JSON values");
    Err(CodexError::new(ErrorCategory::Parse, message).maybe_processed())
}

/// Subtracts the cost of each value until nothing is left.
struct Budget<'a> {
    left: &'a mut usize,
    cost: usize,
}

impl Budget<'_> {
    fn spend<E: Error>(&mut self) -> Result<(), E> {
        *self.left = self.left.saturating_sub(self.cost);
        if *self.left == 0 { Err(E::custom("too many values")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Budget<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Budget<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Budget { left: self.left, cost: self.cost })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<std::borrow::Cow<'_, str>>()? {
            if name == IGNORED {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let cost = if STRUCTURES.contains(&&*name) { STRUCTURE } else { 1 };
            fields.next_value_seed(Budget { left: self.left, cost })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_documents() {
        #[track_caller]
        fn check_all(text: &str, is_allowed: bool) {
            assert_eq!(check(text).is_ok(), is_allowed, "{} bytes", text.len());
        }
        let list = |element: &str, count: usize| vec![element; count].join(",");
        check_all(&format!("{{\"choices\":[{}]}}", list("{}", 70_000)), false);
        check_all(&format!("{{\"choices\":[{}]}}", list("{}", 50_000)), true);
        check_all(&format!("{{\"output\":[{}]}}", list("{}", 1_100_000)), false);
        check_all(&format!("{{\"output\":[{}]}}", list("{}", 900_000)), true);
        check_all(&format!("{{\"choices\":[{{\"logprobs\":[{}]}}]}}", list("0", 2_000_000)), true);
        check_all(&format!("{{\"text\":\"{}\"}}", "{[,".repeat(500_000)), true);
    }
}
