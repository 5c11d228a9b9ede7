//! Requests against the schema of OpenAI's document.

use serde_json::{Value, json};
use tachikoma_openai_mock::MockServer;

use crate::client::{Mock, ask, merge};
use crate::refusals::{refused, without_values};

/// A request for words with these messages.
fn messages(messages: Value) -> Value {
    json!({"messages": messages})
}

#[tokio::test]
async fn what_the_document_allows_is_accepted() {
    let mock = Mock::start().await;
    let check = async |fields: Value| drop(mock.answer(&merge(&ask("hi"), fields)).await);
    let object = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    check(json!({"temperature": 2, "top_p": 0.5, "seed": -1, "n": 1, "user": "me", "store": false})).await;
    check(json!({"temperature": null, "top_p": null, "stop": null, "stream_options": null})).await;
    // The document allows null in one place and forbids it in another.
    check(json!({"logprobs": true, "top_logprobs": null})).await;
    check(json!({"logprobs": true, "top_logprobs": 20})).await;
    check(json!({"logit_bias": {"50256": -100}, "metadata": {"a": "b"}, "reasoning_effort": "high"})).await;
    check(json!({"model": "gpt-99", "modalities": ["text"], "verbosity": "low"})).await;
    check(json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": object, "strict": null}}]}))
        .await;
    check(
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": object}}}),
    )
    .await;
    check(messages(json!([{"role": "user", "name": "me", "content": [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
    ]}])))
    .await;
}

#[tokio::test]
async fn a_message_can_be_sent_back_unchanged() {
    let mock = Mock::start().await;
    for text in ["hi", "THINK"] {
        let turn = mock.answer(&ask(text)).await["choices"][0]["message"].clone();
        let user = json!({"role": "user", "content": text});
        mock.answer(&merge(&ask(text), messages(json!([user, turn, user])))).await;
    }
}

#[tokio::test]
async fn what_it_does_not_allow_is_refused_by_the_name_of_the_field() {
    let mock = Mock::start().await;
    let check = async |fields: Value, expected: &str| {
        let refused = refused(mock.chat(&merge(&ask("hi"), fields))).await;
        assert_eq!(without_values(&refused), format!("400 {expected}"));
    };
    check(
        json!({"temprature": 1}),
        r#""unknown_parameter" "temprature" "Unrecognized request argument supplied: temprature""#,
    )
    .await;
    check(
        json!({"top_k": 1, "min_p": 1}),
        r#""unknown_parameter" "min_p" "Unrecognized request arguments supplied: min_p, top_k""#,
    )
    .await;
    check(
        json!({"temperature": "hot"}),
        r#""invalid_type" "temperature" "Invalid type for 'temperature': expected a number, but got a string instead.""#,
    )
    .await;
    check(
        json!({"temperature": 2.5}),
        r#""decimal_above_max_value" "temperature" "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.""#,
    )
    .await;
    check(
        json!({"top_logprobs": -1}),
        r#""integer_below_min_value" "top_logprobs" "Invalid 'top_logprobs': integer below minimum value. Expected a value >= 0, but got -1 instead.""#,
    )
    .await;
    check(
        json!({"seed": 1.5}),
        r#""invalid_type" "seed" "Invalid type for 'seed': expected an integer, but got a decimal number instead.""#,
    )
    .await;
    check(
        json!({"reasoning_effort": "extreme"}),
        r#""invalid_value" "reasoning_effort" "Invalid value: 'extreme'.""#,
    )
    .await;
    check(
        json!({"stop": ["a", "b", "c", "d", "e"]}),
        r#""array_above_max_length" "stop" "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead.""#,
    )
    .await;
    check(
        json!({"safety_identifier": "x".repeat(65)}),
        r#""string_above_max_length" "safety_identifier" "Invalid 'safety_identifier': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.""#,
    )
    .await;
    check(
        json!({"metadata": {"a": 1}}),
        r#""invalid_type" "metadata.a" "Invalid type for 'metadata.a': expected a string, but got an integer instead.""#,
    )
    .await;
    check(
        json!({"tools": null}),
        r#""invalid_type" "tools" "Invalid type for 'tools': expected an array, but got null instead.""#,
    )
    .await;
    check(
        json!({"tools": [{"function": {"name": "f"}}]}),
        r#""missing_required_parameter" "tools[0].type" "Missing required parameter: 'tools[0].type'.""#,
    )
    .await;
    check(
        json!({"stream_options": {"include_usag": true}}),
        r#""unknown_parameter" "stream_options.include_usag" "Unknown parameter: 'stream_options.include_usag'.""#,
    )
    .await;
}

#[tokio::test]
async fn the_role_and_the_type_select_the_schema_of_a_message() {
    let mock = Mock::start().await;
    let check = async |message: Value, expected: &str| {
        let user = json!({"role": "user", "content": "hi"});
        let request = merge(&ask("hi"), messages(json!([user, message])));
        let refusal = refused(mock.chat(&request)).await;
        assert!(refusal.starts_with(&format!("400 {expected} ")), "{refusal}");
    };
    check(json!({"content": "hi"}), r#""missing_required_parameter" "messages[1].role""#).await;
    check(json!({"role": "robot"}), r#""invalid_value" "messages[1].role""#).await;
    check(json!("hi"), r#""invalid_type" "messages[1]""#).await;
    check(json!({"role": "user"}), r#""missing_required_parameter" "messages[1].content""#).await;
    check(json!({"role": "user", "content": null}), r#""invalid_type" "messages[1].content""#).await;
    check(
        json!({"role": "user", "content": "hi", "tool_calls": []}),
        r#""unknown_parameter" "messages[1].tool_calls""#,
    )
    .await;
    check(json!({"role": "assistant", "content": 1}), r#""invalid_type" "messages[1].content""#).await;
    check(
        json!({"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]}),
        r#""missing_required_parameter" "messages[1].tool_calls[0].function.arguments""#,
    )
    .await;
    check(
        json!({"role": "tool", "content": "42"}),
        r#""missing_required_parameter" "messages[1].tool_call_id""#,
    )
    .await;
    let part = |part: Value| json!({"role": "user", "content": [part]});
    check(part(json!({"type": "text"})), r#""missing_required_parameter" "messages[1].content[0].text""#)
        .await;
    check(part(json!({"type": "video"})), r#""invalid_value" "messages[1].content[0].type""#).await;
    check(
        part(json!({"type": "image_url", "image_url": {"url": "x", "detail": "huge"}})),
        r#""invalid_value" "messages[1].content[0].image_url.detail""#,
    )
    .await;
    check(
        part(json!({"type": "image_url", "image_url": "x"})),
        r#""invalid_type" "messages[1].content[0].image_url""#,
    )
    .await;
}

#[tokio::test]
async fn what_the_python_library_has_read_may_be_sent_back() {
    let function = json!({"name": "f", "arguments": "{}", "parsed_arguments": {"a": 1}});
    let turn = json!({"role": "assistant", "content": null, "parsed": null, "tool_calls": [
        {"id": "a", "type": "function", "index": 0, "function": function},
    ]});
    let tool = json!({"role": "tool", "tool_call_id": "a", "content": "42"});
    let user = json!({"role": "user", "content": "hi"});
    Mock::start().await.answer(&merge(&ask("hi"), messages(json!([user, turn, tool])))).await;
}

#[tokio::test]
async fn embeddings_are_checked_too() {
    let mock = Mock::start().await;
    let check = async |fields: Value, expected: &str| {
        let body = merge(&json!({"model": "m", "input": "hi"}), fields).to_string();
        assert_eq!(refused(mock.post("/embeddings", body)).await, format!("400 {expected}"));
    };
    check(
        json!({"input": ["a", 1]}),
        r#""invalid_type" "input[1]" "Invalid type for 'input[1]': expected a string, but got an integer instead.""#,
    )
    .await;
    check(
        json!({"dimension": 8}),
        r#""unknown_parameter" "dimension" "Unrecognized request argument supplied: dimension""#,
    )
    .await;
}

#[tokio::test]
async fn the_check_can_be_off() {
    let mock = Mock::with(MockServer::builder().with_schema_check(false)).await;
    mock.answer(&merge(&ask("hi"), json!({"top_k": 40, "temperature": 9}))).await;
    let body = json!({"model": "m", "input": "hi", "truncate": true}).to_string();
    assert_eq!(mock.post("/embeddings", body).send().await.unwrap().status().as_u16(), 200);
    mock.answer(&merge(
        &ask("hi"),
        json!({"max_tokens": 200_000, "tools": [{"type": "function", "function": {"name": "a b"}}]}),
    ))
    .await;
    let refusal = refused(mock.chat(&merge(&ask("hi"), json!({"n": 129})))).await;
    assert!(refusal.starts_with(r#"400 "integer_above_max_value" "n""#), "{refusal}");
}
