//! Requests and streams that are polled outside of a Tokio runtime, or in one without timers or I/O.

use std::time::Duration;

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, Credentials, EmbeddingRequest};
use tachikoma_backends_core::{Backend, BackendExt, ErrorCategory};
use tachikoma_openai_mock::MockServer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{config, request};
use crate::server;

/// Calls every method that sends a request, on the current thread.
fn everything_that_sends(backend: &CodexBackend) -> Vec<(&'static str, Result<(), ErrorCategory>, String)> {
    let outcome = |name, outcome: Result<(), (ErrorCategory, String)>| match outcome {
        Ok(()) => (name, Ok(()), String::new()),
        Err((category, text)) => (name, Err(category), text),
    };
    let whole = backend.complete(request()).map(|result| result.map(drop));
    let stream = backend.complete_stream(request()).map(|result| result.map(drop));
    let retried = backend.complete_with_retry(request(), 2).map(|result| result.map(drop));
    let health = backend.health_check().map(|result| result.map(drop));
    let embedding = backend.embed(EmbeddingRequest::new("a")).map(|result| result.map(drop));
    let parts = |error: tachikoma_backends_core::BackendError| (error.category(), error.to_string());
    vec![
        outcome("complete", block_on(whole).map_err(parts)),
        outcome("complete_stream", block_on(stream).map_err(parts)),
        outcome("complete_with_retry", block_on(retried).map_err(parts)),
        outcome("health_check", block_on(health).map_err(parts)),
        outcome("embed", block_on(embedding).map_err(|error| (error.category(), error.to_string()))),
    ]
}

#[test]
fn a_missing_runtime_is_an_error_of_the_configuration() {
    let credentials = [
        Credentials::key("sk-test"),
        Credentials::key_command("echo", ["sk-test"]),
        Credentials::key_file("/dev/null"),
        Credentials::from_async_fn(|| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(tachikoma_backend_codex::AccessToken::new("t"))
        }),
    ];
    for credentials in credentials {
        for total in [None, Some(Duration::from_secs(1))] {
            let config = CodexBackendConfig::new(credentials.clone())
                .with_base_url("http://127.0.0.1:1/v1")
                .with_total_timeout(total);
            let backend = CodexBackend::new(config).unwrap();
            for (name, outcome, text) in everything_that_sends(&backend) {
                assert_eq!(outcome, Err(ErrorCategory::Configuration), "{name}: {text}");
                assert!(text.contains("no Tokio runtime") && text.contains("enable_all"), "{name}: {text}");
            }
            backend.preview(&request()).unwrap();
        }
    }
}

#[test]
fn a_runtime_without_its_drivers_is_an_error_of_the_configuration() {
    let config = CodexBackendConfig::new("sk-test").with_base_url("http://127.0.0.1:1/v1");
    let backend = CodexBackend::new(config.with_max_retries(0)).unwrap();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let (bare, timed) = (builder.build().unwrap(), builder.enable_time().build().unwrap());
    for (runtime, words) in [(bare, "no timers"), (timed, "no I/O")] {
        let error = runtime.block_on(backend.try_complete(request())).unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Configuration, "{error}");
        assert!(error.to_string().contains(words) && error.to_string().contains("enable_all"), "{error}");
    }
}

/// The wait after a finish reason needs a timer, which is missing outside of a runtime.
#[test]
fn a_stream_may_be_read_outside_of_its_runtime() {
    const CONTENT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let hour = Duration::from_secs(3600);
    for is_timed in [false, true] {
        let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
        let mut stream = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/v1", listener.local_addr().unwrap());
            tokio::spawn(async move {
                let (mut connection, _) = listener.accept().await.unwrap();
                server::read_request(&mut connection).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                connection.write_all(head.as_bytes()).await.unwrap();
                wait.await.unwrap();
                connection.write_all([CONTENT, STOP].concat().as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            });
            let mut config = config(&url);
            if is_timed {
                config = config.with_first_content_timeout(hour).with_progress_timeout(hour);
            }
            let mut stream = CodexBackend::new(config).unwrap().complete_stream(request()).await.unwrap();
            // The limit on silence has its timer from here on.
            assert!(futures::poll!(stream.next()).is_pending());
            stream
        });
        go_on.send(()).unwrap();
        let chunks: Vec<_> = block_on(async { stream.by_ref().map(Result::unwrap).collect().await });
        assert_eq!((chunks[0].delta.as_str(), chunks.last().unwrap().is_final), ("Hi", true));
    }
}

#[test]
fn a_stream_that_leaves_its_runtime_ends_in_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stream = runtime.block_on(async {
        let hour = Duration::from_secs(3600);
        let mock = MockServer::builder().with_chunk_delay(hour).start().await.unwrap();
        let backend = CodexBackend::new(config(mock.base_url())).unwrap();
        let stream = backend.complete_stream(request()).await.unwrap();
        std::mem::forget(mock);
        stream
    });
    let error = block_on(async {
        loop {
            if let Err(error) = stream.next().await.unwrap() {
                return error;
            }
        }
    });
    assert_eq!(error.category(), ErrorCategory::Configuration, "{error}");
    assert!(block_on(stream.next()).is_none());
}
