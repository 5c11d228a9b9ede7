//! Parses response bodies: JSON of the documented form or another one, and error objects.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tachikoma_backends_core::ErrorCategory;

use super::{duplicates, json_budget};
use crate::CodexError;
use crate::runtime::events::Event;
use crate::server::ERRORS;

/// Whether a body that could not be parsed begins with one complete JSON value, which more data follows.
pub(crate) fn is_followed_by_more(text: &str, reason: &serde_json::Error) -> bool {
    reason.is_syntax()
        && text.trim_start().starts_with('{')
        && matches!(serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>().next(), Some(Ok(_)))
}

/// A body of several JSON values, or of one that events follow, as a stream of events.
pub(crate) fn lines_as_events(text: &str) -> Vec<u8> {
    let (mut rest, mut events) = (text.trim_start(), String::with_capacity(text.len() + 64));
    while !rest.is_empty() {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let length = match values.next() {
            Some(Ok(_)) if rest.starts_with('{') => values.byte_offset(),
            _ => rest.find('\n').unwrap_or(rest.len()),
        };
        let (value, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        // JSON strings contain no raw line breaks.
        let value = value.replace(['\r', '\n'], " ");
        events.extend([if value.starts_with('{') { "data: " } else { "" }, value.as_str(), "\n\n"]);
        rest = after.trim_start();
    }
    events.into_bytes()
}

/// The data of an event, without the field name where a server sends it twice.
pub(crate) fn data<'a>(event: &'a Event<'_>) -> &'a str {
    let data = event.data.trim();
    data.strip_prefix("data:").map_or(data, str::trim_start)
}

/// The text of a whole body.
///
/// # Errors
/// It is not UTF-8, or would become too large.
pub(crate) fn utf8(body: &[u8]) -> Result<&str, CodexError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    // One vectorized check of the whole is faster than one of each string.
    let text = simdutf8::basic::from_utf8(body).map_err(|_| not_utf8(body))?;
    json_budget::check(text).map(|()| text)
}

/// Parses a body that is not of the documented form for this reason. Some servers wrap the response, or error, in a list.
///
/// # Errors
/// It is not JSON, or has duplicate content.
pub(crate) fn any_form(text: &str, reason: serde_json::Error) -> Result<Value, CodexError> {
    let read =
        if duplicates::is_reason(&reason) { duplicates::read(text) } else { serde_json::from_str(text) };
    match read.map_err(|_| unreadable(text, reason))? {
        Value::Array(mut values) if values.len() == 1 => Ok(values.pop().unwrap_or_default()),
        value => Ok(value),
    }
}

/// Deserializes JSON that has been normalized as far as possible.
///
/// # Errors
/// A field that is needed has another type.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, CodexError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let reason: serde_json::Error = error.into_inner();
        let message = format!("the server's response is not of the documented form at {path}: {reason}");
        CodexError::new(ErrorCategory::Parse, message).with_source(reason)
    })
}

/// Parses a whole body of the documented form.
///
/// # Errors
/// It is an error object, or not of the documented form.
pub(crate) fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodexError> {
    let text = utf8(body)?;
    let reason = match serde_json::from_str(text) {
        Ok(response) => return Ok(response),
        Err(reason) => reason,
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value) => read(value.clone()).map_err(|error| ERRORS.find_error(&value).unwrap_or(error)),
        Err(_) => Err(unreadable(text, reason)),
    }
}

/// The error for a body that is not UTF-8: one that ends within a character was cut.
fn not_utf8(body: &[u8]) -> CodexError {
    match serde_json::from_slice::<Value>(body) {
        Err(reason) => ERRORS.not_json(body, &reason).with_source(reason),
        Ok(_) => CodexError::new(ErrorCategory::Parse, "the server's response is not UTF-8"),
    }
}

/// The error for JSON that holds no response: the server's own error, if it holds one, else that `missing` is not there.
pub(crate) fn absent(value: &Value, missing: &str) -> CodexError {
    ERRORS.find_error(value).unwrap_or_else(|| ERRORS.without_response(value, missing))
}

/// [`absent`], for JSON as text.
pub(crate) fn absent_in(text: &str, missing: &str) -> CodexError {
    absent(&serde_json::from_str(text).unwrap_or_default(), missing)
}

/// The error for an event that is not JSON, or was cut.
pub(crate) fn unreadable(data: &str, reason: serde_json::Error) -> CodexError {
    let is_cut = reason.is_eof() && !data.trim().is_empty();
    let error = ERRORS.not_json(data.as_bytes(), &reason).with_source(reason);
    if is_cut { error.maybe_processed() } else { error }
}
