//! How requests are sent: successful statuses, usage of streams, the choice of the API and its fields.

mod retries;
mod runtimes;

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, Azure, CodexBackend, CodexBackendConfig, WireApi};
use tachikoma_backends_core::{
    Backend, CollectingStream, CompletionRequest, ErrorCategory, Message, ToolDefinition, ToolParameters,
};
use tachikoma_openai_mock::MockServer;

use crate::server;

const RESPONSE_BODY: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
    "message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;

/// A backend for previews. All share one client, since building one takes time.
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
        for (api, body) in [(Api::ChatCompletions, RESPONSE_BODY), (Api::Responses, RESPONSE)] {
            let url = server::start(server::http(status, "application/json", body.as_bytes())).await;
            let backend = backend(&url, api);
            let response = backend.try_complete(request()).await.unwrap();
            assert_eq!(response.content.as_deref(), Some("Hi"), "{status}");
            let stream = backend.complete_stream(request()).await.unwrap();
            let response = CollectingStream::new(stream).collect().await.unwrap();
            assert_eq!(response.content.as_deref(), Some("Hi"), "{status}");
        }
        let url = server::start(server::http(status, "text/event-stream", EVENTS.as_bytes())).await;
        let stream = backend(&url, Api::Auto).complete_stream(request()).await.unwrap();
        let response = CollectingStream::new(stream).collect().await.unwrap();
        assert_eq!(response.content.as_deref(), Some("Hi"), "{status}");
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
    let response = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /v1/again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let url = server::start(response).await;
    let error = CodexBackend::new(config(&url)).unwrap().try_complete(request()).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 11), "{error}");
    assert!(error.to_string().contains("11 attempts"), "{error}");
}

#[tokio::test]
async fn usage_is_requested_unless_it_is_turned_off() {
    let own = json!({"include_obfuscation": false});
    for (is_requested, extra, expected) in [
        (true, None, json!({"include_usage": true})),
        (false, None, Value::Null),
        (false, Some(own.clone()), own.clone()),
    ] {
        let mock = MockServer::builder().with_schema_check(false).start().await.unwrap();
        let backend = CodexBackend::new(config(mock.base_url()).with_stream_usage(is_requested)).unwrap();
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

/// Servers take it, and of several choices the first one is the response.
#[test]
fn the_number_of_choices_is_sent_unchanged() {
    let backend = offline(CodexBackendConfig::new("sk-test").with_api(Api::ChatCompletions));
    for n in [1, 2] {
        let preview = backend.preview(&request().with_extra("n", n)).unwrap();
        assert_eq!(preview.body["n"], n);
    }
}

#[test]
fn fields_of_the_responses_api_select_it_on_every_server() {
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
fn encrypted_reasoning_is_requested_only_of_models_known_to_reason() {
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
