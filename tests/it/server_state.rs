//! Conversations that the server stores: over HTTP, and over WebSockets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, WebSocket};
use tachikoma_backends_core::{
    CollectingStream, CompletionRequest, CompletionResponse, ErrorCategory, Message, ToolDefinition,
    ToolParameters,
};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::server;

fn config(url: impl Into<String>) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test")
        .with_base_url(url)
        .with_model("gpt-5.6-terra")
        .with_api(Api::Responses)
        .with_server_state(true)
        .with_max_retries(0)
}

async fn mock() -> MockServer {
    MockServer::builder().start().await.unwrap()
}

/// The response, whole or streamed.
async fn respond(
    backend: &CodexBackend,
    request: CompletionRequest,
    is_streamed: bool,
) -> CompletionResponse {
    if !is_streamed {
        return backend.try_complete(request).await.unwrap();
    }
    let stream = backend.try_complete_stream(request).await.unwrap();
    let stream = stream.map(|item| item.map_err(Into::into));
    CollectingStream::new(Box::pin(stream)).collect().await.unwrap()
}

fn bodies(server: &MockServer) -> Vec<Value> {
    server.requests().into_iter().filter_map(|request| request.body).collect()
}

fn input_items(body: &Value) -> usize {
    body["input"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_agent_sends_only_what_is_new() {
    const STEPS: usize = 20;
    for (websocket, is_streamed) in [
        (WebSocket::Off, false),
        (WebSocket::Off, true),
        (WebSocket::Always, false),
        (WebSocket::Always, true),
    ] {
        let server = mock().await;
        let backend = CodexBackend::new(config(server.base_url()).with_websocket(websocket)).unwrap();
        let tools = vec![ToolDefinition::new("read", "Reads a file", ToolParameters::new())];
        let mut messages = vec![Message::system("Be brief."), Message::user("Read all files.")];
        for step in 0..STEPS {
            server.push_reply(Reply::tool_calls([("read", json!({"path": step}))]));
            let request = CompletionRequest::new(messages.clone()).with_tools(tools.clone());
            let response = respond(&backend, request, is_streamed).await;
            messages.push(response.to_message());
            messages.push(Message::tool_result(&response.tool_calls[0].id, "line\n".repeat(400)));
        }
        let bodies = bodies(&server);
        assert_eq!(bodies.len(), STEPS);
        for (step, body) in bodies.iter().enumerate() {
            assert_eq!(body["store"], true);
            assert_eq!(body.get("previous_response_id").is_some(), step > 0, "{body}");
            assert_eq!(input_items(body), if step == 0 { 2 } else { 1 }, "{body}");
        }
    }
}

/// The caller's messages decide; the state of the server is used only where it is the same.
#[tokio::test]
async fn what_changed_is_sent_as_a_whole() {
    let server = mock().await;
    let backend = CodexBackend::new(config(server.base_url())).unwrap();
    let first = vec![Message::user("a")];
    let response = respond(&backend, CompletionRequest::new(first.clone()), false).await;
    let continued = [first, vec![response.to_message(), Message::user("b")]].concat();
    let edited = [vec![Message::user("other")], continued[1..].to_vec()].concat();
    let mut rewritten = continued.clone();
    rewritten[1].content = "A text that the model did not write".into();
    let new = || CompletionRequest::new(continued.clone());
    // The last one replaces the response that the others continue.
    for (request, items, store) in [
        (CompletionRequest::new(edited), 3, json!(true)),
        (CompletionRequest::new(rewritten), 3, json!(true)),
        (new().with_temperature(0.5), 3, json!(true)),
        (new().with_store(false), 3, json!(false)),
        (new().with_extra("store", false), 3, json!(false)),
        (new(), 1, json!(true)),
    ] {
        respond(&backend, request, false).await;
        let body = bodies(&server).pop().unwrap();
        assert_eq!((input_items(&body), &body["store"]), (items, &store), "{body}");
        assert_eq!(body.get("previous_response_id").is_some(), items == 1, "{body}");
    }
    // Chat Completions has no such state.
    let backend = CodexBackend::new(config(server.base_url()).with_api(Api::ChatCompletions)).unwrap();
    respond(&backend, CompletionRequest::new(continued.clone()), false).await;
    assert!(bodies(&server).pop().unwrap().get("store").is_none());
}

/// Another connection, another transport, a fork: the store is that of the server.
#[tokio::test]
async fn the_state_outlives_a_connection() {
    let server = mock().await;
    let backend = CodexBackend::new(config(server.base_url()).with_websocket(WebSocket::Always)).unwrap();
    let mut messages = vec![Message::user("a")];
    for step in 0..4 {
        // The upgrade is refused once the first connection has gone.
        if step == 2 {
            server.push_fault("truncate=1,times=1".parse().unwrap());
            let request = CompletionRequest::new([messages.clone(), vec![Message::user("lost")]].concat());
            let stream = backend.try_complete_stream(request).await.unwrap();
            assert!(stream.collect::<Vec<_>>().await.pop().unwrap().is_err());
        }
        let response = respond(&backend, CompletionRequest::new(messages.clone()), step % 2 == 0).await;
        let body = bodies(&server).pop().unwrap();
        assert_eq!(input_items(&body), 1, "{body}");
        messages.extend([response.to_message(), Message::user("b")]);
    }
    assert_eq!(server.counters().opened_websockets, 2);
}

/// A server that has lost a response gets the whole conversation. After that has happened twice in a row it gets it at once.
#[tokio::test]
async fn a_lost_response_is_repaired() {
    let server = mock().await;
    let backend = CodexBackend::new(config(server.base_url())).unwrap();
    let mut messages = vec![Message::user("a")];
    let mut sent = Vec::new();
    for step in 0..6 {
        if step > 0 {
            server.push_fault("previous-not-found,times=1".parse().unwrap());
        }
        let before = bodies(&server).len();
        let response = respond(&backend, CompletionRequest::new(messages.clone()), step % 2 == 0).await;
        let bodies = bodies(&server).split_off(before);
        assert_eq!(input_items(bodies.last().unwrap()), messages.len());
        sent.push(bodies.len());
        messages.extend([response.to_message(), Message::user("b")]);
    }
    assert_eq!(sent, [1, 2, 2, 1, 1, 1]);
    assert_eq!(server.counters().billed_requests, 6);
}

/// Servers that store nothing, that say they do and do not know `previous_response_id`, and that reject it: none answers a part of
/// the conversation unnoticed.
#[tokio::test]
async fn servers_without_a_store_get_the_whole_conversation() {
    let response = |fields: Value| {
        let content = json!([{"type": "output_text", "text": "Yes"}]);
        let output = json!([{"type": "message", "content": content}]);
        let mut response = json!({"id": "resp_1", "status": "completed", "output": output});
        response.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        server::http(200, "application/json", response.to_string().as_bytes())
    };
    let plain = response(json!({}));
    let denying = response(json!({"store": false}));
    let claiming = response(json!({"store": true, "previous_response_id": null}));
    let message = json!({"error": {"message": "previous_response_id is not supported"}});
    let rejected = server::http(400, "application/json", message.to_string().as_bytes());
    // The responses in turn, and how many messages the requests have that they answer.
    for (responses, items, errors) in [
        (vec![plain], vec![1, 3, 5, 7], 0),
        (vec![denying], vec![1, 3, 5, 7], 0),
        (vec![claiming.clone()], vec![1, 1, 3, 5], 1),
        (
            vec![claiming.clone(), rejected.clone(), claiming.clone(), rejected, claiming],
            vec![1, 1, 3, 1, 5, 7],
            0,
        ),
    ] {
        let received = Arc::new(Mutex::new(Vec::new()));
        let responses = Arc::new(Mutex::new(VecDeque::from(responses)));
        let url = server::start_recording(responses, Arc::clone(&received)).await;
        let backend = CodexBackend::new(config(url)).unwrap();
        let mut messages = vec![Message::user("a")];
        let mut found = 0;
        for _ in 0..4 {
            match backend.try_complete(CompletionRequest::new(messages.clone())).await {
                Ok(response) => messages.extend([response.to_message(), Message::user("b")]),
                Err(error) => {
                    assert_eq!(error.category(), ErrorCategory::Parse, "{error}");
                    assert!(error.to_string().contains("a part of the conversation"), "{error}");
                    found += 1;
                }
            }
        }
        let received: Vec<Value> =
            received.lock().unwrap().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
        let sent: Vec<_> = received.iter().map(input_items).collect();
        assert_eq!((sent, found), (items, errors));
    }
}
