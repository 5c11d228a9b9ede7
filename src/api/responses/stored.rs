//! Stored responses: `GET /responses/{id}`, whole or as a stream, and `POST /responses/{id}/cancel`.

use std::borrow::Cow;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::request;
use crate::api::{ClientResult, body};
use crate::openai::{Client, types::IncludeEnum};
use crate::runtime::events::Event;
use crate::runtime::resume::Place;
use crate::target::Target;

/// The id of a stored response, and the further data that its request asked for.
#[derive(Clone, Debug)]
pub(crate) struct StoredId {
    pub(crate) id: String,
    pub(crate) include: Vec<IncludeEnum>,
}

impl StoredId {
    /// Whether the id names a response, and no other path of the server.
    pub(crate) fn is_valid(&self) -> bool {
        is_valid(&self.id)
    }

    fn include(&self) -> Option<&Vec<IncludeEnum>> {
        (!self.include.is_empty()).then_some(&self.include)
    }

    /// Retrieves the response at this moment.
    pub(crate) fn retrieve(self, client: Client) -> BoxFuture<'static, ClientResult> {
        async move { client.get_response(&self.id, self.include(), None, None, None).await }.boxed()
    }

    /// Retrieves the events after this number; all events without one.
    pub(crate) fn events(self, client: Client, after: Option<u64>) -> BoxFuture<'static, ClientResult> {
        let after = after.and_then(|number| i64::try_from(number).ok());
        async move { client.get_response(&self.id, self.include(), None, after, Some(true)).await }.boxed()
    }

    /// Cancels the response, if it runs in the background.
    pub(crate) fn cancel(self, client: Client) -> BoxFuture<'static, ClientResult> {
        async move { client.cancel_response(&self.id).await }.boxed()
    }
}

fn is_valid(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\'))
}

/// How far a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredStatus {
    Queued,
    InProgress,
    Failed,
    Cancelled,
    /// It is complete or incomplete, or the server does not state it.
    Ended,
}

/// The fields of a response that do not depend on its content.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
}

/// The id and the status in the body of a response, which need not be one.
pub(crate) fn head(body: &[u8]) -> (Option<String>, StoredStatus) {
    let Head { id, status } = serde_json::from_slice(body).unwrap_or_default();
    let status = match status.unwrap_or_default().to_ascii_lowercase().as_str() {
        "queued" => StoredStatus::Queued,
        "in_progress" => StoredStatus::InProgress,
        "failed" => StoredStatus::Failed,
        "cancelled" | "canceled" => StoredStatus::Cancelled,
        _ => StoredStatus::Ended,
    };
    (id.filter(|id| is_valid(id)).map(Cow::into_owned), status)
}

/// The `include` of an encoded request.
pub(crate) fn include(body: &[u8]) -> Vec<IncludeEnum> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Request {
        include: Vec<Value>,
    }
    let Request { include } = serde_json::from_slice(body).unwrap_or_default();
    include.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect()
}

/// The `include` of requests to this target.
pub(crate) fn default_include(target: &Target) -> Vec<IncludeEnum> {
    let reasoning = target.is_known_to_reason().then(|| Value::from(request::ENCRYPTED_REASONING));
    reasoning.and_then(|value| serde_json::from_value(value).ok()).into_iter().collect()
}

/// The fields of an event that place it.
#[derive(Deserialize)]
struct PlacedEvent<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    sequence_number: Option<u64>,
    #[serde(borrow, default)]
    response: Option<Head<'a>>,
}

/// The place of an event in its response, and the response's id if the event states it.
pub(crate) fn place(event: &Event<'_>) -> (Place, Option<String>) {
    let data = body::data(event);
    if data.is_empty() || data.eq_ignore_ascii_case("[DONE]") {
        return (Place::Outside, None);
    }
    let Ok(PlacedEvent { kind, sequence_number, response }) = serde_json::from_str(data) else {
        return (Place::Unnumbered, None);
    };
    let is_part = kind.as_deref().unwrap_or(&event.event).starts_with("response.");
    let place = match sequence_number {
        Some(number) => Place::Number(number),
        None if is_part => Place::Unnumbered,
        None => Place::Outside,
    };
    let id = response.and_then(|response| response.id).filter(|id| is_valid(id));
    (place, id.map(Cow::into_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_a_path() {
        for id in ["resp_1", "resp-a.b~c", "a..b", "a%2Fb", "?"] {
            assert!(is_valid(id), "{id}");
        }
        for id in ["", ".", "..", "a/b", "..\\models", "a b", "a\n", "ä"] {
            assert!(!is_valid(id), "{id}");
        }
    }

    #[test]
    fn events_and_their_places() {
        let check = |name: &str, data: &str, expected: Place, id: Option<&str>| {
            let event = Event { event: name.into(), data: data.into(), is_bare: false };
            assert_eq!(place(&event), (expected, id.map(str::to_owned)), "{data}");
        };
        let created = r#"{"type":"response.created","sequence_number":0,"response":{"id":"r","output":[]}}"#;
        check("message", created, Place::Number(0), Some("r"));
        check("message", r#"{"type":"keepalive","sequence_number":7}"#, Place::Number(7), None);
        check("message", r#"{"type":"keepalive"}"#, Place::Outside, None);
        check("message", "[DONE]", Place::Outside, None);
        check("message", "", Place::Outside, None);
        check("message", r#"{"type":"response.output_text.delta"}"#, Place::Unnumbered, None);
        check("response.output_text.delta", "{}", Place::Unnumbered, None);
        // Numbers of another form, and data that is cut off, identify no place.
        check("message", r#"{"type":"response.completed","sequence_number":"7"}"#, Place::Unnumbered, None);
        check("message", r#"{"type":"response.comp"#, Place::Unnumbered, None);
        check("message", r#"{"sequence_number":1,"response":{"id":"../x"}}"#, Place::Number(1), None);
    }

    #[test]
    fn the_head_of_a_response() {
        let check = |body: &str, id: Option<&str>, status: StoredStatus| {
            assert_eq!(head(body.as_bytes()), (id.map(str::to_owned), status), "{body}");
        };
        check(r#"{"id":"r","status":"queued","output":[1]}"#, Some("r"), StoredStatus::Queued);
        check(r#"{"id":"r","status":"in_progress"}"#, Some("r"), StoredStatus::InProgress);
        check(r#"{"status":"canceled"}"#, None, StoredStatus::Cancelled);
        check(r#"{"id":"r","status":"failed"}"#, Some("r"), StoredStatus::Failed);
        check(r#"{"id":"r","status":"incomplete"}"#, Some("r"), StoredStatus::Ended);
        check("<html>", None, StoredStatus::Ended);
        let include = include(br#"{"input":[],"include":["reasoning.encrypted_content","x"]}"#);
        assert_eq!(include, [IncludeEnum::ReasoningEncryptedContent]);
    }
}
