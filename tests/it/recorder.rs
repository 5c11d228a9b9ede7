//! Recordings: what is written, and that it plays back to the same.

use std::path::Path;

use openai_mock::{MockServer, Replay};
use serde_json::Value;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, Recorder};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, CompletionResponse,
};

/// The lines of a recording.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn config(url: &str) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test").with_base_url(url).with_max_retries(0)
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

#[tokio::test]
async fn whole_and_streamed_responses_play_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    let server = MockServer::start().await.unwrap();
    let backend =
        CodexBackend::new(config(server.base_url()).with_recorder(Recorder::create(&path))).unwrap();
    let mut recorded = Vec::new();
    for is_streamed in [false, true] {
        recorded.push(send(&backend, is_streamed).await.unwrap());
    }
    let replay = MockServer::replay(&path).await.unwrap();
    let again = folder.path().join("again.jsonl");
    let backend =
        CodexBackend::new(config(replay.base_url()).with_recorder(Recorder::create(&again))).unwrap();
    for (is_streamed, recorded) in [false, true].into_iter().zip(recorded) {
        assert_eq!(send(&backend, is_streamed).await.unwrap(), recorded);
    }
    for (first, second) in lines(&path).iter().zip(lines(&again)) {
        assert_eq!(first["version"], 1);
        assert_eq!(texts(first), texts(&second));
    }
}

/// The pieces of a recorded response, without their times.
fn texts(line: &Value) -> Vec<Value> {
    let pieces = line["response"]["pieces"].as_array().cloned().unwrap_or_default();
    pieces
        .into_iter()
        .map(|mut piece| {
            piece.as_object_mut().unwrap().remove("ms");
            piece
        })
        .collect()
}
