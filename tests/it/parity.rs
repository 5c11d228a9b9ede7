//! One answer, said by a server in Chat Completions and in the Responses API, whole and streamed: what arrives is the same.

use futures::StreamExt;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError};
use tachikoma_backends_core::{
    Backend, CollectingStream, CompletionRequest, CompletionResponse, ErrorCategory, FinishReason, Message,
    ToolCall, ToolDefinition, ToolParameters, Usage,
};

use crate::server;

const BOTH: [Api; 2] = [Api::ChatCompletions, Api::Responses];

/// What a model says, and how it ends.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    text: &'static str,
    reasoning: &'static str,
    refusal: &'static str,
    /// Names and arguments.
    calls: &'static [(&'static str, &'static str)],
    /// As Chat Completions has it: `length`, `content_filter`.
    cut: Option<&'static str>,
}

/// The pieces in which a text is streamed.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    text.chars().collect::<Vec<_>>().chunks(3).map(String::from_iter).collect::<Vec<_>>().into_iter()
}

fn sse(events: impl IntoIterator<Item = Value>) -> String {
    events.into_iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn chat_usage() -> Value {
    json!({
        "prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 6}, "completion_tokens_details": {"reasoning_tokens": 2},
    })
}

fn responses_usage() -> Value {
    json!({
        "input_tokens": 20, "output_tokens": 9, "total_tokens": 29,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 6}, "output_tokens_details": {"reasoning_tokens": 2},
    })
}

impl Said {
    fn chat_reason(&self) -> &'static str {
        self.cut.unwrap_or(if self.calls.is_empty() { "stop" } else { "tool_calls" })
    }

    fn chat(&self) -> String {
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

    fn body(&self, api: Api, stream: bool) -> String {
        match (api, stream) {
            (Api::Responses, false) => self.responses(),
            (Api::Responses, true) => self.responses_stream(),
            (_, false) => self.chat(),
            (_, true) => self.chat_stream(),
        }
    }

    /// The response that the caller gets. Of a cut one, only the Responses API states which calls are whole.
    fn expected(&self, api: Api) -> CompletionResponse {
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
        response
    }
}

fn chat_usage_of_core() -> Value {
    json!({
        "prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "cached_tokens": 4, "cache_write_tokens": 6,
        "reasoning_tokens": 2,
    })
}

fn tool() -> ToolDefinition {
    ToolDefinition::new("now", "The time", ToolParameters::new())
}

/// Asks a server that gives this answer, whatever it was asked.
async fn ask(api: Api, answer: Vec<u8>, stream: bool) -> Result<CompletionResponse, Box<CodexError>> {
    let url = server::start(answer).await;
    let config = CodexBackendConfig::new("k").with_base_url(url).with_api(api).with_max_retries(0);
    let backend = CodexBackend::new(config).unwrap();
    let request = CompletionRequest::new(vec![Message::user("Hi")]).with_tools([tool()]);
    assert_eq!(Api::from(backend.api_for(&request).api), api);
    if !stream {
        return backend.try_complete(request).await.map_err(Box::new);
    }
    let chunks: Vec<_> = backend.try_complete_stream(request).await?.collect().await;
    let is_last = |item: &Result<_, CodexError>| {
        item.as_ref().map_or(true, |chunk: &tachikoma_backends_core::CompletionChunk| chunk.is_final)
    };
    let ends: Vec<_> = chunks.iter().map(is_last).collect();
    assert_eq!(ends.iter().position(|last| *last), Some(ends.len() - 1), "one end, at the end: {chunks:?}");
    let mut chunks_only = Vec::new();
    for chunk in chunks {
        chunks_only.push(Ok(chunk?));
    }
    Ok(CollectingStream::new(futures::stream::iter(chunks_only).boxed()).collect().await.unwrap())
}

#[tokio::test]
async fn the_same_answer_arrives() {
    let call = ("now", r#"{"zone":"UTC"}"#);
    let answers = [
        Said { text: "Hello, wörld 😀.", ..Said::default() },
        Said { reasoning: "Let me think.", text: "42.", ..Said::default() },
        Said { refusal: "I cannot help with that.", ..Said::default() },
        Said { calls: &[("now", r#"{"zone":"UTC"}"#)], ..Said::default() },
        Said { calls: &[("now", "{}"), ("now", r#"{"zone":"UTC"}"#)], ..Said::default() },
        Said { reasoning: "Hm.", text: "Let me look.", calls: &[("now", "{}")], ..Said::default() },
        Said { text: "Once upon a", cut: Some("length"), ..Said::default() },
        Said { text: "I", cut: Some("content_filter"), ..Said::default() },
        Said { calls: &[("now", r#"{"zone":"UT"#)], cut: Some("length"), ..Said::default() },
        Said { calls: &[("now", "{}"), ("now", r#"{"zo"#)], cut: Some("length"), ..Said::default() },
        Said::default(),
    ];
    assert_eq!(answers[3].calls, [call]);
    for said in answers {
        for (api, stream) in BOTH.into_iter().flat_map(|api| [(api, false), (api, true)]) {
            let kind = if stream { "text/event-stream" } else { "application/json" };
            let answer = server::http(200, kind, said.body(api, stream).as_bytes());
            let mut read = ask(api, answer, stream).await.unwrap();
            assert!(read.id.is_some() && read.request_id.is_some(), "{read:?}");
            // Ids are the API's own, and so is what only one of them needs back.
            (read.id, read.request_id, read.provider_state) = (None, None, None);
            assert_eq!(read, said.expected(api), "{api:?}, streamed: {stream}");
        }
    }
}

/// Whole and streamed, in every spelling and of any type.
#[tokio::test]
async fn writes_to_the_cache_are_counted_over_both_apis() {
    for (details, beside, expected) in [
        (json!({"cache_write_tokens": 6}), Value::Null, Some(6)),
        (json!({"cache_write_tokens": 0}), Value::Null, Some(0)),
        (json!({"cache_creation_tokens": 6}), Value::Null, Some(6)),
        (json!({"cache_creation_input_tokens": 6}), Value::Null, Some(6)),
        (json!({}), json!(6), Some(6)),
        (Value::Null, json!(6), Some(6)),
        (json!({"cache_write_tokens": "6"}), Value::Null, Some(6)),
        (json!({"cache_write_tokens": null}), json!(6.0), Some(6)),
        (json!({"cache_write_tokens": [6]}), json!({"a": 6}), None),
        (json!({"cache_write_tokens": -6}), json!("many"), None),
        (json!("many"), Value::Null, None),
        (json!([6]), json!(false), None),
    ] {
        for api in BOTH {
            for stream in [false, true] {
                let name = if api == Api::ChatCompletions {
                    "prompt_tokens_details"
                } else {
                    "input_tokens_details"
                };
                let usual = if api == Api::ChatCompletions { chat_usage() } else { responses_usage() };
                let mut usage = usual.clone();
                usage[name] = details.clone();
                usage["cache_creation_input_tokens"] = beside.clone();
                let body = Said { text: "Hi", ..Said::default() }.body(api, stream);
                let body = body.replace(&usual.to_string(), &usage.to_string());
                let kind = if stream { "text/event-stream" } else { "application/json" };
                let read = ask(api, server::http(200, kind, body.as_bytes()), stream).await.unwrap();
                let found = read.usage.unwrap();
                let of = format!("{api:?}, streamed: {stream}: {usage}");
                assert_eq!(found.cache_write_tokens, expected, "{of}");
                assert_eq!((found.prompt_tokens, found.completion_tokens), (20, 9), "{of}");
            }
        }
    }
}

#[tokio::test]
async fn the_same_errors_arrive() {
    #[track_caller]
    fn same(outcome: Result<CompletionResponse, Box<CodexError>>, expected: ErrorCategory, of: &str) {
        let error = outcome.unwrap_err();
        assert_eq!(error.category(), expected, "{of}: {error}");
        assert_eq!(error.request_id(), Some("req_raw"), "{of}: {error}");
    }
    for (status, code, category) in [
        (429, "rate_limit_exceeded", ErrorCategory::RateLimit),
        (429, "insufficient_quota", ErrorCategory::Quota),
        (400, "context_length_exceeded", ErrorCategory::ContextLength),
        (500, "server_error", ErrorCategory::Server),
        (503, "server_is_overloaded", ErrorCategory::Overloaded),
        (400, "invalid_prompt", ErrorCategory::ContentFilter),
    ] {
        let error = json!({"error": {"message": "No.", "code": code}});
        for api in BOTH {
            let refused = server::http(status, "application/json", error.to_string().as_bytes());
            let inside = server::http(200, "application/json", error.to_string().as_bytes());
            let event = server::http(200, "text/event-stream", sse([error.clone()]).as_bytes());
            for (answer, stream) in
                [(&refused, false), (&refused, true), (&inside, false), (&inside, true), (&event, true)]
            {
                same(ask(api, answer.clone(), stream).await, category, &format!("{code}, {api:?}, {stream}"));
            }
        }
    }
    for api in BOTH {
        let body = Said { text: "Hello, world", ..Said::default() }.body(api, true);
        let half: String = body.split_inclusive("\n\n").take(3).collect();
        let cut = server::http(200, "text/event-stream", half.as_bytes());
        same(ask(api, cut, true).await, ErrorCategory::TruncatedStream, "cut");
        let broken = server::cut(server::http(200, "text/event-stream", body.as_bytes()), body.len() / 2);
        same(ask(api, broken, true).await, ErrorCategory::Network, "broken");
    }
}

/// A turn goes back over either API, whichever it came over; the state of the Responses API only to where it came from.
#[tokio::test]
async fn a_turn_goes_to_every_other_model_api_and_server() {
    let said = Said { reasoning: "Hm.", calls: &[("now", "{}")], ..Said::default() };
    let mut servers = Vec::new();
    for api in BOTH {
        let url =
            server::start(server::http(200, "application/json", said.body(api, false).as_bytes())).await;
        servers.push((api, url));
    }
    let backend = |api: Api, url: &str, key: &str, model: &str| {
        let config = CodexBackendConfig::new(key).with_base_url(url).with_api(api).with_model(model);
        CodexBackend::new(config).unwrap()
    };
    let mut places = Vec::new();
    for (_, url) in &servers {
        for api in BOTH {
            for (key, model) in
                [("k1", "gpt-5.6-terra"), ("k2", "gpt-5.6-terra"), ("k1", "gpt-5.4"), ("k1", "gpt-4o")]
            {
                places.push((api, url, key, model));
            }
        }
    }
    let mut states = 0;
    for &(api, url, key, model) in
        places.iter().filter(|(api, url, ..)| servers.contains(&(*api, (*url).clone())))
    {
        let first = CompletionRequest::new(vec![Message::user("Hi")]);
        let turn = backend(api, url, key, model).try_complete(first).await.unwrap().to_message();
        // Turns are stored between requests.
        let turn: Message = serde_json::from_str(&serde_json::to_string(&turn).unwrap()).unwrap();
        let conversation =
            |turn: Message| vec![Message::user("Hi"), turn, Message::tool_result("call_0", "noon")];
        for place in &places {
            let (to_api, to_url, to_key, to_model) = *place;
            let backend = backend(to_api, to_url, to_key, to_model);
            let body = |turn: Message| {
                let request = CompletionRequest::new(conversation(turn)).with_tools([tool()]);
                backend.preview(&request).unwrap().body.to_string()
            };
            let sent = body(turn.clone());
            assert!(sent.contains("call_0") && sent.contains("noon") && sent.contains("now"), "{sent}");
            let is_home = api == Api::Responses && *place == (api, url, key, model);
            states += usize::from(is_home);
            assert_eq!(
                sent.contains("encrypted_content\":\"g\""),
                is_home,
                "from {model}, {key} to {place:?}: {sent}"
            );
            // Whoever changes the turn means the change.
            let mut changed = turn.clone();
            changed.tool_calls[0].arguments = r#"{"zone":"removed"}"#.to_owned();
            let sent = body(changed);
            assert!(sent.contains("removed") && !sent.contains("encrypted_content\":\"g\""), "{sent}");
        }
    }
    assert_eq!(states, 4, "the state of each place goes back to it");
}

/// Through the trait, the choice is the backend's.
#[tokio::test]
async fn a_server_of_another_is_asked_over_chat_completions() {
    let said = Said { text: "Hi", ..Said::default() };
    let url = server::start(server::http(200, "application/json", said.chat().as_bytes())).await;
    let backend = CodexBackend::new(CodexBackendConfig::new("k").with_base_url(url)).unwrap();
    let answer = backend.complete(CompletionRequest::new(vec![Message::user("Hi")])).await.unwrap();
    assert_eq!(answer.content.as_deref(), Some("Hi"));
}
