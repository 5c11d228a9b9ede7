//! Private functions for the tests, fuzz targets and benches of this package. Not covered by semver.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::SystemTime;

use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tachikoma_backends_core::{CompletionResponse, CompletionStream};

use crate::CodexError;
use crate::api::ResponseContext;
use crate::runtime::decoder::{Decoder, Progress};
use crate::runtime::events::Event;
use crate::runtime::sse::SseDecoder;
use crate::server::ERRORS;
use crate::target::WireApi;

/// Decodes the body of a Chat Completions response.
///
/// # Errors
/// As [`try_complete`](crate::CodexBackend::try_complete).
pub fn chat_response(body: &[u8]) -> Result<CompletionResponse, CodexError> {
    WireApi::ChatCompletions.protocol().decode(body, context())
}

/// Decodes the body of a streamed Chat Completions response that arrived in these pieces.
pub fn chat_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> CompletionStream {
    decode_stream(WireApi::ChatCompletions.protocol().decoder(context()), pieces)
}

/// Decodes the body of a response of the Responses API.
///
/// # Errors
/// As [`try_complete`](crate::CodexBackend::try_complete).
pub fn responses_response(body: &[u8]) -> Result<CompletionResponse, CodexError> {
    WireApi::Responses.protocol().decode(body, context())
}

/// Decodes the body of a streamed response of the Responses API that arrived in these pieces.
pub fn responses_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> CompletionStream {
    decode_stream(WireApi::Responses.protocol().decoder(context()), pieces)
}

fn context() -> ResponseContext {
    ResponseContext { state_origin: "codex/responses".to_owned(), ..ResponseContext::default() }
}

fn decode_stream<'a>(
    mut decoder: Box<dyn Decoder + Send>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> CompletionStream {
    let mut items = Vec::new();
    let mut failure = None;
    let framing = each_event(pieces, |event| {
        match decoder.event(event) {
            Ok(piece) => items.extend(piece.map(|piece| Ok(piece.into()))),
            Err(error) => failure = Some(error),
        }
        items.extend(std::iter::from_fn(|| decoder.next_piece()).map(|piece| Ok(piece.into())));
        let is_over = failure.is_some() || decoder.progress() == Progress::Done;
        if is_over { Break(()) } else { Continue(()) }
    });
    let end = failure.or(framing.err()).map_or_else(|| decoder.finish(), Err);
    items.push(end.map_err(Into::into));
    stream::iter(items).boxed()
}

/// The events of a stream, as name and data, up to the first error.
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

/// Calls `read` with every event until it breaks.
fn each_event<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut read: impl FnMut(&Event<'_>) -> ControlFlow<()>,
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

/// The error for a response with this status and body.
pub fn error_response(status: u16, body: &[u8]) -> CodexError {
    error_response_with_headers(status, &[], body)
}

/// Like [`error_response`], with these headers, of which invalid ones are omitted, and the Unix epoch as the time.
pub fn error_response_with_headers(status: u16, headers: &[(&str, &str)], body: &[u8]) -> CodexError {
    let header = |(name, value): &(&str, &str)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    let headers: HeaderMap = headers.iter().filter_map(header).collect();
    ERRORS.response_error(status, &headers, body, SystemTime::UNIX_EPOCH)
}

/// The error inside a response with a success status, if any.
pub fn error_inside_success(body: &serde_json::Value) -> Option<CodexError> {
    ERRORS.find_error(body)
}

/// The error for JSON that is neither a response nor a known error.
pub fn error_unread(body: &serde_json::Value) -> CodexError {
    ERRORS.unrecognized_error(body)
}

/// Every name in the model table: ids, aliases and dated snapshots.
pub fn model_names() -> impl Iterator<Item = String> {
    crate::models::MODELS.iter().flat_map(crate::models::ModelSpec::names)
}
