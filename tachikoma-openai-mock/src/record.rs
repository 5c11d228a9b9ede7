//! The requests that the server received.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::http::request::Parts;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::key::masked_header;

/// How many requests are kept, and how many bytes of their bodies, so that a server which runs for long does not fill the memory.
const MOST_REQUESTS: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The newest requests.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// With the bytes of their bodies.
    requests: VecDeque<(RecordedRequest, usize)>,
    bytes: usize,
}

impl Recording {
    /// Adds a request with a body of this size. The newest one is always kept.
    pub(crate) fn push(&mut self, request: RecordedRequest, bytes: usize) {
        self.requests.push_back((request, bytes));
        self.bytes += bytes;
        while self.requests.len() > MOST_REQUESTS || (self.bytes > MOST_BYTES && self.requests.len() > 1) {
            if let Some((_, bytes)) = self.requests.pop_front() {
                self.bytes -= bytes;
            }
        }
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.iter().map(|(request, _)| request.clone()).collect()
    }
}

/// A request as it arrived, with its credentials masked.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    #[serde(serialize_with = "as_object")]
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

/// As an object, as clients in other languages look headers up. The values of a repeated one are joined.
fn as_object<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = Map::new();
    for (name, value) in headers {
        let joined = match object.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        object.insert(name.clone(), joined.into());
    }
    object.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize) -> RecordedRequest {
        RecordedRequest {
            method: "POST".to_owned(),
            path: format!("/{number}"),
            query: None,
            headers: Vec::new(),
            body: None,
        }
    }

    #[test]
    fn the_oldest_requests_are_dropped() {
        let recorded = |bytes: &[usize]| {
            let mut recording = Recording::default();
            bytes.iter().enumerate().for_each(|(number, bytes)| recording.push(request(number), *bytes));
            recording.requests().into_iter().map(|request| request.path).collect::<Vec<_>>()
        };
        assert_eq!(recorded(&[1, 2]), ["/0", "/1"]);
        assert_eq!(recorded(&[MOST_BYTES - 1, 1, 1]), ["/1", "/2"]);
        assert_eq!(recorded(&[1, 2 * MOST_BYTES]), ["/1"]);
        assert_eq!(recorded(&[2 * MOST_BYTES, 1]), ["/1"]);
        let many = recorded(&vec![0; MOST_REQUESTS + 2]);
        assert_eq!((many.len(), &*many[0]), (MOST_REQUESTS, "/2"));
    }

    #[test]
    fn headers_are_an_object() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![header("b", "1"), header("a", "2"), header("b", "3")];
        let json = serde_json::to_value(RecordedRequest { headers, ..request(0) }).unwrap();
        assert_eq!(json["headers"], serde_json::json!({"a": "2", "b": "1, 3"}));
    }
}
