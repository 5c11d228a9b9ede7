//! Drives a decoder over a connection: bytes, events, chunks, on the caller's own task.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tachikoma_backends_core::{CompletionChunk, ErrorCategory};
use tokio::runtime::Handle;
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

/// How much of what has arrived is read in one step, in bytes.
const PART: usize = 4 << 10;

/// After how many steps without content, each of which reads a part or an event, other tasks get a turn: events without
/// content are short, so that a few bytes may be much work.
const BUSY_STEPS: usize = 64;

/// How many events without data are as much work as a step.
const SKIPPED_IN_A_STEP: usize = 8;

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
        arrived: Bytes::new(),
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
        let end = end
            .map_err(|error| connection.body.redact(error.within_response().with_request_id(request_id())));
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
    /// What has arrived and has not been read.
    arrived: Bytes,
    /// How many bytes have been read without a pause.
    busy_bytes: usize,
    /// Whether the last byte has come.
    ended: bool,
    watch: Watch,
}

impl<D: Decoder> Connection<D> {
    /// The next piece; `None` where the last chunk is to come.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, CodexError>> {
        let mut steps = 0;
        loop {
            if let Some(piece) = self.decoder.next_piece() {
                return Poll::Ready(Ok(Some(piece)));
            }
            if self.decoder.progress() == Progress::Done {
                return Poll::Ready(Ok(None));
            }
            if self.busy_bytes >= BUSY_BYTES || steps >= BUSY_STEPS {
                // What is decompressed is always there, and never waits: other tasks get a turn.
                self.busy_bytes = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            steps += 1;
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
            steps += self.events.take_skipped() / SKIPPED_IN_A_STEP;
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            self.check_empty()?;
            if !self.arrived.is_empty() {
                let part = self.arrived.split_to(self.arrived.len().min(PART));
                self.push(part);
                continue;
            }
            match ready!(self.poll_bytes(context)) {
                // Nearly all that arrives is little.
                Ok(Some(bytes)) if bytes.len() <= PART => self.push(bytes),
                Ok(Some(bytes)) => self.arrived = bytes,
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

    /// Takes a part of what has arrived.
    fn push(&mut self, part: Bytes) {
        self.busy_bytes += part.len();
        self.empty_bytes = self.empty_bytes.saturating_add(part.len());
        self.events.push(part);
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
        // Where the stream has been taken out of its runtime, the limit on silence ends it.
        if self.timer.is_none() && Handle::try_current().is_err() {
            return Poll::Pending;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::{StreamExt, stream};
    use tokio::time::sleep;

    use super::*;
    use crate::chat::stream::ChatStream;

    /// What a server does next.
    enum Step {
        /// Waits for so many seconds.
        Wait(u64),
        Send(&'static str),
        /// Breaks the connection.
        Break,
        /// Sends nothing more, and leaves the connection open.
        Silence,
    }
    use Step::{Break, Send, Silence, Wait};

    const ONE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n";
    const TWO: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" two\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const TWO_AND_STOP: &str =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" two\"},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    const EMPTY: &str = "data: {\"choices\":[]}\n\n";
    const COMMENT: &str = ": keep-alive\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn body(steps: impl IntoIterator<Item = Step>, reliability: &Reliability) -> Body {
        let pieces: Vec<_> = steps.into_iter().collect();
        let pieces = stream::iter(pieces).filter_map(async |step| match step {
            Send(bytes) => Some(Ok(Bytes::from_static(bytes.as_bytes()))),
            Break => Some(Err(reqwest::Client::new().get("no URL").build().unwrap_err())),
            Wait(seconds) => {
                sleep(Duration::from_secs(seconds)).await;
                None
            }
            Silence => std::future::pending().await,
        });
        Body::from_pieces(pieces, reliability)
    }

    /// A text with the number of its tokens, or the category of an error with what had arrived; and when it came, in seconds.
    async fn read(
        steps: impl IntoIterator<Item = Step>,
        reliability: Reliability,
    ) -> (Result<(String, u64), (ErrorCategory, String)>, u64) {
        let start = Instant::now();
        let body = body(steps, &reliability);
        let watch = Watch::new(None, Arc::default());
        let decoder = ChatStream::new(usize::MAX, usize::MAX);
        let mut chunks = chunks::<CodexError>(body, decoder, reliability, watch);
        let mut text = String::new();
        let outcome = loop {
            match chunks.next().await.unwrap() {
                Ok(chunk) => {
                    text.push_str(&chunk.delta);
                    if chunk.is_final {
                        break Ok((text, chunk.usage.map_or(0, |usage| usage.total_tokens.into())));
                    }
                }
                Err(error) => {
                    assert!(error.details().maybe_processed, "{error}");
                    assert_eq!(error.request_id(), Some("req_1"));
                    break Err((error.category(), text));
                }
            }
        };
        assert!(chunks.next().await.is_none());
        (outcome, start.elapsed().as_secs())
    }

    fn repeat(times: usize, steps: impl Fn() -> Vec<Step>) -> Vec<Step> {
        (0..times).flat_map(|_| steps()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_stream() {
        async fn check(
            name: &str,
            steps: Vec<Step>,
            expected: Result<(&str, u64), (ErrorCategory, &str)>,
            seconds: u64,
        ) {
            let (outcome, elapsed) = read(steps, Reliability::default()).await;
            let outcome = outcome.as_ref().map(|(text, tokens)| (text.as_str(), *tokens));
            let outcome = outcome.map_err(|(category, text)| (*category, text.as_str()));
            assert_eq!((outcome, elapsed), (expected, seconds), "{name}");
        }
        let truncated = |text| Err((ErrorCategory::TruncatedStream, text));
        check("silence after a finish reason", vec![Send(ONE), Send(STOP), Silence], Ok(("one", 0)), 10)
            .await;
        check(
            "a connection that breaks after a finish reason",
            vec![Send(ONE), Send(STOP), Break],
            Ok(("one", 0)),
            0,
        )
        .await;
        check(
            "content after a finish reason, and silence",
            vec![Send(ONE), Send(STOP), Send(TWO), Silence],
            truncated("one two"),
            10,
        )
        .await;
        check(
            "content after a finish reason, and a connection that breaks",
            vec![Send(ONE), Send(STOP), Wait(3), Send(TWO), Break],
            Err((ErrorCategory::Network, "one two")),
            3,
        )
        .await;
        check(
            "content after a finish reason, and a polite end",
            vec![Send(ONE), Send(STOP), Wait(9), Send(TWO), Wait(9)],
            Ok(("one two", 0)),
            18,
        )
        .await;
        let words = repeat(7, || vec![Send(TWO_AND_STOP), Wait(2)]);
        check("a finish reason on every chunk", words, Ok((" two two two two two two two", 0)), 14).await;
        let mut words = repeat(7, || vec![Send(TWO_AND_STOP), Wait(2)]);
        words.extend([Send(DONE), Silence]);
        check(
            "a finish reason on every chunk, and [DONE]",
            words,
            Ok((" two two two two two two two", 0)),
            14,
        )
        .await;
        let mut comments = vec![Send(ONE), Send(STOP)];
        comments.extend(repeat(20, || vec![Wait(1), Send(COMMENT)]));
        check("comments after a finish reason", comments, Ok(("one", 0)), 10).await;
        let mut events = vec![Send(ONE), Send(STOP)];
        events.extend(repeat(5, || vec![Wait(4), Send(EMPTY)]));
        events.push(Silence);
        check("events after a finish reason", events, Ok(("one", 0)), 30).await;
        check(
            "usage after a finish reason",
            vec![Send(ONE), Send(STOP), Wait(8), Send(USAGE), Send(DONE), Silence],
            Ok(("one", 3)),
            8,
        )
        .await;
        check(
            "[DONE], and a connection that stays open",
            vec![Send(ONE), Send(STOP), Send(DONE), Silence],
            Ok(("one", 0)),
            0,
        )
        .await;
        check("no finish reason, and a polite end", vec![Send(ONE)], truncated("one"), 0).await;
        check(
            "no finish reason, and a broken connection",
            vec![Send(ONE), Break],
            Err((ErrorCategory::Network, "one")),
            0,
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_timeout_may_be_shorter_than_the_wait_after_a_finish_reason() {
        let reliability = Reliability { idle_timeout: Duration::from_secs(2), ..Reliability::default() };
        let (outcome, elapsed) = read([Send(ONE), Send(STOP), Silence], reliability).await;
        assert_eq!((outcome, elapsed), (Ok(("one".to_owned(), 0)), 2));
        let (outcome, elapsed) = read([Send(ONE), Send(STOP), Send(TWO), Silence], reliability).await;
        assert_eq!((outcome, elapsed), (Err((ErrorCategory::Timeout, "one two".to_owned())), 2));
    }
}
