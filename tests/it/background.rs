//! Responses in the background: started, waited for, retrieved, streamed and cancelled.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{Stream, TryStreamExt};
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, BackgroundStatus, CodexBackend, CodexBackendConfig, CodexError};
use tachikoma_backends_core::{
    Backend, CompletionChunk, CompletionRequest, CompletionResponse, ErrorCategory, FinishReason, Message,
};
use tachikoma_openai_mock::{MockConfig, MockServer};

use crate::server::{self, http};

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hello, THINK")]).with_model("gpt-5.6-terra")
}

fn config(url: &str) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test").with_base_url(url).with_min_retry_wait(Duration::from_millis(1))
}

fn backend(mock: &MockServer) -> CodexBackend {
    CodexBackend::new(config(mock.base_url())).unwrap()
}

async fn with_polls(polls: usize) -> MockServer {
    MockServer::builder().with_background_polls(polls).start().await.unwrap()
}

/// A server that generates so slowly that a response is only queued when its request is answered.
fn slow() -> MockConfig {
    MockServer::builder().with_chunk_delay(Duration::from_secs(60))
}

fn without_request_id(mut response: CompletionResponse) -> CompletionResponse {
    response.request_id = None;
    response
}

fn methods(mock: &MockServer) -> Vec<String> {
    mock.requests().iter().map(|request| request.method.clone()).collect()
}

#[tokio::test]
async fn complete_waits_for_the_response() {
    let whole = with_polls(0).await;
    let expected = backend(&whole).complete(request().with_extra("reasoning", json!({}))).await.unwrap();
    for polls in [1, 4] {
        let mock = with_polls(polls).await;
        let response = backend(&mock).complete(request().with_extra("background", true)).await.unwrap();
        assert_eq!(response.content, expected.content);
        assert_eq!(response.reasoning, expected.reasoning);
        assert!(response.usage.is_some() && response.request_id.is_some(), "{response:?}");
        assert_eq!(methods(&mock), [vec!["POST"], vec!["GET"; polls]].concat());
        assert_eq!(mock.counters().billed_requests, 1);
        let body = mock.requests()[0].body.clone().unwrap();
        assert_eq!((&body["store"], &body["background"]), (&json!(true), &json!(true)));
    }
}

#[tokio::test]
async fn a_started_response_is_found_again_by_its_id() {
    let mock = slow().with_background_polls(3).start().await.unwrap();
    let first = backend(&mock);
    let started = first.start_background(request()).await.unwrap();
    let status = started.retrieve().await.unwrap();
    assert!(matches!(status, BackgroundStatus::InProgress) && !status.is_final(), "{status:?}");
    let id = started.id().to_owned();
    assert!(id.starts_with("resp_"), "{id}");

    // After a restart.
    let second = backend(&mock);
    let found = second.background(id).with_model("gpt-5.6-terra");
    let response = found.wait().await.unwrap();
    assert_eq!(response.finish_reason, FinishReason::Stop);
    let BackgroundStatus::Complete(again) = started.retrieve().await.unwrap() else { panic!("not complete") };
    assert_eq!(without_request_id(*again), without_request_id(response));
    assert_eq!(mock.counters().billed_requests, 1);
}

#[tokio::test]
async fn a_response_can_be_cancelled() {
    let mock = slow().with_background_polls(3).start().await.unwrap();
    let backend = backend(&mock);
    let started = backend.start_background(request()).await.unwrap();
    assert!(matches!(started.cancel().await.unwrap(), BackgroundStatus::Cancelled));
    let status = started.retrieve().await.unwrap();
    assert!(matches!(status, BackgroundStatus::Cancelled) && status.is_final(), "{status:?}");
    let error = started.wait().await.unwrap_err();
    assert!(error.message().contains("cancelled"), "{error}");
    assert_eq!(mock.counters().cancelled_responses, 1);
    assert_eq!(mock.counters().billed_requests, 1);
}

async fn collect(
    stream: Result<impl Stream<Item = Result<CompletionChunk, CodexError>>, CodexError>,
) -> Vec<CompletionChunk> {
    stream.unwrap().try_collect().await.unwrap()
}

#[tokio::test]
async fn a_response_is_streamed_from_any_event_on() {
    let mock = with_polls(1).await;
    let backend = backend(&mock);
    let started = backend.start_background(request()).await.unwrap();
    // Whatever breaks, it goes on.
    mock.push_fault("truncate=5,reset,times=1".parse().unwrap());
    let all = collect(started.stream().await).await;
    let response = started.wait().await.unwrap();
    let collected = CompletionResponse::from_chunks(all.clone());
    assert_eq!(collected.content, response.content);
    assert_eq!(collected.reasoning, response.reasoning);
    let numbers: Vec<_> = all.iter().map(|chunk| chunk.sequence_number.unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.len() > 5, "{numbers:?}");
    for last in numbers {
        let rest = collect(started.stream_from(last).await).await;
        let expected = all.iter().filter(|chunk| chunk.is_final || chunk.sequence_number > Some(last));
        let mut expected: Vec<_> = expected.cloned().collect();
        expected.last_mut().unwrap().request_id = rest.last().unwrap().request_id.clone();
        assert_eq!(rest, expected, "after {last}");
    }
    assert_eq!(mock.counters().billed_requests, 1);
}

#[tokio::test]
async fn polls_that_fail_are_repeated() {
    let mock = with_polls(2).await;
    let backend = CodexBackend::new(config(mock.base_url()).with_max_retries(0)).unwrap();
    let started = backend.start_background(request()).await.unwrap();
    mock.push_fault("status=503,retry-after-ms=1,times=9".parse().unwrap());
    assert!(started.wait().await.unwrap().content.is_some());

    mock.push_fault("status=503,retry-after-ms=1,times=11".parse().unwrap());
    let error = started.wait().await.unwrap_err();
    assert_eq!(error.category(), ErrorCategory::Overloaded);
    assert!(error.to_string().contains(started.id()), "{error}");

    let error = backend.background("resp_unknown").wait().await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::NotFound, 1));
}

#[tokio::test]
async fn the_wait_has_a_limit() {
    let mock = with_polls(1_000_000).await;
    let limited = config(mock.base_url()).with_total_timeout(Duration::from_millis(100));
    let backend = CodexBackend::new(limited).unwrap();
    let error = backend.try_complete(request().with_extra("background", true)).await.unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("with_total_timeout"), "{error}");
    assert_eq!(mock.counters().cancelled_responses, 0);
}

/// The outcome of a response in the background that ends with these fields.
async fn outcome(fields: Value) -> (Result<CompletionResponse, CodexError>, BackgroundStatus) {
    let json = |status: &str, fields: &Value| {
        let mut body = json!({"id": "resp_1", "object": "response", "status": status, "output": []});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        http(200, "application/json", body.to_string().as_bytes())
    };
    let responses = VecDeque::from([
        json("queued", &json!({})),
        json("queued", &json!({})),
        json("in_progress", &json!({})),
        json("completed", &fields),
    ]);
    let bodies = Arc::default();
    let url = server::start_recording(Arc::new(Mutex::new(responses)), Arc::clone(&bodies)).await;
    let backend = CodexBackend::new(config(&url).with_max_retries(0)).unwrap();
    let started = backend.start_background(request()).await.unwrap();
    assert!(matches!(started.retrieve().await.unwrap(), BackgroundStatus::Queued));
    let outcome = started.wait().await;
    assert_eq!(bodies.lock().unwrap().len(), 4, "a response that has ended is not polled again");
    (outcome, started.retrieve().await.unwrap())
}

#[tokio::test]
async fn every_end_is_that_of_a_whole_response() {
    let text = json!([{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]);
    let (response, status) = outcome(json!({"output": text})).await;
    assert_eq!(response.unwrap().content.as_deref(), Some("Hi"));
    assert!(matches!(status, BackgroundStatus::Complete(_)), "{status:?}");

    let details = json!({"reason": "max_output_tokens"});
    let cut = json!({"status": "incomplete", "output": text, "incomplete_details": details});
    let (response, status) = outcome(cut).await;
    assert_eq!(response.unwrap().finish_reason, FinishReason::Length);
    assert!(matches!(status, BackgroundStatus::Complete(_)), "{status:?}");

    // The category may be retryable, but the response has failed for good.
    let failed = json!({"status": "failed", "error": {"code": "server_error", "message": "It broke."}});
    let (response, status) = outcome(failed).await;
    let error = response.unwrap_err();
    assert_eq!((error.category(), error.message()), (ErrorCategory::Server, "It broke."));
    assert!(
        matches!(&status, BackgroundStatus::Failed(error) if error.message() == "It broke."),
        "{status:?}"
    );
    assert!(status.is_final());

    let (response, status) = outcome(json!({"status": "cancelled"})).await;
    assert!(response.unwrap_err().message().contains("cancelled"));
    assert!(matches!(status, BackgroundStatus::Cancelled), "{status:?}");
}

#[tokio::test]
async fn what_cannot_run_in_the_background_is_refused() {
    let backend = |api| CodexBackend::new(config("http://localhost:1").with_api(api)).unwrap();
    let official = backend(Api::Auto);
    for request in [request().with_store(false), request().with_extra("store", false)] {
        for error in [
            official.start_background(request.clone()).await.unwrap_err(),
            official.try_complete(request.with_extra("background", true)).await.unwrap_err(),
        ] {
            assert_eq!((error.category(), error.attempts()), (ErrorCategory::InvalidRequest, 0));
            assert!(error.message().contains("store"), "{error}");
        }
    }
    let error = backend(Api::ChatCompletions).start_background(request()).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 0), "{error}");

    for id in ["", "..", "../models"] {
        let error = official.background(id).retrieve().await.unwrap_err();
        assert_eq!((error.category(), error.attempts()), (ErrorCategory::InvalidRequest, 0), "{error}");
        assert_eq!(official.background(id).stream().await.err().map(|error| error.attempts()), Some(0));
    }

    let preview = official.preview(&request().with_extra("background", true)).unwrap();
    assert_eq!(preview.body["store"], true);
    let preview = official.preview(&request().with_extra("background", false)).unwrap();
    assert_eq!(preview.body["store"], false);
}
