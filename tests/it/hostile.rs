//! Hostile and broken servers: no poll that works for long, limits on whatever a response becomes, what a cut response states.

use std::future::poll_fn;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError};
use tachikoma_backends_core::{CompletionRequest, ErrorCategory, Message, ProviderState, ToolCall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    const BYTES: usize = 1 << 20;
    for (name, filler, is_event) in FILLERS {
        let block = filler.repeat((64 << 10) / filler.len());
        let body = gzip(std::iter::repeat_n(&block, BYTES / block.len()));
        for api in APIS {
            let url = server::start(compressed("text/event-stream", &body)).await;
            let backend = CodexBackend::new(config(&url, api)).unwrap();
            let mut stream = backend.try_complete_stream(request()).await.unwrap();
            let (mut polls, mut longest) = (0, Duration::ZERO);
            let end = poll_fn(|context| {
                let start = Instant::now();
                let poll = stream.poll_next_unpin(context);
                longest = longest.max(start.elapsed());
                polls += 1;
                poll
            });
            let end = end.await.unwrap();
            if std::env::var_os("PROBE").is_some() {
                eprintln!(
                    "{name:30} {api:?}: {polls} polls, the longest {longest:?}, {:?}",
                    end.as_ref().err().map(|e| e.message().to_owned())
                );
            }
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
        let body = gzip(std::iter::repeat_n(filler, 64));
        let url = server::start(compressed("text/event-stream", &body)).await;
        let backend = CodexBackend::new(config(&url, Api::ChatCompletions)).unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&turns);
        let stream = backend.try_complete_stream(request()).await.unwrap();
        let other = tokio::spawn(async move {
            loop {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let reading = tokio::time::timeout(Duration::from_millis(20), read(stream));
        assert!(reading.await.is_err(), "4 MB were read in no time, or the timeout did not fire");
        assert!(turns.load(Ordering::Relaxed) > 1);
        other.abort();
    }
}

/// Parsing an event of many long lines takes time in its length alone.
#[test]
fn many_long_lines_are_read_once() {
    let line = format!("data: {}\n", "x".repeat(20_000));
    let body = line.repeat(1000) + "\n";
    let start = Instant::now();
    let events = tachikoma_backend_codex::internals::sse_events([body.as_bytes()]);
    eprintln!("PROBE lines {:?}", start.elapsed());
    assert_eq!(events[0].as_ref().unwrap().1.len(), 1000 * 20_001 - 1);
}
