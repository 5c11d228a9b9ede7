//! Retries: their budget, free retries of rate limits, new connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CodexError};
use tachikoma_backends_core::ErrorCategory;
use tachikoma_openai_mock::{MockServer, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::{RESPONSE_BODY, config, request};
use crate::server;

async fn start_busy() -> MockServer {
    MockServer::builder().with_fault("status=503".parse().unwrap()).start().await.unwrap()
}

#[tokio::test]
async fn retries_of_all_tasks_share_a_budget() {
    async fn check(configure: fn(CodexBackendConfig) -> CodexBackendConfig, tasks: usize, expected: usize) {
        let mock = start_busy().await;
        let backend = CodexBackend::new(configure(config(mock.base_url()))).unwrap();
        let errors = join_all((0..tasks).map(|_| backend.try_complete(request()))).await;
        let errors: Vec<CodexError> = errors.into_iter().map(Result::unwrap_err).collect();
        assert_eq!(mock.requests().len(), expected);
        let attempts: u32 = errors.iter().map(CodexError::attempts).sum();
        assert_eq!(attempts as usize, expected);
        let exhausted = "the retry budget of this backend is exhausted (with_retry_budget)";
        for error in errors {
            assert_eq!(error.category(), ErrorCategory::Overloaded);
            assert_eq!(error.to_string().contains(exhausted), error.attempts() < 3, "{error}");
        }
    }
    check(|config| config, 200, 240).await;
    check(|config| config.with_retry_budget(0.0), 200, 210).await;
    check(|config| config.with_retry_budget(None), 200, 600).await;
    check(|config| config, 1, 3).await;
    check(|config| config, 4, 12).await;
}

#[tokio::test]
async fn a_single_request_gets_all_its_retries() {
    let mock = start_busy().await;
    let config = config(mock.base_url()).with_min_retry_wait(Duration::ZERO).with_max_retries(30);
    let error = CodexBackend::new(config).unwrap().try_complete(request()).await.unwrap_err();
    assert_eq!((error.attempts(), mock.requests().len()), (31, 31));
}

#[tokio::test]
async fn a_retry_that_a_rate_limit_schedules_is_free() {
    async fn check(wait_ms: &str, expected: usize) {
        let mock = MockServer::start().await.unwrap();
        let backend = CodexBackend::new(config(mock.base_url()).with_retry_budget(0.0)).unwrap();
        let mut successes = 0;
        for _ in 0..20 {
            let limited = Reply::error(429, "rate_limit_exceeded", "Slow down");
            mock.push_reply(limited.with_header("retry-after-ms", wait_ms));
            successes += usize::from(backend.try_complete(request()).await.is_ok());
        }
        assert_eq!(successes, expected, "{wait_ms}");
    }
    check("1", 20).await;
    check("0", 10).await;
}

/// A server whose connections respond to one request each, once `pool` of them are open, and close at the next one.
///
/// Returns the base URL and the number of connections so far.
async fn start_forgetful(pool: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (count, filled) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(pool)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let filled = Arc::clone(&filled);
            tokio::spawn(async move {
                server::read_request(&mut connection).await;
                if number < pool {
                    filled.wait().await;
                }
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
                let response = format!("{head} {}\r\n\r\n{RESPONSE_BODY}", RESPONSE_BODY.len());
                connection.write_all(response.as_bytes()).await.unwrap();
                // The next request arrives, and nothing comes back.
                let _ = connection.read(&mut [0; 1]).await;
            });
        }
    });
    (url, count)
}

#[tokio::test]
async fn a_retry_after_a_lost_connection_uses_a_new_one() {
    async fn check(retries: u32, own_client: bool, attempts: Result<usize, u32>) {
        let (url, connections) = start_forgetful(4).await;
        let mut config = config(&url).with_max_retries(retries);
        if own_client {
            config = config.with_http_client(reqwest::Client::builder().no_proxy().build().unwrap());
        }
        let backend = CodexBackend::new(config).unwrap();
        for outcome in join_all((0..4).map(|_| backend.try_complete(request()))).await {
            outcome.unwrap();
        }
        assert_eq!(connections.load(Ordering::SeqCst), 4);
        let outcome = backend.try_complete(request()).await;
        let outcome = outcome.map(|_| connections.load(Ordering::SeqCst)).map_err(|error| {
            assert!(error.is_network() && error.details().maybe_processed, "{error}");
            error.attempts()
        });
        assert_eq!(outcome, attempts);
    }
    check(1, false, Ok(5)).await;
    check(0, false, Err(1)).await;
    // The pool of a caller's client is kept: three retries use three more dead connections.
    check(3, true, Err(4)).await;
}
