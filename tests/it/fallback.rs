//! A fallback over two servers: which one responds, when the first is asked again, and what stays with the server that made it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, ErrorCategory, Fallback, FallbackEntry,
    Message,
};
use tachikoma_openai_mock::{MockConfig, MockServer, Reply};
use tokio::time;

fn codex(mock: &MockServer, api: Api) -> Arc<CodexBackend> {
    let config = CodexBackendConfig::new("sk-test").with_base_url(mock.base_url()).with_api(api);
    Arc::new(CodexBackend::new(config.with_model("gpt-5.6-terra")).unwrap())
}

async fn pair(first: MockConfig, api: Api) -> ([MockServer; 2], Fallback) {
    let mocks = [first.start().await.unwrap(), MockServer::start().await.unwrap()];
    let fallback = Fallback::new(codex(&mocks[0], api)).with_fallback(codex(&mocks[1], api));
    (mocks, fallback)
}

/// The numbers of requests that the servers got.
fn counts(mocks: &[MockServer; 2]) -> [usize; 2] {
    [0, 1].map(|server| mocks[server].requests().len())
}

fn hi() -> CompletionRequest {
    CompletionRequest::user("Hi")
}

async fn streamed(backend: &Fallback) -> Result<String, BackendError> {
    let response = CollectingStream::new(backend.complete_stream(hi()).await?).collect().await?;
    Ok(response.content.unwrap_or_default())
}

#[tokio::test]
async fn the_second_server_responds_while_the_first_is_overloaded() {
    for api in [Api::ChatCompletions, Api::Responses] {
        let (mocks, fallback) =
            pair(MockServer::builder().with_fault("status=503".parse().unwrap()), api).await;
        mocks[1].push_reply(Reply::text("whole"));
        mocks[1].push_reply(Reply::text("streamed"));
        assert_eq!(fallback.complete(hi()).await.unwrap().content.as_deref(), Some("whole"));
        // The first one had no retries, and is skipped now.
        assert_eq!(counts(&mocks), [1, 1]);
        assert_eq!(streamed(&fallback).await.unwrap(), "streamed");
        assert_eq!(counts(&mocks), [1, 2]);
        assert_eq!(fallback.health()[0].category, Some(ErrorCategory::Overloaded));
    }
}

#[tokio::test]
async fn a_server_that_is_away_leads_to_the_next_one() {
    let mock = MockServer::start().await.unwrap();
    let away = CodexBackendConfig::new("sk-test").with_base_url("http://127.0.0.1:1/v1");
    let fallback = Fallback::new(Arc::new(CodexBackend::new(away).unwrap()));
    let fallback = fallback.with_fallback(codex(&mock, Api::Auto));
    streamed(&fallback).await.unwrap();
    assert_eq!(fallback.health()[0].category, Some(ErrorCategory::Network));
}

#[tokio::test]
async fn a_model_that_the_first_server_does_not_have_leads_to_the_next_one() {
    let mocks = [MockServer::start().await.unwrap(), MockServer::start().await.unwrap()];
    let second = FallbackEntry::new(codex(&mocks[1], Api::Auto)).with_model("gpt-5.6-terra");
    let fallback = Fallback::new(codex(&mocks[0], Api::Auto)).with_fallback(second);
    for expected in [[1, 1], [1, 2]] {
        fallback.complete(hi().with_model("missing-model")).await.unwrap();
        assert_eq!(counts(&mocks), expected);
    }
    let health = &fallback.health()[0];
    assert!(health.is_healthy);
    assert_eq!(health.missing_models, ["missing-model"]);
}

#[tokio::test]
async fn a_stream_that_breaks_is_an_error() {
    for api in [Api::ChatCompletions, Api::Responses] {
        let fault = "truncate=6,reset".parse().unwrap();
        let (mocks, fallback) = pair(MockServer::builder().with_fault(fault), api).await;
        let mut stream = fallback.complete_stream(hi()).await.unwrap();
        let mut text = String::new();
        let error = loop {
            match stream.next().await.unwrap() {
                Ok(chunk) => text += &chunk.delta,
                Err(error) => break error,
            }
        };
        assert!(!text.is_empty());
        assert!(error.details().maybe_processed, "{error}");
        assert_eq!(counts(&mocks), [1, 0]);
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn the_first_server_responds_again_after_the_cool_down() {
    let fault = "status=503,times=1".parse().unwrap();
    let (mocks, fallback) = pair(MockServer::builder().with_fault(fault), Api::ChatCompletions).await;
    for (pause, expected) in [(0, [1, 1]), (29, [1, 2]), (1, [2, 2]), (0, [3, 2])] {
        time::pause();
        time::advance(Duration::from_secs(pause)).await;
        time::resume();
        streamed(&fallback).await.unwrap();
        assert_eq!(counts(&mocks), expected);
    }
}

#[tokio::test]
async fn state_stays_with_its_server() {
    let (mocks, fallback) = pair(MockServer::builder(), Api::Responses).await;
    mocks[0].push_reply(Reply::text("from the first").with_reasoning("A thought."));
    mocks[0].push_reply(Reply::error(503, "overloaded", "busy"));
    mocks[1].push_reply(Reply::text("from the second").with_reasoning("Another thought."));
    let mut request = hi();
    let sent = |server: usize| {
        let request = mocks[server].requests().pop().unwrap();
        request.body.unwrap()["input"].as_array().unwrap().clone()
    };
    let reasoning = |server: usize| -> Vec<usize> {
        let items = sent(server).into_iter().enumerate();
        items.filter(|(_, item)| item["type"] == "reasoning").map(|(index, _)| index).collect()
    };
    for _ in 0..2 {
        let response = fallback.complete(request.clone()).await.unwrap();
        assert!(response.provider_state.is_some());
        request = request.with_message(response.to_message()).with_message(Message::user("And?"));
    }
    // The first turn goes to the second server as text.
    assert_eq!(sent(1).len(), 3);
    assert_eq!(reasoning(1), [0; 0]);
    assert!(sent(1)[1].to_string().contains("from the first"));

    time::pause();
    time::advance(Duration::from_secs(30)).await;
    time::resume();
    fallback.complete(request.clone()).await.unwrap();
    // Its own state is back, and the second turn is text.
    assert_eq!(sent(0).len(), 6);
    assert_eq!(reasoning(0), [1]);
    assert!(sent(0)[4].to_string().contains("from the second"));
    // The conversation has both.
    assert!(request.messages[1].provider_state.is_some() && request.messages[3].provider_state.is_some());
}

#[tokio::test]
async fn the_tier_that_responded_and_its_price_are_visible() {
    let no_capacity = || Reply::error(429, "resource_unavailable", "No capacity for flex processing.");
    for api in [Api::ChatCompletions, Api::Responses] {
        let mut costs = Vec::new();
        for (rejections, tier, requests) in [(0, "flex", 1), (1, "flex", 2), (2, "default", 3)] {
            let mock = MockServer::start().await.unwrap();
            let backend = codex(&mock, api);
            let fallback = Fallback::flex_then_default(Arc::clone(&backend) as _, Duration::from_millis(1));
            for _ in 0..rejections {
                mock.push_reply(no_capacity());
            }
            let response = fallback.complete(hi()).await.unwrap();
            assert_eq!(response.service_tier.as_deref(), Some(tier));
            assert_eq!(mock.requests().len(), requests);
            costs.push(backend.cost(&response).unwrap().usd);
        }
        assert!(
            costs[0] > 0.0 && costs[0] == costs[1] && (costs[2] - 2.0 * costs[0]).abs() < 1e-12,
            "{costs:?}"
        );
    }
}
