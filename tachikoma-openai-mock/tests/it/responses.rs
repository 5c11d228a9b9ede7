//! Responses, whole.

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::client::{Mock, ask, input, merge};
use crate::refusals::refused;

/// Two tools, as the Responses API spells them.
pub(crate) fn tools() -> Value {
    let weather = json!({
        "type": "object",
        "properties": {"location": {"type": "string"}, "unit": {"enum": ["celsius"]}, "days": {"type": "integer"}},
        "required": ["location", "unit"],
    });
    json!([
        {"type": "function", "name": "get_weather", "description": "The weather.", "parameters": weather, "strict": false},
        {"type": "function", "name": "get_time"},
    ])
}

/// The first text of an output's message.
pub(crate) fn text(response: &Value) -> &str {
    let items = response["output"].as_array().unwrap();
    items.iter().find_map(|item| item["content"][0]["text"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn a_response_in_full() {
    let request = merge(
        &input("Say hello"),
        json!({
            "instructions": "Be brief.",
            "metadata": {"run": "7"},
            "store": false,
            "temperature": 0.5,
            "text": {"verbosity": "low"},
            "service_tier": "flex",
            "user": "me",
        }),
    );
    insta::assert_json_snapshot!(Mock::start().await.response(&request).await);
}

#[tokio::test]
async fn thinking_and_calls_are_items() {
    let fields = json!({
        "tools": tools(),
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high"},
    });
    let response = Mock::start().await.response(&merge(&input("THINK of TWO"), fields)).await;
    insta::assert_json_snapshot!([&response["output"], &response["usage"], &response["reasoning"]]);
}

#[tokio::test]
async fn the_content_is_that_of_a_chat_completion() {
    let mock = Mock::start().await;
    let check = async |text: &str, chat: Value, fields: Value| {
        let chat = mock.answer(&merge(&ask(text), chat)).await;
        let response = mock.response(&merge(&input(text), fields)).await;
        let message = &chat["choices"][0]["message"];
        let items = response["output"].as_array().unwrap();
        let of = |kind: &str| items.iter().filter(|item| item["type"] == kind).cloned().collect::<Vec<_>>();
        let calls: Vec<Value> =
            of("function_call").iter().map(|call| json!([call["name"], call["arguments"]])).collect();
        let expected: Vec<Value> = message["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|call| json!([call["function"]["name"], call["function"]["arguments"]]))
            .collect();
        assert_eq!(calls, expected);
        assert_eq!(self::text(&response), message["content"].as_str().unwrap_or_default());
        let reasoning = of("reasoning").first().map(|item| item["summary"][0]["text"].clone());
        assert_eq!(reasoning.unwrap_or_default(), message["reasoning_content"]);
        let (usage, chat) = (&response["usage"], &chat["usage"]);
        assert_eq!(usage["input_tokens"], chat["prompt_tokens"]);
        assert_eq!(usage["output_tokens"], chat["completion_tokens"]);
        assert_eq!(usage["total_tokens"], chat["total_tokens"]);
        let details = ("output_tokens_details", "completion_tokens_details");
        assert_eq!(usage[details.0]["reasoning_tokens"], chat[details.1]["reasoning_tokens"]);
    };
    let function = |name: &str| json!({"type": "function", "name": name});
    let chat_function = |name: &str| json!({"type": "function", "function": {"name": name}});
    let both = || {
        (
            json!({"tools": [chat_function("f"), chat_function("g")]}),
            json!({"tools": [function("f"), function("g")]}),
        )
    };
    check("hello", json!({}), json!({})).await;
    check("What is this? Grüße, 漢字 🦀", json!({}), json!({})).await;
    check("THINK", json!({}), json!({})).await;
    check("Go", both().0, both().1).await;
    check("TWO", both().0, both().1).await;
    check("THINK of TWO", both().0, both().1).await;
    let more = |more: Value| (merge(&both().0, more.clone()), merge(&both().1, more));
    let (chat, responses) = more(json!({"parallel_tool_calls": false}));
    check("TWO", chat, responses).await;
    let (chat, responses) = more(json!({"tool_choice": "none"}));
    check("TWO", chat, responses).await;
    check(
        "Go",
        merge(&both().0, json!({"tool_choice": chat_function("g")})),
        merge(&both().1, json!({"tool_choice": function("g")})),
    )
    .await;
    let object = json!({"type": "json_object"});
    check("hi, in JSON", json!({"response_format": object}), json!({"text": {"format": object}})).await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false});
    check(
        "hi",
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}}}),
        json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}}}),
    )
    .await;
    check("hi", json!({"max_completion_tokens": 16}), json!({"max_output_tokens": 16})).await;
}

#[tokio::test]
async fn only_allowed_tools_are_called() {
    let check = async |choice: Value, expected: &[&str]| {
        let request = merge(&input("TWO"), json!({"tools": tools(), "tool_choice": choice}));
        let response = Mock::start().await.response(&request).await;
        let calls = response["output"].as_array().unwrap().iter().filter_map(|item| item["name"].as_str());
        assert_eq!(calls.collect::<Vec<_>>(), expected);
    };
    let time = json!({"type": "function", "name": "get_time"});
    check(json!("auto"), &["get_weather", "get_time"]).await;
    check(json!("required"), &["get_weather", "get_time"]).await;
    check(json!({"type": "allowed_tools", "mode": "auto", "tools": [time]}), &["get_time", "get_time"]).await;
}

#[tokio::test]
async fn tools_of_openai_itself_are_not_called() {
    let request = merge(
        &input("hi"),
        json!({"tools": [{"type": "web_search_preview"}], "tool_choice": {"type": "web_search_preview"}}),
    );
    let response = Mock::start().await.response(&request).await;
    assert_eq!(
        (text(&response).split(' ').next(), &response["status"]),
        (Some("Hello!"), &json!("completed"))
    );
}

#[tokio::test]
async fn a_limit_makes_a_response_incomplete() {
    let check = async |text: &str, fields: Value, expected: Value| {
        let request = merge(&merge(&input(text), fields), json!({"max_output_tokens": 16}));
        let response = Mock::start().await.response(&request).await;
        let items =
            response["output"].as_array().unwrap().iter().map(|item| json!([item["type"], item["status"]]));
        assert_eq!(items.collect::<Value>(), expected);
        assert_eq!((&response["status"], &response["completed_at"]), (&json!("incomplete"), &Value::Null));
        assert_eq!(response["incomplete_details"], json!({"reason": "max_output_tokens"}));
        assert_eq!(response["usage"]["output_tokens"], 16);
    };
    let long = json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 100}}, "required": ["a"]});
    let tool = json!({"tools": [{"type": "function", "name": "f", "parameters": long}]});
    check("hi", json!({}), json!([["message", "incomplete"]])).await;
    check("THINK", json!({}), json!([["reasoning", null]])).await;
    check("TWO", tool, json!([["function_call", "incomplete"]])).await;
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes() {
    let (one, other) = (Mock::start().await, Mock::start().await);
    let mut bodies = Vec::new();
    for mock in [&one, &other] {
        bodies.push(mock.responses(&input("Why?")).send().await.unwrap().bytes().await.unwrap());
    }
    assert_eq!(bodies[0], bodies[1]);
    let id = async |text: &str| one.response(&input(text)).await["id"].clone();
    assert_ne!(id("Why?").await, id("Why not?").await);
}

#[tokio::test]
async fn scripted_replies_come_here_too() {
    let check = async |reply: Reply, expected: Value| {
        let mock = Mock::with(MockServer::builder().with_reply(reply)).await;
        let response = mock.response(&input("hi")).await;
        let items = response["output"].as_array().unwrap().iter().map(|item| match item["type"].as_str() {
            Some("message") => item["content"].clone(),
            Some("function_call") => json!([item["name"], item["arguments"]]),
            _ => item["summary"].clone(),
        });
        let reason = &response["incomplete_details"]["reason"];
        assert_eq!(json!([response["status"], reason, items.collect::<Value>()]), expected);
    };
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    check(Reply::text("mine"), json!(["completed", null, [[part("mine")]]])).await;
    check(Reply::text(""), json!(["completed", null, [[part("")]]])).await;
    check(Reply::refusal("No."), json!(["completed", null, [[{"type": "refusal", "refusal": "No."}]]])).await;
    check(
        Reply::tool_call("f", json!({})).with_reasoning("Hm."),
        json!(["completed", null, [[{"type": "summary_text", "text": "Hm."}], ["f", "{}"]]]),
    )
    .await;
    let filtered = Reply::text("m").with_finish_reason("content_filter");
    check(filtered, json!(["incomplete", "content_filter", [[part("m")]]])).await;
    let mock = Mock::with(MockServer::builder().with_reply(Reply::error(429, "slow", "Slow down."))).await;
    assert_eq!(mock.responses(&input("hi")).send().await.unwrap().status().as_u16(), 429);
}

#[tokio::test]
async fn responses_are_not_listed() {
    let mock = Mock::start().await;
    let refusal = refused(mock.get("/responses")).await;
    assert!(refusal.starts_with(r#"405 "method_not_supported""#), "{refusal}");
}
