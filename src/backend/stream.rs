//! Drives a decoder over a connection: bytes, events, chunks, on the caller's own task.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tachikoma_backends_core::{CompletionChunk, CompletionResponse};
use tokio::time::{Instant, timeout_at};

use crate::config::Reliability;
use crate::decode::answer::Decoder;
use crate::decode::sse::SseDecoder;
use crate::error::CodexError;
use crate::transport::timeout::Timeout;
use crate::transport::{Body, Bytes};

/// How long, once an answer is whole, its usage is waited for from a server that does not end the stream.
const AFTER_THE_END: Duration = Duration::from_secs(10);

/// The answer in `body` as chunks: any number of deltas, then one final chunk or one error, then the end. The connection
/// is closed with the last item, or when the stream is dropped.
pub(super) fn chunks(
    body: Body,
    decoder: impl Decoder + Send + 'static,
    reliability: Reliability,
) -> impl Stream<Item = Result<CompletionChunk, CodexError>> + Send + 'static {
    let connection = Connection {
        body,
        events: SseDecoder::new(reliability.max_event_bytes),
        decoder,
        reliability,
        has_content: false,
        last_content: Instant::now(),
        ended: false,
    };
    let items = stream::unfold(Some(connection), async |connection| {
        let mut connection = connection?;
        let item = connection
            .next()
            .await
            .map_err(|error| error.with_request_id(connection.body.request_id().map(str::to_owned)));
        let go_on = item.as_ref().is_ok_and(|chunk| !chunk.is_final);
        Some((item, go_on.then_some(connection)))
    });
    items.fuse()
}

/// A whole answer as the chunks of a stream.
pub(super) fn whole(
    response: CompletionResponse,
) -> impl Stream<Item = Result<CompletionChunk, CodexError>> + Send + 'static {
    stream::iter(response.into_chunks().map(Ok))
}

struct Connection<D> {
    body: Body,
    events: SseDecoder,
    decoder: D,
    reliability: Reliability,
    has_content: bool,
    /// When the last content came, or the connection.
    last_content: Instant,
    /// Whether the last byte has come.
    ended: bool,
}

impl<D: Decoder> Connection<D> {
    async fn next(&mut self) -> Result<CompletionChunk, CodexError> {
        loop {
            if self.decoder.is_done() {
                return self.end();
            }
            let event = if self.ended { self.events.finish()? } else { self.events.next_event()? };
            match event {
                Some(event) => match self.decoder.event(&event)? {
                    Some(chunk) => {
                        (self.has_content, self.last_content) = (true, Instant::now());
                        return Ok(chunk);
                    }
                    None => continue,
                },
                None if self.ended => return self.end(),
                None => {}
            }
            match self.bytes().await {
                Ok(Some(bytes)) => self.events.push(&bytes),
                Ok(None) => self.ended = true,
                // What broke the connection after the answer was whole takes nothing away from it.
                Err(_) if self.decoder.is_whole() => return self.end(),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next bytes, in time for content.
    async fn bytes(&mut self) -> Result<Option<Bytes>, CodexError> {
        let Reliability { first_content_timeout, progress_timeout, .. } = self.reliability;
        let (timeout, limit) = match (self.decoder.is_whole(), self.has_content) {
            (true, _) => (Timeout::Progress, Some(AFTER_THE_END)),
            (false, true) => (Timeout::Progress, progress_timeout),
            (false, false) if first_content_timeout.is_some() => {
                (Timeout::FirstContent, first_content_timeout)
            }
            (false, false) => (Timeout::Progress, progress_timeout),
        };
        let Some(limit) = limit else { return self.body.next().await };
        let deadline = self.last_content + limit;
        // Comments that come without a pause would keep the body ready for ever.
        if Instant::now() >= deadline {
            return Err(timeout.met(limit));
        }
        timeout_at(deadline, self.body.next()).await.unwrap_or_else(|_| Err(timeout.met(limit)))
    }

    fn end(&mut self) -> Result<CompletionChunk, CodexError> {
        let chunk = self.decoder.finish()?;
        let request_id = self.body.request_id().map(str::to_owned);
        Ok(CompletionChunk { request_id, ..chunk })
    }
}
