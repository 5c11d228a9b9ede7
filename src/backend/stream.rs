//! Drives a decoder over a connection: bytes, events, chunks, on the caller's own task.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tachikoma_backends_core::{CompletionChunk, ErrorCategory};
use tokio::time::{Instant, Sleep, sleep_until};

use super::watch::Watch;
use crate::config::Reliability;
use crate::decode::answer::{self, Decoder, Piece, Progress};
use crate::decode::sse::SseDecoder;
use crate::error::CodexError;
use crate::transport::timeout::Timeout;
use crate::transport::{BUSY_BYTES, Body, Bytes};

/// How long, after a finish reason, the next event is waited for from a server that does not end the stream: its usage, or more
/// content.
const USAGE_GRACE: Duration = Duration::from_secs(10);

/// The response in `body` as chunks: any number of deltas, then one final chunk or one error, then the end. The connection
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
        // An event may come in as many bytes as it is allowed, and comments before it.
        max_empty_bytes: reliability.max_event_bytes.saturating_mul(2),
        empty_bytes: 0,
        busy_bytes: 0,
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
    /// Since when content is waited for, or, after a finish reason, a further event.
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// How many bytes have come since the last content, and may come.
    empty_bytes: usize,
    max_empty_bytes: usize,
    /// How many bytes have been read without a pause.
    busy_bytes: usize,
    /// Whether the last byte has come.
    ended: bool,
    watch: Watch,
}

impl<D: Decoder> Connection<D> {
    /// The next piece; `None` where the last chunk is to come.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, CodexError>> {
        loop {
            if let Some(piece) = self.decoder.next_piece() {
                return Poll::Ready(Ok(Some(piece)));
            }
            if self.decoder.progress() == Progress::Done {
                return Poll::Ready(Ok(None));
            }
            if let Some(event) = self.events.next_event()? {
                let piece = self.decoder.event(&event)?;
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
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            self.check_empty()?;
            match ready!(self.poll_bytes(context)) {
                Ok(Some(bytes)) => {
                    let length = bytes.len();
                    self.empty_bytes = self.empty_bytes.saturating_add(length);
                    self.events.push(bytes);
                    ready!(self.poll_pause(length, context));
                }
                Ok(None) => {
                    self.events.end();
                    self.ended = true;
                }
                // What broke the connection after the finish reason takes nothing away from the response, unless content had
                // followed: then more of it may be missing.
                Err(_) if self.decoder.progress() == Progress::Finished => return Poll::Ready(Ok(None)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Lets other tasks run after much has been read at once: what is decompressed is always there, and never waits.
    fn poll_pause(&mut self, length: usize, context: &mut Context<'_>) -> Poll<()> {
        self.busy_bytes += length;
        if self.busy_bytes < BUSY_BYTES {
            return Poll::Ready(());
        }
        self.busy_bytes = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// # Errors
    /// More bytes than allowed have come without content.
    fn check_empty(&self) -> Result<(), CodexError> {
        if self.empty_bytes <= self.max_empty_bytes {
            return Ok(());
        }
        let message = format!("the server sent {} bytes without content", self.empty_bytes);
        Err(CodexError::new(ErrorCategory::Parse, message)
            .with_hint("Raise with_max_event_bytes if you trust this server.")
            .maybe_processed())
    }

    /// The next bytes, in time for content.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CodexError>> {
        let bytes = self.poll_bytes_in_time(context);
        if bytes.is_pending() {
            self.busy_bytes = 0;
        }
        bytes
    }

    fn poll_bytes_in_time(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CodexError>> {
        let Some((timeout, limit)) = self.limit() else { return self.body.poll_next(context) };
        // A limit beyond the end of time is not one.
        let Some(deadline) = self.since.checked_add(limit) else { return self.body.poll_next(context) };
        // Comments that come without a pause would keep the body ready for ever.
        if Instant::now() >= deadline {
            return Poll::Ready(Err(self.late(timeout, limit)));
        }
        if let ready @ Poll::Ready(_) = self.body.poll_next(context) {
            return ready;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(self.late(timeout, limit)))
    }

    /// What has not come in time.
    fn late(&self, timeout: Timeout, limit: Duration) -> CodexError {
        match self.decoder.progress() {
            Progress::Resumed => {
                let silence = format!("content came after its finish_reason, and then nothing for {limit:?}");
                answer::truncated(true, &silence)
            }
            _ => timeout.met(limit),
        }
    }

    /// The limit on what is waited for now.
    fn limit(&self) -> Option<(Timeout, Duration)> {
        if self.is_past_finish() {
            return Some((Timeout::Progress, USAGE_GRACE));
        }
        let first = self.first_content_timeout.filter(|_| !self.has_content);
        let progress = self.progress_timeout.map(|limit| (Timeout::Progress, limit));
        first.map(|limit| (Timeout::FirstContent, limit)).or(progress)
    }

    fn is_past_finish(&self) -> bool {
        matches!(self.decoder.progress(), Progress::Finished | Progress::Resumed)
    }

    /// Whether the time of content is needed: asking the clock for each chunk is expensive.
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
