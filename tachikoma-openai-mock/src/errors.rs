//! Refusals in the shape of OpenAI's error bodies.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A refusal: an HTTP status and OpenAI's `{"error": {"message", "type", "param", "code"}}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

/// The object under `error`.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<String>,
    code: Option<String>,
}

impl ErrorBody {
    /// A body whose `type` follows from the status.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        let kind = match status {
            429 => "requests",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self { message: message.into(), kind, param: None, code: None }
    }

    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    pub(crate) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a ErrorBody,
        }
        serde_json::to_string(&Envelope { error: self }).unwrap_or_default()
    }

    /// The error as the data of an event of the Responses API.
    pub(crate) fn to_event(&self, sequence_number: usize) -> String {
        #[derive(Serialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            code: Option<&'a str>,
            message: &'a str,
            param: Option<&'a str>,
            sequence_number: usize,
        }
        let Self { message, param, code, .. } = self;
        let (code, param) = (code.as_deref(), param.as_deref());
        serde_json::to_string(&Event { kind: "error", code, message, param, sequence_number })
            .unwrap_or_default()
    }
}

/// The scripted or configured headers of an error over a WebSocket.
type Headers = BTreeMap<String, String>;

/// An error over a WebSocket.
#[derive(Serialize)]
struct ErrorMessage<'a, E> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_id: Option<&'a str>,
    error: E,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: Headers,
}

/// The text of an error over a WebSocket: a status, unless the response has begun, and the object under `error`.
pub(crate) fn to_message(
    status: Option<u16>,
    error: impl Serialize,
    headers: impl IntoIterator<Item = (String, String)>,
    stream_id: Option<&str>,
) -> String {
    let headers = headers.into_iter().collect();
    let message = ErrorMessage { kind: "error", status, stream_id, error, headers };
    serde_json::to_string(&message).unwrap_or_default()
}

impl ApiError {
    /// The text of this error over a WebSocket.
    pub(crate) fn to_message(&self, stream_id: Option<&str>) -> String {
        self.to_message_with([], stream_id)
    }

    /// The same, with these headers.
    pub(crate) fn to_message_with(
        &self,
        headers: impl IntoIterator<Item = (String, String)>,
        stream_id: Option<&str>,
    ) -> String {
        to_message(Some(self.status.as_u16()), &self.body, headers, stream_id)
    }

    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody::new(status.as_u16(), message) }
    }

    /// A 400: the request itself is at fault.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        self.body.param = Some(param.into());
        self
    }

    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.body = self.body.code(code);
        self
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::invalid(format!("Missing required parameter: '{name}'."))
            .param(name)
            .code("missing_required_parameter")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, [(CONTENT_TYPE, "application/json")], self.body.to_json()).into_response()
    }
}
