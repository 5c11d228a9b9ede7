//! Drives a decoder over a connection: bytes, events, chunks, on the caller's own task.

use futures::{Stream, StreamExt, stream};
use tachikoma_backends_core::{CompletionChunk, CompletionResponse};

use crate::chat::stream::ChatStream;
use crate::decode::sse::SseDecoder;
use crate::error::CodexError;
use crate::transport::Body;

/// The answer in `body` as chunks: any number of deltas, then one final chunk or one error, then the end. The connection
/// is closed with the last item, or when the stream is dropped.
pub(super) fn chunks(
    body: Body,
    decoder: ChatStream,
) -> impl Stream<Item = Result<CompletionChunk, CodexError>> + Send + 'static {
    let events = SseDecoder::new(body.max_event_bytes());
    let connection = Connection { body, events, decoder, ended: false };
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

struct Connection {
    body: Body,
    events: SseDecoder,
    decoder: ChatStream,
    /// Whether the last byte has come.
    ended: bool,
}

impl Connection {
    async fn next(&mut self) -> Result<CompletionChunk, CodexError> {
        loop {
            let event = if self.ended { self.events.finish()? } else { self.events.next_event()? };
            match event {
                Some(event) => match self.decoder.event(&event)? {
                    Some(chunk) => return Ok(chunk),
                    None if self.decoder.is_done() => return self.end(),
                    None => continue,
                },
                None if self.ended => return self.end(),
                None => {}
            }
            match self.body.next().await {
                Ok(Some(bytes)) => self.events.push(&bytes),
                Ok(None) => self.ended = true,
                // What broke the connection after the answer was whole takes nothing away from it.
                Err(_) if self.decoder.is_whole() => return self.end(),
                Err(error) => return Err(error),
            }
        }
    }

    fn end(&mut self) -> Result<CompletionChunk, CodexError> {
        let chunk = std::mem::take(&mut self.decoder).finish()?;
        let request_id = self.body.request_id().map(str::to_owned);
        Ok(CompletionChunk { request_id, ..chunk })
    }
}
