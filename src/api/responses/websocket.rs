//! The messages of the Responses API over WebSocket: its events, and requests and errors in a form of their own.

use std::borrow::Cow;
use std::time::SystemTime;

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use tachikoma_backends_core::Message;

use super::event::EventKind;
use super::state;
use crate::CodexError;
use crate::runtime::json;
use crate::runtime::websocket::MessageKind;
use crate::server::ERRORS;

/// The beginning of every request.
const CREATE: &str = r#"{"type":"response.create","#;

/// What some servers send after `response.completed`.
const DONE: &str = "response.done";

/// The state of the previous response is not, or no longer, in the memory of the connection.
pub(crate) const PREVIOUS_RESPONSE_NOT_FOUND: &str = "previous_response_not_found";
/// The connection has reached its age.
pub(crate) const CONNECTION_LIMIT_REACHED: &str = "websocket_connection_limit_reached";

#[derive(Deserialize)]
struct EventHead<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// What a message of the server is to its response.
pub(crate) fn message_kind(text: &str) -> MessageKind {
    let kind = serde_json::from_str::<EventHead<'_>>(text).ok().and_then(|message| message.kind);
    match kind.as_deref().and_then(EventKind::from_name) {
        Some(EventKind::Completed) if kind.as_deref() == Some(DONE) => MessageKind::SecondEnd,
        Some(EventKind::Completed | EventKind::Incomplete | EventKind::Failed | EventKind::Cancelled) => {
            MessageKind::End
        }
        Some(EventKind::Error) => MessageKind::Error,
        _ => MessageKind::Part,
    }
}

/// The request with this body; `is_warm_up` generates nothing.
pub(crate) fn request(body: &[u8], is_warm_up: bool) -> String {
    let body = String::from_utf8_lossy(body);
    let fields = body.trim_start().strip_prefix('{').unwrap_or_default();
    let generate = if is_warm_up { r#""generate":false,"# } else { "" };
    format!("{CREATE}{generate}{fields}")
}

/// The error in a message, if it is one: with the status that HTTP would have.
pub(crate) fn error(text: &str) -> Option<CodexError> {
    if message_kind(text) != MessageKind::Error {
        return None;
    }
    let message: Value = serde_json::from_str(text).ok()?;
    let status = message.get("status").or_else(|| message.get("status_code")).and_then(Value::as_u64);
    match status.and_then(|status| u16::try_from(status).ok()) {
        Some(status) => {
            Some(ERRORS.response_error(status, &HeaderMap::new(), text.as_bytes(), SystemTime::now()))
        }
        None => ERRORS.find_error(&message),
    }
}

/// Whether the message is still what the response was that its state came from: the server has the same.
pub(crate) fn is_unchanged(message: &Message, origin: &str) -> bool {
    state::items(message, origin).is_some()
}

/// The id of the response in a message, such as its first one.
pub(crate) fn response_id(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    json::text(message.get("response")?.get("id")?)
}

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::ErrorCategory;

    use super::*;

    #[test]
    fn messages_have_a_kind() {
        for (text, kind) in [
            (r#"{"type":"response.created","response":{"id":"r"}}"#, MessageKind::Part),
            (r#"{"sequence_number":4,"type":"response.completed"}"#, MessageKind::End),
            (r#"{"type":"response.done"}"#, MessageKind::SecondEnd),
            (r#"{"type":"response.incomplete"}"#, MessageKind::End),
            (r#"{"type":"response.failed"}"#, MessageKind::End),
            (r#"{"type":"response.output_text.delta","delta":"\"type\":\"error\""}"#, MessageKind::Part),
            (r#"{"type":"error","error":{}}"#, MessageKind::Error),
            (r#"{"type":"response.newer"}"#, MessageKind::Part),
            ("not JSON", MessageKind::Part),
        ] {
            assert_eq!(message_kind(text), kind, "{text}");
        }
    }

    #[test]
    fn requests_hold_the_fields_of_the_body() {
        let text = request(br#"{"model":"m","input":[]}"#, false);
        assert_eq!(text, r#"{"type":"response.create","model":"m","input":[]}"#);
        let text = request(br#"{"model":"m"}"#, true);
        assert_eq!(text, r#"{"type":"response.create","generate":false,"model":"m"}"#);
    }

    #[test]
    fn errors_are_those_of_http() {
        let text = r#"{"type":"error","status":429,"error":{"type":"tokens","code":"rate_limit_exceeded","message":"Slow down"}}"#;
        let found = error(text).unwrap();
        assert_eq!((found.category(), found.status()), (ErrorCategory::RateLimit, Some(429)));
        assert_eq!((found.code(), found.message()), (Some("rate_limit_exceeded"), "Slow down"));
        let flat =
            r#"{"type":"error","code":"previous_response_not_found","message":"It is gone","param":null}"#;
        assert_eq!(error(flat).unwrap().code(), Some(PREVIOUS_RESPONSE_NOT_FOUND));
        assert!(error(r#"{"type":"response.created"}"#).is_none());
    }
}
