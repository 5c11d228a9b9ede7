//! The backend against the mock: the trait's methods, headers, retries, health.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::json;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendExt, CollectingStream, CompletionRequest, ErrorCategory, FinishReason, ItemContent,
    Message, ToolChoice, ToolDefinition, ToolParameter,
};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::server;

fn request(text: &str) -> CompletionRequest {
    CompletionRequest::new(vec![Message::user(text)])
}

fn config(mock: &MockServer) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test")
        .with_base_url(mock.base_url())
        .with_min_retry_wait(Duration::from_millis(1))
}

fn backend(mock: &MockServer) -> Arc<dyn Backend> {
    Arc::new(CodexBackend::new(config(mock)).unwrap())
}

fn weather() -> ToolDefinition {
    let city = ToolParameter::string("Name of the city");
    ToolDefinition::builder("get_weather")
        .description("The weather now")
        .parameter("city", city)
        .build()
        .unwrap()
}

#[tokio::test]
async fn whole_and_streamed_responses_are_the_same() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(&mock);
    for request in [
        request("Say hello"),
        request("THINK about é and 😀"),
        request("Weather?").with_tools([weather()]),
        request("TWO of them").with_tools([weather()]),
        request("Weather?").with_tools([weather()]).with_tool_choice(ToolChoice::None),
        request("A long story").with_max_tokens(3),
    ] {
        let whole = backend.complete(request.clone()).await.unwrap();
        let stream = backend.complete_stream(request.clone()).await.unwrap();
        let mut streamed = CollectingStream::new(stream).collect().await.unwrap();
        // The ids differ, since these are two requests.
        streamed.id.clone_from(&whole.id);
        streamed.request_id.clone_from(&whole.request_id);
        for (call, other) in streamed.tool_calls.iter_mut().zip(&whole.tool_calls) {
            call.id.clone_from(&other.id);
        }
        for (item, other) in streamed.items.iter_mut().zip(&whole.items) {
            if let (ItemContent::ToolCall(item), ItemContent::ToolCall(other)) =
                (&mut item.content, &other.content)
            {
                item.call.id.clone_from(&other.call.id);
            }
        }
        assert_eq!(streamed, whole, "{request:?}");
        assert!(whole.usage.is_some() && whole.request_id.is_some(), "{whole:?}");
    }
    mock.shutdown().await;
}

#[tokio::test]
async fn a_tool_loop() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(&mock);
    let mut request = request("TWO cities").with_tools([weather()]);
    let response = backend.complete(request.clone()).await.unwrap();
    assert_eq!(response.finish_reason, FinishReason::ToolUse);
    assert_eq!(response.tool_calls.len(), 2);
    request.messages.push(response.to_message());
    for call in &response.tool_calls {
        assert!(call.parse_arguments().unwrap().get("city").is_some(), "{call:?}");
        request.messages.push(Message::tool_result(&call.id, "Snow"));
    }
    let response = backend.complete(request).await.unwrap();
    assert_eq!(response.finish_reason, FinishReason::Stop);
    assert!(response.content.as_deref().is_some_and(|text| text.contains("Snow")), "{response:?}");
}

#[tokio::test]
async fn requests_carry_the_credentials_and_no_other_headers() {
    let mock = MockServer::start().await.unwrap();
    let config = config(&mock).with_organization("org-1").with_project("proj_1").with_model("m");
    let backend = CodexBackend::new(config).unwrap();
    backend.complete(request("Hi")).await.unwrap();
    let requests = mock.requests();
    let [sent] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/v1/chat/completions"));
    let mut names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let expected = [
        "accept", "accept-encoding", "authorization", "content-length", "content-type", "host",
        "openai-organization", "openai-project", "user-agent",
    ];
    assert_eq!(names, expected);
    let types: Vec<&str> = sent
        .headers
        .iter()
        .filter(|(name, _)| name == "content-type")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(types, ["application/json"]);
    assert_eq!(sent.body, Some(json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})));
}

#[tokio::test]
async fn a_preview_equals_the_request_and_sends_nothing() {
    let mock = MockServer::start().await.unwrap();
    let backend = CodexBackend::new(config(&mock).with_max_tokens(50)).unwrap();
    let request = request("Hi").with_model("gpt-5.6-terra").with_tools([weather()]);
    let preview = backend.preview(&request).unwrap();
    assert!(mock.requests().is_empty());
    backend.complete(request).await.unwrap();
    assert_eq!(preview.url, format!("{}/chat/completions", mock.base_url()));
    assert_eq!(Some(preview.body), mock.requests()[0].body);
}

#[tokio::test]
async fn retries() {
    async fn check(replies: &[Reply], retries: u32, ok: bool, requests: usize) {
        let mock = MockServer::start().await.unwrap();
        replies.iter().for_each(|reply| mock.push_reply(reply.clone()));
        let backend = CodexBackend::new(config(&mock).with_max_retries(retries)).unwrap();
        let outcome = backend.try_complete(request("Hi")).await;
        assert_eq!(outcome.is_ok(), ok, "{replies:?}");
        let sent = mock.requests();
        assert_eq!(sent.len(), requests, "{replies:?}");
        assert!(sent.iter().all(|one| one.body.is_some() && one.body == sent[0].body), "{sent:?}");
        if let Err(error) = outcome {
            assert_eq!(error.attempts() as usize, requests, "{error}");
        }
    }
    let now = |reply: Reply| reply.with_header("retry-after-ms", "1");
    let busy = || now(Reply::error(503, "slow_down", "Slow down"));
    let limited = || now(Reply::error(429, "rate_limit_exceeded", "Too many"));
    let quota = || now(Reply::error(429, "insufficient_quota", "Pay"));
    let invalid = || now(Reply::error(400, "unsupported_value", "No"));
    check(&[busy()], 2, true, 2).await;
    check(&[busy(), limited()], 2, true, 3).await;
    check(&[busy(), busy(), busy()], 2, false, 3).await;
    check(&[busy()], 0, false, 1).await;
    check(&[quota()], 2, false, 1).await;
    check(&[invalid()], 2, false, 1).await;
    check(&[busy().with_header("x-should-retry", "false")], 2, false, 1).await;
    check(&[invalid().with_header("x-should-retry", "true")], 2, true, 2).await;
    // The caller decides on a wait above the limit.
    check(&[Reply::error(429, "rate_limit_exceeded", "Later").with_header("retry-after", "61")], 2, false, 1)
        .await;
}

#[tokio::test]
async fn complete_with_retry_does_not_multiply_retries() {
    let mock = MockServer::start().await.unwrap();
    for _ in 0..9 {
        mock.push_reply(Reply::error(500, "server_error", "Oops").with_header("retry-after-ms", "1"));
    }
    let error = backend(&mock).complete_with_retry(request("Hi"), 3).await.unwrap_err();
    assert_eq!(error.category(), ErrorCategory::Server);
    assert_eq!(mock.requests().len(), 4);
}

#[tokio::test]
async fn health() {
    async fn check_at(base_url: &str, expected: Result<bool, ErrorCategory>) {
        let config = CodexBackendConfig::new("sk-test").with_base_url(base_url);
        let backend: Arc<dyn Backend> = Arc::new(CodexBackend::new(config).unwrap());
        assert_eq!(backend.health_check().await.map_err(|error| error.category()), expected);
    }
    async fn check(status: u16, body: &str, expected: Result<bool, ErrorCategory>) {
        check_at(&server::start(server::http(status, "application/json", body.as_bytes())).await, expected)
            .await;
    }
    let mock = MockServer::start().await.unwrap();
    check_at(mock.base_url(), Ok(true)).await;
    check(200, r#"{"data":[]}"#, Ok(true)).await;
    check(429, r#"{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}"#, Ok(true)).await;
    check(404, r#"{"detail":"Not Found"}"#, Ok(true)).await;
    check(405, "", Ok(true)).await;
    check(501, "", Ok(true)).await;
    check(401, "", Err(ErrorCategory::Authentication)).await;
    check(403, "", Err(ErrorCategory::Permission)).await;
    check(500, "", Err(ErrorCategory::Server)).await;
    check(200, "<html>", Err(ErrorCategory::Parse)).await;
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection() {
    let hour = std::time::Duration::from_secs(3600);
    let mock = MockServer::builder().with_chunk_delay(hour).start().await.unwrap();
    let mut open = mock.open_streams();
    let backend = backend(&mock);
    let stream = backend.complete_stream(request("Say hello")).await.unwrap();
    open.wait_for(|open| *open == 1).await.unwrap();
    drop(stream);
    open.wait_for(|open| *open == 0).await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_its_final_chunk() {
    let mock = MockServer::start().await.unwrap();
    let mut stream = backend(&mock).complete_stream(request("Say hello")).await.unwrap();
    let mut finals = 0;
    while let Some(chunk) = stream.next().await {
        assert_eq!(finals, 0, "a chunk after the final one");
        finals += usize::from(chunk.unwrap().is_final);
    }
    assert_eq!(finals, 1);
    assert!(stream.next().await.is_none());
}

/// A program that depends on this crate alone.
#[tokio::test]
async fn the_core_is_part_of_this_crate() {
    use tachikoma_backend_codex::tachikoma_backends_core as core;
    use tachikoma_backend_codex::{
        Backend, BackendError, CollectingStream, CompletionRequest, CompletionResponse, CompletionStream,
        Message, Usage,
    };

    async fn complete(backend: &dyn Backend) -> Result<CompletionResponse, BackendError> {
        let request = CompletionRequest::user("Hi").with_message(Message::user("Hello"));
        let stream: CompletionStream = backend.complete_stream(request).await?;
        Ok(CollectingStream::new(stream).collect().await?)
    }

    let mock = MockServer::start().await.unwrap();
    let response: core::CompletionResponse = complete(&backend(&mock)).await.unwrap();
    let usage: core::Usage = response.usage.unwrap();
    assert_eq!(usage.total_tokens, Usage::new(usage.prompt_tokens, usage.completion_tokens).total_tokens);
    let error: tachikoma_backends_core::BackendError = complete(&unreachable_backend()).await.unwrap_err();
    assert_eq!(error.category(), core::ErrorCategory::Network);
}

fn unreachable_backend() -> CodexBackend {
    let config = CodexBackendConfig::new("k").with_base_url("http://127.0.0.1:1").with_max_retries(0);
    CodexBackend::new(config).unwrap()
}
