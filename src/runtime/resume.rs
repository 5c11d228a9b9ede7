//! Resumes a streamed response whose connection broke: the rest of its events comes over a further connection, from the number of the
//! last event on.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tachikoma_backends_core::Backoff;
use tokio::time::Instant;

use super::Error;
use super::events::{Event, EventSource};
use super::transport::timeout::Timer;

/// How often a response is resumed without a further event, and in all.
const MAX_IDLE_RESUMPTIONS: u32 = 3;
const MAX_RESUMPTIONS: u32 = 100;

/// The place of an event in its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its number. Numbers increase, and those of a resumed stream have no gaps.
    Number(u64),
    /// It is not part of the response, as a keep-alive is not.
    Outside,
    /// It is part of the response without a number, so that the response cannot be resumed.
    Unnumbered,
}

/// How the responses of a provider are resumed.
pub(crate) trait Resumption {
    /// The source of further events.
    type Source: EventSource + 'static;

    /// The place of an event. The first ones identify the response.
    fn place(&mut self, event: &Event<'_>) -> Place;

    /// Whether the response has been identified.
    fn is_identified(&self) -> bool;

    /// Opens a source of the events after this number; of all events without one.
    fn open(&self, after: Option<u64>) -> BoxFuture<'static, Result<Self::Source, Error>>;
}

/// A source of events that continues over further connections.
///
/// Where it cannot, it ends as the broken connection did. An event that was cut off is dropped before the response is resumed.
pub(crate) struct ResumableSource<R: Resumption> {
    source: R::Source,
    /// That of the first connection, which made the request.
    request_id: Option<String>,
    resumption: R,
    state: State<R::Source>,
    position: Position,
    /// Whether an event was dropped, behind which more may have been received.
    has_dropped: bool,
    backoff: Backoff,
    /// The number of resumptions since the last new event, and in all.
    idle_resumptions: u32,
    resumptions: u32,
}

enum State<S> {
    Open,
    /// The connection has ended; a last event may be left.
    Ended,
    /// A further connection is being opened, after the last one ended or broke with this error.
    Opening(BoxFuture<'static, Result<S, Error>>, Option<Error>),
    /// Events are missing: nothing behind the gap is used.
    Gap,
}

/// The position in a response.
#[derive(Debug, Default)]
struct Position {
    last: Option<u64>,
    /// Whether numbers are missing or out of order, so that they identify no position.
    is_unreliable: bool,
    is_resumed: bool,
}

/// What to do with an event.
#[derive(Debug, PartialEq)]
enum Step {
    Use,
    /// It has been used before.
    Drop,
    /// Events before it are missing.
    Gap,
}

impl Position {
    fn step(&mut self, place: Place) -> Step {
        match (place, self.last) {
            (Place::Outside, _) => Step::Use,
            (Place::Number(number), Some(last)) if self.is_resumed && number <= last => Step::Drop,
            (Place::Number(number), Some(last)) if self.is_resumed && number - last > 1 => Step::Gap,
            (Place::Number(number), last) => {
                self.is_unreliable |= last.is_some_and(|last| number <= last);
                self.last = Some(number);
                Step::Use
            }
            (Place::Unnumbered, _) if self.is_resumed => Step::Gap,
            (Place::Unnumbered, _) => {
                self.is_unreliable = true;
                Step::Use
            }
        }
    }
}

impl<R: Resumption> ResumableSource<R> {
    /// The events of this source, and those of further ones. The wait before a further one begins with `first_wait` and doubles.
    pub(crate) fn new(source: R::Source, resumption: R, first_wait: Duration) -> Self {
        Self {
            request_id: source.request_id().map(str::to_owned),
            source,
            resumption,
            state: State::Open,
            position: Position::default(),
            has_dropped: false,
            backoff: Backoff::default().with_first_wait(first_wait),
            idle_resumptions: 0,
            resumptions: 0,
        }
    }

    fn can_resume(&self) -> bool {
        self.resumption.is_identified()
            && !self.position.is_unreliable
            && self.idle_resumptions < MAX_IDLE_RESUMPTIONS
            && self.resumptions < MAX_RESUMPTIONS
    }

    /// Opens a further connection after a wait. `cause` is the error of the last one, if it had any.
    fn resume(&mut self, cause: Option<Error>) {
        let wait = self.backoff.wait(self.idle_resumptions, None, fastrand::f64());
        let after = self.position.last;
        self.idle_resumptions += 1;
        self.resumptions += 1;
        self.position.is_resumed = true;
        // Without the error's message, which may quote the response.
        let category = cause.as_ref().map(|error| error.category().as_str());
        tracing::info!(category, after, ?wait, "the connection of a stream broke: resuming it");
        let opening = self.resumption.open(after);
        let opening = async move {
            if let Some(end) = Instant::now().checked_add(wait) {
                let mut timer = Timer::default();
                poll_fn(|context| timer.poll_until(end, context)).await;
            }
            opening.await
        };
        self.state = State::Opening(opening.boxed(), cause);
    }
}

impl<R: Resumption> EventSource for ResumableSource<R> {
    fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        let is_ended = match self.state {
            State::Open => false,
            State::Ended => true,
            State::Opening(..) | State::Gap => return Ok(None),
        };
        let event = match self.source.next_event() {
            Err(_) if is_ended => return Ok(None),
            event => event?,
        };
        let Some(event) = event else { return Ok(None) };
        let place = self.resumption.place(&event);
        if is_ended && !matches!(place, Place::Number(_)) {
            return Ok(None);
        }
        match self.position.step(place) {
            Step::Use => {
                if matches!(place, Place::Number(_)) {
                    self.idle_resumptions = 0;
                }
                Ok(Some(event))
            }
            Step::Drop => {
                self.has_dropped = true;
                Ok(None)
            }
            Step::Gap => {
                tracing::warn!(
                    last = self.position.last,
                    ?place,
                    "the server resumed a stream at another event"
                );
                self.state = State::Gap;
                Ok(None)
            }
        }
    }

    fn take_skipped(&mut self) -> usize {
        self.source.take_skipped()
    }

    fn has_more(&self) -> bool {
        self.has_dropped || matches!(self.state, State::Open) && self.source.has_more()
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>> {
        if std::mem::take(&mut self.has_dropped) {
            return Poll::Ready(Ok(Some(0)));
        }
        loop {
            let cause = match &mut self.state {
                State::Open => match ready!(self.source.poll_more(context)) {
                    Ok(Some(bytes)) => return Poll::Ready(Ok(Some(bytes))),
                    Ok(None) if self.can_resume() => {
                        self.state = State::Ended;
                        return Poll::Ready(Ok(Some(0)));
                    }
                    Err(error) if error.is_retryable() => Some(error),
                    end => return Poll::Ready(end),
                },
                State::Ended => None,
                State::Opening(opening, cause) => match ready!(opening.poll_unpin(context)) {
                    Ok(source) => {
                        self.source = source;
                        self.state = State::Open;
                        continue;
                    }
                    Err(error) => {
                        let (category, status) = (error.category().as_str(), error.status());
                        tracing::warn!(category, status, "a stream cannot be resumed");
                        let cause = cause.take();
                        self.state = State::Gap;
                        return Poll::Ready(cause.map_or(Ok(None), Err));
                    }
                },
                State::Gap => return Poll::Ready(Ok(None)),
            };
            // The last event may have been out of order.
            if !self.can_resume() {
                return Poll::Ready(cause.map_or(Ok(None), Err));
            }
            self.resume(cause);
        }
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    fn redact(&self, error: Error) -> Error {
        self.source.redact(error)
    }

    fn sequence_number(&self) -> Option<u64> {
        self.position.last
    }
}

#[cfg(test)]
mod tests;
