//! From the body of an answer to the core response.

use serde_json::Value;
use tachikoma_backends_core::{
    CompletionResponse, ErrorCategory, FinishReason, ToolCallAccumulator, ToolCallFragment,
};

use super::fields::{self, Content};
use crate::decode::error_body;
use crate::error::CodexError;
use crate::openai::types::CreateChatCompletionResponse;

/// Reads a whole answer.
///
/// # Errors
/// The body is no JSON, is an error object, or holds no answer.
pub(crate) fn decode(body: &[u8], max_tool_calls: usize) -> Result<CompletionResponse, CodexError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut json = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, CreateChatCompletionResponse>(&mut json) {
        Ok(answer) => convert(answer, body, max_tool_calls),
        Err(error) => {
            // Text, a web page, an array: what is no answer may still be an error in the server's words.
            if let Ok(value) = serde_json::from_slice::<Value>(body)
                && let Some(error) = error_body::inside_success(&value)
            {
                return Err(error);
            }
            let path = error.path().to_string();
            let reason = error.into_inner();
            if reason.is_data() {
                let message =
                    format!("the server's answer is not of the documented form at {path}: {reason}");
                return Err(CodexError::new(ErrorCategory::Parse, message).with_source(reason));
            }
            Err(error_body::not_json(body, &reason).with_source(reason))
        }
    }
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
        _ => return Err(no_answer(body)),
    };
    let finish_reason_text = message.finish_reason.unwrap_or_default();
    let Some(message) = message.message else { return Err(no_answer(body)) };

    let content = Content::read(message.content, [message.reasoning_content, message.reasoning])?;

    let mut calls = ToolCallAccumulator::default();
    for (index, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
        let (name, arguments) = match (call.function, call.custom) {
            (Some(function), _) => (function.name, fields::arguments(function.arguments)),
            (None, Some(custom)) => (custom.name, custom.input.unwrap_or_default()),
            (None, None) => (None, String::new()),
        };
        calls.push_fragment(ToolCallFragment {
            index: Some(index),
            id: call.id.as_deref(),
            name: name.as_deref(),
            arguments: &arguments,
        });
    }
    if let Some(call) = message.function_call.filter(|_| calls.is_empty()) {
        let arguments = fields::arguments(call.arguments);
        let name = call.name.as_deref();
        calls.push_fragment(ToolCallFragment { index: Some(0), id: None, name, arguments: &arguments });
    }

    fields::limit_tool_calls(calls.len(), max_tool_calls)?;
    let finish_reason = fields::finish_reason(&finish_reason_text, !calls.is_empty());
    if finish_reason == Some(FinishReason::Error) {
        return Err(fields::failed());
    }
    let finish_reason =
        finish_reason.unwrap_or(if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolUse });
    let (tool_calls, incomplete_tool_calls) = calls.finish(finish_reason.is_cut());
    if !finish_reason.is_cut() && !incomplete_tool_calls.is_empty() {
        return Err(CodexError::new(
            ErrorCategory::Parse,
            "the server's answer holds a tool call without a name",
        ));
    }
    let some = |text: String| (!text.is_empty()).then_some(text);
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

/// JSON without an answer in it: an error in the server's words, if it says anything.
fn no_answer(body: &[u8]) -> CodexError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    error_body::inside_success(&value).unwrap_or_else(|| error_body::without_answer(&value))
}
