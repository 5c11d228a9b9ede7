//! Exchanges that are recorded and played back: the scenarios, and the faults of the mock.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, Recorder};
use tachikoma_backends_core::{Backend, BackendError, CompletionRequest, ToolDefinition, ToolParameters};
use tachikoma_openai_mock::{Fault, MockServer, Replay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{backend, config, folder, lines, start_pieces};

/// The API of a scenario, by its folder.
fn api(path: &Path) -> Api {
    match path.parent().unwrap().parent().unwrap().ends_with("responses") {
        true => Api::Responses,
        false => Api::ChatCompletions,
    }
}

/// Cuts a body into pieces at these places, also within characters.
pub(super) fn cut(body: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (mut pieces, mut rest) = (Vec::new(), body);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(*size));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

fn error(error: BackendError, origin: &str) -> Value {
    json!({
        "category": error.category().as_str(),
        "text": error.to_string().replace(origin, "ORIGIN"),
        "status": error.details().status,
        "code": error.details().code,
    })
}

/// What a request results in, whole or streamed: each chunk, and the error.
pub(super) async fn outcome(
    backend: &CodexBackend,
    url: &str,
    request: CompletionRequest,
    is_streamed: bool,
) -> Vec<Value> {
    let origin = url.trim_end_matches("/v1");
    if !is_streamed {
        return vec![match backend.complete(request).await {
            Ok(mut response) => {
                // State is for its own server, whose port differs.
                response.provider_state = None;
                serde_json::to_value(response).unwrap()
            }
            Err(found) => error(found, origin),
        }];
    }
    let stream = match backend.complete_stream(request).await {
        Ok(stream) => stream,
        Err(found) => return vec![error(found, origin)],
    };
    let item = |item: Result<tachikoma_backends_core::CompletionChunk, BackendError>| match item {
        Ok(mut chunk) => {
            chunk.provider_state = None;
            serde_json::to_value(chunk).unwrap()
        }
        Err(found) => error(found, origin),
    };
    stream.map(item).collect().await
}

/// The pieces of a recorded response.
fn pieces(line: &Value) -> Vec<Vec<u8>> {
    use base64::Engine;
    let piece = |piece: &Value| match piece["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => base64::engine::general_purpose::STANDARD.decode(piece["base64"].as_str().unwrap()).unwrap(),
    };
    line["response"]["pieces"].as_array().into_iter().flatten().map(piece).collect()
}

/// The chunks that a server sends in response to a recorded request, as they are on the wire.
async fn chunks_on_the_wire(url: &str, line: &Value) -> Vec<Vec<u8>> {
    let address = url.trim_start_matches("http://").trim_end_matches("/v1");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let body = line["request"]["body"]["json"].to_string();
    let path = line["request"]["path"].as_str().unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    connection.read_to_end(&mut response).await.unwrap();
    let start = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&response[..start]).into_owned();
    let mut rest = &response[start..];
    if head.contains("content-length") {
        return if rest.is_empty() { Vec::new() } else { vec![rest.to_vec()] };
    }
    let mut chunks = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return chunks;
        }
        chunks.push(rest[end + 2..end + 2 + size].to_vec());
        rest = &rest[end + 4 + size..];
    }
}

/// Serves a scenario, records it and plays it back.
async fn check_scenario(path: &Path, is_streamed: bool, sizes: &[usize]) {
    let body = fs::read(path).unwrap();
    let kind = if is_streamed { "text/event-stream" } else { "application/json" };
    let head = format!("200 OK\r\ncontent-type: {kind}\r\nx-request-id: req_1");
    let url = start_pieces(&head, cut(&body, sizes), true).await;
    let (_folder, recording) = folder();
    let record = |url: &str| config(url).with_api(api(path)).with_recorder(Recorder::create(&recording));
    let expected = outcome(&backend(record(&url)), &url, CompletionRequest::user("Hi"), is_streamed).await;
    let replay = MockServer::replay(&recording).await.unwrap();
    let line = lines(&recording).pop().unwrap();
    let recorded = pieces(&line);
    assert!(body.starts_with(&recorded.concat()), "{path:?}");
    if line["end"]["kind"] == "complete" {
        assert_eq!(recorded.concat(), body, "{path:?}");
        assert_eq!(chunks_on_the_wire(replay.base_url(), &line).await, recorded, "{path:?}");
    }
    let again = config(replay.base_url()).with_api(api(path));
    let found = outcome(&backend(again), replay.base_url(), CompletionRequest::user("Hi"), is_streamed).await;
    assert_eq!(found, expected, "{path:?}");
}

/// Every scenario plays back to the same chunks, response or error, with the same pieces.
#[test]
fn scenarios_play_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut checked = 0;
    for (pattern, is_streamed) in [("*/*/response.json", false), ("*/*/response.sse", true)] {
        insta::glob!("../../scenarios", pattern, |path| {
            let sizes = [&[100][..], &[1, 2, 3, 5, 8, 13], &[1 << 20]];
            runtime.block_on(check_scenario(path, is_streamed, sizes[checked % sizes.len()]));
            checked += 1;
        });
    }
    assert!(checked > 150, "the scenarios are no longer found: {checked}");
}

/// A character that is cut between pieces survives, for any cuts.
#[test]
fn any_pieces_play_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path = any_stream();
    let sizes = prop::collection::vec(1..40usize, 1..20);
    let config = ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&sizes, |sizes| {
            runtime.block_on(check_scenario(&path, true, &sizes));
            Ok(())
        })
        .unwrap();
}

/// The first stream of Chat Completions with characters of several bytes.
fn any_stream() -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/chat");
    let streams = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("response.sse"));
    streams.filter(|path| path.exists()).find(|path| !fs::read_to_string(path).unwrap().is_ascii()).unwrap()
}

/// The faults of the mock, whose errors play back.
const FAULTS: &[&str] = &[
    "status=400",
    "status=401",
    "status=402",
    "status=403",
    "status=404",
    "status=422",
    "status=429,code=insufficient_quota,retry-after-ms=1",
    "status=408,retry-after-ms=1",
    "status=429,retry-after-ms=1",
    "status=500,retry-after-ms=1,times=2",
    "status=503,retry-after=0,times=1",
    "status=503,retry-after=61",
    "status=500,x-should-retry=false",
    "truncate=0",
    "truncate=2",
    "truncate=2,reset",
    "truncate=100,bytes",
    "truncate=100,bytes,reset",
    "stall=0",
    "stall=2",
    "garbage=2",
    "error=2",
    "error=2,code=rate_limit_exceeded",
    "split=1",
    "slow=10ms",
    "content-type=text/html",
    "content-type=text/plain",
    "duplicate=index",
    "duplicate=id",
];

#[tokio::test]
async fn faults_play_back() {
    for fault in FAULTS {
        for (is_streamed, retries) in [(false, 0), (false, 2), (true, 0), (true, 2)] {
            for api in [Api::ChatCompletions, Api::Responses] {
                let mut request = CompletionRequest::user("Say hello TWO times");
                if fault.starts_with("duplicate") {
                    request =
                        request.with_tools([ToolDefinition::new("hello", "Says it", ToolParameters::new())]);
                }
                let (_folder, recording) = folder();
                let new = |url: &str| {
                    config(url)
                        .with_api(api)
                        .with_max_retries(retries)
                        .with_min_retry_wait(Duration::from_millis(1))
                        .with_idle_timeout(Duration::from_millis(80))
                };
                let mock = MockServer::builder().with_fault(fault.parse::<Fault>().unwrap());
                let mock = mock.start().await.unwrap();
                let recorded = backend(new(mock.base_url()).with_recorder(Recorder::create(&recording)));
                let expected = outcome(&recorded, mock.base_url(), request.clone(), is_streamed).await;
                let replay = MockServer::replay(&recording).await.unwrap();
                let found =
                    outcome(&backend(new(replay.base_url())), replay.base_url(), request, is_streamed).await;
                assert_eq!(found, expected, "{fault}, streamed {is_streamed}, {retries} retries, {api:?}");
                assert_eq!(replay.requests().len(), mock.requests().len(), "{fault}");
            }
        }
    }
}

/// A connection that was refused, or closed before a response, is a broken connection again.
#[tokio::test]
async fn refused_connections_break_again() {
    for url in ["http://127.0.0.1:1/v1".to_owned(), crate::server::start("").await] {
        for is_streamed in [false, true] {
            let (_folder, recording) = folder();
            let request = || CompletionRequest::user("Hi");
            let recorded = backend(config(&url).with_recorder(Recorder::create(&recording)));
            let expected = outcome(&recorded, &url, request(), is_streamed).await;
            let replay = MockServer::replay(&recording).await.unwrap();
            let found =
                outcome(&backend(config(replay.base_url())), replay.base_url(), request(), is_streamed).await;
            assert_eq!(
                (&found[0]["category"], &expected[0]["category"]),
                (&json!("network"), &json!("network"))
            );
            if url != "http://127.0.0.1:1/v1" {
                assert_eq!(found, expected);
            }
        }
    }
}

/// A server that resets a connection does so again, in the same place.
#[tokio::test]
async fn reset_connections_are_reset_again() {
    for sent in ["", "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[]}\n\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            crate::server::read_request(&mut connection).await;
            connection.write_all(sent.as_bytes()).await.unwrap();
            connection.set_zero_linger().unwrap();
        });
        let (_folder, recording) = folder();
        let request = || CompletionRequest::user("Hi");
        let recorded = backend(config(&url).with_recorder(Recorder::create(&recording)));
        let expected = outcome(&recorded, &url, request(), true).await;
        assert_eq!(lines(&recording)[0]["end"]["reset"], true, "{expected:?}");
        let replay = MockServer::replay(&recording).await.unwrap();
        let found = outcome(&backend(config(replay.base_url())), replay.base_url(), request(), true).await;
        assert_eq!(found, expected);
        assert!(found[0]["text"].as_str().unwrap().contains("reset"), "{found:?}");
    }
}

/// A request that was recorded several times gets the responses in their order, then the last one again.
#[tokio::test]
async fn repeated_requests_get_their_responses_in_order() {
    let (_folder, recording) = folder();
    let mock = MockServer::start().await.unwrap();
    let recorded = backend(config(mock.base_url()).with_recorder(Recorder::create(&recording)));
    for text in ["one", "two"] {
        mock.push_reply(tachikoma_openai_mock::Reply::text(text));
        recorded.complete(CompletionRequest::user("Hi")).await.unwrap();
    }
    let replay = MockServer::builder().with_replay(Replay::read(&recording).unwrap()).start().await.unwrap();
    let backend = backend(config(replay.base_url()));
    for expected in ["one", "two", "two"] {
        let response = backend.complete(CompletionRequest::user("Hi")).await.unwrap();
        assert_eq!(response.content.as_deref(), Some(expected));
    }
}

/// A request that was not recorded is an error that names the difference, and no credentials.
#[tokio::test]
async fn another_request_is_an_error_with_the_difference() {
    let (_folder, recording) = folder();
    let mock = MockServer::start().await.unwrap();
    let recorded = backend(config(mock.base_url()).with_recorder(Recorder::create(&recording)));
    for text in ["Something else entirely", "Say hello"] {
        recorded.complete(CompletionRequest::user(text).with_temperature(0.5)).await.unwrap();
    }
    let replay = MockServer::replay(&recording).await.unwrap();
    let backend = backend(config(replay.base_url()));
    let error = backend
        .complete(CompletionRequest::user("Say sk-test-0123456789").with_temperature(0.5))
        .await
        .unwrap_err();
    assert_eq!(error.details().status, Some(400));
    assert_eq!(error.details().code.as_deref(), Some("no_recorded_exchange"));
    let text = error.to_string();
    assert!(
        text.contains(
            "line 1 of recording.jsonl: $.messages[0].content is \"Something else entirely\" there"
        ) && text.contains("and \"Say ***\" in the request"),
        "{text}"
    );
}
