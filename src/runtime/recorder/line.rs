//! The form of a recorded exchange: one line of JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

/// The version of the form.
pub(super) const VERSION: u32 = 1;

/// An exchange.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) version: u32,
    /// When the request was sent, in RFC 3339.
    pub(super) time: String,
    /// Whether texts were replaced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) texts_redacted: bool,
    pub(super) request: RequestLine<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<ResponseLine>,
    pub(super) end: EndLine,
}

#[derive(Serialize)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a str,
    /// The path with its query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Content>,
}

#[derive(Serialize)]
pub(super) struct ResponseLine {
    /// When its headers came, in milliseconds since the request.
    pub(super) ms: f64,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) pieces: Vec<PieceLine>,
}

#[derive(Serialize)]
pub(super) struct PieceLine {
    pub(super) ms: f64,
    #[serde(flatten)]
    pub(super) content: Content,
}

#[derive(Serialize)]
pub(super) struct EndLine {
    pub(super) ms: f64,
    pub(super) kind: &'static str,
    /// The cause, of a connection that broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// Whether the server reset the connection.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) reset: bool,
}

/// Bytes as JSON.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    Json(Value),
    Text(String),
    Base64(String),
}

impl Content {
    /// Text, or base64 where it is not valid UTF-8.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes)
            .map_or_else(|error| Self::Base64(STANDARD.encode(error.as_bytes())), Self::Text)
    }

    /// JSON where it is a JSON document.
    pub(super) fn from_body(bytes: Vec<u8>) -> Self {
        serde_json::from_slice(&bytes).map_or_else(|_| Self::from_bytes(bytes), Self::Json)
    }
}
