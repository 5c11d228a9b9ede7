//! Hostile and broken servers: cut responses, stale states, repeated calls; the limits have a file of their own.

mod limits;

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError};
use tachikoma_backends_core::{CompletionRequest, Message};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::server;

const APIS: [Api; 2] = [Api::ChatCompletions, Api::Responses];

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

fn config(url: &str, api: Api) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test").with_base_url(url).with_api(api).with_max_retries(0)
}

fn gzip(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    parts.into_iter().for_each(|part| encoder.write_all(part.as_ref()).unwrap());
    encoder.finish().unwrap()
}

fn compressed(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Reads a stream to its end: its text, and its error if it ends in one.
async fn read(
    mut stream: impl Stream<Item = Result<tachikoma_backends_core::CompletionChunk, CodexError>> + Unpin,
) -> (String, Option<CodexError>) {
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => text.push_str(&chunk.delta),
            Err(error) => return (text, Some(error)),
        }
    }
    (text, None)
}

/// A cut response may have been processed and billed.
#[tokio::test]
async fn a_cut_response_may_have_been_processed() {
    let chat = r#"{"choices":[{"message":{"content":"Hello there"},"finish_reason":"stop"}]}"#;
    let events = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n".repeat(20);
    let responses = r#"{"id":"r","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}]}"#;
    let deltas = "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"Hello\"}\n\n"
        .repeat(20);
    for (api, content_type, body) in [
        (Api::ChatCompletions, "application/json", chat),
        (Api::Responses, "application/json", responses),
        (Api::ChatCompletions, "text/event-stream", &*events),
        (Api::Responses, "text/event-stream", &*deltas),
    ] {
        let zipped = gzip([body]);
        let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
        let responses = [
            ("a clean end", server::http(200, content_type, &half(body.as_bytes())), false),
            ("no body", server::http(200, content_type, b""), false),
            (
                "a cut within a character",
                server::http(200, content_type, &[&half(body.as_bytes())[..], b"\xc3"].concat()),
                false,
            ),
            (
                "fewer bytes than promised",
                server::cut(server::http(200, content_type, body.as_bytes()), 30),
                false,
            ),
            ("a cut of the compressed body", compressed(content_type, &half(&zipped)), false),
            ("silence", server::cut(server::http(200, content_type, body.as_bytes()), 30), true),
        ];
        for (name, response, is_silent) in responses {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/v1", listener.local_addr().unwrap());
            let sending = tokio::spawn(async move {
                let mut open = Vec::new();
                while let Ok((mut connection, _)) = listener.accept().await {
                    server::read_request(&mut connection).await;
                    let _ = connection.write_all(&response).await;
                    if is_silent {
                        open.push(connection);
                    }
                }
            });
            let config = config(&url, api).with_idle_timeout(Duration::from_millis(200));
            let backend = CodexBackend::new(config).unwrap();
            let whole = backend.try_complete(request()).await.unwrap_err();
            let streamed = match backend.try_complete_stream(request()).await {
                Ok(stream) => read(stream).await.1.unwrap(),
                Err(error) => error,
            };
            for (how, error) in [("whole", whole), ("streamed", streamed)] {
                assert!(error.details().maybe_processed, "{name}, {content_type}, {api:?}, {how}: {error}");
                assert!(error.to_string().contains("billed"), "{error}");
            }
            sending.abort();
        }
    }
}

/// If the server rejects the state of an earlier turn, the request is sent once more without it.
#[tokio::test]
async fn a_request_is_sent_once_more_without_a_stale_state() {
    let response = json!({"id": "r", "model": "gpt-5.6-terra", "status": "completed", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "g", "input": "free"},
    ]});
    let success = server::http(200, "application/json", response.to_string().as_bytes());
    let failure = |status, code: &str, message: &str| {
        let body = json!({"error": {"message": message, "code": code}}).to_string();
        server::http(status, "application/json", body.as_bytes())
    };
    let queue = Arc::new(Mutex::new(VecDeque::from([success.clone()])));
    let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let url = server::start_recording(Arc::clone(&queue), Arc::clone(&bodies)).await;
    let config = config(&url, Api::Responses).with_model("gpt-5.6-terra");
    let backend = CodexBackend::new(config.with_max_retries(2)).unwrap();
    let turn = backend.try_complete(request()).await.unwrap();
    assert_eq!(turn.tool_calls.len(), 2, "{turn:?}");
    let mut messages = vec![Message::user("Hi"), turn.to_message()];
    messages.extend(["c1", "c2"].map(|id| Message::tool_result(id, "done")));
    let second = CompletionRequest::new(messages);
    let errors = [
        (400, "invalid_encrypted_content", "The encrypted content could not be verified.", true),
        (404, "", "Item 'rs_1' not found.", true),
        (
            404,
            "",
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
            true,
        ),
        (
            400,
            "",
            "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
            true,
        ),
        (400, "invalid_value", "Invalid value: 'x'.", false),
        (404, "model_not_found", "The model does not exist.", false),
    ];
    for (status, code, message, is_repaired) in errors {
        for is_streamed in [false, true] {
            let send = async || -> Result<(), CodexError> {
                if !is_streamed {
                    return backend.try_complete(second.clone()).await.map(drop);
                }
                let (_, error) = read(backend.try_complete_stream(second.clone()).await?).await;
                error.map_or(Ok(()), Err)
            };
            let take_bodies = || -> Vec<Value> {
                let bodies = std::mem::take(&mut *bodies.lock().unwrap());
                bodies.iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
            };
            take_bodies();
            *queue.lock().unwrap() = VecDeque::from([failure(status, code, message), success.clone()]);
            let outcome = send().await;
            let sent = take_bodies();
            let expected = (is_repaired, 1 + usize::from(is_repaired));
            assert_eq!((outcome.is_ok(), sent.len()), expected, "{message}: {outcome:?}");
            let [first, rest @ ..] = &sent[..] else { unreachable!() };
            for part in ["sealed", "rs_1", "fc_1", "ctc_1", "custom_tool_call_output"] {
                assert!(first.to_string().contains(part), "{part}: {first}");
            }
            for body in rest {
                let text = body.to_string();
                let lost = ["sealed", "rs_1", "fc_1", "ctc_1"].map(|part| text.contains(part));
                assert_eq!(lost, [false; 4], "{text}");
                let kept = ["\"c1\"", "\"c2\"", "free", "custom_tool_call_output", "function_call_output"];
                assert!(kept.iter().all(|part| text.contains(part)), "{text}");
            }
            if is_repaired {
                *queue.lock().unwrap() = VecDeque::from([failure(status, code, message)]);
                let error = send().await.unwrap_err();
                assert_eq!(take_bodies().len(), 2, "{message}");
                assert_eq!((error.attempts(), error.details().earlier_failures.len()), (2, 1), "{error}");
                assert!(error.details().earlier_failures[0].contains(message), "{error:?}");
                assert!(
                    error.details().hint.as_ref().is_some_and(|hint| hint.contains("provider_state")),
                    "{error:?}"
                );
            }
        }
    }
}

/// A call that is repeated under the same id must not run twice.
#[test]
fn a_repeated_call_is_read_once() {
    use tachikoma_backend_codex::internals::{chat_response, responses_response};
    let call = |arguments: &str| json!({"id": "c", "function": {"name": "f", "arguments": arguments}});
    let item = |id: &str, arguments: &str| json!({"type": "function_call", "id": id, "call_id": "c", "name": "f", "arguments": arguments});
    for (second, expected) in [("{\"a\":1}", 1), ("{\"a\":2}", 2)] {
        let calls = [call("{\"a\":1}"), call(second)];
        let chat = json!({"choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]});
        let output = [item("a", "{\"a\":1}"), item("b", second)];
        let responses = json!({"status": "completed", "output": output});
        let chat = chat_response(chat.to_string().as_bytes()).unwrap();
        let responses = responses_response(responses.to_string().as_bytes()).unwrap();
        assert_eq!((chat.tool_calls.len(), responses.tool_calls.len()), (expected, expected), "{second}");
    }
}
