//! Requests against the rules for whole requests that OpenAI's document lacks.

use serde_json::{Value, json};
use tachikoma_openai_mock::MockServer;

use crate::client::{Mock, ask, input, merge};
use crate::refusals::refused;

/// A chat request with these messages.
fn messages(messages: Value) -> Value {
    json!({"model": "gpt-4o", "messages": messages})
}

fn image(url: &str) -> Value {
    messages(json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]))
}

fn functions(number: usize) -> Value {
    (0..number).map(|n| json!({"type": "function", "function": {"name": format!("f{n}")}})).collect()
}

fn metadata(pairs: usize) -> Value {
    let pairs: serde_json::Map<String, Value> = (0..pairs).map(|n| (n.to_string(), json!("v"))).collect();
    json!({ "metadata": pairs })
}

#[tokio::test]
async fn chat_requests_that_are_refused() {
    let mock = Mock::start().await;
    let mut table = String::new();
    let user = json!({"role": "user", "content": "hi"});
    let call =
        |name: &str| json!({"id": "a", "type": "function", "function": {"name": name, "arguments": "{}"}});
    let fields = |fields: Value| merge(&ask("hi"), fields);
    for body in [
        fields(json!({"stream_options": {"include_usage": true}})),
        fields(json!({"stream_options": {"include_usage": true}, "stream": false})),
        fields(json!({"top_logprobs": 2})),
        fields(json!({"top_logprobs": 2, "logprobs": false})),
        fields(json!({"parallel_tool_calls": true})),
        fields(json!({"tools": []})),
        fields(json!({"tools": functions(129)})),
        fields(json!({"max_tokens": 5, "max_completion_tokens": 5})),
        fields(json!({"model": "o3", "max_tokens": 5})),
        fields(json!({"model": "gpt-5.6-terra", "max_tokens": 5})),
        fields(json!({"model": "gpt-5-mini", "temperature": 0.2})),
        fields(json!({"model": "o3-mini", "temperature": 0.2})),
        fields(json!({"model": "o4-mini", "top_p": 0.5})),
        fields(json!({"model": "o3", "stop": "x"})),
        fields(json!({"response_format": {"type": "json_object"}})),
        fields(metadata(17)),
        fields(json!({"metadata": {"k".repeat(65): "v"}})),
        fields(json!({"metadata": {"k": "v".repeat(513)}})),
        fields(json!({"temperature": 2.1})),
        fields(json!({"stop": ["a", "b", "c", "d", "e"]})),
        messages(json!([{"role": "user", "content": "hi", "name": "Ada Lovelace"}])),
        messages(json!([user, {"role": "assistant", "content": null}])),
        messages(json!([user, {"role": "assistant"}])),
        messages(json!([user, {"role": "assistant", "content": "hi", "tool_calls": []}])),
        messages(json!([user, {"role": "assistant", "tool_calls": [call("a b")]}])),
        image("cat.png"),
        image("data:text/plain;base64,aGk="),
        image("data:image/png,aGk="),
        image("data:image/png;base64,"),
        image("data:image/png;base64"),
    ] {
        let refusal = refused(mock.chat(&body)).await;
        let line: String = body.to_string().chars().take(200).collect();
        table.push_str(&format!("{line}\n  {refusal}\n"));
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn responses_that_are_refused() {
    let mock = Mock::start().await;
    let mut table = String::new();
    let fields = |fields: Value| merge(&input("hi"), fields);
    let item = |item: Value| merge(&input(""), json!({"input": [item]}));
    let picture = |url: &str| json!([{"type": "input_image", "image_url": url}]);
    for body in [
        fields(json!({"max_output_tokens": 15})),
        fields(json!({"model": "o3", "temperature": 0.2})),
        fields(json!({"model": "gpt-5", "top_p": 0.2})),
        fields(json!({"model": "gpt-4.1", "reasoning": {"effort": "low"}})),
        fields(json!({"model": "gpt-5-chat-latest", "reasoning": {"effort": "low"}})),
        fields(json!({"text": {"format": {"type": "json_object"}}})),
        fields(metadata(17)),
        fields(json!({"previous_response_id": "resp_1", "conversation": "conv_1"})),
        item(json!({"role": "user", "content": picture("cat.png")})),
        item(json!({"type": "function_call", "call_id": "a", "name": "a b", "arguments": "{}"})),
        item(json!({"type": "function_call_output", "call_id": "a", "output": picture("cat.png")})),
    ] {
        let refusal = refused(mock.responses(&body)).await;
        let line: String = body.to_string().chars().take(200).collect();
        table.push_str(&format!("{line}\n  {refusal}\n"));
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn requests_at_the_limits_are_accepted() {
    let mock = Mock::start().await;
    let fields = |fields: Value| merge(&ask("hi"), fields);
    let user = json!({"role": "user", "content": "hi"});
    for body in [
        fields(json!({"stream_options": null, "top_logprobs": null})),
        fields(json!({"top_logprobs": 2, "logprobs": true})),
        fields(json!({"tools": functions(128), "parallel_tool_calls": false})),
        fields(json!({"max_tokens": null, "max_completion_tokens": 5})),
        fields(json!({"model": "gpt-5-chat-latest", "max_tokens": 5, "temperature": 0.2})),
        fields(json!({"model": "gpt-5.6-terra", "temperature": 0.2, "max_completion_tokens": 5})),
        fields(json!({"model": "o3", "temperature": 1, "top_p": 1.0, "stop": null})),
        fields(json!({"model": "o4-mini", "temperature": null})),
        merge(&ask("Write JSON."), json!({"response_format": {"type": "json_object"}})),
        fields(metadata(16)),
        fields(json!({"metadata": {"k".repeat(64): "v".repeat(512)}})),
        messages(json!([{"role": "user", "content": "hi", "name": "Ada_Lovelace-é.1"}])),
        messages(json!([user, {"role": "assistant", "content": null, "refusal": "No."}, user])),
        image("https://example.com/cat.png"),
        image("HTTP://example.com/cat.png"),
        image("data:image/png;base64,aW1nIGJ5dGVzIGhlcmU="),
    ] {
        mock.answer(&body).await;
    }
    let format = json!({"text": {"format": {"type": "json_object"}}});
    let fields = |text: &str, fields: Value| merge(&input(text), fields);
    let first = mock.response(&input("Write JSON.")).await;
    for body in [
        fields("hi", json!({"max_output_tokens": 16, "model": "o3", "temperature": 1})),
        fields("hi", json!({"model": "gpt-4o", "reasoning": {"effort": null, "summary": "auto"}})),
        fields("As Json.", format.clone()),
        fields("hi", merge(&format, json!({"instructions": "Write JSON."}))),
        fields("hi", merge(&format, json!({"previous_response_id": first["id"]}))),
    ] {
        mock.response(&body).await;
    }
}

#[tokio::test]
async fn the_rules_are_off_with_the_check() {
    let mock = Mock::with(MockServer::builder().with_schema_check(false)).await;
    mock.answer(&merge(&ask("hi"), json!({"model": "o3", "max_tokens": 5, "top_logprobs": 2}))).await;
    mock.response(&merge(&input("hi"), json!({"text": {"format": {"type": "json_object"}}}))).await;
}
