//! From the body of an answer to the core response.

use serde_json::{Value, json};
use tachikoma_backends_core::{CompletionResponse, ErrorCategory, FinishReason, ToolCallFragment, Usage};

use super::item::{self, Said};
use super::state;
use crate::decode::answer::{self, OpenCalls, some};
use crate::decode::error_body;
use crate::error::CodexError;
use crate::openai::types::{Response, ResponseUsage};

/// Reads a whole answer. `limit` is what [`Ending::of`] makes of it.
///
/// # Errors
/// The body is no JSON, is an error object, or holds no answer.
pub(crate) fn decode(
    body: &[u8],
    max_tool_calls: usize,
    limit: Option<u32>,
) -> Result<CompletionResponse, CodexError> {
    let Response { error, id, incomplete_details, model, output, service_tier, status, usage } =
        answer::read(body)?;
    let status = status.unwrap_or_default();
    if let "failed" | "cancelled" = status.as_str() {
        return Err(failed(error, &status));
    }
    let Some(items) = output.filter(|_| error.is_none()) else {
        return Err(answer::absent(body, "output"));
    };
    if let "queued" | "in_progress" = status.as_str() {
        let message = format!("the server has not made its answer yet: its status is {status:?}");
        return Err(CodexError::new(ErrorCategory::InvalidRequest, message)
            .with_hint("Leave `background` out: answers are not asked for again."));
    }
    let mut calls = OpenCalls::new(max_tool_calls, usize::MAX);
    for (index, call) in item::calls(&items).enumerate() {
        calls.push(ToolCallFragment {
            index: Some(index),
            id: Some(call.text("call_id")),
            name: Some(call.text("name")),
            arguments: call.arguments().into(),
        })?;
    }
    let cut = (status == "incomplete").then(|| incomplete_details.and_then(|details| details.reason));
    let usage = usage.and_then(self::usage);
    let Ending { finish_reason, finish_reason_text } =
        Ending::of(cut, usage.as_ref(), limit, !calls.is_empty());
    let (tool_calls, incomplete_tool_calls) = calls.finish(finish_reason.is_cut())?;
    let Said { text, refusal, reasoning } = Said::of(&items);
    Ok(CompletionResponse {
        content: some(text),
        tool_calls,
        incomplete_tool_calls,
        finish_reason,
        finish_reason_text,
        usage,
        model: model.unwrap_or_default(),
        refusal: some(refusal),
        reasoning: some(reasoning),
        id,
        service_tier,
        provider_state: (!finish_reason.is_cut()).then(|| state::of(items)).flatten(),
        ..CompletionResponse::default()
    })
}

/// Why an answer ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) finish_reason: FinishReason,
    pub(super) finish_reason_text: Option<String>,
}

impl Ending {
    /// `cut` is the reason of an incomplete answer, where the server states it. A server that never calls an answer
    /// incomplete (llama.cpp) is not trusted with `limit`: an answer of so many tokens was cut.
    pub(super) fn of(
        cut: Option<Option<String>>,
        usage: Option<&Usage>,
        limit: Option<u32>,
        has_calls: bool,
    ) -> Self {
        let is_full = usage.is_some_and(|usage| limit.is_some_and(|limit| usage.completion_tokens >= limit));
        let (finish_reason, finish_reason_text) = match cut {
            None if is_full => (FinishReason::Length, None),
            None if has_calls => (FinishReason::ToolUse, None),
            None => (FinishReason::Stop, None),
            Some(reason) => match reason.as_deref() {
                Some("content_filter") => (FinishReason::ContentFilter, None),
                None | Some("" | "max_output_tokens" | "max_tokens") => (FinishReason::Length, None),
                // Cut it is, whyever: half a call must not pass for a whole one.
                Some(_) => (FinishReason::Length, reason),
            },
        };
        Self { finish_reason, finish_reason_text }
    }
}

/// The server gave up while it answered; `error` is what it says of it.
pub(super) fn failed(error: Option<Value>, status: &str) -> CodexError {
    error_body::inside_success(&json!({ "error": error })).unwrap_or_else(|| {
        let message = format!("the server gave its answer up ({status}) and does not say why");
        CodexError::new(ErrorCategory::Server, message)
    })
}

/// What an answer cost. `None` where no number in it is known.
pub(super) fn usage(usage: ResponseUsage) -> Option<Usage> {
    answer::usage(answer::Counts {
        prompt: usage.input_tokens,
        completion: usage.output_tokens,
        total: usage.total_tokens,
        cached: usage.input_tokens_details.and_then(|details| details.cached_tokens),
        reasoning: usage.output_tokens_details.and_then(|details| details.reasoning_tokens),
    })
}
