//! The bytes of an answer as they come.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use progenitor_client::{ByteStream, ResponseValue};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use tachikoma_backends_core::ErrorCategory;

use super::failure;
use super::timeout::{Timeout, WaitLimit};
use crate::config::Reliability;
use crate::decode::{answer, rate_limit};
use crate::error::CodexError;

type InnerByteStream = <ByteStream as std::ops::Deref>::Target;

/// How much of an error body is read, in bytes, and how long its next part is waited for: half of it still says more than
/// nothing, and the status says the rest.
const ERROR_BODY_BYTES: usize = 64 << 10;
const ERROR_BODY_IDLE: Duration = Duration::from_secs(5);

/// The name of an event's field, with a byte-order mark before it, is no longer than this, in bytes.
const LONGEST_FIELD: usize = 9;

/// The room for an answer that does not come in one piece, in bytes: it is not moved again and again as it grows. Of memory
/// that is never written to, nothing is taken.
const LONG_BODY_BYTES: usize = 256 << 10;

/// How many bytes are read at once before other tasks get a turn: a millisecond's work or two.
pub(crate) const BUSY_BYTES: usize = 128 << 10;

/// The bytes of an answer as they come.
pub(crate) struct Body {
    bytes: InnerByteStream,
    /// What was looked at to tell what the body is, and comes first.
    start: Option<Bytes>,
    silence: WaitLimit,
    max_bytes: usize,
    request_id: Option<String>,
    is_event_stream: bool,
    /// The encoding that the HTTP client did not undo: it was not asked for.
    encoding: Option<String>,
}

impl Body {
    pub(super) fn new(answer: ResponseValue<ByteStream>, reliability: &Reliability) -> Self {
        let request_id = rate_limit::request_id(answer.headers());
        let is_event_stream = is_event_stream(answer.headers());
        let encoding = answer.headers().get(CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
        let encoding =
            encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")).map(str::to_owned);
        Self {
            bytes: answer.into_inner_stream(),
            start: None,
            silence: WaitLimit::new(reliability.idle_timeout),
            max_bytes: reliability.max_body_bytes,
            request_id,
            is_event_stream,
            encoding,
        }
    }

    pub(super) fn of_error(response: reqwest::Response, reliability: &Reliability) -> Self {
        Self {
            bytes: Box::pin(response.bytes_stream()),
            start: None,
            silence: WaitLimit::new(reliability.idle_timeout.min(ERROR_BODY_IDLE)),
            max_bytes: ERROR_BODY_BYTES,
            request_id: None,
            is_event_stream: false,
            encoding: None,
        }
    }

    /// Whether it can be a stream of events: by its content type, or by its first bytes, since some servers label events as JSON.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) async fn holds_events(&mut self) -> Result<bool, CodexError> {
        self.check_encoding()?;
        if self.is_event_stream {
            return Ok(true);
        }
        let mut start = BytesMut::new();
        while start.trim_ascii_start().len() < LONGEST_FIELD {
            let Some(bytes) = self.next().await? else { break };
            start.extend_from_slice(&bytes);
        }
        let start = start.freeze();
        let holds_events = answer::begins_with_events(&start);
        self.start = Some(start).filter(|start| !start.is_empty());
        Ok(holds_events)
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or was silent for too long.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CodexError>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Ok(Some(start)));
        }
        let error = match self.bytes.poll_next_unpin(context) {
            Poll::Ready(bytes) => {
                self.silence.end();
                match bytes.transpose() {
                    Ok(bytes) => return Poll::Ready(Ok(bytes)),
                    Err(error) => failure::broken(error),
                }
            }
            Poll::Pending if self.silence.poll_met(context).is_pending() => return Poll::Pending,
            Poll::Pending => Timeout::Idle.met(self.silence.limit()),
        };
        Poll::Ready(Err(error.with_request_id(self.request_id.clone())))
    }

    fn check_encoding(&self) -> Result<(), CodexError> {
        let Some(encoding) = &self.encoding else { return Ok(()) };
        let message = format!(
            "the server compressed its response in the content-encoding {encoding:?}, which was not asked for"
        );
        Err(CodexError::new(ErrorCategory::Parse, message)
            .with_hint(
                "Turn the encoding off at the server, or give a client that reads it with_http_client.",
            )
            .with_request_id(self.request_id.clone())
            .maybe_processed())
    }

    /// As [`poll_next`](Self::poll_next).
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, CodexError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`next`](Self::next), and where it is larger than the limit.
    pub(crate) async fn read(&mut self) -> Result<Bytes, CodexError> {
        self.check_encoding()?;
        let mut all = BytesMut::new();
        let mut busy_bytes = 0;
        while let Some(bytes) = self.next().await? {
            busy_bytes += bytes.len();
            if busy_bytes >= BUSY_BYTES {
                busy_bytes = 0;
                tokio::task::yield_now().await;
            }
            if !all.is_empty() && all.capacity() < LONG_BODY_BYTES {
                all.reserve(LONG_BODY_BYTES);
            }
            all.extend_from_slice(&bytes);
            if all.len() > self.max_bytes {
                let message = format!("the server's answer is larger than {} bytes", self.max_bytes);
                return Err(CodexError::new(ErrorCategory::Parse, message)
                    .with_hint("Raise with_max_body_bytes if the server is to be trusted.")
                    .with_request_id(self.request_id.clone()));
            }
        }
        Ok(all.freeze())
    }

    /// The beginning of it, whatever happens then.
    pub(super) async fn read_what_comes(mut self) -> Bytes {
        let mut all = BytesMut::new();
        while let Ok(Some(bytes)) = self.next().await {
            all.extend_from_slice(&bytes);
            if all.len() > self.max_bytes {
                break;
            }
        }
        all.freeze()
    }
}

/// Some servers stream without saying so, but none streams what it calls JSON or a web page.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    !["json", "text/html"].iter().any(|other| content_type.contains(other))
}
