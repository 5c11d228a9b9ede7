//! The one event that a client may send: `response.create`.

use serde_json::{Map, Value, json};

use crate::errors::ApiError;
use crate::{body, function_rules};

/// The longest `stream_id`, in characters.
const LONGEST_STREAM_ID: usize = 256;

/// A request for a response.
#[derive(Debug)]
pub(super) struct CreateEvent {
    /// The lane, the default one if it is not set.
    pub(super) stream_id: Option<String>,
    /// Whether a response is wanted, or only its preparation.
    pub(super) generates: bool,
    pub(super) previous_response_id: Option<String>,
    /// The same request as a body over HTTP.
    pub(super) body: Vec<u8>,
}

/// Parses a message. An error belongs to the lane that the message names, if that can be read.
pub(super) fn parse(text: &str, is_checked: bool) -> Result<CreateEvent, (Option<String>, ApiError)> {
    let mut fields: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| (None, body::unreadable(&error)))?;
    let stream_id = stream_id(fields.remove("stream_id")).map_err(|error| (None, error))?;
    let mut parsed = || {
        check_type(fields.remove("type"))?;
        if is_checked {
            function_rules::check(text.as_bytes())?;
        }
        if fields.get("stream").is_some_and(|stream| !stream.is_null()) {
            return Err(unsupported("stream"));
        }
        if fields.get("background").is_some_and(|background| *background == true) {
            return Err(unsupported("background"));
        }
        let generates = match fields.remove("generate") {
            None | Some(Value::Null | Value::Bool(true)) => true,
            Some(Value::Bool(false)) => false,
            Some(_) => {
                let message = "Invalid type for 'generate': expected a boolean.";
                return Err(ApiError::invalid(message).param("generate").code("invalid_type"));
            }
        };
        if !generates {
            fields.entry("input").or_insert(json!([]));
        }
        let previous = fields.get("previous_response_id").and_then(Value::as_str).map(str::to_owned);
        fields.insert("stream".to_owned(), true.into());
        Ok((generates, previous, serde_json::to_vec(&fields).unwrap_or_default()))
    };
    match parsed() {
        Ok((generates, previous_response_id, body)) => {
            Ok(CreateEvent { stream_id, generates, previous_response_id, body })
        }
        Err(error) => Err((stream_id, error)),
    }
}

fn check_type(kind: Option<Value>) -> Result<(), ApiError> {
    match kind {
        Some(kind) if kind == "response.create" => Ok(()),
        Some(kind) => {
            let message = format!("Invalid value: {kind}. Only 'response.create' is supported.");
            Err(ApiError::invalid(message).param("type").code("invalid_value"))
        }
        None => Err(ApiError::missing_parameter("type")),
    }
}

fn stream_id(value: Option<Value>) -> Result<Option<String>, ApiError> {
    let is_allowed = |id: &str| {
        (1..=LONGEST_STREAM_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    match value {
        None => Ok(None),
        Some(Value::String(id)) if is_allowed(&id) => Ok(Some(id)),
        Some(_) => Err(ApiError::invalid(format!(
            "Invalid 'stream_id': expected 1 to {LONGEST_STREAM_ID} letters, digits, underscores, hyphens and periods."
        ))
        .param("stream_id")
        .code("invalid_stream_id")),
    }
}

fn unsupported(name: &str) -> ApiError {
    ApiError::invalid(format!("Unsupported parameter: '{name}' is not supported over a WebSocket."))
        .param(name)
        .code("unsupported_parameter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_id_has_a_length_and_an_alphabet() {
        let is_valid = |id: Value| stream_id(Some(id)).is_ok();
        for id in ["a", "A-1_b.c", &"x".repeat(256)] {
            assert!(is_valid(json!(id)), "{id}");
        }
        for id in [json!(""), json!("a b"), json!("ä"), json!("x".repeat(257)), json!(1), json!(null)] {
            assert!(!is_valid(id.clone()), "{id}");
        }
        assert!(stream_id(None).is_ok_and(|id| id.is_none()));
    }
}
