//! Drives a decoder over a connection: bytes, events, chunks, on the caller's own task.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tachikoma_backends_core::CompletionChunk;
use tokio::time::{Instant, Sleep, sleep_until};

use super::watch::Watch;
use crate::config::Reliability;
use crate::decode::answer::{Decoder, Piece};
use crate::decode::sse::SseDecoder;
use crate::error::CodexError;
use crate::transport::timeout::Timeout;
use crate::transport::{Body, Bytes};

/// How long, once an answer is whole, its usage is waited for from a server that does not end the stream.
const AFTER_THE_END: Duration = Duration::from_secs(10);

/// The answer in `body` as chunks: any number of deltas, then one final chunk or one error, then the end. The connection
/// is closed with the last item, or when the stream is dropped.
pub(super) fn chunks<E: From<CodexError> + Send + 'static>(
    body: Body,
    decoder: impl Decoder + Send + Unpin + 'static,
    reliability: Reliability,
    watch: Watch,
) -> Pin<Box<dyn Stream<Item = Result<CompletionChunk, E>> + Send>> {
    let connection = Connection {
        body,
        events: SseDecoder::new(reliability.max_event_bytes),
        decoder,
        has_content: false,
        since: Instant::now(),
        timer: None,
        first_content_timeout: reliability.first_content_timeout,
        progress_timeout: reliability.progress_timeout,
        ended: false,
        watch,
    };
    Box::pin(Chunks { connection: Some(connection), error: PhantomData })
}

/// A connection up to its last item. Errors are handed out as `E`.
struct Chunks<D, E> {
    connection: Option<Connection<D>>,
    error: PhantomData<fn() -> E>,
}

impl<D: Decoder + Unpin, E: From<CodexError>> Stream for Chunks<D, E> {
    type Item = Result<CompletionChunk, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(connection) = &mut this.connection else { return Poll::Ready(None) };
        let end = match ready!(connection.poll_piece(context)) {
            Ok(Some(piece)) => {
                connection.watch.piece(&piece);
                return Poll::Ready(Some(Ok(piece.into())));
            }
            Ok(None) => connection.last(),
            Err(error) => Err(error),
        };
        let request_id = || connection.body.request_id().map(str::to_owned);
        let end = end.map_err(|error| connection.body.redact(error.with_request_id(request_id())));
        connection.watch.ended(connection.decoder.unknown(), &end);
        this.connection = None;
        Poll::Ready(Some(end.map_err(Into::into)))
    }
}

struct Connection<D> {
    body: Body,
    events: SseDecoder,
    decoder: D,
    first_content_timeout: Option<Duration>,
    progress_timeout: Option<Duration>,
    has_content: bool,
    /// Since when content is waited for, or, once the answer is whole, its end.
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the last byte has come.
    ended: bool,
    watch: Watch,
}

impl<D: Decoder> Connection<D> {
    /// The next piece; `None` where the last chunk is to come.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, CodexError>> {
        loop {
            if self.decoder.is_done() {
                return Poll::Ready(Ok(None));
            }
            let was_whole = self.decoder.is_whole();
            if let Some(event) = self.events.next_event()? {
                let piece = self.decoder.event(&event)?;
                if (piece.is_some() && self.is_timed()) || (self.decoder.is_whole() && !was_whole) {
                    self.since = Instant::now();
                }
                if piece.is_some() {
                    self.has_content = true;
                    return Poll::Ready(Ok(piece));
                }
                continue;
            }
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            match ready!(self.poll_bytes(context)) {
                Ok(Some(bytes)) => self.events.push(bytes),
                Ok(None) => {
                    self.events.end();
                    self.ended = true;
                }
                // What broke the connection after the answer was whole takes nothing away from it.
                Err(_) if self.decoder.is_whole() => return Poll::Ready(Ok(None)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// The next bytes, in time for content.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CodexError>> {
        let Some((timeout, limit)) = self.limit() else { return self.body.poll_next(context) };
        // A limit beyond the end of time is none.
        let Some(deadline) = self.since.checked_add(limit) else { return self.body.poll_next(context) };
        // Comments that come without a pause would keep the body ready for ever.
        if Instant::now() >= deadline {
            return Poll::Ready(Err(timeout.met(limit)));
        }
        if let ready @ Poll::Ready(_) = self.body.poll_next(context) {
            return ready;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context).map(|()| Err(timeout.met(limit)))
    }

    /// The limit on what is waited for now.
    fn limit(&self) -> Option<(Timeout, Duration)> {
        if self.decoder.is_whole() {
            return Some((Timeout::Progress, AFTER_THE_END));
        }
        let first = self.first_content_timeout.filter(|_| !self.has_content);
        let progress = self.progress_timeout.map(|limit| (Timeout::Progress, limit));
        first.map(|limit| (Timeout::FirstContent, limit)).or(progress)
    }

    /// Whether anyone wants to know when content came: asking the clock for each chunk is dear.
    fn is_timed(&self) -> bool {
        self.first_content_timeout.or(self.progress_timeout).is_some()
    }

    /// The final chunk.
    fn last(&mut self) -> Result<CompletionChunk, CodexError> {
        let chunk = self.decoder.finish()?;
        let request_id = self.body.request_id().map(str::to_owned);
        Ok(CompletionChunk { request_id, ..chunk })
    }
}
