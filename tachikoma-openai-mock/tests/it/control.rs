//! `/mock/...`: a running server is controlled over HTTP.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::client::{Mock, ask, input, merge};

/// Sends a request without a key, and gives its status and body.
async fn control(mock: &Mock, method: Method, path: &str, body: &str) -> (u16, Value) {
    let url = format!("{}/mock/{path}", mock.server.azure_endpoint());
    let response = Client::new().request(method, url).body(body.to_owned()).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

async fn text(mock: &Mock) -> String {
    mock.answer(&ask("hi")).await["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_script_is_replaced() {
    let mock = Mock::with(MockServer::builder().with_reply(Reply::text("old"))).await;
    let script = r#"{"replies": [{"text": "new"}]}"#;
    assert_eq!(control(&mock, Method::PUT, "script", script).await, (204, Value::Null));
    assert_eq!(text(&mock).await, "new");
    assert!(text(&mock).await.starts_with("Hello!"));

    // As long as a request may be, which is more than axum allows by default.
    let long = json!({"replies": [{"text": "long ".repeat(1_000_000)}]}).to_string();
    assert_eq!(control(&mock, Method::PUT, "script", &long).await.0, 204);
    assert!(text(&mock).await.starts_with("long long"));

    let (status, error) = control(&mock, Method::PUT, "script", r#"{"replies": [{}]}"#).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("invalid_script")));
    assert!(error["error"]["message"].as_str().unwrap().starts_with("replies[0]: nothing is to be sent"));
}

#[tokio::test]
async fn requests_are_listed_with_masked_keys() {
    let mock = Mock::start().await;
    assert_eq!(control(&mock, Method::GET, "requests", "").await, (200, json!([])));
    mock.answer(&ask("hi")).await;
    mock.get("/models?x=1").send().await.unwrap();
    let (_, requests) = control(&mock, Method::GET, "requests", "").await;
    assert_eq!(requests.as_array().unwrap().len(), 2);
    assert_eq!(
        [&requests[0]["method"], &requests[0]["path"], &requests[0]["body"]["messages"][0]["content"]],
        ["POST", "/v1/chat/completions", "hi"]
    );
    assert_eq!(requests[0]["headers"]["authorization"], "Bearer ***");
    assert_eq!([&requests[1]["query"], &requests[1]["body"]], [&json!("x=1"), &Value::Null]);
    assert_eq!(requests, serde_json::to_value(mock.server.requests()).unwrap());
}

#[tokio::test]
async fn a_reset_server_is_as_it_was_at_the_start() {
    let config = MockServer::builder()
        .with_reply(Reply::text("scripted"))
        .with_fault("status=500,times=1".parse().unwrap())
        .with_rate_limits(3, 1_000_000);
    let mock = Mock::with(config).await;
    let run = async || {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let response = mock.chat(&ask("hi")).send().await.unwrap();
            let status = response.status().as_u16();
            seen.push((status, response.text().await.unwrap().contains("scripted")));
        }
        let counters = mock.server.counters();
        (seen, mock.server.requests().len(), counters.billed_requests, counters.rate_limited_requests)
    };
    let first = run().await;
    assert_eq!(first, (vec![(500, false), (200, true), (200, false), (429, false)], 4, 2, 1));
    assert_eq!(control(&mock, Method::POST, "reset", "").await, (204, Value::Null));
    let counters = mock.server.counters();
    assert_eq!((counters.billed_requests, counters.http_bytes, mock.server.requests().len()), (0, 0, 0));
    assert!(counters.open_connections > 0);
    assert_eq!(run().await, first);
    control(&mock, Method::PUT, "script", r#"{"replies": [{"text": "other", "times": "always"}]}"#).await;
    mock.server.reset();
    assert_eq!(run().await, first);
}

#[tokio::test]
async fn a_reset_server_has_stored_nothing() {
    let mock = Mock::start().await;
    let first = mock.response(&input("hi")).await;
    let conversation = mock.posted("/conversations", &json!({})).await;
    mock.server.reset();
    let next = merge(&input("hi"), json!({"previous_response_id": first["id"]}));
    assert_eq!(mock.responses(&next).send().await.unwrap().status().as_u16(), 400);
    assert_eq!(mock.posted("/conversations", &json!({})).await, conversation);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let mock = Mock::start().await;
    assert_eq!(control(&mock, Method::POST, "script", "{}").await.0, 405);
    assert_eq!(control(&mock, Method::GET, "reset", "").await.0, 405);
    assert_eq!(control(&mock, Method::GET, "nothing", "").await.0, 404);
}
