//! The plain response, and the parts of it that a stream sends too.

use serde::Serialize;
use serde_json::Value;

use super::CREATED;
use super::message::{CallKind, ChatCall, ChatMessage, Logprobs};
use super::request::ChatRequest;
use crate::answer::TokenUsage;
use crate::{hash, tokens};

/// A request with the messages of its response, one a choice: all that a response is made of.
pub(super) struct Exchange<'a> {
    pub(super) id: String,
    pub(super) request: &'a ChatRequest,
    pub(super) messages: Vec<ChatMessage>,
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
    logprobs: Option<Logprobs<'a>>,
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
    annotations: &'a [Value],
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: CallKind,
    #[serde(flatten)]
    called: Called<'a>,
}

/// What is called: a function or a custom tool. A delta has the name only at the beginning.
#[derive(Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Called<'a> {
    Function {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        arguments: &'a str,
    },
    Custom {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        input: &'a str,
    },
}

impl<'a> Called<'a> {
    pub(super) fn new(kind: CallKind, name: Option<&'a str>, input: &'a str) -> Self {
        match kind {
            CallKind::Function => Self::Function { name, arguments: input },
            CallKind::Custom => Self::Custom { name, input },
        }
    }
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
    pub(super) fn new(prompt_tokens: usize, messages: &[ChatMessage]) -> Self {
        let completion_tokens = messages.iter().map(|message| tokens::count(message.bytes)).sum();
        let reasoning_tokens = messages.iter().map(|message| tokens::count(message.reasoning_bytes)).sum();
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptDetails::default(),
            completion_tokens_details: CompletionDetails { reasoning_tokens, ..Default::default() },
        }
    }

    /// The scripted number of tokens.
    pub(super) fn scripted(usage: TokenUsage) -> Self {
        let TokenUsage { input_tokens, output_tokens, cached_tokens, reasoning_tokens } = usage;
        Self {
            prompt_tokens: input_tokens,
            completion_tokens: output_tokens,
            total_tokens: input_tokens + output_tokens,
            prompt_tokens_details: PromptDetails { cached_tokens, ..Default::default() },
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
        let choices = self.messages.iter().enumerate().map(|(index, message)| Choice {
            index,
            message: self.message(index, message),
            logprobs: Logprobs::new(&message.logprobs),
            finish_reason: &message.finish_reason,
        });
        Completion { head: self.head("chat.completion"), choices: choices.collect(), usage: self.usage }
    }

    fn message<'a>(&self, choice: usize, message: &'a ChatMessage) -> Message<'a> {
        let call = |(index, call): (usize, &'a ChatCall)| ToolCall {
            id: self.call_id(choice, index),
            kind: call.kind,
            called: Called::new(call.kind, Some(&call.name), &call.input),
        };
        Message {
            role: "assistant",
            content: message.content.as_deref(),
            reasoning_content: message.reasoning.as_deref(),
            tool_calls: message.calls.iter().enumerate().map(call).collect(),
            refusal: message.refusal.as_deref(),
            annotations: &message.annotations,
        }
    }
}
