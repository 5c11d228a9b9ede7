//! Scripted replies.

use openai_mock::{MockServer, Reply};
use serde_json::{Value, json};

use crate::client::{Mock, ask, merge};

#[tokio::test]
async fn replies_are_sent_in_their_order() {
    let config = MockServer::builder().with_reply(Reply::text("first")).with_reply(Reply::text("second"));
    let mock = Mock::with(config).await;
    mock.server.push_reply(Reply::text("third"));
    for expected in ["first", "second", "third"] {
        assert_eq!(mock.answer(&ask("hi")).await["choices"][0]["message"]["content"], expected);
    }
    let general = mock.answer(&ask("hi")).await;
    assert!(general["choices"][0]["message"]["content"].as_str().unwrap().starts_with("Hello!"));
}

#[tokio::test]
async fn answers_are_sent_as_they_are() {
    let check = async |reply: Reply, expected: Value| {
        let mock = Mock::with(MockServer::builder().with_reply(reply)).await;
        let answer = mock.answer(&merge(&ask("hi"), json!({"max_tokens": 1, "stop": "e"}))).await;
        let choice = &answer["choices"][0];
        let message = &choice["message"];
        let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["function"]);
        let calls: Vec<_> = calls.collect();
        assert_eq!(
            json!([
                message["content"],
                message["refusal"],
                message["reasoning_content"],
                calls,
                choice["finish_reason"]
            ]),
            expected
        );
    };
    check(Reply::text("long text"), json!(["long text", null, null, [], "stop"])).await;
    check(Reply::refusal("No."), json!([null, "No.", null, [], "stop"])).await;
    check(Reply::text("a").with_reasoning("b"), json!(["a", null, "b", [], "stop"])).await;
    check(
        Reply::text("").with_finish_reason("content_filter"),
        json!(["", null, null, [], "content_filter"]),
    )
    .await;
    check(
        Reply::tool_call("f", json!({"x": 1})).and_tool_call("g", "{broken"),
        json!([null, null, null, [
            {"name": "f", "arguments": r#"{"x":1}"#},
            {"name": "g", "arguments": "{broken"},
        ], "tool_calls"]),
    )
    .await;
}

#[tokio::test]
async fn a_scripted_refusal_is_streamed() {
    let mock = Mock::with(MockServer::builder().with_reply(Reply::refusal("I can not."))).await;
    let chunks = mock.chunks(&ask("hi")).await;
    let refusal: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["refusal"].as_str()).collect();
    assert_eq!(refusal, "I can not.");
}

#[tokio::test]
async fn errors_have_their_status_body_and_headers() {
    let check = async |reply: Reply, status: u16, header: (&str, &str), body: &str| {
        let mock = Mock::with(MockServer::builder().with_reply(reply)).await;
        let response = mock.chat(&ask("hi")).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()[header.0], header.1);
        assert_eq!(response.text().await.unwrap(), body);
    };
    check(
        Reply::error(429, "insufficient_quota", "You have none left.").with_header("retry-after", "2"),
        429,
        ("retry-after", "2"),
        r#"{"error":{"message":"You have none left.","type":"requests","param":null,"code":"insufficient_quota"}}"#,
    )
    .await;
    check(
        Reply::error(503, "overloaded", "Busy.").with_header("x-request-id", "req_mine"),
        503,
        ("x-request-id", "req_mine"),
        r#"{"error":{"message":"Busy.","type":"server_error","param":null,"code":"overloaded"}}"#,
    )
    .await;
    check(
        Reply::http(502, "<html>").with_header("content-type", "text/html"),
        502,
        ("content-type", "text/html"),
        "<html>",
    )
    .await;
    check(
        Reply::text("unused").with_header("no header", "x"),
        500,
        ("content-type", "application/json"),
        concat!(
            r#"{"error":{"message":"The scripted reply cannot be sent: invalid HTTP header name.","#,
            r#""type":"server_error","param":null,"code":null}}"#
        ),
    )
    .await;
}

#[tokio::test]
async fn a_reply_waits_for_a_valid_request() {
    let mock = Mock::with(MockServer::builder().with_reply(Reply::text("mine"))).await;
    assert_eq!(mock.chat(&json!({})).send().await.unwrap().status().as_u16(), 400);
    assert_eq!(mock.answer(&ask("hi")).await["choices"][0]["message"]["content"], "mine");
}
