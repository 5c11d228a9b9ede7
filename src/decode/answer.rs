//! What the responses of both APIs have in common.

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tachikoma_backends_core::{
    CompletionChunk, CompletionResponse, ErrorCategory, Phase, ToolCallAccumulator, ToolCallDelta, Usage,
};

use super::sse::{SseDecoder, SseEvent};
use super::{budget, duplicates, error_body, json};
use crate::absorbed::Unknown;
use crate::error::CodexError;

/// Makes chunks of the events of one streamed response.
pub(crate) trait Decoder {
    /// Takes the next event and returns what there is of it to pass on.
    ///
    /// # Errors
    /// It is an error in the server's words, or cannot be read.
    fn event(&mut self, event: &SseEvent<'_>) -> Result<Option<Piece>, CodexError>;

    /// A further piece that the last event has brought.
    fn next_piece(&mut self) -> Option<Piece> {
        None
    }

    /// How far the response is.
    fn progress(&self) -> Progress;

    /// The stream is over: the final chunk.
    ///
    /// # Errors
    /// It ended before the response did.
    fn finish(&mut self) -> Result<CompletionChunk, CodexError>;

    /// The unknown fields and values of all that came.
    fn unknown(&mut self) -> Unknown;
}

/// How far a streamed response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its end has not been seen.
    Open,
    /// Its finish reason has come, and no content since: nothing that may still come is needed, though content may follow.
    Finished,
    /// Content has followed a finish reason, so that a finish reason of this server is not the end: only the end of the stream
    /// is.
    Resumed,
    /// The server has stated that it is over: what follows is of no interest.
    Done,
}

/// What an event adds to a response. Smaller than a chunk, which also has room for what only the last one holds: it is moved
/// several times for each event.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// Of the text.
    pub(crate) phase: Option<Phase>,
    pub(crate) tool_calls: Vec<ToolCallDelta>,
    pub(crate) refusal: String,
    pub(crate) reasoning: String,
}

impl Piece {
    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { text, phase: _, tool_calls, refusal, reasoning } = self;
        tool_calls.is_empty() && [text, refusal, reasoning].iter().all(|text| text.is_empty())
    }

    /// How much there is in it: more after each addition.
    pub(crate) fn size(&self) -> usize {
        let Self { text, phase: _, tool_calls, refusal, reasoning } = self;
        tool_calls.len() + text.len() + refusal.len() + reasoning.len()
    }

    /// Itself, if there is anything in it.
    pub(crate) fn if_any(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

impl From<Piece> for CompletionChunk {
    fn from(piece: Piece) -> Self {
        let Piece { text, phase, tool_calls, refusal, reasoning } = piece;
        Self {
            delta: text,
            phase,
            tool_calls,
            refusal: some(refusal),
            reasoning: some(reasoning),
            ..Self::default()
        }
    }
}

/// A whole response, put together from what a decoder makes of it: whole and streamed responses are read by the same code.
///
/// # Errors
/// As [`Decoder::finish`].
pub(crate) fn whole(
    pieces: impl IntoIterator<Item = Piece>,
    decoder: &mut impl Decoder,
) -> Result<CompletionResponse, CodexError> {
    let mut response = CompletionResponse::default();
    let mut calls = ToolCallAccumulator::default();
    for Piece { text, phase, tool_calls, refusal, reasoning } in pieces {
        let is_commentary = phase == Some(Phase::Commentary);
        append(if is_commentary { &mut response.commentary } else { &mut response.content }, text);
        append(&mut response.refusal, refusal);
        append(&mut response.reasoning, reasoning);
        tool_calls.iter().for_each(|delta| calls.push(delta));
    }
    let last = decoder.finish()?;
    append(&mut response.content, last.delta);
    append(&mut response.reasoning, last.reasoning.unwrap_or_default());
    append(&mut response.refusal, last.refusal.unwrap_or_default());
    let finish_reason = last.finish_reason.unwrap_or_default();
    let (tool_calls, incomplete_tool_calls) = calls.finish(finish_reason.ends_turn());
    Ok(CompletionResponse {
        tool_calls,
        incomplete_tool_calls,
        finish_reason,
        finish_reason_text: last.finish_reason_text,
        usage: last.usage,
        model: last.model.unwrap_or_default(),
        id: last.id,
        service_tier: last.service_tier,
        provider_state: last.provider_state,
        ..response
    })
}

/// Adds a piece, which is mostly the only one and is then taken as it is.
fn append(text: &mut Option<String>, piece: String) {
    match text {
        _ if piece.is_empty() => {}
        Some(text) => text.push_str(&piece),
        None => *text = Some(piece),
    }
}

/// Reads a body that holds events, though a whole response was expected.
///
/// # Errors
/// As the decoder's.
pub(crate) fn whole_of_events(
    body: &[u8],
    mut decoder: impl Decoder,
) -> Result<CompletionResponse, CodexError> {
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

/// Whether a body begins as a stream of events does, whatever its content type. The beginning of JSON or of a web page is none.
pub(crate) fn begins_with_events(body: &[u8]) -> bool {
    let start = without_bom(body).trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b"retry:", b"error:", b":"]
        .iter()
        .any(|field| start.starts_with(field))
}

/// Whether a body that could not be read begins with one complete JSON value, after which more comes.
pub(crate) fn is_followed_by_more(text: &str, reason: &serde_json::Error) -> bool {
    reason.is_syntax()
        && text.trim_start().starts_with('{')
        && matches!(serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>().next(), Some(Ok(_)))
}

/// A body of several JSON values, or of one that events follow, as a stream of events.
pub(crate) fn lines_as_events(text: &str) -> Vec<u8> {
    let (mut rest, mut events) = (text.trim_start(), String::with_capacity(text.len() + 64));
    while !rest.is_empty() {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let length = match values.next() {
            Some(Ok(_)) if rest.starts_with('{') => values.byte_offset(),
            _ => rest.find('\n').unwrap_or(rest.len()),
        };
        let (value, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        // No string of JSON holds a line break.
        let value = value.replace(['\r', '\n'], " ");
        events.extend([if value.starts_with('{') { "data: " } else { "" }, value.as_str(), "\n\n"]);
        rest = after.trim_start();
    }
    events.into_bytes()
}

/// The data of an event, without the field's name where a server writes it twice.
pub(crate) fn data<'a>(event: &'a SseEvent<'_>) -> &'a str {
    let data = event.data.trim();
    data.strip_prefix("data:").map_or(data, str::trim_start)
}

/// The text of a whole body.
///
/// # Errors
/// It is not UTF-8, or would become too large.
pub(crate) fn utf8(body: &[u8]) -> Result<&str, CodexError> {
    let body = without_bom(body);
    // Checked as a whole and by vectors, which costs less than a check of each string.
    let text = simdutf8::basic::from_utf8(body).map_err(|_| not_utf8(body))?;
    budget::check(text).map(|()| text)
}

/// Reads the JSON of a body that is not of the documented form for this reason. Some servers put the one response, or error, into
/// a list.
///
/// # Errors
/// It is not JSON, or its content stands twice.
pub(crate) fn any_form(text: &str, reason: serde_json::Error) -> Result<Value, CodexError> {
    let read =
        if duplicates::is_reason(&reason) { duplicates::read(text) } else { serde_json::from_str(text) };
    match read.map_err(|_| unreadable(text, reason))? {
        Value::Array(mut values) if values.len() == 1 => Ok(values.pop().unwrap_or_default()),
        value => Ok(value),
    }
}

/// Reads the documented form from JSON that has been brought into it as far as it can be.
///
/// # Errors
/// What was needed is of another type.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, CodexError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let reason: serde_json::Error = error.into_inner();
        let message = format!("the server's response is not of the documented form at {path}: {reason}");
        CodexError::new(ErrorCategory::Parse, message).with_source(reason)
    })
}

/// Reads a whole body of the documented form.
///
/// # Errors
/// It is not of the documented form; where it is an error after all, that one, in the server's words.
pub(crate) fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodexError> {
    let text = utf8(body)?;
    let reason = match serde_json::from_str(text) {
        Ok(response) => return Ok(response),
        Err(reason) => reason,
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value) => read(value.clone()).map_err(|error| error_body::inside_success(&value).unwrap_or(error)),
        Err(_) => Err(unreadable(text, reason)),
    }
}

/// What is no text is no JSON. Where it ends within a character, it was cut.
fn not_utf8(body: &[u8]) -> CodexError {
    match serde_json::from_slice::<Value>(body) {
        Err(reason) => error_body::not_json(body, &reason).with_source(reason),
        Ok(_) => CodexError::new(ErrorCategory::Parse, "the server's answer is not UTF-8"),
    }
}

/// JSON without a response in it: an error in the server's words, if it has any. `missing` is what should be there.
pub(crate) fn absent(value: &Value, missing: &str) -> CodexError {
    error_body::inside_success(value).unwrap_or_else(|| error_body::without_answer(value, missing))
}

fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// Why an event cannot be read: it is not JSON, or is cut.
pub(crate) fn unreadable(data: &str, reason: serde_json::Error) -> CodexError {
    let is_cut = reason.is_eof() && !data.trim().is_empty();
    let error = error_body::not_json(data.as_bytes(), &reason).with_source(reason);
    if is_cut { error.maybe_processed() } else { error }
}

/// A stream ended before the response did. `awaited` is what would have been its end.
pub(crate) fn truncated(has_event: bool, awaited: &str) -> CodexError {
    let message = if has_event {
        format!("the stream ended before the response did: {awaited}")
    } else {
        "the server sent an empty stream".to_owned()
    };
    CodexError::new(ErrorCategory::TruncatedStream, message)
        .with_hint("What has arrived is only a part; ask again.")
        .maybe_processed()
}

/// The counts of tokens in a response, as the server writes them.
#[derive(Default)]
pub(crate) struct Counts<'a> {
    pub(crate) prompt: Option<&'a Value>,
    pub(crate) completion: Option<&'a Value>,
    pub(crate) total: Option<&'a Value>,
    pub(crate) cached: Option<&'a Value>,
    pub(crate) cache_write: Option<&'a Value>,
    pub(crate) reasoning: Option<&'a Value>,
}

/// The tokens that were written to the cache, in the spelling of OpenAI and OpenRouter, of LiteLLM, or of Anthropic, within the
/// details or beside them.
pub(crate) fn cache_write<'a>(usage: &'a Value, details: &str) -> Option<&'a Value> {
    const NAMES: [&str; 3] = ["cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"];
    let holders = [usage.get(details), Some(usage)];
    let found = holders.into_iter().flatten().flat_map(|holder| NAMES.map(|name| holder.get(name)));
    found.flatten().find(|value| json::count(value).is_some())
}

/// What a response cost. `None` where neither the prompt's count, nor the answer's, nor their sum is known.
pub(crate) fn usage(counts: &Counts<'_>) -> Option<Usage> {
    let count = |value: Option<&Value>| value.and_then(json::count);
    let [prompt, completion, total] = [counts.prompt, counts.completion, counts.total].map(count);
    prompt.or(completion).or(total)?;
    let (prompt_tokens, completion_tokens) = (prompt.unwrap_or_default(), completion.unwrap_or_default());
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: total.unwrap_or(prompt_tokens.saturating_add(completion_tokens)),
        cached_tokens: count(counts.cached),
        cache_write_tokens: count(counts.cache_write),
        reasoning_tokens: count(counts.reasoning),
    })
}

/// The usage that counts: a later one, unless it is nothing but zeros.
pub(crate) fn later_usage(held: Option<Usage>, new: Option<Usage>) -> Option<Usage> {
    let is_zero =
        |usage: &Usage| usage.prompt_tokens == 0 && usage.completion_tokens == 0 && usage.total_tokens == 0;
    new.filter(|new| held.is_none() || !is_zero(new)).or(held)
}

/// The text, where there is any.
pub(crate) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
