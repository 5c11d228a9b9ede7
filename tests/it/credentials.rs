//! What a server is shown, and where Azure is asked: keys, tokens, files, commands, nothing; and what is wrong with them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openai_mock::{MockConfig, MockServer, Reply};
use tachikoma_backend_codex::{
    AccessToken, Api, ApiKey, Azure, CodexBackend, CodexBackendConfig, CodexError, Credentials, SecretString,
    TokenError,
};
use tachikoma_backends_core::{Backend, CollectingStream, CompletionRequest, ErrorCategory, Message};

use crate::server;

const VERSION: &str = "2024-10-21";

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

async fn start(settings: MockConfig) -> MockServer {
    settings.start().await.unwrap()
}

fn at(mock: &MockServer, credentials: impl Into<Credentials>) -> CodexBackendConfig {
    CodexBackendConfig::new(credentials)
        .with_base_url(mock.base_url())
        .with_min_retry_wait(Duration::from_millis(1))
}

async fn ask(config: CodexBackendConfig) -> Result<String, CodexError> {
    let answer = CodexBackend::new(config)?.try_complete(request()).await?;
    Ok(answer.content.unwrap_or_default())
}

/// The credentials of all requests so far, masked, as the mock keeps them.
fn shown(mock: &MockServer) -> Vec<String> {
    let header = |name, request: &openai_mock::RecordedRequest| request.header(name).map(str::to_owned);
    let either = |request| header("authorization", request).or_else(|| header("api-key", request));
    mock.requests().iter().map(|request| either(request).unwrap_or("-".to_owned())).collect()
}

/// Tokens whose ends tell them apart: `...01`, `...02`, and so on.
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

/// A file that is deleted in the end.
struct Scrap(PathBuf);

impl Scrap {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("codex-credentials-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn azures_urls() {
    let mock = start(MockServer::builder()).await;
    let plain = Azure::new(mock.azure_endpoint());
    let by_version = plain.clone().with_api_version(VERSION);
    let chat = Api::ChatCompletions;
    let query = "?api-version=2024-10-21";
    for (azure, api, path, model) in [
        (plain.clone(), chat, "/openai/v1/chat/completions", "m"),
        (plain.clone(), Api::Responses, "/openai/v1/responses", "m"),
        (plain.clone().with_deployment("d"), chat, "/openai/v1/chat/completions", "d"),
        (plain.with_api_version("preview"), chat, "/openai/v1/chat/completions?api-version=preview", "m"),
        (by_version.clone(), chat, &format!("/openai/deployments/m/chat/completions{query}"), "m"),
        (
            by_version.clone().with_deployment("d é/"),
            chat,
            &format!("/openai/deployments/d%20%C3%A9%2F/chat/completions{query}"),
            "m",
        ),
        (by_version.clone(), Api::Responses, &format!("/openai/responses{query}"), "m"),
        (by_version.with_deployment("d"), Api::Responses, &format!("/openai/responses{query}"), "d"),
    ] {
        let config = CodexBackendConfig::new("azure-key").with_azure(azure).with_api(api).with_model("m");
        let backend = CodexBackend::new(config).unwrap();
        let preview = backend.preview(&request()).unwrap();
        assert_eq!(preview.url, format!("{}{path}", mock.azure_endpoint()));
        backend.try_complete(request()).await.unwrap();
        let stream = backend.complete_stream(request()).await.unwrap();
        CollectingStream::new(stream).collect().await.unwrap();
        for sent in mock.requests().iter().rev().take(2) {
            let query = sent.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
            assert_eq!(format!("{}{query}", sent.path), path);
            assert_eq!((sent.header("api-key"), sent.header("authorization")), (Some("***"), None));
            assert_eq!(sent.body.as_ref().unwrap()["model"], model);
        }
        assert_eq!(backend.health_check().await, Ok(true));
    }
}

#[tokio::test]
async fn a_request_may_name_azures_deployment() {
    let mock = start(MockServer::builder()).await;
    let azure = Azure::new(mock.azure_endpoint()).with_api_version(VERSION);
    let backend = CodexBackend::new(CodexBackendConfig::new("k").with_azure(azure)).unwrap();
    backend.try_complete(request().with_model("mine")).await.unwrap();
    assert_eq!(mock.requests()[0].path, "/openai/deployments/mine/chat/completions");
    let error = backend.try_complete(request().with_model("..")).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::InvalidRequest, 0), "{error}");
    assert!(error.to_string().contains("is not a name of a deployment"), "{error}");
}

#[tokio::test]
async fn azures_errors_say_what_to_do_there() {
    let mock = start(MockServer::builder()).await;
    let by_key = Credentials::key("k");
    let by_token = Credentials::token("t");
    for (credentials, status, words) in [
        (&by_key, 404, "the deployment's name, the endpoint and the API version"),
        (&by_key, 401, "one of this resource's two"),
        (&by_token, 401, "https://cognitiveservices.azure.com/.default"),
        (&by_token, 403, "Cognitive Services OpenAI User"),
    ] {
        let azure = Azure::new(mock.azure_endpoint()).with_api_version(VERSION);
        let config = CodexBackendConfig::new(credentials.clone()).with_azure(azure);
        mock.push_reply(Reply::http(status, "{}"));
        let error = ask(config).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn health_of_an_azure_that_is_not_there() {
    let address = ([127, 0, 0, 1], 0).into();
    let mock = start(MockServer::builder()).await;
    let port = mock.azure_endpoint().trim_start_matches("http://127.0.0.1:");
    let client =
        reqwest::Client::builder().no_proxy().resolve("r.openai.azure.com", address).build().unwrap();
    for (path, expected) in [("", Ok(true)), ("/nowhere", Err(ErrorCategory::NotFound))] {
        let azure = Azure::new(format!("http://r.openai.azure.com:{port}{path}"));
        let config = CodexBackendConfig::new("k").with_azure(azure).with_http_client(client.clone());
        let health = CodexBackend::new(config).unwrap().health_check().await;
        assert_eq!(health.map_err(|error| error.category()), expected);
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let mock = start(MockServer::builder().with_reply(unauthorised())).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let backend = CodexBackend::new(at(&mock, numbered(&calls)).with_max_retries(0)).unwrap();
    backend.try_complete(request()).await.unwrap();
    backend.try_complete(request()).await.unwrap();
    assert_eq!(shown(&mock), ["Bearer token***01", "Bearer token***02", "Bearer token***02"]);

    (0..2).for_each(|_| mock.push_reply(unauthorised()));
    let error = backend.try_complete(request()).await.unwrap_err();
    assert!(error.is_authentication() && !error.is_retryable(), "{error}");
    assert_eq!(
        (error.attempts(), error.details().earlier_failures.as_slice()),
        (2, &["authentication: No".to_owned()][..])
    );
    // A token that was refused twice is not kept either.
    backend.try_complete(request()).await.unwrap();
    assert_eq!(shown(&mock)[3..], ["Bearer token***02", "Bearer token***03", "Bearer token***04"]);
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_new_token_takes_no_retry_away() {
    let busy = || Reply::error(500, "server_error", "Busy").with_header("retry-after-ms", "1");
    let mock = start(MockServer::builder()).await;
    for reply in [busy(), unauthorised(), busy(), busy()] {
        mock.push_reply(reply);
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let error = ask(at(&mock, numbered(&calls)).with_max_retries(2)).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Server, 4), "{error}");
    assert_eq!(error.details().earlier_failures.len(), 3, "{error}");
}

#[tokio::test]
async fn both_failures_are_told_where_no_new_token_comes() {
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
    let error = ask(at(&mock, credentials)).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Authentication, 1));
    let words =
        "authentication: no credentials for the request: the identity is gone (before: authentication: No)";
    assert_eq!(error.to_string(), words);
}

#[tokio::test]
async fn requests_at_once_ask_for_one_token() {
    let mock = start(MockServer::builder()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let backend = CodexBackend::new(at(&mock, numbered(&calls))).unwrap();
    let answers = futures::future::join_all((0..8).map(|_| backend.try_complete(request()))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_do_not_come() {
    #[track_caller]
    fn check(
        answer: fn() -> futures::future::BoxFuture<'static, Result<AccessToken, TokenError>>,
        expected: (ErrorCategory, bool, usize),
        words: &'static str,
    ) -> impl Future<Output = ()> {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let credentials = Credentials::from_async_fn(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            answer()
        });
        let config = CodexBackendConfig::new(credentials)
            .with_base_url("http://127.0.0.1:1")
            .with_token_timeout(Duration::from_secs(2));
        async move {
            let error = ask(config).await.unwrap_err();
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
    let line = "the access token holds a line break at character 2";
    check(|| Box::pin(async { Ok(AccessToken::new("a\n")) }), (Configuration, false, 1), line).await;
    check(|| Box::pin(async { Ok(AccessToken::new("")) }), (Configuration, false, 1), "is empty").await;
}

#[tokio::test]
async fn a_key_file_is_read_again_once_its_key_is_refused() {
    let mock = start(MockServer::builder().with_key("sk-0123456789-02")).await;
    let file = Scrap::new("rotated", "sk-0123456789-01\r\n");
    let backend = CodexBackend::new(at(&mock, Credentials::key_file(&file.0))).unwrap();
    let error = backend.try_complete(request()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("Check the API key in {}", file.0.display())), "{error}");
    fs::write(&file.0, "sk-0123456789-02\n").unwrap();
    backend.try_complete(request()).await.unwrap();
    fs::remove_file(&file.0).unwrap();
    backend.try_complete(request()).await.unwrap();
    assert_eq!(shown(&mock).last().unwrap(), "Bearer sk-01***02");
}

#[test]
fn wrong_configurations_are_told_when_a_backend_is_made() {
    #[track_caller]
    fn check(config: CodexBackendConfig, words: &str) {
        let error = CodexBackend::new(config).unwrap_err();
        assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 0), "{error}");
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        assert!(!format!("{error} {error:?}").contains("0123456789"), "{error:?}");
    }
    let new = |credentials: Credentials| CodexBackendConfig::new(credentials);
    let file = |name, content: &[u8]| {
        let scrap = Scrap::new(name, content);
        (new(Credentials::key_file(&scrap.0)), scrap)
    };
    check("".into_config(), "the API key is empty");
    check("sk-0123456789\n".into_config(), "the API key holds a line break at character 14");
    check("sk-admin-0123456789".into_config(), "the API key is an admin key, which cannot call a model");
    check(new(Credentials::token("0123456789 ")), "the access token holds a space at character 11");
    check(new(Credentials::none()), "https://api.openai.com needs credentials");
    check(new(Credentials::key_command("", [""; 0])), "the key command is empty");
    check(
        new(Credentials::key_file("/no/such/file")),
        "the key file /no/such/file cannot be read: No such file",
    );
    check(new(Credentials::key_file(std::env::temp_dir())), "is a folder");
    for (name, content, words) in [
        ("empty", &b"\n"[..], "is empty"),
        ("binary", b"\xFF\xFE0\x001\x00", "is not UTF-8 text"),
        ("two", b"sk-0123456789\nsk-0123456789", "holds a line break at character 14"),
        ("admin", b"sk-admin-0123456789\n", "is an admin key, which cannot call a model"),
    ] {
        let (config, _scrap) = file(name, content);
        check(config, words);
    }

    let azure = |endpoint: &str| Azure::new(endpoint);
    check("k".into_config().with_azure(azure("nowhere")), "the Azure endpoint is not a valid URL");
    let good = azure("https://r.openai.azure.com");
    check("k".into_config().with_azure(good.clone().with_api_version("")), "not a version of Azure's API");
    check("k".into_config().with_azure(good.clone().with_deployment("..")), "not a name of a deployment");
    check("k".into_config().with_azure(good.clone()).with_project("p"), "the project is OpenAI's");
    check(new(Credentials::none()).with_azure(good), "https://r.openai.azure.com needs credentials");
    check("k".into_config().with_base_url("https://r.openai.azure.com"), "the base URL is Azure's");
    check("k".into_config().with_organization(""), "the organization is empty");
    check("k".into_config().with_header("x team", "a"), "\"x team\" is not a valid header name");
    check("k".into_config().with_header("x-key", "0123456789\n"), "the value of the header x-key holds");
}

trait IntoConfig {
    fn into_config(self) -> CodexBackendConfig;
}

impl IntoConfig for &str {
    fn into_config(self) -> CodexBackendConfig {
        CodexBackendConfig::new(self)
    }
}

#[cfg(unix)]
#[tokio::test]
async fn keys_that_commands_print() {
    let sh = |script: &str| Credentials::key_command("/bin/sh", ["-c", script]);
    let mock = start(MockServer::builder().with_key("sk-0123456789-01")).await;
    ask(at(&mock, sh("echo sk-0123456789-01"))).await.unwrap();
    // No shell reads the arguments.
    let error =
        ask(at(&mock, Credentials::key_command("echo", ["$(echo sk-0123456789-01)"]))).await.unwrap_err();
    assert!(error.to_string().contains("\"echo\" prints holds a space at character 7"), "{error}");

    use ErrorCategory::{Authentication, Configuration, Timeout};
    for (script, category, words) in [
        ("exit 3", Authentication, "the key command \"/bin/sh\" failed (exit status: 3)"),
        (
            "echo sk-0123456789-01; echo >&2; echo locked >&2; exit 1",
            Authentication,
            "failed (exit status: 1): locked",
        ),
        ("echo bad key sk-0123456789-01 >&2; exit 1", Authentication, "bad key ***"),
        ("exit 0", Authentication, "the key command \"/bin/sh\": its output is empty"),
        ("echo warned >&2; yes", Authentication, "its output is too long for a key"),
        ("echo a; echo b", Configuration, "holds a line break at character 2"),
        ("exec sleep 60", Timeout, "no credentials came within 300ms"),
    ] {
        let config = at(&mock, sh(script)).with_token_timeout(Duration::from_millis(300)).with_max_retries(0);
        let config =
            if category == Timeout { config } else { config.with_token_timeout(Duration::from_secs(60)) };
        let error = ask(config).await.unwrap_err();
        assert_eq!((error.category(), error.attempts()), (category, 0), "{script}: {error}");
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        assert!(!format!("{error} {error:?}").contains("0123456789"), "{error:?}");
    }
    let error = ask(at(&mock, Credentials::key_command("/no/such/program", ["x"]))).await.unwrap_err();
    assert!(error.to_string().contains("\"/no/such/program\" cannot be run: No such file"), "{error}");
    assert_eq!(mock.requests().len(), 1);
}

#[tokio::test]
async fn servers_that_want_nothing() {
    let mock = start(MockServer::builder().without_key()).await;
    ask(at(&mock, Credentials::none())).await.unwrap();
    assert_eq!(shown(&mock), ["-"]);

    let strict = start(MockServer::builder()).await;
    let error = ask(at(&strict, Credentials::none())).await.unwrap_err();
    assert!(error.is_authentication() && error.to_string().contains("No credentials were sent"), "{error}");
}

#[test]
fn own_headers_may_be_the_credentials() {
    let config = CodexBackendConfig::new(Credentials::none());
    CodexBackend::new(config.with_header("authorization", "Custom mine")).unwrap();
}

#[tokio::test]
async fn no_redirect_leads_to_another_server() {
    let mock = start(MockServer::builder()).await;
    let moved = |to: &str| format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let elsewhere = server::start(moved(&format!("{}/chat/completions", mock.base_url()))).await;
    let azure = Azure::new(elsewhere.trim_end_matches("/v1"));
    for config in [
        CodexBackendConfig::new("k").with_base_url(&elsewhere),
        CodexBackendConfig::new("k").with_azure(azure),
    ] {
        let error = ask(config).await.unwrap_err();
        assert_eq!((error.category(), error.status()), (ErrorCategory::Configuration, Some(307)), "{error}");
    }
    assert_eq!(mock.requests(), []);
    let in_circles = CodexBackendConfig::new("k").with_base_url(server::start(moved("/v1/again")).await);
    let error = ask(in_circles).await.unwrap_err();
    assert!(error.to_string().contains("more than 10 redirects"), "{error}");
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 11), "{error}");
}

/// A server that redirects to `/other`, where everything is answered with a whole response.
async fn redirecting(status: u16) -> (String, Arc<AtomicUsize>) {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            server::read_request(&mut connection).await;
            let answer = if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                let location = "location: /other?key=0123456789\r\ncontent-length: 0\r\nconnection: close";
                format!("HTTP/1.1 {status} Moved\r\n{location}\r\n\r\n").into_bytes()
            } else {
                server::http(
                    200,
                    "application/json",
                    br#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#,
                )
            };
            connection.write_all(&answer).await.unwrap();
            let _ = connection.shutdown().await;
        }
    });
    (url, requests)
}

#[tokio::test]
async fn no_redirect_turns_a_request_into_another() {
    for (status, follows) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let (url, requests) = redirecting(status).await;
        let outcome = ask(CodexBackendConfig::new("k").with_base_url(&url)).await;
        assert_eq!(requests.load(Ordering::SeqCst), 1 + usize::from(follows), "{status}");
        match outcome {
            Ok(text) => assert_eq!((text.as_str(), follows), ("Hi", true), "{status}"),
            Err(error) => {
                let expected = (ErrorCategory::Configuration, Some(status), 1, false);
                let found = (error.category(), error.status(), error.attempts(), error.is_retryable());
                assert_eq!(found, expected, "{error}");
                let target = url.replace("/v1", "/other");
                assert!(error.to_string().contains(&format!("the server redirects to {target}")), "{error}");
                assert!(error.to_string().contains("with_base_url"), "{error}");
                assert!(!error.to_string().contains("0123456789"), "{error}");
            }
        }
    }
}

/// A client of one's own follows redirects by default.
#[tokio::test]
async fn a_response_from_another_server_is_not_read() {
    let mock = start(MockServer::builder()).await;
    let to = format!("{}/chat/completions", mock.base_url());
    let moved = format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let elsewhere = server::start(moved).await;
    let config = CodexBackendConfig::new("sk-0123456789")
        .with_base_url(&elsewhere)
        .with_header("api-key", "0123456789")
        .with_http_client(reqwest::Client::new());
    let error = ask(config).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 1), "{error}");
    let words = format!("followed a redirect from {}", elsewhere.trim_end_matches("/v1"));
    assert!(error.to_string().contains(&words), "{error}");
    assert!(error.to_string().contains("Policy::none()"), "{error}");
    assert!(!format!("{error} {error:?}").contains("0123456789"), "{error:?}");
    assert_eq!(mock.requests().len(), 1, "the redirect was not followed: what is tested here?");
}

#[tokio::test]
async fn any_status_of_success_with_a_body_is_one() {
    let body = br#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
    for status in [200, 201, 202, 203] {
        let url = server::start(server::http(status, "application/json", body)).await;
        assert_eq!(ask(CodexBackendConfig::new("k").with_base_url(url)).await.unwrap(), "Hi", "{status}");
    }
}

/// A provider that asks a model for its token, through the backend that waits for the token.
#[tokio::test]
async fn a_provider_may_not_need_its_own_backend() {
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
    own.set(CodexBackend::new(at(&mock, credentials)).unwrap()).unwrap();
    let error = own.get().unwrap().try_complete(request()).await.unwrap_err();
    assert!(error.to_string().contains("through the backend that it gives tokens to"), "{error}");
    assert_eq!((error.attempts(), mock.requests().len()), (0, 0));
    // Another backend will do.
    let other = CodexBackend::new(at(&mock, "sk-other")).unwrap();
    let other = Arc::new(other);
    let credentials = Credentials::from_async_fn(move || {
        let other = Arc::clone(&other);
        async move { other.try_complete(request()).await.map(|_| AccessToken::new("t")).map_err(TokenError::new) }
    });
    ask(at(&mock, credentials)).await.unwrap();
}

/// Of a key command that is cut off, the processes that it has started end as well.
#[cfg(unix)]
#[tokio::test]
async fn a_key_commands_children_end_with_it() {
    let mock = start(MockServer::builder()).await;
    // The pipe stays open as long as anything that writes to it lives.
    let pipe = Scrap(std::env::temp_dir().join(format!("codex-credentials-{}-pipe", std::process::id())));
    assert!(std::process::Command::new("mkfifo").arg(&pipe.0).status().unwrap().success());
    let script = format!("(exec 3>{path}; echo started >&3; sleep 90) & wait", path = pipe.0.display());
    let credentials = Credentials::key_command("/bin/sh", ["-c", &script]);
    let config = at(&mock, credentials).with_token_timeout(Duration::from_secs(1)).with_max_retries(0);
    let path = pipe.0.clone();
    let reading = tokio::task::spawn_blocking(move || fs::read_to_string(path).unwrap());
    let error = ask(config).await.unwrap_err();
    assert_eq!(error.category(), ErrorCategory::Timeout, "{error}");
    let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
    assert_eq!(read.expect("a child lives on").unwrap(), "started\n");
}

/// A secret that the caller holds as one need not be exposed to be given.
#[tokio::test]
async fn secrets_are_taken_where_texts_are() {
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
        ask(at(&mock, credentials)).await.unwrap();
    }
    let config = CodexBackendConfig::new(secret()).with_credentials(secret());
    ask(config.with_base_url(mock.base_url())).await.unwrap();
    assert_eq!(shown(&mock), ["Bearer sk-01***01"; 10]);
}

#[tokio::test]
async fn the_callers_headers_win() {
    let mock = start(MockServer::builder()).await;
    let mut headers = reqwest::header::HeaderMap::new();
    headers.append("x-team", "a".parse().unwrap());
    headers.append("x-team", "b".parse().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    for credentials in [Credentials::from(ApiKey::new("sk-0123456789-01")), numbered(&calls)] {
        let config = at(&mock, credentials)
            .with_default_headers(headers.clone())
            .with_header("Authorization", "Bearer sk-mine-0123456789");
        assert!(!format!("{config:?}").contains("0123456789"), "{config:?}");
        ask(config).await.unwrap();
        let sent = mock.requests().pop().unwrap();
        let all: Vec<_> =
            sent.headers.iter().filter(|(name, _)| name == "x-team").map(|(_, value)| value).collect();
        assert_eq!(all, ["a", "b"]);
        assert_eq!(sent.header("authorization"), Some("Bearer sk-mi***89"));
    }
}
