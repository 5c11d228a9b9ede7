//! Hostile and broken servers: no poll that works for long, limits on whatever a response becomes, what a cut response states.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError};
use tachikoma_backends_core::{CompletionRequest, ErrorCategory, Message};
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

/// What a stream gives in all: its text, and its error if it ends in one.
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

/// Kinds of bytes that hold no content, and whether each costs as much as an event, so that their number counts.
const FILLERS: &[(&str, &str, bool)] = &[
    ("comments", ":\n\n", false),
    ("line ends", "\n", false),
    ("pairs of line ends", "\r\n\r\n", false),
    ("comments of two lines", ":\n:\n\n", true),
    ("fields without data", "id:1\n\n", true),
    ("empty data", "data:\n\n", true),
    ("empty objects", "data: {}\n\n", true),
    ("empty deltas", "data: {\"choices\":[{\"index\":0,\"delta\":{}}]}\n\n", true),
    (
        "empty deltas of another type",
        "data: {\"id\":1,\"choices\":[{\"index\":\"0\",\"delta\":{}}]}\n\n",
        true,
    ),
    ("unknown events", "data: {\"type\":\"response.sung\"}\n\n", true),
    ("announced responses", "data: {\"type\":\"response.created\",\"response\":{}}\n\n", true),
    (
        "empty deltas of Responses",
        "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"output_index\":0,\"delta\":\"\"}\n\n",
        true,
    ),
];

/// However much is decompressed, other tasks get their turns.
#[tokio::test]
async fn no_stream_keeps_the_thread() {
    const BYTES: usize = 512 << 10;
    for (name, filler, is_event) in FILLERS {
        let block = filler.repeat((64 << 10) / filler.len());
        let body = gzip(std::iter::repeat_n(&block, BYTES / block.len()));
        for api in APIS {
            let url = server::start(compressed("text/event-stream", &body)).await;
            let backend = CodexBackend::new(config(&url, api)).unwrap();
            let mut stream = backend.try_complete_stream(request()).await.unwrap();
            let mut polls = 0;
            let end = poll_fn(|context| {
                polls += 1;
                stream.poll_next_unpin(context)
            });
            assert!(end.await.unwrap().is_err(), "{name}, {api:?}");
            let events = if *is_event { BYTES / filler.len() } else { 0 };
            let turns = (BYTES / (128 << 10)).max(events / 2000);
            assert!(polls >= turns, "{name}, {api:?}: {polls} polls, not {turns}");
        }
    }
}

/// A task and a timeout of the caller beside a stream of much content, on one thread.
#[tokio::test(flavor = "current_thread")]
async fn other_tasks_run_beside_a_compressed_stream() {
    let one = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}\n\n";
    let block = one.repeat((64 << 10) / one.len());
    for filler in [&block, &":\n\n".repeat(20_000)] {
        let body = gzip(std::iter::repeat_n(filler, 16));
        let url = server::start(compressed("text/event-stream", &body)).await;
        let backend = CodexBackend::new(config(&url, Api::ChatCompletions)).unwrap();
        let stream = backend.try_complete_stream(request()).await.unwrap();
        assert!(
            tokio::time::timeout(Duration::ZERO, read(stream)).await.is_err(),
            "the timeout did not fire"
        );
        let turns = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let stream = backend.try_complete_stream(request()).await.unwrap();
        let before = turns.load(Ordering::Relaxed);
        read(stream).await;
        assert!(turns.load(Ordering::Relaxed) >= before + 7, "the other task did not run");
        other.abort();
    }
}

/// What holds no content counts against a limit, which the error names.
#[tokio::test]
async fn endless_streams_without_content_have_a_limit() {
    for (name, filler, _) in FILLERS {
        let block = filler.repeat((16 << 10) / filler.len());
        let body = gzip(std::iter::repeat_n(&block, 12));
        for api in APIS {
            let url = server::start(compressed("text/event-stream", &body)).await;
            let backend = CodexBackend::new(config(&url, api).with_max_event_bytes(64 << 10)).unwrap();
            let (text, error) = read(backend.try_complete_stream(request()).await.unwrap()).await;
            let error = error.expect(name);
            assert_eq!((error.category(), text.as_str()), (ErrorCategory::Parse, ""), "{name}: {error}");
            assert!(error.to_string().contains("with_max_event_bytes"), "{name}, {api:?}: {error}");
            assert!(error.details().maybe_processed, "{name}: {error}");
        }
    }
}

/// White space before a body, of which it cannot be told what it will be.
#[tokio::test]
async fn endless_white_space_has_a_limit() {
    let body = gzip(std::iter::repeat_n(" \n".repeat(32 << 10), 8));
    for api in APIS {
        let url = server::start(compressed("application/json", &body)).await;
        let backend = CodexBackend::new(config(&url, api).with_max_body_bytes(64 << 10)).unwrap();
        let whole = backend.try_complete(request()).await.unwrap_err();
        let streamed = backend.try_complete_stream(request()).await.err().unwrap();
        for error in [whole, streamed] {
            assert!(error.to_string().contains("with_max_body_bytes"), "{error}");
        }
    }
    let answer = b"{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";
    let body = [" \n".repeat(1000).as_bytes(), answer].concat();
    let url = server::start(server::http(200, "application/json", &body)).await;
    let backend = CodexBackend::new(config(&url, Api::ChatCompletions)).unwrap();
    let (text, error) = read(backend.try_complete_stream(request()).await.unwrap()).await;
    assert_eq!((text.as_str(), error.is_none()), ("Hi", true));
}

/// Two bytes that would become a thousand in memory.
#[tokio::test]
async fn what_would_become_too_large_is_an_error() {
    let many = |before: &str, after: &str| {
        let block = "{},".repeat(10_000);
        let parts = std::iter::once(before).chain(std::iter::repeat_n(block.as_str(), 150));
        gzip(parts.chain([&*format!("{{}}{after}")]))
    };
    let lists = [
        ("choices", Api::ChatCompletions, "{\"choices\":[", "]}"),
        ("calls", Api::ChatCompletions, "{\"choices\":[{\"message\":{\"tool_calls\":[", "]}}]}"),
        ("output", Api::Responses, "{\"status\":\"completed\",\"output\":[", "]}"),
        (
            "an unknown field",
            Api::ChatCompletions,
            "{\"mood\":[",
            "],\"choices\":[{\"message\":{\"content\":1}}]}",
        ),
        ("an unknown item", Api::Responses, "{\"output\":[{\"type\":\"new\",\"x\":[", "]}]}"),
    ];
    for (name, api, before, after) in lists {
        for is_streamed in [false, true] {
            let (content_type, body) = match (is_streamed, api) {
                (false, _) => ("application/json", many(before, after)),
                (true, Api::Responses) => {
                    let before = format!("data: {{\"type\":\"response.completed\",\"response\":{before}");
                    ("text/event-stream", many(&before, &format!("{after}}}\n\n")))
                }
                (true, _) => {
                    let before = format!("data: {}", before.replace("message", "delta"));
                    ("text/event-stream", many(&before, &format!("{after}\n\n")))
                }
            };
            let url = server::start(compressed(content_type, &body)).await;
            let backend = CodexBackend::new(config(&url, api)).unwrap();
            let error = match is_streamed {
                false => backend.try_complete(request()).await.unwrap_err(),
                true => read(backend.try_complete_stream(request()).await.unwrap()).await.1.unwrap(),
            };
            assert!(error.to_string().contains("JSON values"), "{name}, streamed {is_streamed}: {error}");
            assert!(error.details().maybe_processed, "{name}: {error}");
        }
    }
    let url = server::start(compressed("application/json", &many("{\"data\":[", "]}"))).await;
    let error = CodexBackend::new(config(&url, Api::Auto)).unwrap().embed("a").await.unwrap_err();
    assert!(error.to_string().contains("JSON values"), "{error}");
}

/// Ever new things in small events.
#[tokio::test]
async fn a_stream_of_ever_new_parts_has_a_limit() {
    type Event = fn(usize) -> String;
    let rows: [(&str, Api, Event, &str); 8] = [
        (
            "choices",
            Api::ChatCompletions,
            |n| format!(r#"{{"choices":[{{"index":{n},"delta":{{}}}}]}}"#),
            "128 choices",
        ),
        (
            "calls",
            Api::ChatCompletions,
            |n| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{n},"id":"c{n}"}}]}}}}]}}"#),
            "with_max_tool_calls",
        ),
        (
            "pieces of a name",
            Api::ChatCompletions,
            |_| {
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"long_name_"}}]}}]}"#
                    .to_owned()
            },
            "with_max_event_bytes",
        ),
        (
            "ids of a call",
            Api::ChatCompletions,
            |n| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"id":"call_{n:020}"}}]}}}}]}}"#),
            "with_max_",
        ),
        (
            "items",
            Api::Responses,
            |n| {
                format!(
                    r#"{{"type":"response.output_item.added","item":{{"type":"reasoning","id":"rs_{n}"}}}}"#
                )
            },
            "with_max_",
        ),
        (
            "arguments without a piece",
            Api::Responses,
            |n| {
                format!(
                    r#"{{"type":"response.function_call_arguments.delta","output_index":{n},"delta":""}}"#
                )
            },
            "with_max_tool_calls",
        ),
        (
            "whole items",
            Api::Responses,
            |n| {
                format!(
                    r#"{{"type":"response.output_item.done","item":{{"type":"new","id":"{n}","x":"{}"}}}}"#,
                    "y".repeat(99)
                )
            },
            "with_max_",
        ),
        (
            "messages",
            Api::Responses,
            |n| format!(r#"{{"type":"response.output_text.delta","output_index":{n},"delta":"x"}}"#),
            "with_max_tool_calls",
        ),
    ];
    for (name, api, event, words) in rows {
        let events: String = (0..5000).map(|number| format!("data: {}\n\n", event(number))).collect();
        let url = server::start(compressed("text/event-stream", &gzip([events]))).await;
        let config = config(&url, api).with_max_event_bytes(32 << 10).with_max_tool_calls(100);
        let backend = CodexBackend::new(config).unwrap();
        let (_, error) = read(backend.try_complete_stream(request()).await.unwrap()).await;
        let error = error.expect(name);
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

/// However a response is cut, it may have been processed, and billed.
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
        let answers = [
            ("a polite end", server::http(200, content_type, &half(body.as_bytes())), false),
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
            ("a cut of what is compressed", compressed(content_type, &half(&zipped)), false),
            ("silence", server::cut(server::http(200, content_type, body.as_bytes()), 30), true),
        ];
        for (name, answer, is_silent) in answers {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/v1", listener.local_addr().unwrap());
            let sending = tokio::spawn(async move {
                let mut open = Vec::new();
                while let Ok((mut connection, _)) = listener.accept().await {
                    server::read_request(&mut connection).await;
                    let _ = connection.write_all(&answer).await;
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

/// A state that its server no longer takes is left out, once.
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
    let answers = Arc::new(Mutex::new(VecDeque::from([success.clone()])));
    let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let url = server::start_recording(Arc::clone(&answers), Arc::clone(&bodies)).await;
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
            *answers.lock().unwrap() = VecDeque::from([failure(status, code, message), success.clone()]);
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
                *answers.lock().unwrap() = VecDeque::from([failure(status, code, message)]);
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

/// A whole call that comes a second time under the same id would run twice.
#[test]
fn a_call_that_comes_twice_is_one() {
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
