//! Drives a decoder over a source of events: events, pieces, chunks, on the caller's own task.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tachikoma_backends_core::{CompletionChunk, ErrorCategory};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::decoder::{self, Decoder, Piece, Progress};
use super::events::EventSource;
use super::transport::BUSY_BYTES;
use super::transport::timeout::{Timeout, Timer};
use super::unknown::UnknownFields;
use super::{Error, Reliability};

/// How long to wait, after a finish reason, for the usage or more content from a server that does not end the stream.
const USAGE_GRACE: Duration = Duration::from_secs(10);

/// After how many steps without content, each of which reads bytes or an event, the stream yields to other tasks: events without
/// content are short, so that a few bytes may be much work.
const BUSY_STEPS: usize = 64;

/// How many events without data are as much work as a step.
const SKIPPED_IN_A_STEP: usize = 8;

/// Observes a stream.
pub(crate) trait Observer {
    /// A piece of the response.
    fn piece(&mut self, piece: &Piece);

    /// The end of the response, with its unknown fields.
    fn end(&mut self, unknown: UnknownFields, outcome: &Result<CompletionChunk, Error>);
}

/// The response in `source` as chunks: any number of deltas, then one final chunk or one error, then the end. The connection
/// is closed with the last item, or when the stream is dropped.
pub(crate) fn chunks<E: From<Error> + Send + 'static>(
    source: impl EventSource + Send + Unpin + 'static,
    decoder: Box<dyn Decoder + Send>,
    reliability: &Reliability,
    observer: impl Observer + Send + Unpin + 'static,
) -> Pin<Box<dyn Stream<Item = Result<CompletionChunk, E>> + Send>> {
    let connection = Connection {
        source,
        decoder,
        progress: Progress::Open,
        observer,
        has_content: false,
        since: Instant::now(),
        timer: Timer::default(),
        first_content_timeout: reliability.first_content_timeout,
        progress_timeout: reliability.progress_timeout,
        // An event of the maximum size, and comments before it.
        max_empty_bytes: reliability.max_event_bytes.saturating_mul(2),
        empty_bytes: 0,
        busy_bytes: 0,
        ended: false,
    };
    Box::pin(Chunks { connection: Some(connection), error: PhantomData })
}

/// The stream of a connection, up to its last item, with errors of type `E`.
struct Chunks<C, E> {
    connection: Option<C>,
    error: PhantomData<fn() -> E>,
}

impl<S, O, E> Stream for Chunks<Connection<S, O>, E>
where
    S: EventSource + Unpin,
    O: Observer + Unpin,
    E: From<Error>,
{
    type Item = Result<CompletionChunk, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(connection) = &mut this.connection else { return Poll::Ready(None) };
        let end = match ready!(connection.poll_piece(context)) {
            Ok(Some(piece)) => {
                connection.observer.piece(&piece);
                // A chunk that is changed is also moved, which is expensive.
                let Some(number) = connection.source.sequence_number() else {
                    return Poll::Ready(Some(Ok(piece.into())));
                };
                return Poll::Ready(Some(Ok(CompletionChunk::from(piece).with_sequence_number(number))));
            }
            Ok(None) => connection.final_chunk(),
            Err(error) => Err(error),
        };
        let request_id = || connection.source.request_id().map(str::to_owned);
        let end = end
            .map_err(|error| connection.source.redact(error.within_response().with_request_id(request_id())));
        connection.observer.end(connection.decoder.unknown(), &end);
        this.connection = None;
        Poll::Ready(Some(end.map_err(Into::into)))
    }
}

struct Connection<S, O> {
    source: S,
    decoder: Box<dyn Decoder + Send>,
    /// The decoder's progress after its last event.
    progress: Progress,
    observer: O,
    first_content_timeout: Option<Duration>,
    progress_timeout: Option<Duration>,
    has_content: bool,
    /// The start of the wait for content, or, after a finish reason, for a further event.
    since: Instant,
    timer: Timer,
    /// The number of bytes since the last content, and its limit.
    empty_bytes: usize,
    max_empty_bytes: usize,
    /// The number of bytes read without yielding.
    busy_bytes: usize,
    /// Whether the last byte has arrived.
    ended: bool,
}

impl<S: EventSource, O> Connection<S, O> {
    /// The next piece; `None` before the final chunk.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>> {
        let mut steps = 0;
        loop {
            if let Some(piece) = self.decoder.next_piece() {
                return Poll::Ready(Ok(Some(piece)));
            }
            if self.progress == Progress::Done {
                return Poll::Ready(Ok(None));
            }
            if self.busy_bytes >= BUSY_BYTES || steps >= BUSY_STEPS {
                // Decompressed bytes are always ready: yield to other tasks.
                self.busy_bytes = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            steps += 1;
            if let Some(event) = self.source.next_event()? {
                let piece = self.decoder.event(&event)?;
                self.progress = self.decoder.progress();
                if self.is_past_finish() || (piece.is_some() && self.is_timed()) {
                    self.since = Instant::now();
                }
                if piece.is_some() {
                    self.has_content = true;
                    self.empty_bytes = 0;
                    return Poll::Ready(Ok(piece));
                }
                continue;
            }
            steps += self.source.take_skipped() / SKIPPED_IN_A_STEP;
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            self.check_empty()?;
            let more = if self.source.has_more() {
                self.source.poll_more(context)
            } else {
                self.poll_in_time(context)
            };
            match ready!(more) {
                Ok(Some(bytes)) => {
                    self.busy_bytes += bytes;
                    self.empty_bytes = self.empty_bytes.saturating_add(bytes);
                }
                Ok(None) => self.ended = true,
                // A connection that breaks after the finish reason loses nothing, unless content had followed it.
                Err(_) if self.progress == Progress::Finished => return Poll::Ready(Ok(None)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// # Errors
    /// More bytes than allowed have arrived without content.
    fn check_empty(&self) -> Result<(), Error> {
        if self.empty_bytes <= self.max_empty_bytes {
            return Ok(());
        }
        let message = format!("the server sent {} bytes without content", self.empty_bytes);
        Err(Error::new(ErrorCategory::Parse, message)
            .with_hint("Raise with_max_event_bytes if you trust this server.")
            .maybe_processed())
    }

    /// Reads more from the connection, within the timeouts for content.
    fn poll_in_time(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>> {
        let deadline = self.limit().and_then(|(timeout, limit)| {
            // Without a limit if the deadline is not representable.
            Some((timeout, limit, self.since.checked_add(limit)?))
        });
        // Comments without a pause would keep the connection ready forever.
        if let Some((timeout, limit, _)) = deadline.filter(|(.., deadline)| Instant::now() >= *deadline) {
            return Poll::Ready(Err(self.late(timeout, limit)));
        }
        if let ready @ Poll::Ready(_) = self.source.poll_more(context) {
            return ready;
        }
        self.busy_bytes = 0;
        match deadline {
            // Outside of its runtime the idle timeout ends the stream.
            Some((timeout, limit, deadline)) if Handle::try_current().is_ok() => {
                ready!(self.timer.poll_until(deadline, context));
                Poll::Ready(Err(self.late(timeout, limit)))
            }
            _ => Poll::Pending,
        }
    }

    /// The error for content that did not arrive in time.
    fn late(&self, timeout: Timeout, limit: Duration) -> Error {
        match self.progress {
            Progress::Resumed => {
                let silence = format!("content came after its finish_reason, and then nothing for {limit:?}");
                decoder::truncated(true, &silence)
            }
            _ => timeout.elapsed(limit),
        }
    }

    /// The current timeout.
    fn limit(&self) -> Option<(Timeout, Duration)> {
        if self.is_past_finish() {
            return Some((Timeout::Progress, USAGE_GRACE));
        }
        let first = self.first_content_timeout.filter(|_| !self.has_content);
        let progress = self.progress_timeout.map(|limit| (Timeout::Progress, limit));
        first.map(|limit| (Timeout::FirstContent, limit)).or(progress)
    }

    fn is_past_finish(&self) -> bool {
        matches!(self.progress, Progress::Finished | Progress::Resumed)
    }

    /// Whether the time of content matters: reading the clock for each chunk is expensive.
    fn is_timed(&self) -> bool {
        self.first_content_timeout.or(self.progress_timeout).is_some()
    }

    /// The final chunk.
    fn final_chunk(&mut self) -> Result<CompletionChunk, Error> {
        let mut chunk = self.decoder.finish()?;
        chunk.request_id = self.source.request_id().map(str::to_owned);
        chunk.sequence_number = self.source.sequence_number();
        Ok(chunk)
    }
}
