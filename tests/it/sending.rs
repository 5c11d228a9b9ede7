//! How requests are sent: retries and their budget, lost connections, successful statuses, the runtime, what is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use openai_mock::{MockServer, Reply};
use serde_json::{Value, json};
use tachikoma_backend_codex::{
    Api, Azure, CodexBackend, CodexBackendConfig, CodexError, Credentials, EmbeddingRequest, WireApi,
};
use tachikoma_backends_core::{
    Backend, BackendExt, CollectingStream, CompletionRequest, ErrorCategory, Message, ToolDefinition,
    ToolParameters,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use crate::server;

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
    "message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;

/// A backend that sends nothing: making a client takes time.
fn offline(config: CodexBackendConfig) -> CodexBackend {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let client = CLIENT.get_or_init(reqwest::Client::new).clone();
    CodexBackend::new(config.with_http_client(client)).unwrap()
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

fn config(url: &str) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test").with_base_url(url).with_min_retry_wait(Duration::from_millis(1))
}

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
    check(|config| config, 200, 250).await;
    check(|config| config.with_retry_budget(0.0), 200, 210).await;
    check(|config| config.with_retry_budget(None), 200, 600).await;
    check(|config| config, 1, 3).await;
    check(|config| config, 4, 12).await;
}

#[tokio::test]
async fn a_request_alone_gets_all_its_retries() {
    let mock = start_busy().await;
    let config = config(mock.base_url()).with_min_retry_wait(Duration::ZERO).with_max_retries(30);
    let error = CodexBackend::new(config).unwrap().try_complete(request()).await.unwrap_err();
    assert_eq!((error.attempts(), mock.requests().len()), (31, 31));
}

#[tokio::test]
async fn a_retry_that_a_rate_limit_schedules_is_free() {
    async fn check(stated: &str, expected: usize) {
        let mock = MockServer::start().await.unwrap();
        let backend = CodexBackend::new(config(mock.base_url()).with_retry_budget(0.0)).unwrap();
        let mut answered = 0;
        for _ in 0..20 {
            let limited = Reply::error(429, "rate_limit_exceeded", "Slow down");
            mock.push_reply(limited.with_header("retry-after-ms", stated));
            answered += usize::from(backend.try_complete(request()).await.is_ok());
        }
        assert_eq!(answered, expected, "{stated}");
    }
    check("1", 20).await;
    check("0", 10).await;
}

/// A server whose connections answer one request each, once `pool` of them are there, and break off at the next one.
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
                let answer = format!("{head} {}\r\n\r\n{ANSWER}", ANSWER.len());
                connection.write_all(answer.as_bytes()).await.unwrap();
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
        for answer in join_all((0..4).map(|_| backend.try_complete(request()))).await {
            answer.unwrap();
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
    // Whose pool it is decides: three retries of a caller's client meet three more dead connections.
    check(3, true, Err(4)).await;
}

#[tokio::test]
async fn every_successful_status_with_a_body_is_a_success() {
    const RESPONSE: &str = r#"{"id":"r","object":"response","created_at":1,"model":"m","status":"completed",
        "output":[{"type":"message","id":"m","role":"assistant","status":"completed",
        "content":[{"type":"output_text","text":"Hi","annotations":[]}]}]}"#;
    const EVENTS: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
        \"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    const VECTORS: &str = r#"{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1.0]}],
        "usage":{"prompt_tokens":1,"total_tokens":1}}"#;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let backend = |url: &str, api| {
        CodexBackend::new(config(url).with_api(api).with_http_client(client.clone())).unwrap()
    };
    for status in [200, 201, 202, 203, 206, 207, 226] {
        for (api, body) in [(Api::ChatCompletions, ANSWER), (Api::Responses, RESPONSE)] {
            let url = server::start(server::http(status, "application/json", body.as_bytes())).await;
            let backend = backend(&url, api);
            let answer = backend.try_complete(request()).await.unwrap();
            assert_eq!(answer.content.as_deref(), Some("Hi"), "{status}");
            let stream = backend.complete_stream(request()).await.unwrap();
            let answer = CollectingStream::new(stream).collect().await.unwrap();
            assert_eq!(answer.content.as_deref(), Some("Hi"), "{status}");
        }
        let url = server::start(server::http(status, "text/event-stream", EVENTS.as_bytes())).await;
        let stream = backend(&url, Api::Auto).complete_stream(request()).await.unwrap();
        let answer = CollectingStream::new(stream).collect().await.unwrap();
        assert_eq!(answer.content.as_deref(), Some("Hi"), "{status}");
        let url = server::start(server::http(status, "application/json", VECTORS.as_bytes())).await;
        let vectors = backend(&url, Api::Auto).embed("a").await.unwrap();
        assert_eq!(vectors.embeddings.len(), 1, "{status}");
        let models = br#"{"object":"list","data":[]}"#;
        let url = server::start(server::http(status, "application/json", models)).await;
        assert!(backend(&url, Api::Auto).health_check().await.unwrap(), "{status}");
    }
    for status in [204, 205, 300, 304] {
        let url = server::start(server::http(status, "application/json", b"")).await;
        backend(&url, Api::Auto).try_complete(request()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_redirect_loop_counts_its_requests() {
    let answer = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /v1/again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let url = server::start(answer).await;
    let error = CodexBackend::new(config(&url)).unwrap().try_complete(request()).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 11), "{error}");
    assert!(error.to_string().contains("11 attempts"), "{error}");
}

/// Everything that sends, polled without a runtime or within one that lacks something.
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
    let of_core = |error: tachikoma_backends_core::BackendError| (error.category(), error.to_string());
    vec![
        outcome("complete", block_on(whole).map_err(of_core)),
        outcome("complete_stream", block_on(stream).map_err(of_core)),
        outcome("complete_with_retry", block_on(retried).map_err(of_core)),
        outcome("health_check", block_on(health).map_err(of_core)),
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

/// The wait after a finish reason needs a timer, of which there is none outside of a runtime.
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

#[tokio::test]
async fn usage_is_asked_for_unless_it_is_turned_off() {
    let own = json!({"include_obfuscation": false});
    for (asked, extra, expected) in [
        (true, None, json!({"include_usage": true})),
        (false, None, Value::Null),
        (false, Some(own.clone()), own.clone()),
    ] {
        let mock = MockServer::builder().with_schema_check(false).start().await.unwrap();
        let backend = CodexBackend::new(config(mock.base_url()).with_stream_usage(asked)).unwrap();
        let mut request = request();
        if let Some(extra) = extra {
            request = request.with_extra("stream_options", extra);
        }
        let stream = backend.complete_stream(request.clone()).await.unwrap();
        CollectingStream::new(stream).collect().await.unwrap();
        assert_eq!(mock.requests()[0].body.as_ref().unwrap()["stream_options"], expected);
    }
    let backend = CodexBackend::new(config("http://127.0.0.1:1")).unwrap();
    let error = backend.try_complete_stream(request().with_extra("stream_options", own)).await.err().unwrap();
    assert!(error.to_string().contains("with_stream_usage(false)"), "{error}");
}

fn official() -> CodexBackend {
    offline(CodexBackendConfig::new("sk-test"))
}

#[test]
fn one_choice_passes_and_more_are_refused() {
    for api in [Api::ChatCompletions, Api::Responses] {
        let config = CodexBackendConfig::new("sk-test").with_api(api).with_model("gpt-4o");
        let backend = offline(config);
        let preview = backend.preview(&request().with_extra("n", 1)).unwrap();
        assert_eq!(preview.body, backend.preview(&request()).unwrap().body);
        let error = backend.preview(&request().with_extra("n", 2)).unwrap_err();
        assert_eq!(error.category(), ErrorCategory::InvalidRequest);
        let text = error.to_string();
        assert!(text.contains("reads one choice") && text.contains("send the request as often"), "{text}");
    }
}

#[test]
fn fields_of_the_responses_api_lead_there_on_every_server() {
    for (field, value) in [
        ("reasoning", json!({"summary": "auto"})),
        ("tools", json!([{"type": "web_search"}])),
        ("include", json!(["message.output_text.logprobs"])),
        ("background", json!(true)),
        ("context_management", json!([])),
        ("truncation", json!("auto")),
        ("text", json!({"verbosity": "low"})),
        ("max_output_tokens", json!(100)),
        ("max_tool_calls", json!(3)),
        ("instructions", json!("Be brief.")),
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("prompt", json!({"id": "pmpt_1"})),
    ] {
        let request = request().with_extra(field, value.clone()).with_model("gpt-4o");
        for backend in [official(), offline(config("http://localhost:1"))] {
            let choice = backend.api_for(&request);
            assert_eq!(choice.api, WireApi::Responses, "{choice:?}");
            assert!(choice.reason.contains(&format!("{field:?}")), "{choice:?}");
            let preview = backend.preview(&request).unwrap();
            assert!(preview.url.ends_with("/responses"), "{}", preview.url);
            assert_eq!(preview.body[field], value);
        }
        let forced = config("http://localhost:1").with_api(Api::ChatCompletions);
        assert_eq!(offline(forced).api_for(&request).api, WireApi::ChatCompletions);
    }
    let both = request().with_extra("include", json!([])).with_extra("prediction", json!({}));
    let error = official().preview(&both).unwrap_err().to_string();
    assert!(error.contains("\"include\"") && error.contains("\"prediction\""), "{error}");
    let elsewhere = offline(config("http://localhost:1")).preview(&both).unwrap();
    assert!(elsewhere.warnings[0].contains("\"prediction\""), "{:?}", elsewhere.warnings);
    let function = ToolDefinition::new("now", "The time", ToolParameters::new());
    let hosted = request().with_tools([function]).with_extra("tools", json!([{"type": "web_search"}]));
    let error = official().preview(&hosted).unwrap_err().to_string();
    assert!(error.contains("Give all tools in the extra field"), "{error}");
}

#[test]
fn a_v1_endpoint_of_azure_gets_no_dated_version() {
    #[track_caller]
    fn check(endpoint: &str, version: &str, expected: &str) {
        let azure = Azure::new(endpoint).with_api_version(version);
        let config = CodexBackendConfig::new("k").with_azure(azure).with_model("gpt-4o");
        let preview = offline(config).preview(&request()).unwrap();
        assert_eq!(preview.url, expected);
    }
    let chat = "https://r.openai.azure.com/openai/v1/chat/completions";
    check("https://r.openai.azure.com/openai/v1/", "2024-10-21", chat);
    check("https://r.openai.azure.com/openai/v1", "2025-04-01-preview", chat);
    check("https://r.openai.azure.com/openai/v1", "preview", &format!("{chat}?api-version=preview"));
    check(
        "https://r.openai.azure.com/openai",
        "2024-10-21",
        "https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
    );
}

#[test]
fn encrypted_reasoning_is_asked_only_of_models_that_are_known_to_reason() {
    let azure = Azure::new("https://r.openai.azure.com");
    let servers = [
        CodexBackendConfig::new("k"),
        CodexBackendConfig::new("k").with_azure(azure),
        config("http://localhost:1"),
    ];
    for server in servers {
        for (model, expected) in [
            ("gpt-5.6-terra", true),
            ("gpt-5.6-terra-2026-07-01", true),
            ("o3", true),
            ("ft:o4-mini:acme", true),
            ("gpt-4o", false),
            ("my-deployment", false),
            ("gpt-5-prod", false),
            ("qwen3", false),
        ] {
            let backend = offline(server.clone().with_api(Api::Responses).with_model(model));
            let body = backend.preview(&request()).unwrap().body;
            assert_eq!(body.get("include").is_some(), expected, "{model}: {body}");
        }
    }
}
