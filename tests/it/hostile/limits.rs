//! No poll that works for long, and limits on whatever a response becomes in memory.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use tachikoma_backend_codex::{Api, CodexBackend};
use tachikoma_backends_core::ErrorCategory;

use super::{APIS, compressed, config, gzip, read, request};
use crate::server;

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
    ("created responses", "data: {\"type\":\"response.created\",\"response\":{}}\n\n", true),
    (
        "empty deltas of Responses",
        "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"output_index\":0,\"delta\":\"\"}\n\n",
        true,
    ),
];

/// Other tasks get to run, however much is decompressed.
#[tokio::test]
async fn no_stream_blocks_the_thread() {
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

/// Bytes without content count against a limit that the error names.
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

/// White space before a body, whose format is still unknown.
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
    let response = b"{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";
    let body = [" \n".repeat(1000).as_bytes(), response].concat();
    let url = server::start(server::http(200, "application/json", &body)).await;
    let backend = CodexBackend::new(config(&url, Api::ChatCompletions)).unwrap();
    let (text, error) = read(backend.try_complete_stream(request()).await.unwrap()).await;
    assert_eq!((text.as_str(), error.is_none()), ("Hi", true));
}

/// A small body that would become large in memory.
#[tokio::test]
async fn too_many_json_values_are_an_error() {
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

/// Small events that each add a part.
#[tokio::test]
async fn a_stream_that_keeps_adding_parts_has_a_limit() {
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
