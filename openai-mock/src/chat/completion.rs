//! The plain response, and the parts of it that a stream sends too.

use serde::Serialize;

use super::CREATED;
use super::request::ChatRequest;
use crate::answer::Answer;
use crate::{hash, tokens};

/// A request with its answers, one a choice: all that a response is made of.
pub(super) struct Exchange<'a> {
    pub(super) id: String,
    pub(super) request: &'a ChatRequest,
    pub(super) answers: Vec<Answer>,
    pub(super) usage: Usage,
}

/// What plain responses and chunks have in common.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'a str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
pub(super) struct Completion<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    choices: Vec<Choice<'a>>,
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
    refusal: Option<&'a str>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Clone, Serialize)]
pub(super) struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Default, Serialize)]
struct PromptDetails {
    cached_tokens: usize,
    audio_tokens: usize,
}

#[derive(Clone, Copy, Default, Serialize)]
struct CompletionDetails {
    reasoning_tokens: usize,
    audio_tokens: usize,
    accepted_prediction_tokens: usize,
    rejected_prediction_tokens: usize,
}

impl Usage {
    pub(super) fn new(prompt_tokens: usize, answers: &[Answer]) -> Self {
        let completion_tokens = answers.iter().map(|answer| tokens::count(answer.bytes())).sum();
        let reasoning = answers.iter().filter_map(|answer| answer.reasoning.as_ref());
        let reasoning_tokens = reasoning.map(|text| tokens::count(text.len())).sum();
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptDetails::default(),
            completion_tokens_details: CompletionDetails { reasoning_tokens, ..Default::default() },
        }
    }
}

impl Exchange<'_> {
    pub(super) fn head(&self, object: &'static str) -> Head<'_> {
        Head {
            id: &self.id,
            object,
            created: CREATED,
            model: &self.request.model,
            service_tier: self
                .request
                .service_tier
                .as_deref()
                .filter(|tier| *tier != "auto")
                .unwrap_or("default"),
            system_fingerprint: "fp_mock",
        }
    }

    pub(super) fn call_id(&self, choice: usize, call: usize) -> String {
        hash::id("call_", &[self.id.as_bytes(), &choice.to_le_bytes(), &call.to_le_bytes()])
    }

    pub(super) fn completion(&self) -> Completion<'_> {
        let choices = self.answers.iter().enumerate().map(|(index, answer)| Choice {
            index,
            message: self.message(index, answer),
            logprobs: None,
            finish_reason: &answer.finish_reason,
        });
        Completion { head: self.head("chat.completion"), choices: choices.collect(), usage: self.usage }
    }

    fn message<'a>(&self, choice: usize, answer: &'a Answer) -> Message<'a> {
        let calls = answer.calls.iter().enumerate().map(|(index, call)| ToolCall {
            id: self.call_id(choice, index),
            kind: "function",
            function: Function { name: Some(&call.name), arguments: &call.arguments },
        });
        Message {
            role: "assistant",
            content: answer.content.as_deref(),
            reasoning_content: answer.reasoning.as_deref(),
            tool_calls: calls.collect(),
            refusal: answer.refusal.as_deref(),
            annotations: [],
        }
    }
}
