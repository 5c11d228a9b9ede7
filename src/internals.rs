//! Private functions for the tests, fuzz targets and benches of this package. Outside semver.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::SystemTime;

use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::header::HeaderMap;
use tachikoma_backends_core::{CompletionResponse, CompletionStream};

use crate::chat::stream::ChatStream;
use crate::decode::answer::Decoder;
use crate::decode::error_body;
use crate::decode::sse::{SseDecoder, SseEvent};
use crate::error::CodexError;
use crate::responses::stream::ResponsesStream;

/// Reads the body of a Chat Completions answer.
///
/// # Errors
/// As [`try_complete`](crate::CodexBackend::try_complete).
pub fn chat_response(body: &[u8]) -> Result<CompletionResponse, CodexError> {
    crate::chat::response::decode(body, usize::MAX)
}

/// Reads the body of a streamed Chat Completions answer that arrived in these pieces.
pub fn chat_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> CompletionStream {
    stream_of(ChatStream::new(usize::MAX, usize::MAX), pieces)
}

/// Reads the body of an answer of the Responses API.
///
/// # Errors
/// As [`try_complete`](crate::CodexBackend::try_complete).
pub fn responses_response(body: &[u8]) -> Result<CompletionResponse, CodexError> {
    crate::responses::response::decode(body, usize::MAX, None)
}

/// Reads the body of a streamed answer of the Responses API that arrived in these pieces.
pub fn responses_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> CompletionStream {
    stream_of(ResponsesStream::new(usize::MAX, usize::MAX, None), pieces)
}

fn stream_of<'a>(mut decoder: impl Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> CompletionStream {
    let mut items = Vec::new();
    let mut failure = None;
    let framing = each_event(pieces, |event| {
        match decoder.event(event) {
            Ok(piece) => items.extend(piece.map(|piece| Ok(piece.into()))),
            Err(error) => failure = Some(error),
        }
        if failure.is_some() || decoder.is_done() { Break(()) } else { Continue(()) }
    });
    let end = failure.or(framing.err()).map_or_else(|| decoder.finish(), Err);
    items.push(end.map_err(Into::into));
    stream::iter(items).boxed()
}

/// The events, as name and data, in bytes that arrived in these pieces, up to the first error.
pub fn sse_events<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<(String, String), CodexError>> {
    let mut events = Vec::new();
    let framing = each_event(pieces, |event| {
        events.push(Ok((event.event.to_string(), event.data.to_string())));
        Continue(())
    });
    events.extend(framing.err().map(Err));
    events
}

/// Shows every event to `read`, until that breaks off.
fn each_event<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut read: impl FnMut(&SseEvent<'_>) -> ControlFlow<()>,
) -> Result<(), CodexError> {
    let mut decoder = SseDecoder::new(usize::MAX);
    let mut pieces = pieces.into_iter();
    loop {
        let piece = pieces.next();
        match piece {
            Some(piece) => decoder.push(Bytes::copy_from_slice(piece)),
            None => decoder.end(),
        }
        while let Some(event) = decoder.next_event()? {
            if read(&event).is_break() {
                return Ok(());
            }
        }
        if piece.is_none() {
            return Ok(());
        }
    }
}

/// The error that an answer with this status and body is.
pub fn error_response(status: u16, body: &[u8]) -> CodexError {
    error_body::from_response(status, &HeaderMap::new(), body, SystemTime::UNIX_EPOCH)
}

/// Every name in the model table: ids, aliases and dated snapshots.
pub fn model_names() -> impl Iterator<Item = String> {
    crate::models::MODELS.iter().flat_map(|row| {
        let dated = row.snapshots.iter().map(|date| format!("{}-{date}", row.id));
        [row.id].into_iter().chain(row.aliases.iter().copied()).map(str::to_owned).chain(dated)
    })
}
