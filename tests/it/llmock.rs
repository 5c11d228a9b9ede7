//! Against llmock, an independent server that injects faults and judges how the client handles them. Its origin comes from
//! `LLMOCK_URL`; without it this test prints that it is skipped.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, CompletionResponse, Message, ToolDefinition,
    ToolParameters,
};

/// Whether a response is streamed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Whole,
    Streamed,
}
use How::{Streamed, Whole};

struct Server {
    url: String,
    http: reqwest::Client,
}

impl Server {
    async fn post(&self, path: &str, body: Value) {
        let response =
            self.http.post(format!("{}/_llmock/{path}", self.url)).json(&body).send().await.unwrap();
        response.error_for_status().unwrap();
    }

    /// Injects the fault, sends a request with retries, and has the server judge it.
    async fn check(&self, fault: Value, how: How, expected: &str) {
        self.post("reset", json!({})).await;
        self.post("scenario", json!({"behaviors": [fault]})).await;
        let outcome = self.send(how, &fault).await;
        let found = match &outcome {
            Ok(response) if response.tool_calls.iter().any(|call| call.parse_arguments().is_err()) => {
                "bad arguments"
            }
            Ok(response) if response.tool_calls.iter().any(|call| call.name != "get_weather") => {
                "unknown tool"
            }
            Ok(_) => "response",
            Err(error) => error.category().as_str(),
        };
        assert_eq!(found, expected, "{fault} {how:?}: {outcome:?}");
        let verdict: Value = self
            .http
            .get(format!("{}/_llmock/verdict", self.url))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert!(verdict["attempts"].as_u64() > Some(0), "{fault} {how:?}: {verdict}");
        assert_eq!(verdict["findings"], json!([]), "{fault} {how:?}");
    }

    /// Sends the request again after retryable errors: a cut stream is left to the caller to retry.
    async fn send(&self, how: How, fault: &Value) -> Result<CompletionResponse, BackendError> {
        let config = CodexBackendConfig::new("sk-llmock")
            .with_base_url(format!("{}/v1", self.url))
            .with_idle_timeout(Duration::from_secs(1));
        let backend = CodexBackend::new(config).unwrap();
        // llmock distinguishes requests by their bodies.
        let request = CompletionRequest::new(vec![Message::user(format!("{fault} {how:?}"))]);
        let tool = ToolDefinition::new("get_weather", "The weather", ToolParameters::new());
        let request = if fault["type"] == "tool_fault" { request.with_tools([tool]) } else { request };
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = match how {
                Whole => backend.complete(request.clone()).await,
                Streamed => match backend.complete_stream(request.clone()).await {
                    Ok(stream) => CollectingStream::new(stream).collect().await.map_err(BackendError::from),
                    Err(error) => Err(error),
                },
            };
            match outcome {
                // An immediate retry could be taken for a second caller.
                Err(error) if error.is_retryable() && tries < 3 => {
                    tokio::time::sleep(Duration::from_millis(100 * tries)).await;
                }
                outcome => return outcome,
            }
        }
    }
}

#[tokio::test]
async fn every_fault_is_handled_correctly() {
    let Ok(url) = std::env::var("LLMOCK_URL") else {
        println!("skipped, since LLMOCK_URL is not set: the verdict of llmock");
        return;
    };
    let server = Server { url, http: reqwest::Client::new() };
    for how in [Whole, Streamed] {
        let fail = |status: u16| json!({"type": "fail", "status": status, "times": 2});
        server
            .check(json!({"type": "fail", "status": 429, "retry_after": 1, "times": 2}), how, "response")
            .await;
        server.check(fail(500), how, "response").await;
        server.check(fail(503), how, "response").await;
        server.check(json!({"type": "fail", "status": 400}), how, "invalid_request").await;
        server.check(json!({"type": "fail", "status": 401}), how, "authentication").await;
        server.check(json!({"type": "delay", "seconds": 1}), how, "response").await;
        server
            .check(json!({"type": "tool_fault", "kind": "malformed_arguments"}), how, "bad arguments")
            .await;
        server.check(json!({"type": "tool_fault", "kind": "unknown_tool"}), how, "unknown tool").await;
    }
    let stream_fault = |kind: &str| json!({"type": "stream_fault", "kind": kind, "after_chunks": 2});
    server.check(stream_fault("disconnect"), Streamed, "response").await;
    server.check(stream_fault("truncate"), Streamed, "response").await;
    server.check(stream_fault("stall"), Streamed, "response").await;
    server.check(stream_fault("malformed"), Streamed, "response").await;
    server.check(json!({"type": "slow_first_token", "seconds": 0.5}), Streamed, "response").await;
}
