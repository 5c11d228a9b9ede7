//! The core's checks for authors of backends, run on this backend over both APIs.

use std::time::Duration;

use serde_json::json;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    BackendError, CompletionRequest, Conformance, ErrorDetails, ToolDefinition, ToolParameter,
};
use tachikoma_openai_mock::{MockConfig, MockServer};
use tokio::time::timeout;

/// The mock's reply to a greeting.
const GREETING: &str = "Hello! I am the assistant of the mock server, and the same request always gets the same answer from \
                        me. How can I help you today?";

/// Runs the checks over both APIs, each against a mock of this kind.
async fn check(mock: MockConfig, conformance: impl Fn(&MockServer) -> Conformance) {
    for api in [Api::ChatCompletions, Api::Responses] {
        let mock = mock.clone().start().await.unwrap();
        let config = CodexBackendConfig::new("sk-test").with_base_url(mock.base_url()).with_api(api);
        let config = config.with_max_retries(0);
        let report = conformance(&mock).run(&CodexBackend::new(config).unwrap()).await;
        assert!(report.is_ok(), "{api:?}: {report}");
    }
}

#[tokio::test]
async fn responses_and_errors() {
    let city = || ToolParameter::string("Name of the city");
    let tool = |name: &str| ToolDefinition::builder(name).parameter("city", city()).build().unwrap();
    let unknown = ErrorDetails::new("missing-model").with_status(404).with_code("model_not_found");
    let conformance = Conformance::new()
        .with_text(CompletionRequest::user("Say hello"), GREETING)
        .with_tool_call(
            CompletionRequest::user("The weather?").with_tool(tool("get_weather")),
            "get_weather",
            json!({"city": "example"}),
        )
        .with_tool_calls(
            CompletionRequest::user("The weather TWO times?").with_tool(tool("get_weather")),
            [("get_weather", json!({"city": "example"})), ("get_weather", json!({"city": "example"}))],
        )
        .with_error(
            CompletionRequest::user("Hi").with_model("missing-model"),
            BackendError::NotFound(unknown.with_retryable(false).into()),
        );
    check(MockServer::builder(), |_| conformance.clone()).await;
}

#[tokio::test]
async fn failures_of_the_server() {
    let limited = ErrorDetails::new("").with_status(429).with_code("rate_limit_exceeded");
    let limited = limited.with_retryable(true).with_retry_after(Duration::from_secs(2));
    let expected = BackendError::RateLimit(limited.into());
    let conformance = Conformance::new().with_error(CompletionRequest::user("Hi"), expected);
    let fault = "status=429,retry-after=2".parse().unwrap();
    check(MockServer::builder().with_fault(fault), |_| conformance.clone()).await;

    let expected = BackendError::ServiceUnavailable(ErrorDetails::new("").with_status(503).into());
    let conformance = Conformance::new().with_error(CompletionRequest::user("Hi"), expected);
    check(MockServer::builder().with_fault("status=503".parse().unwrap()), |_| conformance.clone()).await;
}

#[tokio::test]
async fn cancellation() {
    // The reply quotes the message, so that it takes far longer than the wait for the cancellation.
    let request = CompletionRequest::user("word ".repeat(500));
    check(MockServer::builder().with_chunk_delay(Duration::from_millis(100)), |mock| {
        let open = mock.open_streams();
        Conformance::new().with_cancellation(request.clone(), move || {
            let mut open = open.clone();
            async move { timeout(Duration::from_secs(10), open.wait_for(|open| *open == 0)).await.is_ok() }
        })
    })
    .await;
}
