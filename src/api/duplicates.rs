//! JSON with duplicate fields. It is ambiguous which of the two counts, so duplicate content is an error; of other fields the
//! last one counts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The fields that hold content, or contain one that does.
const CONTENT: &[&str] = &[
    "arguments", "choices", "content", "custom", "delta", "function", "function_call", "input", "item",
    "message", "name", "output", "part", "reasoning", "reasoning_content", "refusal", "response", "summary",
    "text", "tool_calls",
];

/// Whether the generated types reject JSON because of a duplicate field.
pub(crate) fn is_reason(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("duplicate field")
}

/// Parses JSON that may have duplicate fields.
///
/// # Errors
/// It is not JSON, or has duplicate content.
pub(crate) fn read(text: &str) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = UniqueContent.deserialize(&mut json)?;
    json.end().map(|()| value)
}

/// Builds a value, in which content occurs once.
struct UniqueContent;

impl<'de> DeserializeSeed<'de> for UniqueContent {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueContent {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(UniqueContent)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let is_duplicate = values.contains_key(&name);
            if is_duplicate && CONTENT.contains(&name.as_str()) {
                fields.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            let value = fields.next_value_seed(UniqueContent)?;
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_occurs_once() {
        let text = r#"{"id":1,"id":"b","choices":[{"index":0,"index":1,"delta":{"content":"a"},"x":[null,true,-1,0.5]}]}"#;
        let expected = json!({"id": "b", "choices": [{"index": 1, "delta": {"content": "a"}, "x": [null, true, -1, 0.5]}]});
        assert_eq!(read(text).unwrap(), expected);
        for wrong in [
            r#"{"choices":[],"choices":[]}"#,
            r#"{"choices":[{"delta":{"content":"a","content":"b"}}]}"#,
            r#"{"a":1}{}"#,
            r#"{"a":"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
