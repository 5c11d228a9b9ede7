//! The credentials of a request: keys, tokens, files, token providers, none; and the errors about them.

mod azure;
#[cfg(unix)]
mod commands;
mod configuration;
mod redirects;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tachikoma_backend_codex::{
    AccessToken, ApiKey, CodexBackend, CodexBackendConfig, CodexError, Credentials, SecretString, TokenError,
};
use tachikoma_backends_core::{CompletionRequest, ErrorCategory, Message};
use tachikoma_openai_mock::{MockConfig, MockServer, Reply};

use crate::server;

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

async fn start(settings: MockConfig) -> MockServer {
    settings.start().await.unwrap()
}

fn config_for(mock: &MockServer, credentials: impl Into<Credentials>) -> CodexBackendConfig {
    CodexBackendConfig::new(credentials)
        .with_base_url(mock.base_url())
        .with_min_retry_wait(Duration::from_millis(1))
}

async fn send(config: CodexBackendConfig) -> Result<String, CodexError> {
    let response = CodexBackend::new(config)?.try_complete(request()).await?;
    Ok(response.content.unwrap_or_default())
}

/// The credentials of all requests so far, masked as the mock records them.
fn sent_credentials(mock: &MockServer) -> Vec<String> {
    let header =
        |name, request: &tachikoma_openai_mock::RecordedRequest| request.header(name).map(str::to_owned);
    let either = |request| header("authorization", request).or_else(|| header("api-key", request));
    mock.requests().iter().map(|request| either(request).unwrap_or("-".to_owned())).collect()
}

/// Tokens that differ in their last characters: `...01`, `...02`, and so on.
fn numbered(calls: &Arc<AtomicUsize>) -> Credentials {
    let calls = Arc::clone(calls);
    Credentials::from_async_fn(move || {
        let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok(AccessToken::new(format!("token-0123456789-{call:02}"))) }
    })
}

fn unauthorised() -> Reply {
    Reply::error(401, "invalid_api_key", "No")
}

/// A file that is deleted when dropped.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("codex-credentials-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let mock = start(MockServer::builder().with_reply(unauthorised())).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let backend = CodexBackend::new(config_for(&mock, numbered(&calls)).with_max_retries(0)).unwrap();
    backend.try_complete(request()).await.unwrap();
    backend.try_complete(request()).await.unwrap();
    assert_eq!(sent_credentials(&mock), ["Bearer token***01", "Bearer token***02", "Bearer token***02"]);

    (0..2).for_each(|_| mock.push_reply(unauthorised()));
    let error = backend.try_complete(request()).await.unwrap_err();
    assert!(error.is_authentication() && !error.is_retryable(), "{error}");
    assert_eq!(
        (error.attempts(), error.details().earlier_failures.as_slice()),
        (2, &["authentication: No".to_owned()][..])
    );
    // A token that was rejected twice is not kept either.
    backend.try_complete(request()).await.unwrap();
    assert_eq!(sent_credentials(&mock)[3..], ["Bearer token***02", "Bearer token***03", "Bearer token***04"]);
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_new_token_does_not_count_as_a_retry() {
    let busy = || Reply::error(500, "server_error", "Busy").with_header("retry-after-ms", "1");
    let mock = start(MockServer::builder()).await;
    for reply in [busy(), unauthorised(), busy(), busy()] {
        mock.push_reply(reply);
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let error = send(config_for(&mock, numbered(&calls)).with_max_retries(2)).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Server, 4), "{error}");
    assert_eq!(error.details().earlier_failures.len(), 3, "{error}");
}

#[tokio::test]
async fn both_failures_are_reported_if_no_new_token_can_be_fetched() {
    let mock = start(MockServer::builder().with_reply(unauthorised())).await;
    let calls = AtomicUsize::new(0);
    let credentials = Credentials::from_async_fn(move || {
        let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        std::future::ready(if first {
            Ok(AccessToken::new("t"))
        } else {
            Err(TokenError::new("the identity is gone"))
        })
    });
    let error = send(config_for(&mock, credentials)).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Authentication, 1));
    let words =
        "authentication: no credentials for the request: the identity is gone (before: authentication: No)";
    assert_eq!(error.to_string(), words);
}

#[tokio::test]
async fn concurrent_requests_share_one_token() {
    let mock = start(MockServer::builder()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let backend = CodexBackend::new(config_for(&mock, numbered(&calls))).unwrap();
    let outcomes = futures::future::join_all((0..8).map(|_| backend.try_complete(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn token_providers_that_fail_or_hang() {
    #[track_caller]
    fn check(
        provide: fn() -> futures::future::BoxFuture<'static, Result<AccessToken, TokenError>>,
        expected: (ErrorCategory, bool, usize),
        words: &'static str,
    ) -> impl Future<Output = ()> {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let credentials = Credentials::from_async_fn(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            provide()
        });
        let config = CodexBackendConfig::new(credentials)
            .with_base_url("http://127.0.0.1:1")
            .with_token_timeout(Duration::from_secs(2));
        async move {
            let error = send(config).await.unwrap_err();
            let calls = calls.load(Ordering::SeqCst);
            assert_eq!((error.category(), error.is_retryable(), calls), expected, "{error}");
            assert_eq!(error.attempts(), 0, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    use ErrorCategory::{Authentication, Configuration, Timeout};
    let denied = "no credentials for the request: the tenant is unknown";
    check(
        || Box::pin(async { Err(TokenError::new("the tenant is unknown")) }),
        (Authentication, false, 1),
        denied,
    )
    .await;
    let busy = "no credentials for the request: busy";
    check(|| Box::pin(async { Err(TokenError::temporary("busy")) }), (Authentication, true, 3), busy).await;
    check(|| Box::pin(futures::future::pending()), (Timeout, true, 3), "no credentials came within 2s").await;
    let line = "the access token contains a line break at character 2";
    check(|| Box::pin(async { Ok(AccessToken::new("a\n")) }), (Configuration, false, 1), line).await;
    check(|| Box::pin(async { Ok(AccessToken::new("")) }), (Configuration, false, 1), "is empty").await;
}

#[tokio::test]
async fn a_key_file_is_read_again_once_its_key_is_rejected() {
    let mock = start(MockServer::builder().with_key("sk-0123456789-02")).await;
    let file = TemporaryFile::new("rotated", "sk-0123456789-01\r\n");
    let backend = CodexBackend::new(config_for(&mock, Credentials::key_file(&file.0))).unwrap();
    let error = backend.try_complete(request()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("Check the API key in {}", file.0.display())), "{error}");
    fs::write(&file.0, "sk-0123456789-02\n").unwrap();
    backend.try_complete(request()).await.unwrap();
    fs::remove_file(&file.0).unwrap();
    backend.try_complete(request()).await.unwrap();
    assert_eq!(sent_credentials(&mock).last().unwrap(), "Bearer sk-01***02");
}

#[tokio::test]
async fn servers_that_need_no_credentials() {
    let mock = start(MockServer::builder().without_key()).await;
    send(config_for(&mock, Credentials::none())).await.unwrap();
    assert_eq!(sent_credentials(&mock), ["-"]);

    let strict = start(MockServer::builder()).await;
    let error = send(config_for(&strict, Credentials::none())).await.unwrap_err();
    assert!(error.is_authentication() && error.to_string().contains("No credentials were sent"), "{error}");
}

#[tokio::test]
async fn any_successful_status_with_a_body_is_a_success() {
    let body = br#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
    for status in [200, 201, 202, 203] {
        let url = server::start(server::http(status, "application/json", body)).await;
        assert_eq!(send(CodexBackendConfig::new("k").with_base_url(url)).await.unwrap(), "Hi", "{status}");
    }
}

/// A token provider that calls a model through the very backend that waits for the token.
#[tokio::test]
async fn a_token_provider_must_not_call_its_own_backend() {
    let mock = start(MockServer::builder()).await;
    let own = Arc::new(std::sync::OnceLock::<CodexBackend>::new());
    let inner = Arc::clone(&own);
    let credentials = Credentials::from_async_fn(move || {
        let inner = Arc::clone(&inner);
        async move {
            let outcome = inner.get().unwrap().try_complete(request()).await;
            outcome.map(|_| AccessToken::new("t")).map_err(TokenError::new)
        }
    });
    own.set(CodexBackend::new(config_for(&mock, credentials)).unwrap()).unwrap();
    let error = own.get().unwrap().try_complete(request()).await.unwrap_err();
    assert!(error.to_string().contains("through the backend that it provides tokens for"), "{error}");
    assert_eq!((error.attempts(), mock.requests().len()), (0, 0));
    // Another backend is fine.
    let other = CodexBackend::new(config_for(&mock, "sk-other")).unwrap();
    let other = Arc::new(other);
    let credentials = Credentials::from_async_fn(move || {
        let other = Arc::clone(&other);
        async move { other.try_complete(request()).await.map(|_| AccessToken::new("t")).map_err(TokenError::new) }
    });
    send(config_for(&mock, credentials)).await.unwrap();
}

/// A caller's `SecretString` is accepted without exposing it.
#[tokio::test]
async fn secret_strings_are_accepted_where_strings_are() {
    let mock = start(MockServer::builder().with_key("sk-0123456789-01")).await;
    let text = "sk-0123456789-01".to_owned();
    let secret = || SecretString::from(text.as_str());
    let [key, token] = ["ApiKey(...)", "AccessToken { expires_at: None, .. }"];
    for (credentials, debug) in [
        (Credentials::from(secret()), key),
        (Credentials::from(&text), key),
        (Credentials::key(secret()), key),
        (Credentials::key(ApiKey::from(secret())), key),
        (Credentials::key(&text), key),
        (Credentials::token(secret()), token),
        (Credentials::token(AccessToken::from(secret())), token),
        (Credentials::token(&text), token),
        (Credentials::token(text.clone()), token),
    ] {
        assert_eq!(format!("{credentials:?}"), debug);
        send(config_for(&mock, credentials)).await.unwrap();
    }
    let config = CodexBackendConfig::new(secret()).with_credentials(secret());
    send(config.with_base_url(mock.base_url())).await.unwrap();
    assert_eq!(sent_credentials(&mock), ["Bearer sk-01***01"; 10]);
}

#[tokio::test]
async fn the_callers_headers_win() {
    let mock = start(MockServer::builder()).await;
    let mut headers = reqwest::header::HeaderMap::new();
    headers.append("x-team", "a".parse().unwrap());
    headers.append("x-team", "b".parse().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    for credentials in [Credentials::from(ApiKey::new("sk-0123456789-01")), numbered(&calls)] {
        let config = config_for(&mock, credentials)
            .with_default_headers(headers.clone())
            .with_header("Authorization", "Bearer sk-mine-0123456789");
        assert!(!format!("{config:?}").contains("0123456789"), "{config:?}");
        send(config).await.unwrap();
        let sent = mock.requests().pop().unwrap();
        let all: Vec<_> =
            sent.headers.iter().filter(|(name, _)| name == "x-team").map(|(_, value)| value).collect();
        assert_eq!(all, ["a", "b"]);
        assert_eq!(sent.header("authorization"), Some("Bearer sk-mi***89"));
    }
}
