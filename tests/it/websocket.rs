//! The Responses API over WebSocket, against HTTP.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventsource_stream::Eventsource;
use futures::{SinkExt, StreamExt, stream};
use proptest::prelude::*;
use serde_json::json;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, InputLimit, WebSocket};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionChunk, CompletionRequest, CompletionResponse,
    ErrorCategory, Message, ToolDefinition, ToolParameters,
};
use tachikoma_openai_mock::{Fault, MockServer, Reply};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

use crate::server;

const MODEL: &str = "gpt-5.6-terra";

fn config(server: &MockServer, websocket: WebSocket) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test")
        .with_base_url(server.base_url())
        .with_model(MODEL)
        .with_api(Api::Responses)
        .with_websocket(websocket)
        .with_max_retries(1)
        .with_min_retry_wait(Duration::from_millis(1))
}

fn backend(server: &MockServer, websocket: WebSocket) -> Arc<dyn Backend> {
    Arc::new(CodexBackend::new(config(server, websocket)).unwrap())
}

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
enum Sending {
    Http,
    WebSocket,
    /// Over HTTP, with the conversation in the store of the server.
    ServerState,
    /// Over a WebSocket, with the conversation in the store of the server.
    WebSocketWithServerState,
}

const SENDINGS: [Sending; 4] =
    [Sending::Http, Sending::WebSocket, Sending::ServerState, Sending::WebSocketWithServerState];

impl Sending {
    fn backend(self, server: &MockServer) -> Arc<dyn Backend> {
        let is_websocket = matches!(self, Self::WebSocket | Self::WebSocketWithServerState);
        let websocket = if is_websocket { WebSocket::Always } else { WebSocket::Off };
        let has_state = matches!(self, Self::ServerState | Self::WebSocketWithServerState);
        Arc::new(CodexBackend::new(config(server, websocket).with_server_state(has_state)).unwrap())
    }
}

async fn mock() -> MockServer {
    MockServer::builder().start().await.unwrap()
}

fn tools() -> Vec<ToolDefinition> {
    vec![ToolDefinition::new("read", "Reads a file", ToolParameters::new())]
}

fn request(messages: Vec<Message>) -> CompletionRequest {
    CompletionRequest::new(messages).with_tools(tools())
}

fn last_body(server: &MockServer) -> serde_json::Value {
    server.requests().pop().unwrap().body.unwrap()
}

/// What does not depend on how a request was sent.
fn outcome(
    result: Result<CompletionResponse, BackendError>,
) -> Result<(Option<String>, Vec<String>), String> {
    match result {
        Ok(response) => {
            let calls = response.tool_calls.iter().map(|call| format!("{} {}", call.name, call.arguments));
            Ok((response.content.clone(), calls.collect()))
        }
        Err(error) => Err(format!("{:?} {:?}", error.category(), error.details().status)),
    }
}

#[tokio::test]
async fn an_agent_sends_only_what_is_new() {
    const STEPS: usize = 40;
    let mut bytes = Vec::new();
    for websocket in [WebSocket::Off, WebSocket::Always] {
        let server = mock().await;
        let backend = backend(&server, websocket);
        let mut messages = vec![Message::system("Be brief."), Message::user("Read all files. ".repeat(20))];
        for step in 0..STEPS {
            server.push_reply(Reply::tool_calls([("read", json!({"path": step}))]));
            let response = backend.complete(request(messages.clone())).await.unwrap();
            assert_eq!(response.tool_calls.len(), 1);
            messages.push(response.to_message());
            messages.push(Message::tool_result(&response.tool_calls[0].id, "line\n".repeat(400)));
        }
        let counters = server.counters();
        assert_eq!(counters.billed_requests, STEPS as u64);
        assert_eq!(counters.opened_websockets, u64::from(websocket != WebSocket::Off));
        bytes.push(counters.http_bytes + counters.websocket_bytes);
    }
    assert!(bytes[1] * 10 < bytes[0], "{bytes:?}");
}

#[tokio::test]
async fn what_changed_is_sent_as_a_whole() {
    let server = mock().await;
    let backend = backend(&server, WebSocket::Always);
    let first = vec![Message::user("a")];
    server.push_reply(Reply::text("b"));
    let response = backend.complete(request(first.clone())).await.unwrap();
    let continued = [first.clone(), vec![response.to_message(), Message::user("b")]].concat();
    let edited = [vec![Message::user("other")], continued[1..].to_vec()].concat();
    let mut rewritten = continued.clone();
    rewritten[1].content = "A text that the model did not write".into();
    let inputs = [
        (request(continued.clone()), 1),
        (request(edited), 3),
        (request(rewritten), 3),
        (request(continued.clone()).with_temperature(0.5), 3),
        (request(continued.clone()).with_user("someone"), 3),
        (CompletionRequest::new(continued), 3),
    ];
    for (request, items) in inputs {
        server.push_reply(Reply::text("b"));
        let before = backend.complete(self::request(first.clone())).await.unwrap();
        assert_eq!(before.content.as_deref(), Some("b"));
        backend.complete(request).await.unwrap();
        let body = last_body(&server);
        assert_eq!(body["input"].as_array().unwrap().len(), items, "{body}");
        assert_eq!(body.get("previous_response_id").is_some(), items == 1, "{body}");
    }
}

/// Each fault once and three times, streamed and whole, sent in every way: the outcome of plain HTTP, and no turn is billed twice.
#[tokio::test]
async fn faults_have_the_outcome_of_http() {
    for fault in [
        "refuse=400", "refuse=403", "refuse=404", "refuse=405", "refuse=426", "refuse=200", "status=429",
        "status=500", "status=401", "status=400", "connection-limit=0", "previous-not-found", "truncate=1",
        "truncate=3", "error=2", "busy", "split=1",
    ] {
        for (times, is_streamed) in [(1, false), (1, true), (3, true)] {
            let mut found = Vec::new();
            for sending in SENDINGS {
                let server = mock().await;
                let backend = sending.backend(&server);
                let mut messages = vec![Message::user("Hello")];
                let response = backend.complete(request(messages.clone())).await.unwrap();
                messages.extend([response.to_message(), Message::user("And more")]);
                server.push_fault(format!("{fault},times={times}").parse::<Fault>().unwrap());
                let before = server.counters().billed_requests;
                let result = if is_streamed {
                    match backend.complete_stream(request(messages.clone())).await {
                        Ok(stream) => CollectingStream::new(stream).collect().await.map_err(Into::into),
                        Err(error) => Err(error),
                    }
                } else {
                    backend.complete(request(messages)).await
                };
                let billed = server.counters().billed_requests - before;
                assert!(billed <= 1, "{fault}: {billed} requests were billed over {sending:?}");
                found.push(outcome(result));
            }
            let (http, others) = found.split_first().unwrap();
            for (other, sending) in others.iter().zip(&SENDINGS[1..]) {
                assert_eq!(http.is_ok(), other.is_ok(), "{fault},times={times},{sending:?}: {found:?}");
                if http.is_ok() {
                    assert_eq!(http, other, "{fault}");
                }
            }
        }
    }
}

/// A server that has a request and sends nothing may be generating: the request is not sent again.
#[tokio::test]
async fn a_request_without_a_response_is_sent_once() {
    let server = mock().await;
    let config = CodexBackendConfig::new("sk-test")
        .with_base_url(server.base_url())
        .with_model(MODEL)
        .with_api(Api::Responses)
        .with_websocket(WebSocket::Always)
        .with_response_timeout(Duration::from_millis(300))
        .with_max_retries(0);
    let backend = CodexBackend::new(config).unwrap();
    for is_reused in [false, true] {
        if is_reused {
            backend.complete(request(vec![Message::user("a")])).await.unwrap();
        }
        let sent = server.requests().len();
        server.push_fault("stall=0,times=1".parse().unwrap());
        let error = backend.complete(request(vec![Message::user("a")])).await.unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Timeout, "{error}");
        let requests = server.requests().split_off(sent);
        assert_eq!(requests.iter().filter(|request| request.method != "GET").count(), 1, "{requests:?}");
    }
}

/// The limit on the input holds for the whole conversation, of which only the rest is sent.
#[tokio::test]
async fn a_continued_conversation_may_become_too_long() {
    let server = mock().await;
    let config = CodexBackendConfig::new("sk-test")
        .with_base_url(server.base_url())
        .with_model("gpt-4")
        .with_api(Api::Responses)
        .with_websocket(WebSocket::Always)
        .with_input_limit(InputLimit::Refuse);
    let backend = CodexBackend::new(config).unwrap();
    let part = "word ".repeat(5_000);
    let mut messages = vec![Message::user(part.clone())];
    let response = backend.complete(CompletionRequest::new(messages.clone())).await.unwrap();
    messages.extend([response.to_message(), Message::user(part)]);
    let sent = server.requests().len();
    let error = backend.complete(CompletionRequest::new(messages)).await.unwrap_err();
    assert_eq!((error.category(), server.requests().len()), (ErrorCategory::ContextLength, sent), "{error}");
}

#[tokio::test]
async fn a_dropped_stream_leaves_nothing_to_the_next() {
    let server = mock().await;
    let backend = backend(&server, WebSocket::Always);
    for round in 0..20 {
        server.push_reply(Reply::text("never ".repeat(50)));
        let mut stream = backend.complete_stream(request(vec![Message::user("a")])).await.unwrap();
        for _ in 0..round % 4 {
            stream.next().await.unwrap().unwrap();
        }
        drop(stream);
        server.push_reply(Reply::text(format!("answer {round}")));
        let response = backend.complete(request(vec![Message::user("b")])).await.unwrap();
        assert_eq!(response.content, Some(format!("answer {round}")));
    }
    drop(backend);
    server.open_websockets().wait_for(|open| *open == 0).await.unwrap();
}

/// Requests of a backend share a connection, up to its limits.
#[tokio::test]
async fn parallel_streams_share_a_connection() {
    let server = mock().await;
    let backend = backend(&server, WebSocket::Always);
    let open = |number: usize| backend.complete_stream(CompletionRequest::user(format!("Say {number}")));
    let streams = futures::future::join_all((0..16).map(open)).await;
    let mut streams: Vec<_> = streams.into_iter().map(|stream| Some(stream.unwrap())).collect();
    assert_eq!(server.counters().opened_websockets, 1);
    streams.push(Some(open(16).await.unwrap()));
    assert_eq!(server.counters().opened_websockets, 2);
    // A dropped stream ends alone.
    for number in [0, 7, 15] {
        streams[number] = None;
    }
    let plain = self::backend(&server, WebSocket::Off);
    for (number, stream) in streams.into_iter().enumerate() {
        let Some(stream) = stream else { continue };
        let response = CollectingStream::new(stream).collect().await.unwrap();
        let expected = plain.complete(CompletionRequest::user(format!("Say {number}"))).await.unwrap();
        assert_eq!(response.content, expected.content);
    }
    assert_eq!(server.counters().opened_websockets, 2);
}

/// A connection remembers a conversation on each lane; further ones go to another connection.
#[tokio::test]
async fn conversations_have_lanes() {
    const CONVERSATIONS: usize = 40;
    let server = mock().await;
    let backend = backend(&server, WebSocket::Always);
    let mut conversations = Vec::new();
    for number in 0..CONVERSATIONS {
        let messages = vec![Message::user(format!("Say {number}"))];
        let response = backend.complete(CompletionRequest::new(messages.clone())).await.unwrap();
        conversations.push([messages, vec![response.to_message(), Message::user("More")]].concat());
    }
    assert_eq!(server.counters().opened_websockets, 2);
    for messages in conversations {
        backend.complete(CompletionRequest::new(messages)).await.unwrap();
        let body = last_body(&server);
        assert_eq!(body["input"].as_array().unwrap().len(), 1, "{body}");
        assert!(body["previous_response_id"].is_string(), "{body}");
    }
    assert_eq!(server.counters().opened_websockets, 2);
}

/// Subagents begin with the same conversation, each on a lane of its own.
#[tokio::test]
async fn a_conversation_is_forked() {
    let server = mock().await;
    let config = config(&server, WebSocket::Always);
    let backend = CodexBackend::new(config).unwrap();
    let system = vec![Message::system("You are a helpful assistant. ".repeat(10))];
    assert!(backend.warm_up(&CompletionRequest::new(system.clone())).await.unwrap());
    let with = |messages: &[Message], number: usize| {
        CompletionRequest::new([messages, &[Message::user(format!("Say {number}"))]].concat())
    };
    let responses =
        futures::future::join_all((0..10).map(|number| backend.complete(with(&system, number)))).await;
    let response = responses.into_iter().next().unwrap().unwrap();
    let known = [system, vec![Message::user("Say 0"), response.to_message()]].concat();
    for result in
        futures::future::join_all((0..10).map(|number| backend.complete(with(&known, number)))).await
    {
        result.unwrap();
    }
    let sent: Vec<_> = server.requests().into_iter().filter_map(|request| request.body).skip(1).collect();
    assert_eq!(sent.len(), 20);
    for body in &sent {
        assert!(
            body["previous_response_id"].is_string() && body["input"].as_array().unwrap().len() == 1,
            "{body}"
        );
    }
    assert_eq!(server.counters().opened_websockets, 1);
}

/// A reader that pauses holds up no other response of its connection.
#[tokio::test]
async fn a_slow_reader_holds_up_no_other() {
    let server = mock().await;
    let backend = backend(&server, WebSocket::Always);
    let long = "word ".repeat(100_000);
    server.push_reply(Reply::text(long.clone()));
    let slow = backend.complete_stream(request(vec![Message::user("a")])).await.unwrap();
    for round in 0..3 {
        server.push_reply(Reply::text(format!("answer {round}")));
        let response = backend.complete(request(vec![Message::user("b")])).await.unwrap();
        assert_eq!(response.content, Some(format!("answer {round}")));
    }
    assert_eq!(server.counters().opened_websockets, 1);
    let response = CollectingStream::new(slow).collect().await.unwrap();
    assert_eq!(response.content, Some(long));
}

/// A server of WebSockets that knows no lanes: it ignores their name, or rejects it.
async fn server_without_lanes(rejects: bool) -> (CodexBackend, Arc<Mutex<Vec<serde_json::Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&received);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let Ok(mut socket) = accept_async(connection).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    let Ok(text) = message.to_text() else { return };
                    let Ok(body) = serde_json::from_str::<serde_json::Value>(text) else { return };
                    let text = body["input"][0]["content"].clone();
                    let is_named = body.get("stream_id").is_some();
                    requests.lock().unwrap().push(body);
                    let events = if is_named && rejects {
                        let message = "Unknown parameter: 'stream_id'.";
                        vec![
                            json!({"type": "error", "status": 400, "error": {"type": "invalid_request_error", "message": message}}),
                        ]
                    } else {
                        let item =
                            json!({"type": "message", "content": [{"type": "output_text", "text": text}]});
                        let response = json!({"id": "resp_1", "status": "completed", "output": [item]});
                        vec![
                            json!({"type": "response.created", "response": {"id": "resp_1"}}),
                            json!({"type": "response.completed", "response": response}),
                        ]
                    };
                    for event in events {
                        let sent = socket.send(event.to_string().into()).await;
                        sent.unwrap_or_default();
                        // Others may be served meanwhile.
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
    });
    let config = CodexBackendConfig::new("sk-test").with_base_url(url).with_api(Api::Responses);
    (CodexBackend::new(config.with_websocket(WebSocket::Always).with_max_retries(0)).unwrap(), received)
}

#[tokio::test]
async fn servers_without_lanes_have_a_response_for_each_connection() {
    for rejects in [false, true] {
        let (backend, received) = server_without_lanes(rejects).await;
        for round in 0..3 {
            let responses = (0..8).map(|number| {
                let text = format!("Say {round} {number}");
                let response = backend.complete(CompletionRequest::user(text.clone()));
                async move { (text, response.await.unwrap().content.unwrap()) }
            });
            for (text, content) in futures::future::join_all(responses).await {
                assert_eq!(text, content);
            }
        }
        let named = received.lock().unwrap().iter().filter(|body| body.get("stream_id").is_some()).count();
        assert_eq!((named, received.lock().unwrap().len()), (1, 24 + usize::from(rejects)));
    }
}

#[tokio::test]
async fn a_warm_up_is_continued() {
    let server = mock().await;
    let config = CodexBackendConfig::new("sk-test")
        .with_base_url(server.base_url())
        .with_model(MODEL)
        .with_api(Api::Responses)
        .with_websocket(WebSocket::Always);
    let backend = CodexBackend::new(config).unwrap();
    let system = Message::system("You are a helpful assistant. ".repeat(10));
    assert!(backend.warm_up(&request(vec![system.clone()])).await.unwrap());
    assert_eq!(server.counters().billed_requests, 0);
    backend.complete(request(vec![system, Message::user("Hi")])).await.unwrap();
    let body = last_body(&server);
    assert_eq!(body["input"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(server.counters().opened_websockets, 1);
}

/// A server that plays one scenario: as the body of a response, and as messages.
async fn play(path: &Path, over_websocket: bool) -> CodexBackend {
    let body = fs::read(path).unwrap();
    let url = if over_websocket {
        let events = stream::iter([Ok::<_, Infallible>(body)]).eventsource();
        let events: Vec<String> = events.map(|event| event.unwrap().data).collect().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let Ok(mut socket) = accept_async(connection).await else { continue };
                let _request = socket.next().await;
                for event in &events {
                    socket.send(event.clone().into()).await.ok();
                }
                socket.close(None).await.ok();
                while socket.next().await.is_some_and(|message| message.is_ok()) {}
            }
        });
        url
    } else {
        server::start(server::http(200, "text/event-stream", &body)).await
    };
    let websocket = if over_websocket { WebSocket::Always } else { WebSocket::Off };
    let config = CodexBackendConfig::new("sk-test").with_base_url(url).with_api(Api::Responses);
    CodexBackend::new(config.with_websocket(websocket).with_max_retries(0)).unwrap()
}

/// Scenarios that a WebSocket cannot have: the reason.
const HTTP_ONLY: &[(&str, &str)] = &[
    ("stream_empty", "before the first event the request goes over HTTP"),
    ("stream_kind_by_event_name", "messages have no event field"),
    ("stream_only_comments", "before the first event the request goes over HTTP"),
];

/// Every stream of the scenarios gives the same chunks and errors over both transports.
#[test]
fn scenarios_are_the_same_over_both_transports() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut compared, mut different) = (0, Vec::new());
    insta::glob!("../scenarios", "responses/*/response.sse", |path| {
        let name = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        if HTTP_ONLY.iter().any(|(listed, _)| *listed == name) {
            return;
        }
        let outcome = async |over_websocket| {
            let backend = play(path, over_websocket).await;
            let stream = match backend.complete_stream(request(vec![Message::user("Hi")])).await {
                Ok(stream) => stream,
                Err(error) => return vec![format!("{:?}", error.category())],
            };
            let item = |item: Result<CompletionChunk, BackendError>| match item {
                // State is for its own server, whose port differs.
                Ok(mut chunk) => {
                    chunk.provider_state = None;
                    chunk.request_id = None;
                    format!("{chunk:?}")
                }
                Err(error) => format!("{:?}", error.category()),
            };
            stream.map(item).collect::<Vec<_>>().await
        };
        let [http, websocket] = [runtime.block_on(outcome(false)), runtime.block_on(outcome(true))];
        compared += 1;
        if http != websocket {
            different.push(format!("{name}:\n  {http:?}\n  {websocket:?}"));
        }
    });
    assert!(different.is_empty(), "{} of {compared} differ:\n{}", different.len(), different.join("\n"));
    assert!(compared > 60, "the scenarios are no longer found: {compared}");
}

/// Connections and tasks end with the responses that are dropped.
#[tokio::test]
async fn a_thousand_sessions_leave_nothing() {
    let server = mock().await;
    let backend = backend(&server, WebSocket::Always);
    for _ in 0..1000 {
        drop(backend.complete_stream(CompletionRequest::user("Hi")).await.unwrap());
    }
    drop(backend);
    server.open_websockets().wait_for(|open| *open == 0).await.unwrap();
    let sent = server.requests().iter().filter(|request| request.body.is_some()).count();
    assert_eq!(sent, 1000);
    server.shutdown().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..1000 {
        if metrics.num_alive_tasks() == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} tasks are alive", metrics.num_alive_tasks());
}

#[tokio::test]
async fn parallel_requests_do_not_mix() {
    let server = mock().await;
    let backend = backend(&server, WebSocket::Always);
    let requests = (0..30).map(|number| {
        let backend = Arc::clone(&backend);
        async move {
            let text = format!("Say {number}");
            let response = backend.complete(CompletionRequest::user(text.clone())).await.unwrap();
            let message = response.to_message();
            let next = vec![Message::user(text), message, Message::user("again")];
            (
                response.content.unwrap(),
                backend.complete(CompletionRequest::new(next)).await.unwrap().content.unwrap(),
            )
        }
    });
    let found = futures::future::join_all(requests).await;
    let plain = self::backend(&server, WebSocket::Off);
    for (number, (first, _)) in found.iter().enumerate() {
        let expected = plain.complete(CompletionRequest::user(format!("Say {number}"))).await.unwrap();
        assert_eq!(expected.content.as_ref(), Some(first));
    }
}

/// A step of a random agent run.
#[derive(Clone, Debug)]
enum Step {
    Text,
    Call,
    /// The conversation goes on from an earlier place.
    Fork(usize),
    /// The text of an earlier turn changes.
    Edit(usize),
    /// The stream is dropped after this many chunks.
    Cancel(usize),
    /// Subagents go on from here side by side; the last of them are cancelled.
    Parallel(usize, usize),
    Model(&'static str),
    Fault(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Text),
        6 => Just(Step::Call),
        1 => (0..20usize).prop_map(Step::Fork),
        1 => (0..20usize).prop_map(Step::Edit),
        1 => (0..4usize).prop_map(Step::Cancel),
        1 => (1..20usize, 0..4usize).prop_map(|(all, cancelled)| Step::Parallel(all, cancelled)),
        1 => prop::sample::select(vec![MODEL, "gpt-5.6-sol"]).prop_map(Step::Model),
        1 => prop::sample::select(vec!["previous-not-found", "refuse=404", "busy"]).prop_map(Step::Fault),
    ]
}

type Outcome = Result<(Option<String>, Vec<String>), String>;

/// Subagents that go on from this conversation side by side.
async fn parallel(
    backend: &Arc<dyn Backend>,
    request: &CompletionRequest,
    all: usize,
    cancelled: usize,
) -> Vec<Outcome> {
    let agents = (0..all).map(|number| async move {
        let mut request = request.clone();
        request.messages.push(Message::user(format!("Say {number}")));
        let mut stream = match backend.complete_stream(request).await {
            Ok(stream) => stream,
            Err(error) => return outcome(Err(error)),
        };
        if number + cancelled >= all {
            stream.next().await.unwrap().unwrap();
            return Ok((None, Vec::new()));
        }
        outcome(CollectingStream::new(stream).collect().await.map_err(Into::into))
    });
    futures::future::join_all(agents).await
}

/// The outcomes of a run that is sent in this way.
async fn run(steps: &[Step], sending: Sending) -> Vec<Outcome> {
    let server = mock().await;
    let backend = sending.backend(&server);
    let mut messages = vec![Message::user("Begin")];
    let mut model = MODEL;
    let mut found = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let before = server.counters().billed_requests;
        let request = move |messages: &[Message]| request(messages.to_vec()).with_model(model);
        match step {
            Step::Text => server.push_reply(Reply::text(format!("Text {number}"))),
            Step::Call => server.push_reply(Reply::tool_calls([("read", json!({"path": number}))])),
            Step::Fork(place) => messages.truncate(1.max(place % messages.len()) / 2 * 2 + 1),
            Step::Edit(place) => {
                let place = place % messages.len() / 2 * 2;
                if messages[place].tool_call_id.is_none() {
                    messages[place] = Message::user(format!("Edited {number}"));
                }
            }
            Step::Cancel(chunks) => {
                server.push_reply(Reply::text("never ".repeat(9)));
                let mut stream = backend.complete_stream(request(&messages)).await.unwrap();
                for _ in 0..*chunks {
                    stream.next().await.unwrap().unwrap();
                }
            }
            Step::Parallel(all, cancelled) => {
                found.extend(parallel(&backend, &request(&messages), *all, *cancelled).await);
                assert!(server.counters().billed_requests - before <= *all as u64, "{steps:?}");
            }
            Step::Model(name) => model = name,
            Step::Fault(fault) => server.push_fault(format!("{fault},times=1").parse().unwrap()),
        }
        if !matches!(step, Step::Text | Step::Call) {
            continue;
        }
        let result = backend.complete(request(&messages)).await;
        assert!(server.counters().billed_requests - before <= 1, "{steps:?}");
        if let Ok(response) = &result {
            messages.push(response.to_message());
            messages.push(match response.tool_calls.first() {
                Some(call) => Message::tool_result(&call.id, format!("Result {number}")),
                None => Message::user(format!("Go on {number}")),
            });
        }
        found.push(outcome(result));
    }
    drop(backend);
    server.open_websockets().wait_for(|open| *open == 0).await.unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_runs_are_those_of_http(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let [http, others @ ..] = SENDINGS.map(|sending| runtime.block_on(run(&steps, sending)));
        for (sending, other) in SENDINGS[1..].iter().zip(others) {
            prop_assert_eq!(&http, &other, "{:?}", sending);
        }
    }
}

#[tokio::test]
async fn what_may_have_been_processed_is_sent_again_only_where_that_is_allowed() {
    // Over a new connection, and over one that has served a request.
    for is_new in [true, false] {
        for (is_allowed, expected) in [(true, 2), (false, 1)] {
            let server = mock().await;
            let config = config(&server, WebSocket::Always).with_retry_if_maybe_processed(is_allowed);
            let backend = CodexBackend::new(config).unwrap();
            let ask = || backend.try_complete(CompletionRequest::user("a"));
            let earlier = if is_new { 0 } else { ask().await.map(|_| 1).unwrap() };
            server.push_fault("truncate=0,reset,times=1".parse().unwrap());
            let outcome = ask().await;
            let requests = server.requests();
            let sent = requests.iter().filter(|request| request.is_websocket() || request.method == "POST");
            assert_eq!(sent.count() - earlier, expected, "{is_new} {is_allowed} {outcome:?}");
            match outcome {
                Ok(_) => assert!(is_allowed),
                Err(error) => {
                    assert!(!is_allowed && error.details().maybe_processed, "{error}");
                    assert_eq!(error.category(), ErrorCategory::Network);
                }
            }
        }
    }
}
