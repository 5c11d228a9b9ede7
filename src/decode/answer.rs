//! What the answers of both APIs have in common.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tachikoma_backends_core::{
    CompletionChunk, ErrorCategory, ToolCall, ToolCallAccumulator, ToolCallDelta, ToolCallFragment, Usage,
};

use super::error_body;
use super::sse::SseEvent;
use crate::absorbed::Unknown;
use crate::error::CodexError;

/// Makes chunks of the events of one streamed answer.
pub(crate) trait Decoder {
    /// Takes the next event and returns what there is of it to hand out.
    ///
    /// # Errors
    /// It is an error in the server's words, or cannot be read.
    fn event(&mut self, event: &SseEvent<'_>) -> Result<Option<Piece>, CodexError>;

    /// Whether nothing that may still come is needed.
    fn is_whole(&self) -> bool;

    /// Whether the server has said that it is over: what follows is of no interest.
    fn is_done(&self) -> bool;

    /// The stream is over: the final chunk.
    ///
    /// # Errors
    /// It ended before the answer did.
    fn finish(&mut self) -> Result<CompletionChunk, CodexError>;

    /// What nobody knows of all that came.
    fn unknown(&mut self) -> Unknown;
}

/// What an event adds to an answer. Smaller than a chunk, which also has room for what only the last one says: it is moved
/// several times for each event.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) tool_calls: Vec<ToolCallDelta>,
    pub(crate) refusal: String,
    pub(crate) reasoning: String,
}

impl Piece {
    /// Itself, if there is anything in it.
    pub(crate) fn if_any(self) -> Option<Self> {
        let Self { text, tool_calls, refusal, reasoning } = &self;
        let is_empty = tool_calls.is_empty() && [text, refusal, reasoning].iter().all(|text| text.is_empty());
        (!is_empty).then_some(self)
    }
}

impl From<Piece> for CompletionChunk {
    fn from(piece: Piece) -> Self {
        let Piece { text, tool_calls, refusal, reasoning } = piece;
        Self {
            delta: text,
            tool_calls,
            refusal: some(refusal),
            reasoning: some(reasoning),
            ..Self::default()
        }
    }
}

/// Reads a whole body.
///
/// # Errors
/// It is not of the documented form; where it is an error after all, that one, in the server's words.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodexError> {
    let body = without_bom(body);
    // Checked as a whole and by vectors, which costs less than a check of each string.
    let text = simdutf8::basic::from_utf8(body).map_err(|_| not_utf8(body))?;
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // Text, a web page, an array: what is no answer may still be an error in the server's words.
        if let Ok(value) = serde_json::from_str::<Value>(text)
            && let Some(error) = error_body::inside_success(&value)
        {
            return error;
        }
        let path = error.path().to_string();
        let reason = error.into_inner();
        if reason.is_data() {
            let message = format!("the server's answer is not of the documented form at {path}: {reason}");
            return CodexError::new(ErrorCategory::Parse, message).with_source(reason);
        }
        error_body::not_json(body, &reason).with_source(reason)
    })
}

/// What is no text is no JSON. Where it ends within a character, it was cut.
fn not_utf8(body: &[u8]) -> CodexError {
    match serde_json::from_slice::<Value>(body) {
        Err(reason) => error_body::not_json(body, &reason).with_source(reason),
        Ok(_) => CodexError::new(ErrorCategory::Parse, "the server's answer is not UTF-8"),
    }
}

/// JSON without an answer in it: an error in the server's words, if it says anything. `missing` is what should be there.
pub(crate) fn absent(body: &[u8], missing: &str) -> CodexError {
    let value: Value = serde_json::from_slice(without_bom(body)).unwrap_or_default();
    error_body::inside_success(&value).unwrap_or_else(|| error_body::without_answer(&value, missing))
}

fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// The error that an event is, or why it cannot be read.
pub(crate) fn unreadable(data: &str, reason: Option<serde_json::Error>, missing: &str) -> CodexError {
    match serde_json::from_str::<Value>(data) {
        Ok(value) => error_body::inside_success(&value).unwrap_or_else(|| match reason {
            None => error_body::without_answer(&value, missing),
            Some(reason) => {
                let message =
                    format!("the server streamed an event that is not of the documented form: {reason}");
                CodexError::new(ErrorCategory::Parse, message).with_source(reason)
            }
        }),
        Err(reason) => error_body::not_json(data.as_bytes(), &reason).with_source(reason),
    }
}

/// A stream ended before the answer did. `awaited` is what would have been its end.
pub(crate) fn truncated(has_event: bool, awaited: &str) -> CodexError {
    let message = if has_event {
        format!("the stream ended before the answer did: {awaited} came")
    } else {
        "the server answered with an empty stream".to_owned()
    };
    CodexError::new(ErrorCategory::TruncatedStream, message)
        .with_hint("What has arrived is only a part; ask again.")
}

/// The tool calls of an answer as they come, under its limits.
#[derive(Debug)]
pub(crate) struct OpenCalls {
    calls: ToolCallAccumulator,
    max_calls: usize,
    max_argument_bytes: usize,
    argument_bytes: usize,
}

impl OpenCalls {
    /// No more calls than this, whose arguments have no more bytes than this in all.
    pub(crate) fn new(max_calls: usize, max_argument_bytes: usize) -> Self {
        Self { calls: ToolCallAccumulator::default(), max_calls, max_argument_bytes, argument_bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes a piece and returns it as it is handed out.
    ///
    /// # Errors
    /// A limit is met.
    pub(crate) fn push(
        &mut self,
        fragment: ToolCallFragment<'_>,
    ) -> Result<Option<ToolCallDelta>, CodexError> {
        let bytes = fragment.arguments.len();
        let delta = self.calls.push_fragment(fragment);
        if self.len() > self.max_calls {
            let message = format!("the server's answer holds more than {} tool calls", self.max_calls);
            return Err(CodexError::new(ErrorCategory::Parse, message)
                .with_hint("Raise with_max_tool_calls if the server is to be trusted."));
        }
        self.argument_bytes += bytes;
        if self.argument_bytes > self.max_argument_bytes {
            let message =
                format!("the arguments of the tool calls have more than {} bytes", self.max_argument_bytes);
            return Err(CodexError::new(ErrorCategory::Parse, message)
                .with_hint("Raise with_max_event_bytes if the server is to be trusted."));
        }
        Ok(delta)
    }

    /// The whole calls, and those that are only half there because the answer was `cut`.
    ///
    /// # Errors
    /// A call has no name although the model was done.
    pub(crate) fn finish(&mut self, cut: bool) -> Result<(Vec<ToolCall>, Vec<ToolCall>), CodexError> {
        let (whole, half) = std::mem::take(&mut self.calls).finish(cut);
        if cut || half.is_empty() {
            return Ok((whole, half));
        }
        Err(CodexError::new(ErrorCategory::Parse, "the server's answer holds a tool call without a name"))
    }
}

/// The arguments of a call as JSON text. Some servers send the object itself.
pub(crate) fn arguments(arguments: Option<Value>) -> String {
    match arguments {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(object) => object.to_string(),
    }
}

/// A count; servers write `9.0`, and what is no count is unknown.
pub(crate) fn count(number: f64) -> Option<u32> {
    let in_range = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    in_range.then_some(number as u32)
}

/// The counts of tokens in an answer, as the server writes them.
pub(crate) struct Counts {
    pub(crate) prompt: Option<f64>,
    pub(crate) completion: Option<f64>,
    pub(crate) total: Option<f64>,
    pub(crate) cached: Option<f64>,
    pub(crate) reasoning: Option<f64>,
}

/// What an answer cost. `None` where neither the prompt's count, nor the answer's, nor their sum is known.
pub(crate) fn usage(counts: Counts) -> Option<Usage> {
    let [prompt, completion, total] =
        [counts.prompt, counts.completion, counts.total].map(|number| number.and_then(count));
    prompt.or(completion).or(total)?;
    let (prompt_tokens, completion_tokens) = (prompt.unwrap_or_default(), completion.unwrap_or_default());
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: total.unwrap_or(prompt_tokens.saturating_add(completion_tokens)),
        cached_tokens: counts.cached.and_then(count),
        reasoning_tokens: counts.reasoning.and_then(count),
    })
}

/// The server's number for a thing.
pub(crate) fn index(number: f64) -> Option<usize> {
    count(number).and_then(|number| number.try_into().ok())
}

/// The text, where there is any.
pub(crate) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for (number, expected) in
            [(9.0, Some(9)), (0.0, Some(0)), (-1.0, None), (1.5, None), (f64::NAN, None), (1e35, None)]
        {
            assert_eq!(count(number), expected, "{number}");
        }
    }
}
