//! Recordings: what is written, and that it plays back to the same.

mod playback;
mod privacy;
mod transcripts;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use futures::StreamExt;
use serde_json::Value;
use tachikoma_backend_codex::{
    Api, CodexBackend, CodexBackendConfig, CodexError, EmbeddingRequest, Recorder,
};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, CompletionResponse, ErrorCategory, Message,
};
use tachikoma_openai_mock::{MockServer, Reply};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::server;

/// A folder for recordings.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    (folder, path)
}

/// The lines of a recording.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The end of each exchange.
fn ends(path: &Path) -> Vec<String> {
    lines(path).iter().map(|line| line["end"]["kind"].as_str().unwrap().to_owned()).collect()
}

/// A configuration with one client for all backends, since making one takes long.
fn config(url: &str) -> CodexBackendConfig {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let client = || reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    CodexBackendConfig::new("sk-test")
        .with_base_url(url)
        .with_max_retries(0)
        .with_http_client(CLIENT.get_or_init(client).clone())
}

fn backend(config: CodexBackendConfig) -> CodexBackend {
    CodexBackend::new(config).unwrap()
}

/// Sends a request, whole or streamed.
async fn send(backend: &CodexBackend, is_streamed: bool) -> Result<CompletionResponse, BackendError> {
    let request = CompletionRequest::user("Say hello to 你 and 😀");
    if !is_streamed {
        return backend.complete(request).await;
    }
    let stream = backend.complete_stream(request).await?;
    CollectingStream::new(stream).collect().await.map_err(Into::into)
}

/// A server that sends a head and then these pieces as chunks, each in a write of its own.
async fn start_pieces(head: &str, pieces: Vec<Vec<u8>>, ends: bool) -> String {
    let head = format!("HTTP/1.1 {head}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    let pieces = Arc::new(Mutex::new((head, pieces)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (head, pieces) = pieces.lock().unwrap().clone();
            connection.set_nodelay(true).unwrap();
            server::read_request(&mut connection).await;
            connection.write_all(head.as_bytes()).await.ok();
            for piece in pieces {
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                connection.write_all(&chunk).await.ok();
                tokio::task::yield_now().await;
            }
            if ends {
                connection.write_all(b"0\r\n\r\n").await.ok();
            }
            connection.shutdown().await.ok();
        }
    });
    url
}

/// The endpoints, failures and retries of a backend are all in its recording.
#[tokio::test]
async fn every_exchange_is_recorded() {
    let (_folder, path) = folder();
    let server = MockServer::start().await.unwrap();
    let config = config(server.base_url()).with_max_retries(1).with_recorder(Recorder::create(&path));
    let chat = backend(config.clone().with_api(Api::ChatCompletions));
    let responses = backend(config.with_api(Api::Responses));
    server.push_reply(Reply::error(503, "overloaded", "Later.").with_header("retry-after-ms", "1"));
    send(&chat, false).await.unwrap();
    send(&responses, true).await.unwrap();
    chat.embed(EmbeddingRequest::from(["a", "b"])).await.unwrap();
    assert!(chat.health_check().await.unwrap());
    let turns = [Message::user("A long story"), Message::assistant("Yes"), Message::user("Go on")];
    responses.try_compact(CompletionRequest::new(turns.into())).await.unwrap();
    responses.count_request_tokens_exact(&CompletionRequest::user("Count")).await.unwrap();
    let found: Vec<_> = lines(&path)
        .iter()
        .map(|line| {
            let request = &line["request"];
            let line = [&request["method"], &request["path"], &line["response"]["status"]];
            line.map(|part| part.to_string().replace('"', "")).join(" ")
        })
        .collect();
    assert_eq!(
        found,
        [
            "POST /v1/chat/completions 503",
            "POST /v1/chat/completions 200",
            "POST /v1/responses 200",
            "POST /v1/embeddings 200",
            "GET /v1/models 200",
            "POST /v1/responses/compact 200",
            "POST /v1/responses/input_tokens 200",
        ]
    );
    let first = &lines(&path)[1];
    assert_eq!(first["version"], 1);
    assert_eq!(first["request"]["body"]["json"]["messages"][0]["content"], "Say hello to 你 and 😀");
    let headers: Vec<(String, String)> = serde_json::from_value(first["request"]["headers"].clone()).unwrap();
    assert!(headers.contains(&("authorization".to_owned(), "***".to_owned())), "{headers:?}");
    assert!(headers.contains(&("content-type".to_owned(), "application/json".to_owned())), "{headers:?}");
}

#[tokio::test]
async fn each_end_has_its_kind() {
    let (_folder, path) = folder();
    let recorder = Recorder::create(&path);
    let send_to = async |url: &str, is_streamed: bool| {
        let config = config(url).with_recorder(recorder.clone());
        let config = config.with_idle_timeout(std::time::Duration::from_millis(50));
        send(&backend(config), is_streamed).await
    };
    let error = send_to("http://127.0.0.1:1/v1", false).await.unwrap_err();
    assert_eq!(error.category(), ErrorCategory::Network);
    send_to(&server::start("").await, false).await.unwrap_err();
    let cut = server::cut(server::http(200, "application/json", b"{\"id\": 1}"), 3);
    send_to(&server::start(cut).await, false).await.unwrap_err();
    let mock = MockServer::builder().with_fault("stall=1".parse().unwrap()).start().await.unwrap();
    send_to(mock.base_url(), true).await.unwrap_err();
    let mock = MockServer::start().await.unwrap();
    send_to(mock.base_url(), false).await.unwrap();
    assert_eq!(ends(&path), ["connect", "lost", "broken", "dropped", "complete"]);
    let lines = lines(&path);
    assert!(lines[0]["response"].is_null() && lines[1]["response"].is_null());
    assert!(lines[0]["end"]["message"].as_str().unwrap().contains("refused"), "{}", lines[0]);
    assert_eq!(lines[2]["response"]["pieces"][0]["text"], "{\"id\":");
}

/// The pieces have the times at which they came.
#[tokio::test(start_paused = true)]
async fn pieces_have_their_times() {
    let (_folder, path) = folder();
    let mock =
        MockServer::builder().with_chunk_delay(std::time::Duration::from_secs(7)).start().await.unwrap();
    send(&backend(config(mock.base_url()).with_recorder(Recorder::create(&path))), true).await.unwrap();
    let line = &lines(&path)[0];
    let times =
        line["response"]["pieces"].as_array().unwrap().iter().map(|piece| piece["ms"].as_f64().unwrap());
    let times: Vec<_> = [line["response"]["ms"].as_f64().unwrap()].into_iter().chain(times).collect();
    assert!(times.len() > 5);
    for pair in times[1..].windows(2) {
        let wait = pair[1] - pair[0];
        assert!((wait - 7_000.0).abs() < 500.0, "{times:?}");
    }
    assert!(times[0] <= times[1] && line["end"]["ms"].as_f64().unwrap() >= times[times.len() - 1]);
}

/// A cancelled stream is recorded up to there.
#[tokio::test]
async fn a_cancelled_stream_is_recorded_up_to_there() {
    let (_folder, path) = folder();
    let mock = MockServer::builder().with_fault("stall=3".parse().unwrap()).start().await.unwrap();
    let backend = backend(config(mock.base_url()).with_recorder(path.as_path()));
    let mut stream = backend.complete_stream(CompletionRequest::user("Hello")).await.unwrap();
    assert!(!stream.next().await.unwrap().unwrap().delta.is_empty());
    assert!(lines(&path).is_empty(), "it is written at its end");
    drop(stream);
    assert_eq!(ends(&path), ["dropped"]);
    assert!(!lines(&path)[0]["response"]["pieces"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_file_is_added_to_or_replaced() {
    let (_folder, path) = folder();
    let mock = MockServer::start().await.unwrap();
    for (recorder, expected) in [
        (Recorder::from(&*path), 1),
        (path.to_str().unwrap().into(), 2),
        (Recorder::append(&path), 3),
        (Recorder::create(&path), 1),
    ] {
        // Clones share one file.
        let backends = [0, 1].map(|_| backend(config(mock.base_url()).with_recorder(recorder.clone())));
        send(&backends[1], false).await.unwrap();
        assert_eq!(lines(&path).len(), expected);
        drop(backends);
    }
}

/// Requests at the same time, over two recorders of the same file, write whole lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_exchanges_are_whole_lines() {
    let (_folder, path) = folder();
    let mock = MockServer::start().await.unwrap();
    let backends = [0, 1].map(|_| Arc::new(backend(config(mock.base_url()).with_recorder(path.as_path()))));
    let requests = (0..40).map(|number| {
        let backend = Arc::clone(&backends[number % 2]);
        tokio::spawn(async move { send(&backend, number % 3 == 0).await.unwrap() })
    });
    futures::future::join_all(requests).await.into_iter().for_each(|response| _ = response.unwrap());
    assert_eq!(lines(&path).len(), 40);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_of_the_configuration() {
    let (folder, _) = folder();
    for path in [folder.path().join("missing/recording.jsonl"), folder.path().to_owned()] {
        let error = CodexBackend::new(config("http://127.0.0.1:1/v1").with_recorder(path)).unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Configuration);
        assert!(error.to_string().contains("with_recorder"), "{error}");
    }
}

/// A disk that is full fails no request.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_failed_write_is_a_warning_once() {
    let log = crate::secrets::channels::Log::default();
    let guard = log.listen(tracing::Level::WARN);
    let mock = MockServer::start().await.unwrap();
    let backend = backend(config(mock.base_url()).with_recorder("/dev/full"));
    for is_streamed in [false, true, false] {
        send(&backend, is_streamed).await.unwrap();
    }
    drop(guard);
    assert_eq!(log.take().matches("an exchange could not be recorded").count(), 1);
}

/// With a recorder, requests go over HTTP.
#[tokio::test]
async fn a_recorded_backend_opens_no_websocket() {
    let (_folder, path) = folder();
    let mock = MockServer::start().await.unwrap();
    let websocket = tachikoma_backend_codex::WebSocket::Always;
    let config = config(mock.base_url()).with_api(Api::Responses).with_websocket(websocket);
    send(&backend(config.with_recorder(path.as_path())), true).await.unwrap();
    assert_eq!((mock.counters().opened_websockets, lines(&path).len()), (0, 1));
}

/// The error of a `CodexError`, as through the trait.
fn through_trait(error: CodexError) -> BackendError {
    error.into()
}
