//! The content of a message, in every form that servers send.

use serde_json::{Map, Value};
use tachikoma_backends_core::ErrorCategory;

use crate::CodexError;
use crate::runtime::json;

/// The content of a message, by kind.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) refusal: String,
    /// Parts that are tool calls, as Anthropic's servers send them.
    pub(super) calls: Vec<Value>,
    /// Parts of unknown types, which are not read.
    pub(super) unread: Vec<Value>,
}

/// The fields of a part that may hold the text of reasoning; the first that is not empty counts.
const REASONING: [&str; 6] = ["thinking", "summary", "content", "text", "reasoning", "reasoning_content"];

/// The fields that describe a part and are not its content.
const DESCRIPTION: [&str; 6] = ["type", "id", "index", "status", "format", "signature"];

impl Content {
    /// Reads `content`.
    ///
    /// # Errors
    /// It is neither text nor parts, and would be lost.
    pub(super) fn read(content: Option<Value>) -> Result<Self, CodexError> {
        let mut found = Self::default();
        match content {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => found.text = text,
            Some(Value::Array(parts)) => {
                for part in parts {
                    found.part(part);
                }
            }
            Some(part @ Value::Object(_)) => found.part(part),
            Some(other) if json::is_empty(&other) => {}
            Some(other) => {
                let message = format!("the content of the server's response is not text: {other}");
                return Err(CodexError::new(ErrorCategory::Parse, message));
            }
        }
        Ok(found)
    }

    fn part(&mut self, part: Value) {
        let Value::Object(fields) = &part else {
            match part {
                Value::String(text) => self.text.push_str(&text),
                Value::Array(parts) => parts.into_iter().for_each(|part| self.part(part)),
                other if json::is_empty(&other) => {}
                other => self.unread.push(other),
            }
            return;
        };
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_reasoning = kind.contains("reason") || kind.contains("think");
        if is_reasoning || fields.contains_key("thinking") {
            let text = REASONING
                .iter()
                .filter_map(|field| fields.get(*field))
                .map(text_of)
                .find(|text| !text.is_empty());
            match text {
                Some(text) => self.reasoning.push_str(&text),
                None if is_empty_part(fields) => {}
                None => self.unread.push(part),
            }
            return;
        }
        if matches!(kind, "tool_use" | "tool_call" | "function_call" | "function")
            && (fields.contains_key("name") || fields.contains_key("function"))
        {
            self.calls.push(part);
            return;
        }
        let text = fields.get("text").map(text_of).unwrap_or_default();
        let refusal = fields.get("refusal").map(text_of).unwrap_or_default();
        let is_text = fields.contains_key("text") || fields.contains_key("refusal");
        self.text.push_str(&text);
        self.refusal.push_str(&refusal);
        if !is_text && !is_empty_part(fields) {
            self.unread.push(part);
        }
    }
}

/// Whether a part has no fields but those of its description.
fn is_empty_part(part: &Map<String, Value>) -> bool {
    part.iter().all(|(name, value)| DESCRIPTION.contains(&name.as_str()) || json::is_empty(value))
}

/// All the text in a value: a string, `{"text": ...}`, Assistants' `{"value": ...}`, or a list of such.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect(),
        Value::Object(fields) => ["text", "value", "content", "thinking", "summary", "refusal"]
            .iter()
            .filter_map(|field| fields.get(*field))
            .map(text_of)
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_in_every_form() {
        #[track_caller]
        fn check(content: Value, text: &str, reasoning: &str) {
            let found = Content::read(Some(content.clone())).unwrap();
            let read = (found.text.as_str(), found.reasoning.as_str(), found.unread.len());
            assert_eq!(read, (text, reasoning, 0), "{content}");
        }
        for empty in [json!(null), json!(false), json!(0), json!([]), json!({}), json!("")] {
            check(empty, "", "");
        }
        check(json!("Hi"), "Hi", "");
        check(json!({"type": "text", "text": "Hi"}), "Hi", "");
        check(json!([{"type": "text", "text": "a"}, {"type": "output_text", "text": "b"}, "c"]), "abc", "");
        check(json!([{"type": "text", "text": {"value": "a"}}, [{"text": "b"}]]), "ab", "");
        check(json!([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]), "", "Hm.");
        check(
            json!([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}]),
            "",
            "Hm.",
        );
        check(
            json!([{"type": "reasoning", "text": "Hm."}, {"type": "reasoning_content", "content": "Hm."}]),
            "",
            "Hm.Hm.",
        );
        check(json!([null, {"type": "text", "text": null}, "a"]), "a", "");
        check(json!([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "a"}]), "a", "Hm.");
    }

    #[test]
    fn unread_content_is_separate_or_fails() {
        let found = Content::read(Some(json!([
            {"type": "text", "text": "a"},
            {"type": "reference", "reference_ids": [0]},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "b"},
            {"type": "refusal", "refusal": "No."},
        ])))
        .unwrap();
        assert_eq!((found.text.as_str(), found.refusal.as_str(), found.unread.len()), ("ab", "No.", 2));
        for wrong in [json!(1), json!(true)] {
            assert!(Content::read(Some(wrong.clone())).is_err(), "{wrong}");
        }
    }
}
