//! From the body of an answer to the core response.

use tachikoma_backends_core::{CompletionResponse, FinishReason, ToolCallFragment};

use super::fields::{self, Content};
use crate::decode::answer::{self, OpenCalls, some};
use crate::error::CodexError;
use crate::openai::types::CreateChatCompletionResponse;

/// Reads a whole answer.
///
/// # Errors
/// The body is no JSON, is an error object, or holds no answer.
pub(crate) fn decode(body: &[u8], max_tool_calls: usize) -> Result<CompletionResponse, CodexError> {
    convert(answer::read(body)?, body, max_tool_calls)
}

fn convert(
    answer: CreateChatCompletionResponse,
    body: &[u8],
    max_tool_calls: usize,
) -> Result<CompletionResponse, CodexError> {
    let CreateChatCompletionResponse { choices, error, id, model, service_tier, usage, .. } = answer;
    let choice = choices
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .find_map(|(position, choice)| fields::is_first(position, choice.index).then_some(choice));
    let message = match choice {
        Some(choice) if error.is_none() => choice,
        _ => return Err(answer::absent(body, "choice")),
    };
    let finish_reason_text = message.finish_reason.unwrap_or_default();
    let Some(message) = message.message else { return Err(answer::absent(body, "choice")) };

    let content = Content::read(message.content, [message.reasoning_content, message.reasoning])?;

    let mut calls = OpenCalls::new(max_tool_calls, usize::MAX);
    for (index, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
        let (name, arguments) = match (call.function, call.custom) {
            (Some(function), _) => (function.name, answer::arguments(function.arguments)),
            (None, Some(custom)) => (custom.name, custom.input.unwrap_or_default()),
            (None, None) => (None, String::new()),
        };
        calls.push(ToolCallFragment {
            index: Some(index),
            id: call.id.as_deref(),
            name: name.as_deref(),
            arguments: arguments.into(),
        })?;
    }
    if let Some(call) = message.function_call.filter(|_| calls.is_empty()) {
        let arguments = answer::arguments(call.arguments);
        let name = call.name.as_deref();
        calls.push(ToolCallFragment { index: Some(0), id: None, name, arguments: arguments.into() })?;
    }

    let finish_reason = fields::finish_reason(&finish_reason_text, !calls.is_empty());
    if finish_reason == Some(FinishReason::Error) {
        return Err(fields::failed());
    }
    let finish_reason =
        finish_reason.unwrap_or(if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolUse });
    let (tool_calls, incomplete_tool_calls) = calls.finish(finish_reason.is_cut())?;
    Ok(CompletionResponse {
        content: some(content.text),
        tool_calls,
        incomplete_tool_calls,
        finish_reason,
        finish_reason_text: (finish_reason == FinishReason::Other).then_some(finish_reason_text),
        usage: usage.and_then(fields::usage),
        model: model.unwrap_or_default(),
        refusal: message.refusal.and_then(some),
        reasoning: some(content.reasoning),
        id,
        service_tier,
        ..CompletionResponse::default()
    })
}
