//! Private functions for the tests and benches of this package. Outside semver.

use futures::{StreamExt, stream};
use tachikoma_backends_core::{CompletionResponse, CompletionStream};

use crate::chat::stream::ChatStream;
use crate::decode::sse::SseDecoder;
use crate::error::CodexError;

/// Reads the body of a Chat Completions answer.
///
/// # Errors
/// As [`try_complete`](crate::CodexBackend::try_complete).
pub fn chat_response(body: &[u8]) -> Result<CompletionResponse, CodexError> {
    crate::chat::response::decode(body)
}

/// Reads the body of a streamed Chat Completions answer that arrived in these pieces.
pub fn chat_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> CompletionStream {
    let (mut events, mut decoder) = (SseDecoder::new(usize::MAX), ChatStream::default());
    pieces.into_iter().for_each(|piece| events.push(piece));
    let mut items = Vec::new();
    let end = loop {
        match events.finish().and_then(|event| event.map(|event| decoder.event(&event)).transpose()) {
            Ok(Some(Some(chunk))) => items.push(Ok(chunk)),
            Ok(Some(None)) if !decoder.is_done() => {}
            Ok(_) => break decoder.finish(),
            Err(error) => break Err(error),
        }
    };
    items.push(end.map_err(Into::into));
    stream::iter(items).boxed()
}
