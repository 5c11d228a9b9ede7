//! A turn of a model, as a server writes it over each API.

use serde_json::{Value, json};
use tachikoma_backend_codex::Api;
use tachikoma_backends_core::{CompletionResponse, FinishReason, ToolCall, Usage};

/// The output of a model, and how it ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    pub(super) text: &'static str,
    pub(super) reasoning: &'static str,
    pub(super) refusal: &'static str,
    /// Names and arguments.
    pub(super) calls: &'static [(&'static str, &'static str)],
    /// As Chat Completions has it: `length`, `content_filter`.
    pub(super) cut: Option<&'static str>,
}

/// The pieces in which a text is streamed.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    text.chars().collect::<Vec<_>>().chunks(3).map(String::from_iter).collect::<Vec<_>>().into_iter()
}

pub(super) fn sse(events: impl IntoIterator<Item = Value>) -> String {
    events.into_iter().map(|event| format!("data: {event}\n\n")).collect()
}

pub(super) fn chat_usage() -> Value {
    json!({
        "prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 6}, "completion_tokens_details": {"reasoning_tokens": 2},
    })
}

pub(super) fn responses_usage() -> Value {
    json!({
        "input_tokens": 20, "output_tokens": 9, "total_tokens": 29,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 6}, "output_tokens_details": {"reasoning_tokens": 2},
    })
}

impl Turn {
    fn chat_reason(&self) -> &'static str {
        self.cut.unwrap_or(if self.calls.is_empty() { "stop" } else { "tool_calls" })
    }

    pub(super) fn chat(&self) -> String {
        let call = |(at, (name, arguments)): (usize, &(&str, &str))| json!({"id": format!("call_{at}"), "type": "function", "function": {"name": name, "arguments": arguments}});
        let calls: Vec<_> = self.calls.iter().enumerate().map(call).collect();
        let message = json!({
            "role": "assistant", "content": self.text, "refusal": self.refusal,
            "reasoning_content": self.reasoning, "tool_calls": calls,
        });
        json!({
            "id": "chatcmpl-1", "model": "m", "service_tier": "default", "usage": chat_usage(),
            "choices": [{"index": 0, "message": message, "finish_reason": self.chat_reason()}],
        })
        .to_string()
    }

    fn chat_stream(&self) -> String {
        let choice = |delta: Value, reason: Option<&str>| {
            json!({
                "id": "chatcmpl-1", "model": "m", "service_tier": "default",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            })
        };
        let mut events = Vec::new();
        for (field, text) in
            [("reasoning_content", self.reasoning), ("content", self.text), ("refusal", self.refusal)]
        {
            events.extend(pieces(text).map(|piece| choice(json!({field: piece}), None)));
        }
        for (at, (name, arguments)) in self.calls.iter().enumerate() {
            let call = json!({"index": at, "id": format!("call_{at}"), "function": {"name": name}});
            events.push(choice(json!({"tool_calls": [call]}), None));
            events.extend(pieces(arguments).map(|piece| {
                choice(json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]}), None)
            }));
        }
        events.push(choice(json!({}), Some(self.chat_reason())));
        events.push(json!({"id": "chatcmpl-1", "choices": [], "usage": chat_usage()}));
        sse(events) + "data: [DONE]\n\n"
    }

    fn status(&self) -> &'static str {
        if self.cut.is_some() { "incomplete" } else { "completed" }
    }

    fn items(&self) -> Vec<Value> {
        let mut items = Vec::new();
        if !self.reasoning.is_empty() {
            let summary = json!({"type": "summary_text", "text": self.reasoning});
            items.push(
                json!({"id": "rs_1", "type": "reasoning", "summary": [summary], "encrypted_content": "g"}),
            );
        }
        for (kind, field, text) in [("output_text", "text", self.text), ("refusal", "refusal", self.refusal)]
        {
            if !text.is_empty() {
                let part = json!({"type": kind, field: text});
                let id = format!("msg_{kind}");
                items.push(json!({"id": id, "type": "message", "role": "assistant", "content": [part]}));
            }
        }
        for (at, (name, arguments)) in self.calls.iter().enumerate() {
            items.push(json!({
                "id": format!("fc_{at}"), "type": "function_call", "call_id": format!("call_{at}"),
                "name": name, "arguments": arguments,
                "status": if serde_json::from_str::<Value>(arguments).is_ok() { "completed" } else { "incomplete" },
            }));
        }
        items
    }

    fn whole_response(&self) -> Value {
        let reason = self.cut.map(|cut| if cut == "length" { "max_output_tokens" } else { cut });
        json!({
            "id": "resp_1", "model": "m", "service_tier": "default", "status": self.status(), "error": null,
            "incomplete_details": reason.map(|reason| json!({"reason": reason})),
            "output": self.items(), "usage": responses_usage(),
        })
    }

    fn responses(&self) -> String {
        self.whole_response().to_string()
    }

    fn responses_stream(&self) -> String {
        let mut events = vec![json!({"type": "response.created", "response": {"id": "resp_1"}})];
        for (at, item) in self.items().into_iter().enumerate() {
            let event = |kind: &str, fields: Value| {
                let mut event = json!({"type": kind, "output_index": at, "item_id": item["id"]});
                event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                event
            };
            let mut begun = item.clone();
            for (field, empty) in [("arguments", json!("")), ("content", json!([])), ("summary", json!([]))] {
                if let Some(field) = begun.get_mut(field) {
                    *field = empty;
                }
            }
            events.push(event("response.output_item.added", json!({"item": begun})));
            let part = |list: &str, field: &str| item[list][0][field].as_str().unwrap_or_default().to_owned();
            for (kind, text) in [
                ("response.reasoning_summary_text", part("summary", "text")),
                ("response.output_text", part("content", "text")),
                ("response.refusal", part("content", "refusal")),
                (
                    "response.function_call_arguments",
                    item["arguments"].as_str().unwrap_or_default().to_owned(),
                ),
            ] {
                events.extend(
                    pieces(&text).map(|piece| event(&format!("{kind}.delta"), json!({"delta": piece}))),
                );
                if !text.is_empty() {
                    let done = json!({"text": text, "refusal": text, "arguments": text});
                    events.push(event(&format!("{kind}.done"), done));
                }
            }
            events.push(event("response.output_item.done", json!({"item": item})));
        }
        let kind = format!("response.{}", self.status());
        events.push(json!({"type": kind, "response": self.whole_response()}));
        sse(events)
    }

    pub(super) fn body(&self, api: Api, stream: bool) -> String {
        match (api, stream) {
            (Api::Responses, false) => self.responses(),
            (Api::Responses, true) => self.responses_stream(),
            (_, false) => self.chat(),
            (_, true) => self.chat_stream(),
        }
    }

    /// The response that the caller gets. If it is cut, only the Responses API states which calls are whole.
    pub(super) fn expected(&self, api: Api) -> CompletionResponse {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let calls = self
            .calls
            .iter()
            .enumerate()
            .map(|(at, (name, arguments))| ToolCall::new(format!("call_{at}"), *name, *arguments));
        let is_whole =
            |call: &ToolCall| self.cut.is_none() || api == Api::Responses && call.parse_arguments().is_ok();
        let (tool_calls, incomplete_tool_calls) = calls.partition(is_whole);
        let usage: Usage = serde_json::from_value(chat_usage_of_core()).unwrap();
        let mut response = CompletionResponse::default()
            .with_tool_calls(tool_calls)
            .with_incomplete_tool_calls(incomplete_tool_calls)
            .with_finish_reason(match self.chat_reason() {
                "length" => FinishReason::Length,
                "content_filter" => FinishReason::ContentFilter,
                "tool_calls" => FinishReason::ToolUse,
                _ => FinishReason::Stop,
            })
            .with_usage(usage)
            .with_model("m")
            .with_service_tier("default");
        response.content = some(self.text);
        response.refusal = some(self.refusal);
        response.reasoning = some(self.reasoning);
        response.with_derived_items()
    }
}

fn chat_usage_of_core() -> Value {
    json!({
        "prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "cached_tokens": 4, "cache_write_tokens": 6,
        "reasoning_tokens": 2,
    })
}
