//! The requests that the server received.

use axum::body::Bytes;
use axum::http::request::Parts;
use serde_json::Value;

use crate::key::masked_header;

/// A request as it arrived, with its credentials masked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// `GET`, `POST`, ..., or `WEBSOCKET` for a message over a WebSocket. Such a message has the path and the headers of the
    /// upgrade before it, which is a `GET`.
    pub method: String,
    /// The path, for instance `/v1/chat/completions`.
    pub path: String,
    /// The query after the `?`, still percent-encoded.
    pub query: Option<String>,
    /// The headers in the order of arrival, their names in lower case. Credentials look like
    /// `Bearer sk-12***cd`.
    pub headers: Vec<(String, String)>,
    /// The body, if it was JSON and the request had a valid key.
    pub body: Option<Value>,
}

impl RecordedRequest {
    pub(crate) fn new(parts: &Parts, body: &Bytes) -> Self {
        let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), masked_header(name.as_str(), &value))
        };
        Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers.iter().map(header).collect(),
            body: serde_json::from_slice(body).ok(),
        }
    }

    /// A message over the WebSocket that this request has opened.
    pub(crate) fn message(&self, text: &str) -> Self {
        let body = serde_json::from_str(text).ok();
        Self { method: "WEBSOCKET".to_owned(), body, ..self.clone() }
    }

    /// Whether this is a message over a WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.method == "WEBSOCKET"
    }

    /// The first value of a header; the case of the name does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
