//! Sources of the events of a streamed response: the body of a response, or any other connection.

use std::borrow::Cow;
use std::task::{Context, Poll, ready};

use super::Error;
use super::sse::SseDecoder;
use super::transport::{Body, Bytes};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// The `event:` field, `message` by default.
    pub(crate) event: Cow<'a, str>,
    /// The `data:` lines, joined.
    pub(crate) data: Cow<'a, str>,
    /// Whether it is not an event but bare JSON, text or a web page in its place.
    pub(crate) is_bare: bool,
}

/// A source of the events of a response.
pub(crate) trait EventSource {
    /// The next event that has been received.
    ///
    /// # Errors
    /// It is malformed, or exceeds a limit.
    fn next_event(&mut self) -> Result<Option<Event<'_>>, Error>;

    /// The number of events without data that were parsed since the last call: they take time as well.
    fn take_skipped(&mut self) -> usize;

    /// Whether [`poll_more`](Self::poll_more) is ready.
    fn has_more(&self) -> bool;

    /// Reads more from the connection, and returns the number of bytes; `None` at the end, after which a last event may be left.
    ///
    /// # Errors
    /// The connection broke, or was silent for too long.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>>;

    /// The provider's id of the request.
    fn request_id(&self) -> Option<&str>;

    /// The error without the secrets of the connection.
    fn redact(&self, error: Error) -> Error;

    /// The number of the last event, in a response that can be resumed.
    fn sequence_number(&self) -> Option<u64> {
        None
    }
}

/// Server-sent events in the body of a response.
pub(crate) struct SseSource {
    body: Body,
    events: SseDecoder,
    /// Received bytes that the decoder does not have yet.
    received: Bytes,
}

/// How many received bytes are decoded in one step.
const STEP_BYTES: usize = 4 << 10;

impl SseSource {
    /// The events of this body, none of which may exceed this many bytes.
    pub(crate) fn new(body: Body, max_event_bytes: usize) -> Self {
        Self { body, events: SseDecoder::new(max_event_bytes), received: Bytes::new() }
    }

    /// Passes bytes on to the decoder, and returns their number.
    fn push(&mut self, bytes: Bytes) -> usize {
        let length = bytes.len();
        self.events.push(bytes);
        length
    }
}

impl EventSource for SseSource {
    fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.events.next_event()
    }

    fn take_skipped(&mut self) -> usize {
        self.events.take_skipped()
    }

    fn has_more(&self) -> bool {
        !self.received.is_empty()
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>> {
        if self.received.is_empty() {
            match ready!(self.body.poll_next(context))? {
                // Nearly all reads are short.
                Some(bytes) if bytes.len() <= STEP_BYTES => return Poll::Ready(Ok(Some(self.push(bytes)))),
                Some(bytes) => self.received = bytes,
                None => {
                    self.events.end();
                    return Poll::Ready(Ok(None));
                }
            }
        }
        let part = self.received.split_to(self.received.len().min(STEP_BYTES));
        Poll::Ready(Ok(Some(self.push(part))))
    }

    fn request_id(&self) -> Option<&str> {
        self.body.request_id()
    }

    fn redact(&self, error: Error) -> Error {
        self.body.redact(error)
    }
}
