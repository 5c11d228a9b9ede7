//! What Chat Completions shows of an answer: one message with its reasoning, its text and its calls.

use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::output::OutputItem;

/// The message of one choice. Items that Chat Completions does not have are left out.
#[derive(Debug, Default)]
pub(super) struct ChatMessage {
    pub(super) reasoning: Option<String>,
    pub(super) content: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) calls: Vec<ChatCall>,
    /// URL citations.
    pub(super) annotations: Vec<Value>,
    pub(super) logprobs: Vec<Value>,
    pub(super) finish_reason: String,
    /// The bytes of all text in the answer, and those of the reasoning.
    pub(super) bytes: usize,
    pub(super) reasoning_bytes: usize,
}

/// A call of a function or a custom tool.
#[derive(Debug)]
pub(super) struct ChatCall {
    pub(super) kind: CallKind,
    pub(super) name: String,
    pub(super) input: String,
}

/// The type of a call: the name of the field with its name and input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CallKind {
    Function,
    Custom,
}

/// The log probabilities of a message or of a delta.
#[derive(Serialize)]
pub(super) struct Logprobs<'a> {
    content: &'a [Value],
    refusal: Option<()>,
}

impl<'a> Logprobs<'a> {
    /// None where there are no tokens.
    pub(super) fn new(content: &'a [Value]) -> Option<Self> {
        (!content.is_empty()).then_some(Self { content, refusal: None })
    }
}

impl ChatMessage {
    pub(super) fn new(answer: &Answer) -> Self {
        let mut message = Self {
            finish_reason: answer.finish_reason.clone(),
            bytes: answer.bytes(),
            reasoning_bytes: answer.reasoning_bytes(),
            ..Self::default()
        };
        for item in answer.output() {
            match item.kind.as_str() {
                "reasoning" => message.reasoning.get_or_insert_default().push_str(&item.summary()),
                "message" => item.list("content").iter().for_each(|part| message.push_part(part)),
                "function_call" => message.push_call(CallKind::Function, &item, "arguments"),
                "custom_tool_call" => message.push_call(CallKind::Custom, &item, "input"),
                _ => {}
            }
        }
        message
    }

    fn push_part(&mut self, part: &Value) {
        let text = |name: &str| part.get(name).and_then(Value::as_str);
        let list = |name: &str| part.get(name).and_then(Value::as_array).into_iter().flatten();
        if let Some(text) = text("text") {
            let content = self.content.get_or_insert_default();
            // Citations count from the beginning of the whole text.
            let before = content.chars().count();
            content.push_str(text);
            self.annotations
                .extend(list("annotations").filter_map(|annotation| citation(annotation, before)));
            self.logprobs.extend(list("logprobs").cloned());
        }
        if let Some(refusal) = text("refusal") {
            self.refusal.get_or_insert_default().push_str(refusal);
        }
    }

    fn push_call(&mut self, kind: CallKind, item: &OutputItem, input: &str) {
        let (name, input) = (item.text("name").to_owned(), item.text(input).to_owned());
        self.calls.push(ChatCall { kind, name, input });
    }
}

/// A URL citation in the shape of Chat Completions, moved by a number of characters.
fn citation(annotation: &Value, before: usize) -> Option<Value> {
    if annotation.get("type")? != "url_citation" {
        return None;
    }
    let place = |name: &str| Some(annotation.get(name)?.as_u64()? + u64::try_from(before).ok()?);
    let citation = json!({
        "start_index": place("start_index")?,
        "end_index": place("end_index")?,
        "url": annotation.get("url")?,
        "title": annotation.get("title")?,
    });
    Some(json!({"type": "url_citation", "url_citation": citation}))
}
