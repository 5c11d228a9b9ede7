//! Chat completions in words.

use serde_json::{Value, json};

use crate::client::{Mock, ask, merge};

#[tokio::test]
async fn a_plain_completion() {
    let mock = Mock::start().await;
    insta::assert_json_snapshot!(mock.answer(&ask("Say hello")).await);
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes() {
    let (one, other) = (Mock::start().await, Mock::start().await);
    let mut responses = Vec::new();
    for mock in [&one, &one, &other] {
        let response = mock.chat(&ask("Why?")).send().await.unwrap();
        let headers = format!("{:?}", response.headers());
        responses.push((headers, response.bytes().await.unwrap()));
    }
    assert_eq!(responses[0], responses[1]);
    assert_eq!(responses[0], responses[2]);
    let different = mock_id(&one.answer(&ask("Why not?")).await);
    assert_ne!(mock_id(&one.answer(&ask("Why?")).await), different);
}

fn mock_id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

/// The content of a completion, its finish reason, and its completion tokens.
async fn completed(request: Value) -> (String, String, u64) {
    let answer = Mock::start().await.answer(&request).await;
    let choice = &answer["choices"][0];
    (
        choice["message"]["content"].as_str().unwrap().to_owned(),
        choice["finish_reason"].as_str().unwrap().to_owned(),
        answer["usage"]["completion_tokens"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn words_follow_from_the_last_user_message() {
    let check = async |messages: Value, expected: &str| {
        let (text, ..) = completed(json!({"model": "m", "messages": messages})).await;
        assert!(text.starts_with(expected), "{text}");
    };
    check(json!([{"role": "user", "content": "hey there"}]), "Hello!").await;
    check(json!([{"role": "user", "content": "What is this?"}]), r#"You said "What is this?"."#).await;
    check(json!([{"role": "user", "content": "Grüße, 漢字 🦀"}]), r#"You said "Grüße, 漢字 🦀"."#).await;
    check(json!([{"role": "system", "content": "Be brief."}]), "There is no user message").await;
    check(
        json!([
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ]},
        ]),
        r#"You said "Look" and sent 1 image(s)."#,
    )
    .await;
    check(
        json!([{"role": "user", "content": "x".repeat(300)}]),
        &format!("You said \"{}…\".", "x".repeat(200)),
    )
    .await;
}

#[tokio::test]
async fn limits_and_stop_sequences_cut_the_content() {
    let check = async |fields: Value, expected: (&str, &str, u64)| {
        let (text, reason, tokens) = completed(merge(&ask("Say hello, or JSON"), fields)).await;
        assert_eq!((text.as_str(), reason.as_str(), tokens), expected);
    };
    check(json!({"max_tokens": 2}), ("Hello! I", "length", 2)).await;
    check(json!({"max_completion_tokens": 1}), ("Hell", "length", 1)).await;
    check(json!({"stop": " I am"}), ("Hello!", "stop", 2)).await;
    check(json!({"stop": ["server", "!", "zebra"]}), ("Hello", "stop", 2)).await;
    check(json!({"stop": " I am", "max_tokens": 1}), ("Hell", "length", 1)).await;
    let json_object = json!({"type": "json_object"});
    check(
        json!({"stop": null, "max_tokens": 4, "response_format": json_object}),
        (r#"{"answer":"Hello"#, "length", 4),
    )
    .await;
}

#[tokio::test]
async fn a_limit_does_not_cut_a_character() {
    // The ninth byte, where 12 are allowed, would end within the second character.
    let (text, ..) = completed(merge(&ask("漢字"), json!({"max_tokens": 3}))).await;
    assert_eq!(text, "You said \"");
}

#[tokio::test]
async fn several_choices_are_numbered() {
    let answer = Mock::start().await.answer(&merge(&ask("hi"), json!({"n": 2}))).await;
    let choices = answer["choices"].as_array().unwrap();
    let text = |index: usize| choices[index]["message"]["content"].as_str().unwrap();
    assert_eq!(choices.len(), 2);
    assert_eq!((&choices[0]["index"], &choices[1]["index"]), (&json!(0), &json!(1)));
    assert!(text(0).ends_with("(Choice 1 of 2.)"), "{}", text(0));
    assert!(text(1).ends_with("(Choice 2 of 2.)"), "{}", text(1));
}

#[tokio::test]
async fn think_shows_its_reasoning() {
    let answer = Mock::start().await.answer(&ask("THINK about it")).await;
    let message = &answer["choices"][0]["message"];
    let reasoning = message["reasoning_content"].as_str().unwrap();
    assert!(reasoning.starts_with(r#"The request is "THINK about it"."#), "{reasoning}");
    assert!(message["content"].as_str().unwrap().starts_with("You said"));
    assert_eq!(
        answer["usage"]["completion_tokens_details"]["reasoning_tokens"],
        json!(reasoning.len().div_ceil(4))
    );
}

#[tokio::test]
async fn json_content_is_json() {
    let check = async |format: Value, expected: Value| {
        let (text, reason, _) =
            completed(merge(&ask("hi, in JSON"), json!({"response_format": format}))).await;
        let mut value: Value = serde_json::from_str(&text).unwrap();
        if let Some(Value::String(words)) = value.get_mut("answer") {
            words.truncate("Hello!".len());
        }
        assert_eq!((value, reason.as_str()), (expected, "stop"));
    };
    check(json!({"type": "json_object"}), json!({"answer": "Hello!"})).await;
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"$ref": "#/$defs/Unit"}},
        "required": ["city", "unit"],
        "additionalProperties": false,
        "$defs": {"Unit": {"type": "string", "enum": ["celsius"]}},
    });
    check(
        json!({"type": "json_schema", "json_schema": {"name": "weather", "schema": schema, "strict": true}}),
        json!({"city": "example", "unit": "celsius"}),
    )
    .await;
}

#[tokio::test]
async fn the_service_tier_is_the_one_asked_for() {
    let check = async |tier: Value, expected: &str| {
        let answer = Mock::start().await.answer(&merge(&ask("hi"), json!({"service_tier": tier}))).await;
        assert_eq!(answer["service_tier"], expected);
    };
    check(json!(null), "default").await;
    check(json!("auto"), "default").await;
    check(json!("flex"), "flex").await;
}
