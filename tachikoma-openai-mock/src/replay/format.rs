//! The form of a recorded exchange.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// The version that is read.
const VERSION: u32 = 1;

/// A line of a recording.
#[derive(Deserialize)]
pub(super) struct Line {
    version: u32,
    #[serde(default)]
    texts_redacted: bool,
    request: RequestLine,
    response: Option<ResponseLine>,
    end: EndLine,
}

#[derive(Deserialize)]
struct RequestLine {
    method: String,
    path: String,
    body: Option<Content>,
}

#[derive(Deserialize)]
struct ResponseLine {
    ms: f64,
    status: u16,
    headers: Vec<(String, String)>,
    pieces: Vec<PieceLine>,
}

#[derive(Deserialize)]
struct PieceLine {
    ms: f64,
    #[serde(flatten)]
    content: Content,
}

#[derive(Deserialize)]
struct EndLine {
    ms: f64,
    kind: EndKind,
    #[serde(default)]
    reset: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Json(Value),
    Text(String),
    Base64(String),
}

impl Content {
    fn into_bytes(self) -> Result<Bytes, String> {
        Ok(match self {
            Self::Json(json) => json.to_string().into(),
            Self::Text(text) => text.into(),
            Self::Base64(text) => STANDARD.decode(text).map_err(|error| error.to_string())?.into(),
        })
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndKind {
    Complete,
    /// The client left, or had no more time.
    Dropped,
    Timeout,
    /// There was no connection.
    Connect,
    /// The connection broke before the response.
    Lost,
    /// The connection broke within the response.
    Broken,
}

/// A recorded exchange.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// Its line in the file, from 1.
    pub(super) line: usize,
    pub(super) texts_redacted: bool,
    pub(super) method: String,
    pub(super) path: String,
    /// Null without a body, and a string where it is not JSON.
    pub(super) body: Value,
    pub(super) response: Option<Response>,
    pub(super) end: EndKind,
    pub(super) end_at: Duration,
    /// Whether the server reset the connection.
    pub(super) is_reset: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) at: Duration,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) pieces: Vec<(Duration, Bytes)>,
}

impl Exchange {
    /// # Errors
    /// A value is not valid.
    pub(super) fn new(line: usize, exchange: Line) -> Result<Self, String> {
        let Line { version, texts_redacted, request, response, end } = exchange;
        if version != VERSION {
            return Err(format!("its version is {version}, and this server reads version {VERSION}"));
        }
        let body = match request.body {
            None => Value::Null,
            Some(Content::Json(json)) => json,
            Some(content) => body_value(&content.into_bytes()?),
        };
        Ok(Self {
            line,
            texts_redacted,
            method: request.method,
            path: request.path,
            body,
            response: response.map(Response::new).transpose()?,
            end: end.kind,
            end_at: time(end.ms)?,
            is_reset: end.reset,
        })
    }
}

impl Response {
    fn new(response: ResponseLine) -> Result<Self, String> {
        let ResponseLine { ms, status, headers, pieces } = response;
        let header = |(name, value): (String, String)| {
            let invalid = || format!("the header {name:?} cannot be sent");
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?;
            Ok((HeaderName::try_from(&name).map_err(|_| invalid())?, value))
        };
        let piece = |PieceLine { ms, content }| Ok((time(ms)?, content.into_bytes()?));
        Ok(Self {
            at: time(ms)?,
            status: StatusCode::from_u16(status).map_err(|error| error.to_string())?,
            headers: headers
                .into_iter()
                .map(header)
                .collect::<Result<Vec<_>, String>>()?
                .into_iter()
                .collect(),
            pieces: pieces.into_iter().map(piece).collect::<Result<_, String>>()?,
        })
    }
}

fn time(ms: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(ms / 1e3).map_err(|error| format!("{ms} ms: {error}"))
}

/// The body of a request: JSON, a text, or null without a body.
pub(super) fn body_value(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}
