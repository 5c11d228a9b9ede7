//! Bad settings and bad responses: a clear error each, by category, and never a panic.

use std::time::Duration;

use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, ErrorCategory, Message,
};

use crate::server::{self, cut, http};

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

#[track_caller]
fn assert_error(error: &BackendError, category: ErrorCategory, words: &str) {
    assert_eq!(error.category(), category, "{error}");
    assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    assert!(!format!("{error} {error:?}").contains("sk-secret"), "the key is in {error:?}");
}

#[test]
fn settings_that_cannot_work() {
    #[track_caller]
    fn check(config: CodexBackendConfig, words: &str) {
        let error = CodexBackend::new(config).unwrap_err();
        assert_error(&error.into(), ErrorCategory::Configuration, words);
    }
    let new = CodexBackendConfig::new;
    check(new(""), "the API key is empty");
    check(new("sk-secret\n"), "the API key contains a line break at character 10");
    check(new("sk-secret sk-secret"), "the API key contains a space");
    check(new("sk-secret").with_base_url("not a url"), "the base URL is not a valid URL");
    check(new("sk-secret").with_base_url("ftp://example.org"), "use http or https");
    check(new("sk-secret").with_organization("org\n1"), "the organization contains a line break");
}

/// Checks the error of both `complete` and `complete_stream` for a response.
async fn check(response: Vec<u8>, category: ErrorCategory, words: &str) {
    let url = server::start(response).await;
    let config = CodexBackendConfig::new("sk-secret").with_base_url(url).with_max_retries(0);
    let backend = CodexBackend::new(config).unwrap();
    assert_error(&backend.complete(request()).await.unwrap_err(), category, words);
    let error = match backend.complete_stream(request()).await {
        Ok(stream) => CollectingStream::new(stream).collect().await.unwrap_err().into(),
        Err(error) => error,
    };
    assert_eq!(error.category(), category, "streamed: {error}");
}

#[tokio::test]
async fn bodies_that_are_not_a_response() {
    use ErrorCategory::{Network, Parse, Server, TruncatedStream};
    let ok = |body: &[u8]| http(200, "application/json", body);
    check(ok(b"Hello?"), Parse, "the server's response is not JSON").await;
    check(ok(b"<html><title>Sign in</title>"), Parse, "a web page with the title \"Sign in\"").await;
    check(ok(b"[]"), Parse, "").await;
    check(ok(b"null"), Parse, "").await;
    check(ok(br#"{"error":{"message":"worker died","code":500}}"#), Server, "worker died").await;
    check(
        cut(ok(br#"{"choices":[{"message":{"content":"Hi"}}]}"#), 9),
        Network,
        "the connection broke within the response",
    )
    .await;
    check(ok(br#"{"choices":[{"mess"#), TruncatedStream, "is cut off").await;
    check(ok(b"{\"choices\":[{\"message\":{\"content\":\"\xFF\xFE\"}}]}"), Parse, "").await;
    check(b"garbage\r\n\r\n".to_vec(), Network, "the connection to http://127.0.0.1").await;
    check(Vec::new(), Network, "broke before a response arrived").await;
}

#[tokio::test]
async fn error_statuses() {
    use ErrorCategory::{Authentication, NotFound, Overloaded, Quota, Server};
    let json = |status, body: &str| http(status, "application/json", body.as_bytes());
    check(
        json(401, r#"{"error":{"message":"Incorrect API key"}}"#),
        Authentication,
        "(status 401, request id req_raw)",
    )
    .await;
    check(json(402, r#"{"error":{"message":"Insufficient Balance"}}"#), Quota, "Insufficient Balance").await;
    check(http(404, "text/plain", b"404 page not found"), NotFound, "404 page not found").await;
    check(http(502, "text/html", b"<html><title>Bad Gateway</title>"), Server, "\"Bad Gateway\"").await;
    check(http(503, "text/plain", b""), Overloaded, "the server returned 503 Service Unavailable without an")
        .await;
    check(cut(json(500, r#"{"error":{"message":"half an error"}}"#), 5), Server, "half an err").await;
}

#[tokio::test]
async fn broken_streams() {
    async fn check(body: &[u8], category: ErrorCategory, words: &str, partial: Option<&str>) {
        let url = server::start(http(200, "text/event-stream", body)).await;
        let config = CodexBackendConfig::new("sk-secret").with_base_url(url);
        let stream = CodexBackend::new(config).unwrap().complete_stream(request()).await.unwrap();
        let error = CollectingStream::new(stream).collect().await.unwrap_err();
        assert_error(&error.error, category, words);
        assert_eq!(error.partial.content.as_deref(), partial);
    }
    let hel = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n".as_slice();
    check(hel, ErrorCategory::TruncatedStream, "the stream ended before the response did", Some("Hel")).await;
    check(b"", ErrorCategory::TruncatedStream, "an empty stream", None).await;
    check(&[hel, b"data: {\"choi"].concat(), ErrorCategory::TruncatedStream, "is cut off", Some("Hel")).await;
    check(&[hel, b"data: \xFF\n\n"].concat(), ErrorCategory::Parse, "not UTF-8", Some("Hel")).await;
    check(&[hel, b"data: nonsense\n\n"].concat(), ErrorCategory::Parse, "nonsense", Some("Hel")).await;
    check(
        &[hel, b"data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"overloaded_error\"}}\n\n"].concat(),
        ErrorCategory::Overloaded,
        "Overloaded (code overloaded_error, request id req_raw)",
        Some("Hel"),
    )
    .await;
}

#[tokio::test]
async fn no_server() {
    // A port that was free a moment ago: no server listens on it.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let config = CodexBackendConfig::new("sk-secret")
        .with_base_url(format!("http://127.0.0.1:{port}"))
        .with_connect_timeout(Duration::from_secs(2))
        .with_max_retries(0);
    let error = CodexBackend::new(config).unwrap().complete(request()).await.unwrap_err();
    assert_error(&error, ErrorCategory::Network, &format!("no connection to http://127.0.0.1:{port}"));
    assert!(error.is_retryable());

    let config =
        CodexBackendConfig::new("sk-secret").with_base_url("http://no-such-host.invalid").with_max_retries(0);
    let error = CodexBackend::new(config).unwrap().complete(request()).await.unwrap_err();
    assert_error(&error, ErrorCategory::Network, "no connection to http://no-such-host.invalid");
}

#[tokio::test]
async fn silence() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = CodexBackendConfig::new("sk-secret")
        .with_base_url(format!("http://{}", listener.local_addr().unwrap()))
        .with_response_timeout(Duration::from_millis(50))
        .with_max_retries(0);
    let error = CodexBackend::new(config).unwrap().complete(request()).await.unwrap_err();
    assert_error(&error, ErrorCategory::Timeout, "the server did not begin to respond within 50ms");
}
