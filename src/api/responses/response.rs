//! Converts the body of a response to the core response: a whole response is read as the last event of a stream.

use serde_json::{Value, json};
use tachikoma_backends_core::{CompletionResponse, ErrorCategory, FinishReason, Usage};

use super::hosted_call;
use super::item::{self, Item};
use super::stream::ResponsesStream;
use crate::CodexError;
use crate::api::{ResponseContext, body, unknown_fields::is_item};
use crate::openai::types::Response;
use crate::runtime::decoder::{self, Decoder};
use crate::runtime::json as lenient;
use crate::server::ERRORS;

/// Decodes a whole response.
///
/// # Errors
/// The body is not JSON, is an error object, or holds no response.
pub(super) fn decode(body: &[u8], context: ResponseContext) -> Result<CompletionResponse, CodexError> {
    let mut stream = ResponsesStream::new(ResponseContext { max_call_bytes: usize::MAX, ..context });
    if decoder::begins_with_events(body) {
        return decoder::whole_of_events(body, stream);
    }
    let text = body::utf8(body)?;
    let mut response: Response = match serde_json::from_str(text) {
        Ok(response) => response,
        Err(reason) if body::is_followed_by_more(text, &reason) => {
            return decoder::whole_of_events(&body::lines_as_events(text), stream);
        }
        Err(reason) => undocumented(text, reason)?,
    };
    // Some gateways nest the response, as the last event of a stream does.
    if response.output.is_none()
        && let Some(inner @ Value::Object(fields)) =
            serde_json::from_str::<Value>(text).unwrap_or_default().get("response")
        && fields.contains_key("output")
    {
        response = body::read(inner.clone())?;
    }
    let has_error = response.error.as_ref().is_some_and(|error| !lenient::is_empty(error));
    let status = response.status.as_ref().and_then(Value::as_str).unwrap_or_default();
    if let "failed" | "cancelled" = status {
        return Err(failed(response.error.take(), status));
    }
    let has_output = matches!(response.output, Some(Value::Array(_) | Value::Object(_) | Value::String(_)))
        || response.output_text.is_some();
    if has_error || !has_output {
        return Err(body::absent_in(text, "output"));
    }
    stream.end(response, false)?;
    let pieces: Vec<_> = std::iter::from_fn(|| stream.next_piece()).collect();
    decoder::whole(pieces, &mut stream)
}

/// Parses JSON that is not of the documented form.
fn undocumented(text: &str, reason: serde_json::Error) -> Result<Response, CodexError> {
    match body::any_form(text, reason)? {
        value @ Value::Object(_) => body::read(value),
        value => Err(body::absent(&value, "output")),
    }
}

/// How a response ended.
#[derive(Debug)]
pub(super) struct StreamEnd {
    pub(super) finish_reason: FinishReason,
    pub(super) finish_reason_text: Option<String>,
    /// The server does not report that the limit was reached, so that the status of its items proves nothing either.
    is_silently_cut: bool,
}

impl StreamEnd {
    /// `incomplete` is the reason of an incomplete response, where the server reports one. Since llama.cpp never reports a
    /// response as incomplete, one with as many tokens as the limit of `context` was cut.
    pub(super) fn new(
        incomplete: Option<Option<String>>,
        status: &str,
        usage: Option<&Usage>,
        context: &ResponseContext,
    ) -> Self {
        let limit = context.limit;
        let is_full = usage.is_some_and(|usage| limit.is_some_and(|limit| usage.completion_tokens >= limit));
        let (finish_reason, finish_reason_text) = match incomplete {
            None if is_full => (FinishReason::Length, None),
            None if matches!(status, "" | "completed" | "complete") => (FinishReason::Stop, None),
            None => (FinishReason::Other, Some(status.to_owned())),
            Some(reason) => match reason.as_deref() {
                Some("content_filter") => (FinishReason::ContentFilter, None),
                None | Some("" | "max_output_tokens" | "max_tokens") => (FinishReason::Length, None),
                // It was cut for another reason: half a call must not pass for a whole one.
                Some(_) => (FinishReason::Length, reason),
            },
        };
        Self { finish_reason, finish_reason_text, is_silently_cut: is_full }
    }

    /// The end of a response with these items. One with an incomplete item is not finished.
    pub(super) fn with_items(self, items: &[Value], has_content: bool, has_calls: bool) -> Self {
        if self.finish_reason != FinishReason::Stop {
            return self;
        }
        let is_cut = |item: &Value| Item(item).text("status") == "incomplete";
        let incomplete = || {
            let has_cut = item::calls(items).any(Item::is_incomplete) || items.iter().any(is_cut);
            has_cut.then(|| "incomplete".to_owned())
        };
        // An unknown item may be anything, even the only content of the response.
        let is_unknown = |kind: &&str| !kind.is_empty() && !is_item(kind);
        let unknown = || items.iter().map(|item| Item(item).text("type")).find(is_unknown);
        let unfinished =
            hosted_call::unreadable(items).or_else(|| item::inner_call(items)).map(str::to_owned);
        let unfinished = unfinished.or_else(incomplete);
        // After an unknown call that the server ran, its response continues.
        let last = items.last().map(|item| Item(item).text("type")).filter(is_unknown);
        let is_call = |kind: &&str| ["_call", "_request", "tool_use"].iter().any(|end| kind.ends_with(end));
        let unfinished = unfinished
            .or_else(|| last.filter(is_call).map(str::to_owned))
            .or_else(|| unknown().filter(|_| !has_content && !has_calls).map(str::to_owned));
        let finish_reason = match unfinished {
            Some(_) => FinishReason::Other,
            None if has_calls => FinishReason::ToolUse,
            None => FinishReason::Stop,
        };
        Self { finish_reason, finish_reason_text: unfinished, ..self }
    }

    /// The end of a response in which a call of this type began and did not arrive as a whole.
    pub(super) fn with_open_call(self, kind: Option<&str>) -> Self {
        match kind {
            Some(kind) if self.finish_reason.ends_turn() => {
                Self { finish_reason: FinishReason::Other, finish_reason_text: Some(kind.to_owned()), ..self }
            }
            _ => self,
        }
    }

    /// The end of a response, of which calls in pieces and as a whole may differ.
    pub(super) fn with_calls(self, is_contradictory: bool) -> Self {
        if !is_contradictory || !self.finish_reason.ends_turn() {
            return self;
        }
        Self { finish_reason: FinishReason::Other, finish_reason_text: Some("incomplete".to_owned()), ..self }
    }

    /// Whether a call is whole only if the server has reported it as done.
    pub(super) fn is_evidence_needed(&self) -> bool {
        !self.finish_reason.ends_turn() && !self.is_silently_cut
    }
}

/// The error of a response whose status is that it failed, or is not finished.
pub(super) fn unfinished(status: &str, error: Option<Value>) -> Option<CodexError> {
    match status {
        "failed" | "cancelled" | "canceled" => Some(failed(error, status)),
        _ if error.as_ref().is_some_and(|error| !lenient::is_empty(error)) => Some(failed(error, status)),
        "queued" | "in_progress" => {
            let message = format!("the server's response is not finished: its status is {status:?}");
            Some(
                CodexError::new(ErrorCategory::InvalidRequest, message)
                    .with_hint("It is generated in the background: retrieve it by CodexBackend::background."),
            )
        }
        _ => None,
    }
}

/// The description of a failure: the response's own error, or another field of the event in place of one.
pub(super) fn failure_details(response: Option<Response>, data: &str) -> Option<Value> {
    let is_set = |value: &Value| !lenient::is_empty(value);
    response.and_then(|response| response.error).filter(is_set).or_else(|| {
        let event: Value = serde_json::from_str(data).ok()?;
        let pointers =
            ["/error", "/message", "/response/last_error", "/response/status_details", "/response/message"];
        pointers.iter().find_map(|pointer| event.pointer(pointer).filter(|value| is_set(value))).cloned()
    })
}

/// The error of a response that failed; `error` is the server's description.
pub(super) fn failed(error: Option<Value>, status: &str) -> CodexError {
    let error = error.filter(|error| !lenient::is_empty(error));
    ERRORS.find_error(&json!({ "error": error })).unwrap_or_else(|| {
        let message = format!("the response has the status {status:?} without an error message");
        CodexError::new(ErrorCategory::Server, message)
    })
}
