//! Where the events of a streamed response come from: the body of a response, or any other connection.

use std::borrow::Cow;
use std::task::{Context, Poll, ready};

use super::Error;
use super::sse::SseDecoder;
use super::transport::{Body, Bytes};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// The `event:` field, `message` where there was none.
    pub(crate) event: Cow<'a, str>,
    /// The `data:` lines, joined.
    pub(crate) data: Cow<'a, str>,
    /// It is not an event but stands in the place of one: JSON, text or a web page.
    pub(crate) is_bare: bool,
}

/// Where the events of a response come from.
pub(crate) trait EventSource {
    /// The next of the events that have arrived.
    ///
    /// # Errors
    /// It cannot be read, or is over a limit.
    fn next_event(&mut self) -> Result<Option<Event<'_>>, Error>;

    /// How many events without data have been read since the last call: they are work as well.
    fn take_skipped(&mut self) -> usize;

    /// Whether [`poll_more`](Self::poll_more) has something without waiting.
    fn has_more(&self) -> bool;

    /// Takes more from the connection, and returns how many bytes that is; `None` at the end, after which a last event may be
    /// left.
    ///
    /// # Errors
    /// The connection broke, or was silent for too long.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>>;

    /// The id under which the provider finds the request.
    fn request_id(&self) -> Option<&str>;

    /// The error without the secrets of the connection.
    fn redact(&self, error: Error) -> Error;
}

/// Server-sent events in the body of a response.
pub(crate) struct SseSource {
    body: Body,
    events: SseDecoder,
    /// What has arrived and has not been read.
    arrived: Bytes,
}

/// How much of what has arrived is read in one step, in bytes.
const PART: usize = 4 << 10;

impl SseSource {
    /// The events of this body, of which none has more than this many bytes.
    pub(crate) fn new(body: Body, max_event_bytes: usize) -> Self {
        Self { body, events: SseDecoder::new(max_event_bytes), arrived: Bytes::new() }
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
        !self.arrived.is_empty()
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>> {
        if self.arrived.is_empty() {
            match ready!(self.body.poll_next(context))? {
                Some(bytes) => self.arrived = bytes,
                None => {
                    self.events.end();
                    return Poll::Ready(Ok(None));
                }
            }
        }
        // Nearly all that arrives is little.
        let part = match self.arrived.len() {
            ..=PART => std::mem::take(&mut self.arrived),
            _ => self.arrived.split_to(PART),
        };
        let length = part.len();
        self.events.push(part);
        Poll::Ready(Ok(Some(length)))
    }

    fn request_id(&self) -> Option<&str> {
        self.body.request_id()
    }

    fn redact(&self, error: Error) -> Error {
        self.body.redact(error)
    }
}
