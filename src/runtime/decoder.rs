//! The decoder of a protocol, which the driver of a stream feeds with events.

use bytes::Bytes;
use tachikoma_backends_core::{
    CompletionChunk, CompletionResponse, ErrorCategory, ItemEvent, Phase, ToolCallDelta,
};

use super::Error;
use super::events::Event;
use super::sse::SseDecoder;
use super::unknown::UnknownFields;

/// Decodes the events of one streamed response.
pub(crate) trait Decoder {
    /// Decodes the next event into a piece, if it has content.
    ///
    /// # Errors
    /// It is an error event, or cannot be parsed.
    fn event(&mut self, event: &Event<'_>) -> Result<Option<Piece>, Error>;

    /// A further piece of the last event.
    fn next_piece(&mut self) -> Option<Piece> {
        None
    }

    /// The progress of the response.
    fn progress(&self) -> Progress;

    /// The final chunk, at the end of the stream.
    ///
    /// # Errors
    /// The stream ended before the response did.
    fn finish(&mut self) -> Result<CompletionChunk, Error>;

    /// The unknown fields and values of all events.
    fn unknown(&mut self) -> UnknownFields;
}

/// The progress of a streamed response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has not ended.
    Open,
    /// Its finish reason has arrived, and no content since: the response is complete, though more content may follow.
    Finished,
    /// Content has followed a finish reason, so that only the end of the stream is the end of the response.
    Resumed,
    /// The server has stated the end: later events are ignored.
    Done,
}

/// The content that an event adds to a response. It is moved several times for each event, and so is smaller than a chunk,
/// which also has the fields of the last one.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// The phase of the text.
    pub(crate) phase: Option<Phase>,
    /// The item that the text, refusal or reasoning belongs to.
    pub(crate) item: Option<usize>,
    pub(crate) items: Vec<ItemEvent>,
    pub(crate) tool_calls: Vec<ToolCallDelta>,
    pub(crate) refusal: String,
    pub(crate) reasoning: String,
}

impl Piece {
    /// Whether it has no content.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { text, phase: _, item: _, items, tool_calls, refusal, reasoning } = self;
        tool_calls.is_empty()
            && items.is_empty()
            && [text, refusal, reasoning].iter().all(|text| text.is_empty())
    }

    /// Whether it has text, reasoning, a refusal or a call, apart from news of items.
    pub(crate) fn has_content(&self) -> bool {
        let Self { text, phase: _, item: _, items: _, tool_calls, refusal, reasoning } = self;
        !(tool_calls.is_empty() && [text, refusal, reasoning].iter().all(|text| text.is_empty()))
    }

    /// A measure of its content, which grows with each addition.
    pub(crate) fn size(&self) -> usize {
        let Self { text, phase: _, item: _, items, tool_calls, refusal, reasoning } = self;
        tool_calls.len() + items.len() + text.len() + refusal.len() + reasoning.len()
    }

    /// Appends another piece, without its phase and its item.
    pub(crate) fn append(&mut self, other: Self) {
        let Self { text, phase: _, item: _, items, tool_calls, refusal, reasoning } = other;
        append(&mut self.text, text);
        append(&mut self.refusal, refusal);
        append(&mut self.reasoning, reasoning);
        self.items.extend(items);
        self.tool_calls.extend(tool_calls);
    }

    /// The piece, if it has content.
    pub(crate) fn if_any(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

impl From<Piece> for CompletionChunk {
    fn from(piece: Piece) -> Self {
        let Piece { text, phase, item, items, tool_calls, refusal, reasoning } = piece;
        // Mostly, there is nothing but text: an assignment would also drop what it replaces.
        let mut chunk = Self::text(text);
        chunk.phase = phase;
        chunk.item = item;
        if !items.is_empty() {
            chunk.items = items;
        }
        if !tool_calls.is_empty() {
            chunk.tool_calls = tool_calls;
        }
        if !refusal.is_empty() {
            chunk.refusal = Some(refusal);
        }
        if !reasoning.is_empty() {
            chunk.reasoning = Some(reasoning);
        }
        chunk
    }
}

/// A whole response from the pieces of its decoder: whole and streamed responses are decoded by the same code.
///
/// # Errors
/// As [`Decoder::finish`].
pub(crate) fn whole(
    pieces: impl IntoIterator<Item = Piece>,
    decoder: &mut impl Decoder,
) -> Result<CompletionResponse, Error> {
    let chunks: Vec<CompletionChunk> = pieces.into_iter().map(Into::into).collect();
    let last = decoder.finish()?;
    Ok(CompletionResponse::from_chunks(chunks.into_iter().chain([last])))
}

/// Appends a piece of text, which is mostly the first one and is then not copied.
#[inline]
pub(crate) fn append(text: &mut String, piece: String) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.push_str(&piece);
    }
}

/// Decodes a body of events where a whole response was expected.
///
/// # Errors
/// As the decoder's.
pub(crate) fn whole_of_events(body: &[u8], mut decoder: impl Decoder) -> Result<CompletionResponse, Error> {
    let mut events = SseDecoder::new(usize::MAX);
    events.push(Bytes::copy_from_slice(body));
    let mut pieces = Vec::new();
    let mut is_last = false;
    while decoder.progress() != Progress::Done {
        match events.next_event()? {
            Some(event) => {
                pieces.extend(decoder.event(&event)?);
                pieces.extend(std::iter::from_fn(|| decoder.next_piece()));
            }
            None if is_last => break,
            None => {
                events.end();
                is_last = true;
            }
        }
    }
    whole(pieces, &mut decoder)
}

/// Whether a body begins like a stream of events, whatever its content type.
pub(crate) fn begins_with_events(body: &[u8]) -> bool {
    let start = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b"retry:", b"error:", b":"]
        .iter()
        .any(|field| start.starts_with(field))
}

/// The error of a stream that ended before the response did. `awaited` is the end that did not arrive.
pub(crate) fn truncated(has_event: bool, awaited: &str) -> Error {
    let message = if has_event {
        format!("the stream ended before the response did: {awaited}")
    } else {
        "the server sent an empty stream".to_owned()
    };
    Error::new(ErrorCategory::TruncatedStream, message)
        .with_hint("The response is incomplete; try again.")
        .maybe_processed()
}

/// The text, unless it is empty.
pub(crate) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
