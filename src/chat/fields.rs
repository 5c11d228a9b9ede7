//! The fields that whole answers and chunks share.

use serde_json::Value;
use tachikoma_backends_core::{ErrorCategory, FinishReason, Usage};

use crate::decode::answer;
use crate::error::CodexError;
use crate::openai::types::CompletionUsage;

/// What a `finish_reason` means; `None` where it says nothing. `has_tool_calls` because Gemini ends tool calls with `stop`.
pub(super) fn finish_reason(reason: &str, has_tool_calls: bool) -> Option<FinishReason> {
    Some(match reason {
        "" => return None,
        "stop" if has_tool_calls => FinishReason::ToolUse,
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolUse,
        "content_filter" => FinishReason::ContentFilter,
        "error" => FinishReason::Error,
        _ => FinishReason::Other,
    })
}

/// Whether a choice is the answer: where several were asked for, it is the one with index 0.
pub(super) fn is_first(position: usize, index: Option<f64>) -> bool {
    index.map_or(position == 0, |index| index == 0.0)
}

/// The server ended the answer with the finish reason `error` and says no more.
pub(super) fn failed() -> CodexError {
    CodexError::new(
        ErrorCategory::Server,
        "the server failed within its answer: its finish_reason is \"error\"",
    )
}

/// Text and thinking out of `content`: a string, or a list of parts.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) reasoning: String,
}

impl Content {
    /// Reads `content`, and the fields of their own in which servers put thinking.
    ///
    /// # Errors
    /// Something in it is no text, and would be lost.
    pub(super) fn read(content: Option<Value>, reasoning: [Option<Value>; 2]) -> Result<Self, CodexError> {
        // Nearly all that comes is one text, or in a tool call nothing.
        let (content, reasoning) = match (content, reasoning) {
            (None, [None, None]) => return Ok(Self::default()),
            (Some(Value::String(text)), [None, None]) => return Ok(Self { text, ..Self::default() }),
            other => other,
        };
        Self::of(content).and_then(|content| content.with_reasoning(reasoning)).map_err(|part| {
            let message = format!("the server's answer holds a part that is no text: {part}");
            CodexError::new(ErrorCategory::Parse, message)
        })
    }

    /// # Errors
    /// The JSON that is neither text nor a list of parts.
    fn of(content: Option<Value>) -> Result<Self, Value> {
        let mut found = Self::default();
        match content {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => found.text = text,
            Some(Value::Array(parts)) => {
                for part in parts {
                    found.part(part)?;
                }
            }
            Some(other) => return Err(other),
        }
        Ok(found)
    }

    fn part(&mut self, part: Value) -> Result<(), Value> {
        match (part.get("text"), part.get("thinking")) {
            (Some(Value::String(text)), _) => self.text.push_str(text),
            (_, Some(Value::String(text))) => self.reasoning.push_str(text),
            (Some(Value::Null), _) => {}
            (_, Some(thinking @ Value::Array(_))) => {
                let inner = Self::of(Some(thinking.clone()))?;
                self.reasoning.push_str(&inner.text);
            }
            _ => match part {
                Value::String(text) => self.text.push_str(&text),
                Value::Null => {}
                other => return Err(other),
            },
        }
        Ok(())
    }

    /// Adds the thinking that stands in fields of its own. Servers that have both fields say the same in both.
    fn with_reasoning(mut self, fields: [Option<Value>; 2]) -> Result<Self, Value> {
        for field in fields {
            let field = Self::of(field)?;
            if !field.text.is_empty() {
                self.reasoning.push_str(&field.text);
                break;
            }
        }
        Ok(self)
    }
}

/// What an answer cost. `None` where no number in it is known.
pub(super) fn usage(usage: CompletionUsage) -> Option<Usage> {
    answer::usage(answer::Counts {
        prompt: usage.prompt_tokens,
        completion: usage.completion_tokens,
        total: usage.total_tokens,
        cached: usage.prompt_tokens_details.and_then(|details| details.cached_tokens),
        reasoning: usage.completion_tokens_details.and_then(|details| details.reasoning_tokens),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_in_every_shape() {
        #[track_caller]
        fn check(content: Value, text: &str, reasoning: &str) {
            let expected = Content { text: text.into(), reasoning: reasoning.into() };
            assert_eq!(Content::of(Some(content)), Ok(expected));
        }
        check(json!(null), "", "");
        check(json!("Hi"), "Hi", "");
        check(json!([{"type": "text", "text": "a"}, {"type": "output_text", "text": "b"}, "c"]), "abc", "");
        check(json!([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]), "", "Hm.");
        check(json!([null, {"type": "text", "text": null}, "a"]), "a", "");
        check(json!([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "a"}]), "a", "Hm.");
        for wrong in [json!(1), json!({"a": 1}), json!([{"type": "image"}])] {
            assert!(Content::of(Some(wrong.clone())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reasons() {
        for (reason, has_tool_calls, expected) in [
            ("stop", false, Some(FinishReason::Stop)),
            ("stop", true, Some(FinishReason::ToolUse)),
            ("length", true, Some(FinishReason::Length)),
            ("tool_calls", true, Some(FinishReason::ToolUse)),
            ("function_call", false, Some(FinishReason::ToolUse)),
            ("content_filter", false, Some(FinishReason::ContentFilter)),
            ("error", false, Some(FinishReason::Error)),
            ("", false, None),
            ("weird", false, Some(FinishReason::Other)),
        ] {
            assert_eq!(finish_reason(reason, has_tool_calls), expected, "{reason}");
        }
    }
}
