//! The messages of the Responses API over WebSocket: its events, and requests and errors in a form of their own.

use std::borrow::Cow;
use std::time::SystemTime;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::event::EventKind;
use crate::CodexError;
use crate::runtime::json;
use crate::runtime::websocket::{MessageHead, MessageKind};
use crate::server::ERRORS;

/// The beginning of every request.
const CREATE: &str = r#"{"type":"response.create","#;

/// What some servers send after `response.completed`.
const DONE: &str = "response.done";

/// The connection has reached its age.
pub(crate) const CONNECTION_LIMIT_REACHED: &str = "websocket_connection_limit_reached";

/// The field that names the lane of a request and its events.
pub(crate) const LANE: &str = "stream_id";

#[derive(Default, Deserialize)]
struct EventHead<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    stream_id: Option<Cow<'a, str>>,
}

/// Where a message of the server belongs.
pub(crate) fn message_head(text: &str) -> MessageHead {
    let EventHead { kind, stream_id } = serde_json::from_str(text).unwrap_or_default();
    let kind = match kind.as_deref().and_then(EventKind::from_name) {
        Some(EventKind::Completed) if kind.as_deref() == Some(DONE) => MessageKind::SecondEnd,
        Some(EventKind::Completed | EventKind::Incomplete | EventKind::Failed | EventKind::Cancelled) => {
            MessageKind::End
        }
        Some(EventKind::Error) => MessageKind::Error,
        _ => MessageKind::Part,
    };
    // A name that this client did not give is that of no lane.
    let lane = stream_id.map(|name| name.parse().unwrap_or(u8::MAX));
    MessageHead { kind, lane }
}

/// The request with this body, in this lane if it has a name; `is_warm_up` generates nothing.
pub(crate) fn request(body: &[u8], lane: Option<u8>, is_warm_up: bool) -> String {
    let body = String::from_utf8_lossy(body);
    let fields = body.trim_start().strip_prefix('{').unwrap_or_default();
    let lane = lane.map(|lane| format!(r#""{LANE}":"{lane}","#)).unwrap_or_default();
    let generate = if is_warm_up { r#""generate":false,"# } else { "" };
    format!("{CREATE}{lane}{generate}{fields}")
}

/// The error in a message, if it is one: with the status that HTTP would have.
pub(crate) fn error(text: &str) -> Option<CodexError> {
    if message_head(text).kind != MessageKind::Error {
        return None;
    }
    let message: Value = serde_json::from_str(text).ok()?;
    let status = message.get("status").or_else(|| message.get("status_code")).and_then(Value::as_u64);
    match status.and_then(|status| u16::try_from(status).ok()) {
        Some(status) => {
            let headers = message.get("headers").map(headers).unwrap_or_default();
            Some(ERRORS.response_error(status, &headers, text.as_bytes(), SystemTime::now()))
        }
        None => ERRORS.find_error(&message),
    }
}

/// The headers that the response would have over HTTP.
fn headers(object: &Value) -> HeaderMap {
    let fields = object.as_object().into_iter().flatten();
    let headers = fields.filter_map(|(name, value)| {
        let value = json::text(value)?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    headers.collect()
}

/// The id of the response in a message, such as its first one.
pub(crate) fn response_id(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    json::text(message.get("response")?.get("id")?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
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
            assert_eq!(message_head(text), MessageHead { kind, lane: None }, "{text}");
        }
    }

    #[test]
    fn messages_name_their_lane() {
        for (name, lane) in [("0", 0), ("31", 31), ("agent", u8::MAX), ("", u8::MAX), ("300", u8::MAX)] {
            let text = json!({"type": "response.created", "stream_id": name}).to_string();
            assert_eq!(
                message_head(&text),
                MessageHead { kind: MessageKind::Part, lane: Some(lane) },
                "{name}"
            );
        }
    }

    #[test]
    fn requests_hold_the_fields_of_the_body() {
        let text = request(br#"{"model":"m","input":[]}"#, None, false);
        assert_eq!(text, r#"{"type":"response.create","model":"m","input":[]}"#);
        let text = request(br#"{"model":"m"}"#, Some(7), true);
        assert_eq!(text, r#"{"type":"response.create","stream_id":"7","generate":false,"model":"m"}"#);
    }

    #[test]
    fn errors_are_those_of_http() {
        let text = r#"{"type":"error","status":429,"error":{"type":"tokens","code":"rate_limit_exceeded","message":"Slow down"}}"#;
        let found = error(text).unwrap();
        assert_eq!((found.category(), found.status()), (ErrorCategory::RateLimit, Some(429)));
        assert_eq!((found.code(), found.message()), (Some("rate_limit_exceeded"), "Slow down"));
        let text = r#"{"type":"error","status":429,"headers":{"retry-after":"7","x-request-id":"req_1"},"error":{}}"#;
        let found = error(text).unwrap();
        let details = found.details();
        assert_eq!(details.retry_after.map(|wait| wait.as_secs()), Some(7));
        assert_eq!(found.request_id(), Some("req_1"));
        let flat =
            r#"{"type":"error","code":"previous_response_not_found","message":"It is gone","param":null}"#;
        assert_eq!(error(flat).unwrap().code(), Some("previous_response_not_found"));
        assert!(error(r#"{"type":"response.created"}"#).is_none());
    }
}
