//! Further body fields, which are sent unchanged.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tachikoma_backends_core::ErrorCategory;

use crate::CodexError;
use crate::api::encode;

/// The variant for a word that the document has. Another one is sent unchanged in `extra`, and left to the server.
pub(crate) fn parse_enum<T: std::str::FromStr>(
    word: Option<&str>,
    field: &str,
    extra: &mut Map<String, Value>,
) -> Option<T> {
    let word = word?;
    let variant = word.parse().ok();
    if variant.is_none() {
        extra.insert(field.to_owned(), Value::from(word));
    }
    variant
}

/// The generated type of a value that fits it. Another one is sent unchanged in `extra`, and left to the server.
///
/// # Errors
/// The field is also in `extra`.
pub(crate) fn parse_value<T: DeserializeOwned>(
    value: Option<impl Serialize>,
    field: &str,
    extra: &mut Map<String, Value>,
) -> Result<Option<T>, CodexError> {
    let Some(value) = value else { return Ok(None) };
    let value = serde_json::to_value(value).map_err(encode::unencodable)?;
    match serde_json::from_value(value.clone()) {
        Ok(parsed) => Ok(Some(parsed)),
        Err(_) => add(extra, field, Some(value)).map(|()| None),
    }
}

/// Adds a field that the document does not have.
///
/// # Errors
/// The field is in `extra` already.
pub(crate) fn add(
    extra: &mut Map<String, Value>,
    field: &str,
    value: Option<impl Serialize>,
) -> Result<(), CodexError> {
    let Some(value) = value else { return Ok(()) };
    let value = json!({ field: value });
    reject_duplicate_fields(extra, &value, &[])?;
    extra.extend(value.as_object().cloned().unwrap_or_default());
    Ok(())
}

/// Rejects duplicate keys, since servers differ in which one counts. `set` is the body, or a part of it, without `extra`.
///
/// # Errors
/// A field of `extra` is also in `set`, or is one of the `reserved` ones, which this crate sets.
pub(crate) fn reject_duplicate_fields(
    extra: &Map<String, Value>,
    set: &impl Serialize,
    reserved: &[&str],
) -> Result<(), CodexError> {
    // Encoded and parsed again, since a second serializer for requests would cost build time.
    let set: Value = serde_json::from_slice(&encode::json(set, 0)?).map_err(encode::unencodable)?;
    match extra.keys().find(|key| reserved.contains(&key.as_str()) || set.get(key.as_str()).is_some()) {
        None => Ok(()),
        Some(key) => {
            let message = format!("the extra field {key:?} is also set by the request itself");
            let hint = HINTS.iter().find(|(field, _)| field == key).map_or(SET_ONCE, |(_, hint)| hint);
            Err(CodexError::unsent(ErrorCategory::InvalidRequest, message).with_hint(hint))
        }
    }
}

const SET_ONCE: &str = "Set it in one place.";

/// Hints for fields that this crate sets.
const HINTS: &[(&str, &str)] = &[
    ("input", "Give the conversation as the request's messages."),
    ("messages", "Give the conversation as the request's messages."),
    ("model", "Set it with_model."),
    (
        "reasoning",
        "Give the effort in the same object, as \"effort\", and not as the request's reasoning_effort.",
    ),
    ("stream", "Call complete or complete_stream."),
    ("stream_options", "Leave the field out, or set with_stream_usage(false) to send your own."),
    ("text", "Give the format and the verbosity in the same object, and not as the request's own."),
    (
        "tools",
        "Give all tools in the extra field, functions too and in the API's own form, and none in the request's tools.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn duplicates_are_reported_with_a_hint() {
        #[track_caller]
        fn check(extra: Value, set: Value, hint: Option<&str>) {
            let outcome = reject_duplicate_fields(&fields(extra), &set, &["messages"]);
            match (outcome, hint) {
                (Ok(()), None) => {}
                (Err(error), Some(hint)) => assert!(error.to_string().contains(hint), "{error}"),
                (outcome, hint) => panic!("{outcome:?} but {hint:?}"),
            }
        }
        check(json!({"a": 1}), json!({"b": 1}), None);
        check(
            json!({"a": 1}),
            json!({"a": 1}),
            Some("the extra field \"a\" is also set by the request itself"),
        );
        check(json!({"a": 1}), json!({"a": 1}), Some(SET_ONCE));
        check(json!({"messages": []}), json!({}), Some("as the request's messages"));
        check(json!({"tools": []}), json!({"tools": []}), Some("Give all tools in the extra field"));
        check(json!({"tools": []}), json!({}), None);
    }
}
