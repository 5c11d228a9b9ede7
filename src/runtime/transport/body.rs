//! The body of a response, read as it arrives.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use progenitor_client::ByteStream;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use tachikoma_backends_core::ErrorCategory;
use tokio::time::{Instant, timeout_at};

use super::timeout::{Timeout, WaitLimit};
use super::{Destination, Response, failure};
use crate::runtime::recorder::Exchange;
use crate::runtime::{Error, Redactor, Reliability, decoder, rate_limit};

type InnerByteStream = <ByteStream as std::ops::Deref>::Target;

/// How much of an error body is read, in bytes, and for how long in all: a part of it is better than nothing.
const ERROR_BODY_BYTES: usize = 64 << 10;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// The longest name of an event's field, with a byte-order mark before it, in bytes.
const MAX_FIELD_BYTES: usize = 9;

/// The capacity for a body of several chunks, in bytes, so that a growing body is not moved repeatedly. Reserved memory that
/// is never written to costs nothing.
const LONG_BODY_CAPACITY: usize = 256 << 10;

/// How many bytes are read before yielding to other tasks: one or two milliseconds of work.
pub(crate) const BUSY_BYTES: usize = 128 << 10;

/// The body of a response, read as it arrives.
pub(crate) struct Body {
    bytes: InnerByteStream,
    /// The beginning, which was read to detect what the body is.
    start: Option<Bytes>,
    idle: WaitLimit,
    /// The limit on reading all of it.
    time: Duration,
    max_bytes: usize,
    request_id: Option<String>,
    is_event_stream: bool,
    /// An encoding that the HTTP client did not decode: it was not requested.
    encoding: Option<String>,
    redactor: Arc<Redactor>,
    /// What errors name as their exchange.
    exchange: Option<Exchange>,
}

impl Body {
    pub(super) fn new(
        response: Response<ByteStream>,
        reliability: &Reliability,
        Destination { errors, redactor, .. }: &Destination,
    ) -> Self {
        let Response { value: response, exchange } = response;
        let request_id = rate_limit::request_id(response.headers(), errors.request_id_headers);
        let request_id = request_id.map(|id| redactor.text(&id).into_owned());
        let is_event_stream = is_event_stream(response.headers());
        let encoding = response.headers().get(CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
        let encoding =
            encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")).map(str::to_owned);
        Self {
            request_id,
            is_event_stream,
            encoding,
            exchange,
            ..Self::from_stream(response.into_inner_stream(), reliability, redactor)
        }
    }

    pub(super) fn from_error(
        response: reqwest::Response,
        reliability: &Reliability,
        redactor: &Arc<Redactor>,
    ) -> Self {
        Self {
            time: ERROR_BODY_TIME,
            max_bytes: ERROR_BODY_BYTES,
            ..Self::from_stream(Box::pin(response.bytes_stream()), reliability, redactor)
        }
    }

    fn from_stream(bytes: InnerByteStream, reliability: &Reliability, redactor: &Arc<Redactor>) -> Self {
        Self {
            bytes,
            start: None,
            idle: WaitLimit::new(reliability.idle_timeout),
            time: reliability.response_timeout,
            max_bytes: reliability.max_body_bytes,
            request_id: None,
            is_event_stream: false,
            encoding: None,
            redactor: Arc::clone(redactor),
            exchange: None,
        }
    }

    /// An event stream of these chunks.
    #[cfg(test)]
    pub(crate) fn from_pieces(
        pieces: impl futures::Stream<Item = reqwest::Result<Bytes>> + Send + Sync + 'static,
        reliability: &Reliability,
    ) -> Self {
        let body = Self::from_stream(Box::pin(pieces), reliability, &Arc::default());
        Self { request_id: Some("req_1".to_owned()), is_event_stream: true, ..body }
    }

    /// Whether it may be an event stream: by its content type, or by its first bytes, since some servers label events as JSON.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) async fn detect_events(&mut self) -> Result<bool, Error> {
        self.check_encoding()?;
        if self.is_event_stream {
            return Ok(true);
        }
        let outcome = Timeout::Body.limit(self.time, self.read_start()).await;
        let start = outcome.unwrap_or_else(|error| Err(self.identify(error)))?;
        let is_event_stream = decoder::begins_with_events(&start);
        self.start = Some(start).filter(|start| !start.is_empty());
        Ok(is_event_stream)
    }

    /// Reads enough to detect what it is, without leading white space.
    async fn read_start(&mut self) -> Result<Bytes, Error> {
        let mut start = BytesMut::new();
        let (mut skipped, mut busy_bytes) = (0, 0);
        while start.len() < MAX_FIELD_BYTES {
            let Some(bytes) = self.next().await? else { break };
            start.extend_from_slice(&bytes);
            let length = start.len();
            let white_space = length - start.trim_ascii_start().len();
            start.advance(white_space);
            skipped += white_space;
            self.check_size(skipped)?;
            busy_bytes += bytes.len();
            if busy_bytes >= BUSY_BYTES {
                busy_bytes = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(start.freeze())
    }

    /// # Errors
    /// It exceeds the limit.
    fn check_size(&self, bytes: usize) -> Result<(), Error> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        let message = format!("the server's response is larger than {} bytes", self.max_bytes);
        let error = Error::new(ErrorCategory::Parse, message).maybe_processed();
        Err(self.identify(error.with_hint("Raise with_max_body_bytes if you trust this server.")))
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The error without the secrets in it.
    pub(crate) fn redact(&self, error: Error) -> Error {
        self.redactor.error(error).with_exchange(self.exchange.as_ref())
    }

    /// Adds to an error which request it is about.
    fn identify(&self, error: Error) -> Error {
        error.with_request_id(self.request_id.clone()).with_exchange(self.exchange.as_ref())
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or was silent for too long.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Ok(Some(start)));
        }
        let error = match self.bytes.poll_next_unpin(context) {
            Poll::Ready(bytes) => {
                self.idle.end();
                match bytes.transpose() {
                    Ok(bytes) => return Poll::Ready(Ok(bytes)),
                    Err(error) => failure::body_error(error),
                }
            }
            Poll::Pending if self.idle.poll_elapsed(context).is_pending() => return Poll::Pending,
            Poll::Pending => Timeout::Idle.elapsed(self.idle.limit()),
        };
        Poll::Ready(Err(self.identify(error)))
    }

    fn check_encoding(&self) -> Result<(), Error> {
        let Some(encoding) = &self.encoding else { return Ok(()) };
        let message = format!(
            "the server compressed its response in the content-encoding {encoding:?}, which was not requested"
        );
        let error = Error::new(ErrorCategory::Parse, message).maybe_processed().with_hint(
            "Disable the encoding at the server, or set a client that decodes it by with_http_client.",
        );
        Err(self.identify(error))
    }

    /// As [`poll_next`](Self::poll_next).
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// As [`next`](Self::next), or it exceeds the limit on size or time.
    pub(crate) async fn read(&mut self) -> Result<Bytes, Error> {
        self.check_encoding()?;
        let outcome = Timeout::Body.limit(self.time, self.read_all()).await;
        outcome.unwrap_or_else(|error| Err(self.identify(error)))
    }

    async fn read_all(&mut self) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        let mut busy_bytes = 0;
        while let Some(bytes) = self.next().await? {
            busy_bytes += bytes.len();
            if busy_bytes >= BUSY_BYTES {
                busy_bytes = 0;
                tokio::task::yield_now().await;
            }
            if !all.is_empty() && all.capacity() < LONG_BODY_CAPACITY {
                all.reserve(LONG_BODY_CAPACITY);
            }
            all.extend_from_slice(&bytes);
            self.check_size(all.len())?;
        }
        Ok(all.freeze())
    }

    /// Reads as much as the limits and the connection allow.
    pub(super) async fn read_prefix(mut self) -> Bytes {
        let mut all = BytesMut::new();
        // The end is not representable.
        let Some(end) = Instant::now().checked_add(self.time) else { return Bytes::new() };
        while let Ok(Ok(Some(bytes))) = timeout_at(end, self.next()).await {
            all.extend_from_slice(&bytes);
            if all.len() > self.max_bytes {
                break;
            }
        }
        all.freeze()
    }
}

/// Some servers stream with another content type, but not with that of JSON or a web page.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    !["json", "text/html"].iter().any(|other| content_type.contains(other))
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A body that sends a byte each second, forever.
    fn slow(time: Duration) -> Body {
        let bytes = stream::repeat(()).then(|()| async {
            sleep(SECOND).await;
            Ok(Bytes::from_static(b"x"))
        });
        Body { time, ..Body::from_pieces(bytes, &Reliability::default()) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_error_body_ends_with_what_came() {
        let start = Instant::now();
        let body = slow(ERROR_BODY_TIME + SECOND / 2).read_prefix().await;
        assert_eq!((&*body, start.elapsed()), (&b"xxxxx"[..], ERROR_BODY_TIME + SECOND / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_whole_body_is_an_error() {
        let start = Instant::now();
        let error = slow(10 * SECOND).read().await.unwrap_err();
        assert_eq!((error.category(), start.elapsed()), (ErrorCategory::Timeout, 10 * SECOND));
        assert_eq!(error.request_id(), Some("req_1"));
        assert!(error.to_string().contains("with_response_timeout"), "{error}");
        assert!(error.details().maybe_processed);
    }
}
