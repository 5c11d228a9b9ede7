//! Tools, files, citations, log probabilities, cache fields and state: the same over both APIs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    AllowedTool, Citation, CompletionRequest, CompletionResponse, ContentPart, CustomTool, GrammarSyntax,
    HostedTool, ItemContent, Message, MessageItem, PromptCache, PromptCacheMode, TokenLogprob, ToolCall,
    ToolCallKind, ToolChoice,
};

use super::turn::sse;
use super::{BOTH, send, tool};
use crate::server;

/// A response as a server sends it over each API, whole and as the events of a stream.
struct Wire {
    /// The message of a choice.
    message: Value,
    /// The log probabilities of a choice.
    logprobs: Value,
    /// The deltas of a choice, each with its log probabilities.
    deltas: Vec<(Value, Value)>,
    /// The items of an output.
    items: Vec<Value>,
    /// The events between the first and the last one.
    events: Vec<Value>,
    reason: &'static str,
}

impl Wire {
    fn body(&self, api: Api, stream: bool) -> String {
        let whole = json!({"id": "resp_1", "model": "m", "status": "completed", "output": self.items});
        let choice = |name: &str, content: &Value, logprobs: &Value, reason: Option<&str>| {
            json!({
                "id": "chatcmpl-1", "model": "m",
                "choices": [{"index": 0, name: content, "logprobs": logprobs, "finish_reason": reason}],
            })
        };
        match (api, stream) {
            (Api::Responses, false) => whole.to_string(),
            (Api::Responses, true) => {
                let created = json!({"type": "response.created", "response": {"id": "resp_1"}});
                let completed = json!({"type": "response.completed", "response": whole});
                sse([created].into_iter().chain(self.events.clone()).chain([completed]))
            }
            (_, false) => choice("message", &self.message, &self.logprobs, Some(self.reason)).to_string(),
            (_, true) => {
                let deltas = self.deltas.iter();
                let deltas = deltas.map(|(delta, logprobs)| choice("delta", delta, logprobs, None));
                let last = choice("delta", &json!({}), &Value::Null, Some(self.reason));
                sse(deltas.chain([last])) + "data: [DONE]\n\n"
            }
        }
    }

    /// Reads the response in every way.
    async fn read(&self) -> Vec<(String, CompletionResponse)> {
        let mut found = Vec::new();
        for (api, stream) in BOTH.into_iter().flat_map(|api| [(api, false), (api, true)]) {
            let kind = if stream { "text/event-stream" } else { "application/json" };
            let response = server::http(200, kind, self.body(api, stream).as_bytes());
            found.push((format!("{api:?}, streamed: {stream}"), send(api, response, stream).await.unwrap()));
        }
        found
    }
}

/// The only message among the items.
fn message_of(response: &CompletionResponse) -> &MessageItem {
    let messages = response.items.iter().filter_map(|item| match &item.content {
        ItemContent::Message(message) => Some(message),
        _ => None,
    });
    let messages: Vec<_> = messages.collect();
    assert_eq!(messages.len(), 1, "{response:?}");
    messages[0]
}

/// The body of a request to OpenAI's own server.
fn body(api: Api, request: &CompletionRequest) -> Value {
    let backend = CodexBackend::new(CodexBackendConfig::new("k").with_api(api)).unwrap();
    backend.preview(request).unwrap().body
}

/// A value of Chat Completions in the form of the Responses API: what a type names there is an object of that name here.
fn flat(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(flat).collect(),
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
            let inner = fields.get(kind).and_then(Value::as_object);
            let outer = fields.iter().filter(|(name, _)| inner.is_none() || *name != kind);
            let fields = outer.chain(inner.into_iter().flatten());
            fields.map(|(name, value)| (name.clone(), flat(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn citations_arrive() {
    let text = "It snows.";
    let place = json!({"url": "https://example.org", "title": "Oslo", "start_index": 3, "end_index": 8});
    let nested = json!([{"type": "url_citation", "url_citation": place}]);
    let mut annotation = place.clone();
    annotation["type"] = json!("url_citation");
    let item = json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": text, "annotations": [annotation]}]});
    let at = |kind: &str, field: &str, value: &Value| json!({"type": kind, "output_index": 0, "item_id": "msg_1", "content_index": 0, field: value});
    let wire = Wire {
        message: json!({"role": "assistant", "content": text, "annotations": nested}),
        logprobs: Value::Null,
        deltas: vec![(json!({"content": text}), Value::Null), (json!({"annotations": nested}), Value::Null)],
        events: vec![
            at("response.output_text.delta", "delta", &json!(text)),
            at("response.output_text.annotation.added", "annotation", &annotation),
            at("response.output_item.done", "item", &item),
        ],
        items: vec![item],
        reason: "stop",
    };
    let expected = Citation::new("url_citation")
        .with_url("https://example.org")
        .with_title("Oslo")
        .with_start(3)
        .with_end(8);
    for (way, response) in wire.read().await {
        assert_eq!(message_of(&response).citations, std::slice::from_ref(&expected), "{way}");
        assert_eq!(message_of(&response).text, text, "{way}");
    }
}

#[tokio::test]
async fn log_probabilities_arrive() {
    let token = |text: &str, logprob: f64| {
        json!({"token": text, "logprob": logprob, "bytes": text.as_bytes(),
        "top_logprobs": [{"token": "Hi", "logprob": -2.5, "bytes": [72, 105]}]})
    };
    let tokens = [token("Hel", -0.5), token("lo", -0.25)];
    let of_choice = |tokens: &[Value]| json!({"content": tokens, "refusal": null});
    let item = json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": tokens}]});
    let at = json!({"output_index": 0, "item_id": "msg_1", "content_index": 0});
    let event = |kind: &str, fields: Value| {
        let mut event = at.clone();
        event["type"] = json!(kind);
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event
    };
    let delta = |token: &Value| {
        event("response.output_text.delta", json!({"delta": token["token"], "logprobs": [token]}))
    };
    let wire = Wire {
        message: json!({"role": "assistant", "content": "Hello"}),
        logprobs: of_choice(&tokens),
        deltas: tokens
            .iter()
            .map(|token| (json!({"content": token["token"]}), of_choice(std::slice::from_ref(token))))
            .collect(),
        events: tokens
            .iter()
            .map(delta)
            .chain([event("response.output_item.done", json!({"item": item}))])
            .collect(),
        items: vec![item],
        reason: "stop",
    };
    let expected = [("Hel", -0.5), ("lo", -0.25)].map(|(text, logprob)| {
        let top = TokenLogprob::new("Hi", -2.5).with_bytes(b"Hi".to_vec());
        TokenLogprob::new(text, logprob).with_bytes(text.as_bytes().to_vec()).with_top(vec![top])
    });
    for (way, response) in wire.read().await {
        assert_eq!(message_of(&response).logprobs, expected, "{way}");
        assert_eq!(response.content.as_deref(), Some("Hello"), "{way}");
    }
}

/// Calls of custom tools beside those of functions, with input that is not JSON.
#[tokio::test]
async fn calls_of_custom_tools_arrive() {
    let input = "Say \"hi\"\nand {go}.";
    let custom =
        json!({"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "note", "input": input}});
    let function = json!({"index": 1, "id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}});
    let items = vec![
        json!({"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "note", "input": input}),
        json!({"id": "fc_1", "type": "function_call", "call_id": "call_2", "name": "now", "arguments": "{}"}),
    ];
    let mut begun = items.clone();
    (begun[0]["input"], begun[1]["arguments"]) = (json!(""), json!(""));
    let mut events = Vec::new();
    for (at, (begun, item)) in begun.iter().zip(&items).enumerate() {
        let (kind, text) = match at {
            0 => ("response.custom_tool_call_input.delta", input),
            _ => ("response.function_call_arguments.delta", "{}"),
        };
        events.push(json!({"type": "response.output_item.added", "output_index": at, "item": begun}));
        for delta in text.split_inclusive(' ') {
            events.push(json!({"type": kind, "output_index": at, "item_id": item["id"], "delta": delta}));
        }
        events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }
    let mut first = custom.clone();
    first["custom"]["input"] = json!("");
    let mut deltas = vec![json!({"tool_calls": [first]})];
    deltas.extend(
        input
            .split_inclusive(' ')
            .map(|delta| json!({"tool_calls": [{"index": 0, "custom": {"input": delta}}]})),
    );
    deltas.push(json!({"tool_calls": [function]}));
    let wire = Wire {
        message: json!({"role": "assistant", "content": null, "tool_calls": [custom, function]}),
        logprobs: Value::Null,
        deltas: deltas.into_iter().map(|delta| (delta, Value::Null)).collect(),
        items,
        events,
        reason: "tool_calls",
    };
    let expected = [ToolCall::custom("call_1", "note", input), ToolCall::new("call_2", "now", "{}")];
    for (way, response) in wire.read().await {
        assert_eq!(response.tool_calls, expected, "{way}");
        let calls = response.items.iter().filter_map(|item| match &item.content {
            ItemContent::ToolCall(item) => Some(&item.call),
            _ => None,
        });
        assert_eq!(calls.cloned().collect::<Vec<_>>(), expected, "{way}");
    }
}

fn note() -> CustomTool {
    CustomTool::new("note", "Takes a note").with_grammar(GrammarSyntax::Regex, "[a-z]+")
}

#[test]
fn tools_and_their_choices_are_sent() {
    let allowed = |required| ToolChoice::Allowed {
        tools: ["now", "note"].map(|name| AllowedTool::Tool { name: name.to_owned() }).into(),
        required,
    };
    for choice in [
        ToolChoice::tool("note"),
        ToolChoice::tool("now"),
        ToolChoice::Required,
        ToolChoice::None,
        allowed(false),
        allowed(true),
    ] {
        let request = CompletionRequest::user("Hi")
            .with_tool(note())
            .with_tool(CustomTool::new("plain", ""))
            .with_tool(tool().with_strict(false))
            .with_tool_choice(choice.clone());
        let [chat, responses] = BOTH.map(|api| body(api, &request));
        assert_eq!(flat(&chat["tool_choice"]), responses["tool_choice"], "{choice:?}");
        assert_eq!(flat(&chat["tools"]), responses["tools"], "{choice:?}");
    }
}

/// Only one API has hosted tools: the other refuses them before sending, in the tools and in the choice.
#[test]
fn hosted_tools_are_not_dropped() {
    let tool_alone = CompletionRequest::user("Hi").with_tool(HostedTool::new("web_search"));
    let choice = tool_alone.clone().with_tool_choice(ToolChoice::Hosted(HostedTool::new("web_search")));
    for request in [tool_alone, choice] {
        assert_eq!(body(Api::Responses, &request)["tools"], json!([{"type": "web_search"}]));
        let config = CodexBackendConfig::new("k").with_api(Api::ChatCompletions);
        let error = CodexBackend::new(config).unwrap().preview(&request).unwrap_err();
        assert!(error.to_string().contains("web_search"), "{error}");
    }
}

#[test]
fn files_and_cache_fields_are_sent() {
    let parts = vec![
        ContentPart::text("What is this?").with_cache_breakpoint(),
        ContentPart::file_base64("application/pdf", "JVBERi0xLjQK").with_name("a.pdf"),
        ContentPart::file_base64("application/pdf", "JVBERi0xLjQK").with_cache_breakpoint(),
        ContentPart::file_id("file-1"),
        ContentPart::image_base64("image/png", "iVBORw0KGgo=").with_cache_breakpoint(),
        ContentPart::image_url("https://example.org/a.png").with_extra("mark", 1),
    ];
    let count = parts.len();
    let request = CompletionRequest::new(vec![Message::user(parts)])
        .with_prompt_cache_key("run-1")
        .with_prompt_cache(PromptCache::default().with_mode(PromptCacheMode::Explicit).with_ttl("30m"))
        .with_safety_identifier("user-1");
    let [chat, responses] = BOTH.map(|api| body(api, &request));
    for field in ["prompt_cache_key", "prompt_cache_options", "safety_identifier"] {
        assert!(!chat[field].is_null(), "{field}");
        assert_eq!(chat[field], responses[field], "{field}");
    }
    let chat = chat["messages"][0]["content"].as_array().unwrap();
    let chat: Vec<Value> = chat.iter().map(responses_part).collect();
    assert_eq!(chat.len(), count);
    assert_eq!(Value::Array(chat), responses["input"][0]["content"]);
}

/// A part of Chat Completions as the Responses API has it.
fn responses_part(part: &Value) -> Value {
    let mut part = flat(part);
    let fields = part.as_object_mut().unwrap();
    let kind = match fields["type"].as_str().unwrap() {
        "image_url" => {
            let url = fields.remove("url").unwrap();
            fields.insert("image_url".to_owned(), url);
            fields.entry("detail").or_insert(json!("auto"));
            "input_image"
        }
        "file" => "input_file",
        _ => "input_text",
    };
    fields.insert("type".to_owned(), kind.into());
    part
}

/// A server that has only functions gets a function in the place of a custom tool, and its calls are those of the custom tool again,
/// also in the next request.
#[tokio::test]
async fn custom_tools_go_as_functions_to_other_servers() {
    let arguments = r#"{"input":"say \"hi\""}"#;
    let call = json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "note", "arguments": arguments}});
    let item = json!({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "note", "arguments": arguments});
    let wire = Wire {
        message: json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        logprobs: Value::Null,
        deltas: vec![(json!({"tool_calls": [call]}), Value::Null)],
        events: vec![
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "fc_1", "type": "function_call",
                "call_id": "call_1", "name": "note", "arguments": ""}}),
            json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc_1", "delta": arguments}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        ],
        items: vec![item],
        reason: "tool_calls",
    };
    for (api, stream) in BOTH.into_iter().flat_map(|api| [(api, false), (api, true)]) {
        let way = format!("{api:?}, streamed: {stream}");
        let kind = if stream { "text/event-stream" } else { "application/json" };
        let response = server::http(200, kind, wire.body(api, stream).as_bytes());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let responses = Arc::new(Mutex::new(VecDeque::from([response])));
        let url = server::start_recording(responses, Arc::clone(&bodies)).await;
        let config = CodexBackendConfig::new("k").with_base_url(url).with_api(api).with_max_retries(0);
        let backend = CodexBackend::new(config).unwrap();
        let request =
            CompletionRequest::user("Hi").with_tool(note()).with_tool_choice(ToolChoice::tool("note"));
        let read = super::complete(&backend, request.clone(), stream).await.unwrap();
        assert_eq!(read.tool_calls, [ToolCall::custom("call_1", "note", "say \"hi\"")], "{way}");
        assert_eq!(read.tool_calls[0].kind, ToolCallKind::Custom, "{way}");

        let sent: Value = serde_json::from_slice(&bodies.lock().unwrap()[0]).unwrap();
        let sent_tool = flat(&sent["tools"][0]);
        assert_eq!((&sent_tool["type"], &sent_tool["name"]), (&json!("function"), &json!("note")), "{way}");
        assert_eq!(sent_tool["parameters"]["required"], json!(["input"]), "{way}");
        assert!(sent_tool["description"].as_str().unwrap().contains("[a-z]+"), "{way}: {sent_tool}");
        assert_eq!(flat(&sent["tool_choice"]), json!({"type": "function", "name": "note"}), "{way}");

        let next =
            request.with_message(read.to_message()).with_message(Message::tool_result("call_1", "noted"));
        let next = backend.preview(&next).unwrap().body;
        let (sent_call, result) = match api {
            Api::Responses => (next["input"][1].clone(), next["input"][2].clone()),
            _ => (flat(&next["messages"][1]["tool_calls"][0]), next["messages"][2].clone()),
        };
        assert_eq!(
            (&sent_call["name"], &sent_call["arguments"]),
            (&json!("note"), &json!(arguments)),
            "{way}: {next}"
        );
        let is_result = [("type", "function_call_output"), ("role", "tool")]
            .iter()
            .any(|(field, name)| result[field] == *name);
        assert!(is_result, "{way}: {next}");
    }
}

/// What a server wants back is in the next request to it, and in none to another server, account or model, nor over the other API.
#[tokio::test]
async fn state_goes_back_to_its_origin_alone() {
    let signature = json!({"google": {"thought_signature": "OPAQUE"}});
    let call = json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"},
        "extra_content": signature});
    let items = vec![
        json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "OPAQUE"}),
        json!({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "now", "arguments": "{}"}),
    ];
    let done = |(at, item): (usize, &Value)| json!({"type": "response.output_item.done", "output_index": at, "item": item});
    let wire = Wire {
        message: json!({"role": "assistant", "content": null, "reasoning_content": "OPAQUE", "tool_calls": [call]}),
        logprobs: Value::Null,
        deltas: vec![
            (json!({"reasoning_content": "OPA"}), Value::Null),
            (json!({"reasoning_content": "QUE"}), Value::Null),
            (json!({"tool_calls": [call]}), Value::Null),
        ],
        events: items.iter().enumerate().map(done).collect(),
        items,
        reason: "tool_calls",
    };
    for (api, stream) in BOTH.into_iter().flat_map(|api| [(api, false), (api, true)]) {
        let kind = if stream { "text/event-stream" } else { "application/json" };
        let url = server::start(server::http(200, kind, wire.body(api, stream).as_bytes())).await;
        let backend = |api: Api, url: &str, key: &str, model: &str| {
            let config = CodexBackendConfig::new(key).with_base_url(url).with_api(api).with_model(model);
            CodexBackend::new(config.with_max_retries(0)).unwrap()
        };
        let request = CompletionRequest::user("Hi").with_tool(tool());
        let home = backend(api, &url, "k1", "m1");
        let turn = super::complete(&home, request.clone(), stream).await.unwrap().to_message();
        let next = request.with_message(turn).with_message(Message::tool_result("call_1", "noon"));
        let sent = |backend: &CodexBackend| backend.preview(&next).unwrap().body.to_string();
        let pieces = sent(&home).matches("OPAQUE").count();
        // Chat Completions has both the reasoning and the signature of the call.
        let expected = if api == Api::Responses { 1 } else { 2 };
        assert_eq!(pieces, expected, "{api:?}, {stream}: {}", sent(&home));
        let [chat, responses] = BOTH;
        let other_api = if api == chat { responses } else { chat };
        for other in [
            backend(api, "http://localhost:1/v1", "k1", "m1"),
            backend(api, &url, "k2", "m1"),
            backend(api, &url, "k1", "m2"),
            backend(other_api, &url, "k1", "m1"),
        ] {
            let sent = sent(&other);
            assert!(!sent.contains("OPAQUE") && sent.contains("call_1"), "{api:?}, {stream}: {sent}");
        }
    }
}
