//! Scripted replies.

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::client::{Mock, ask, input, merge};

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
async fn scripted_replies_are_sent_unchanged() {
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
    check(Reply::json(json!({"a": [1, null]})), json!([r#"{"a":[1,null]}"#, null, null, [], "stop"])).await;
    check(Reply::json("text"), json!([r#""text""#, null, null, [], "stop"])).await;
    check(Reply::tool_calls([("", ""); 0]), json!([null, null, null, [], "stop"])).await;
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
async fn several_calls_arrive_whole_and_streamed() {
    let calls = || {
        let calls =
            [("f", json!({"path": "a long path of several pieces"})), ("g", json!({})), ("f", json!(null))];
        Reply::tool_calls(calls)
    };
    let config = (0..4).fold(MockServer::builder(), |config, _| config.with_reply(calls()));
    let mock = Mock::with(config).await;
    let expected = json!([["f", r#"{"path":"a long path of several pieces"}"#], ["g", "{}"], ["f", "null"]]);

    let chat = mock.answer(&ask("hi")).await;
    let whole: Value = chat["choices"][0]["message"]["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| json!([call["function"]["name"], call["function"]["arguments"]]))
        .collect();
    assert_eq!((&whole, &chat["choices"][0]["finish_reason"]), (&expected, &json!("tool_calls")));

    let mut streamed: Vec<(Value, String)> = Vec::new();
    for chunk in mock.chunks(&ask("hi")).await {
        let call = &chunk["choices"][0]["delta"]["tool_calls"][0];
        let Some(index) = call["index"].as_u64() else { continue };
        if usize::try_from(index).unwrap() == streamed.len() {
            streamed.push((call["function"]["name"].clone(), String::new()));
        }
        let (_, arguments) = streamed.last_mut().unwrap();
        arguments.push_str(call["function"]["arguments"].as_str().unwrap());
    }
    assert_eq!(json!(streamed), expected);

    let called = |output: &Value| -> Value {
        output.as_array().unwrap().iter().map(|item| json!([item["name"], item["arguments"]])).collect()
    };
    assert_eq!(called(&mock.response(&input("hi")).await["output"]), expected);

    let events = mock.events(&input("hi")).await;
    assert_eq!(called(&events.last().unwrap()["response"]["output"]), expected);
    let deltas = |index: usize| -> String {
        let of_call = events.iter().filter(|event| {
            event["type"] == "response.function_call_arguments.delta" && event["output_index"] == index
        });
        of_call.map(|event| event["delta"].as_str().unwrap()).collect()
    };
    assert_eq!(
        [deltas(0), deltas(1), deltas(2)].as_slice(),
        ["{\"path\":\"a long path of several pieces\"}", "{}", "null"]
    );
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
