//! One turn over Chat Completions and over the Responses API, whole and streamed: the caller gets the same.

mod kinds;
mod turn;

use futures::StreamExt;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError};
use tachikoma_backends_core::{
    Backend, CollectingStream, CompletionRequest, CompletionResponse, ErrorCategory, ItemContent, Message,
    ReasoningItem, ToolDefinition, ToolParameters, Usage,
};

use self::turn::{Turn, chat_usage, responses_usage, sse};
use crate::server;

const BOTH: [Api; 2] = [Api::ChatCompletions, Api::Responses];

fn tool() -> ToolDefinition {
    ToolDefinition::new("now", "The time", ToolParameters::new())
}

/// Sends a request to a server that always returns this response.
async fn send(api: Api, response: Vec<u8>, stream: bool) -> Result<CompletionResponse, Box<CodexError>> {
    let url = server::start(response).await;
    let config = CodexBackendConfig::new("k").with_base_url(url).with_api(api).with_max_retries(0);
    let backend = CodexBackend::new(config).unwrap();
    let request = CompletionRequest::new(vec![Message::user("Hi")]).with_tools([tool()]);
    assert_eq!(Api::from(backend.api_for(&request).api), api);
    complete(&backend, request, stream).await
}

/// The response, whole or collected from a stream, which must have one end.
async fn complete(
    backend: &CodexBackend,
    request: CompletionRequest,
    stream: bool,
) -> Result<CompletionResponse, Box<CodexError>> {
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
async fn the_same_response_arrives() {
    let call = ("now", r#"{"zone":"UTC"}"#);
    let turns = [
        Turn { text: "Hello, wörld 😀.", ..Turn::default() },
        Turn { reasoning: "Let me think.", text: "42.", ..Turn::default() },
        Turn { refusal: "I cannot help with that.", ..Turn::default() },
        Turn { calls: &[("now", r#"{"zone":"UTC"}"#)], ..Turn::default() },
        Turn { calls: &[("now", "{}"), ("now", r#"{"zone":"UTC"}"#)], ..Turn::default() },
        Turn { reasoning: "Hm.", text: "Let me look.", calls: &[("now", "{}")], ..Turn::default() },
        Turn { text: "Once upon a", cut: Some("length"), ..Turn::default() },
        Turn { text: "I", cut: Some("content_filter"), ..Turn::default() },
        Turn { calls: &[("now", r#"{"zone":"UT"#)], cut: Some("length"), ..Turn::default() },
        Turn { calls: &[("now", "{}"), ("now", r#"{"zo"#)], cut: Some("length"), ..Turn::default() },
        Turn::default(),
    ];
    assert_eq!(turns[3].calls, [call]);
    for turn in turns {
        for (api, stream) in BOTH.into_iter().flat_map(|api| [(api, false), (api, true)]) {
            let kind = if stream { "text/event-stream" } else { "application/json" };
            let response = server::http(200, kind, turn.body(api, stream).as_bytes());
            let mut read = send(api, response, stream).await.unwrap();
            assert!(read.id.is_some() && read.request_id.is_some(), "{read:?}");
            // Ids differ by API, and only one of them needs its state back.
            (read.id, read.request_id, read.provider_state) = (None, None, None);
            for item in &mut read.items {
                (item.id, item.status) = (None, None);
                // One API has the reasoning as a summary.
                if let ItemContent::Reasoning(reasoning) = &mut item.content {
                    *reasoning = ReasoningItem::new(format!("{}{}", reasoning.summary, reasoning.text));
                }
            }
            assert_eq!(read, turn.expected(api), "{api:?}, streamed: {stream}");
        }
    }
}

/// Whole and streamed, under every name and of any type.
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
        for (api, stream) in BOTH.into_iter().flat_map(|api| [(api, false), (api, true)]) {
            let found = usage_with(api, stream, &details, "cache_creation_input_tokens", &beside).await;
            assert_eq!(found.cache_write_tokens, expected, "{api:?}, {stream}: {details} {beside}");
            assert_eq!((found.prompt_tokens, found.completion_tokens), (20, 9));
        }
    }
}

/// Whole and streamed, within the details and under the names that servers have beside them.
#[tokio::test]
async fn reads_from_the_cache_are_counted_over_both_apis() {
    for (details, name, beside, expected) in [
        (json!({"cached_tokens": 6}), "cached_tokens", Value::Null, Some(6)),
        (json!({"cached_tokens": 0}), "prompt_cache_hit_tokens", json!(6), Some(0)),
        (json!({"cached_tokens": null}), "cached_tokens", json!(6), Some(6)),
        (json!({}), "prompt_cache_hit_tokens", json!(6), Some(6)),
        (Value::Null, "num_cached_tokens", json!(6.0), Some(6)),
        (Value::Null, "cache_read_input_tokens", json!("6"), Some(6)),
        (Value::Null, "cache_read_input_tokens", json!(-6), None),
        (Value::Null, "prompt_cache_miss_tokens", json!(6), None),
    ] {
        for (api, stream) in BOTH.into_iter().flat_map(|api| [(api, false), (api, true)]) {
            let found = usage_with(api, stream, &details, name, &beside).await;
            assert_eq!(found.cached_tokens, expected, "{api:?}, {stream}: {details} {name}: {beside}");
            assert_eq!((found.prompt_tokens, found.completion_tokens), (20, 9));
        }
    }
}

/// The usage of a turn where the server sends these details of the input, and this field beside them.
async fn usage_with(api: Api, stream: bool, details: &Value, name: &str, beside: &Value) -> Usage {
    let (usual, of_input) = match api {
        Api::ChatCompletions => (chat_usage(), "prompt_tokens_details"),
        _ => (responses_usage(), "input_tokens_details"),
    };
    let mut usage = usual.clone();
    usage[of_input] = details.clone();
    usage[name] = beside.clone();
    let body = Turn { text: "Hi", ..Turn::default() }.body(api, stream);
    let body = body.replace(&usual.to_string(), &usage.to_string());
    let kind = if stream { "text/event-stream" } else { "application/json" };
    let read = send(api, server::http(200, kind, body.as_bytes()), stream).await.unwrap();
    read.usage.unwrap()
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
            let rejected = server::http(status, "application/json", error.to_string().as_bytes());
            let inside = server::http(200, "application/json", error.to_string().as_bytes());
            let event = server::http(200, "text/event-stream", sse([error.clone()]).as_bytes());
            for (response, stream) in
                [(&rejected, false), (&rejected, true), (&inside, false), (&inside, true), (&event, true)]
            {
                same(
                    send(api, response.clone(), stream).await,
                    category,
                    &format!("{code}, {api:?}, {stream}"),
                );
            }
        }
    }
    for api in BOTH {
        let body = Turn { text: "Hello, world", ..Turn::default() }.body(api, true);
        let half: String = body.split_inclusive("\n\n").take(3).collect();
        let cut = server::http(200, "text/event-stream", half.as_bytes());
        same(send(api, cut, true).await, ErrorCategory::TruncatedStream, "cut");
        let broken = server::cut(server::http(200, "text/event-stream", body.as_bytes()), body.len() / 2);
        same(send(api, broken, true).await, ErrorCategory::Network, "broken");
    }
}

/// A turn can be sent back over either API; the state of the Responses API goes only to the server and model that sent it.
#[tokio::test]
async fn a_turn_goes_to_every_other_model_api_and_server() {
    let turn = Turn { reasoning: "Hm.", calls: &[("now", "{}")], ..Turn::default() };
    let mut servers = Vec::new();
    for api in BOTH {
        let url =
            server::start(server::http(200, "application/json", turn.body(api, false).as_bytes())).await;
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
            // A changed turn is sent as changed, without the state.
            let mut changed = turn.clone();
            changed.tool_calls[0].arguments = r#"{"zone":"removed"}"#.to_owned();
            let sent = body(changed);
            assert!(sent.contains("removed") && !sent.contains("encrypted_content\":\"g\""), "{sent}");
        }
    }
    assert_eq!(states, 4, "the state of each place goes back to it");
}

/// Through the trait, the backend chooses the API.
#[tokio::test]
async fn other_servers_are_called_over_chat_completions() {
    let turn = Turn { text: "Hi", ..Turn::default() };
    let url = server::start(server::http(200, "application/json", turn.chat().as_bytes())).await;
    let backend = CodexBackend::new(CodexBackendConfig::new("k").with_base_url(url)).unwrap();
    let response = backend.complete(CompletionRequest::new(vec![Message::user("Hi")])).await.unwrap();
    assert_eq!(response.content.as_deref(), Some("Hi"));
}
