//! Errors, in OpenAI's shape.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tachikoma_openai_mock::MockServer;

use crate::client::{Mock, ask, merge, sorted};

/// Sends the request and gives its status, `code`, `param` and message.
pub(crate) async fn refused(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    let error = &body["error"];
    assert_eq!(error["type"], "invalid_request_error", "{body}");
    format!("{} {} {} {}", status.as_u16(), error["code"], error["param"], error["message"])
}

/// Without the values that the document lists: each refresh of it may bring more.
pub(crate) fn without_values(refused: &str) -> String {
    match refused.split_once(" Supported values are: ") {
        Some((refused, _)) => format!("{refused}\""),
        None => refused.to_owned(),
    }
}

#[tokio::test]
async fn bodies_that_are_not_a_chat_request() {
    let mock = Mock::start().await;
    let tool = |id: Value| json!({"role": "tool", "tool_call_id": id, "content": "42"});
    let calls = json!([{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let turn = json!({"role": "assistant", "content": null, "tool_calls": calls});
    let user = json!({"role": "user", "content": "hi"});
    let messages = |messages: Value| sorted(&json!({"model": "m", "messages": messages})).to_string();
    let with = |fields| sorted(&merge(&ask("hi"), fields)).to_string();
    let function = |name| json!({"type": "function", "function": {"name": name}});
    let bodies = [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        json!({"messages": []}).to_string(),
        json!({"model": "m"}).to_string(),
        messages(json!([])),
        messages(json!("hi")),
        messages(json!([{"role": "robot", "content": "hi"}])),
        messages(json!([{"role": "user", "content": 1}])),
        messages(json!([user, tool(json!("call_1"))])),
        messages(json!([user, turn, tool(json!("call_2"))])),
        messages(json!([user, turn, tool(json!("call_1")), tool(json!("call_1"))])),
        messages(json!([user, turn, tool(json!(null))])),
        messages(json!([user, turn])),
        messages(json!([user, turn, user])),
        with(json!({"model": "no-such-model"})),
        with(json!({"model": "missing-7b"})),
        with(json!({"model": 4})),
        with(json!({"stream": "yes"})),
        with(json!({"max_tokens": 0})),
        with(json!({"max_completion_tokens": -1})),
        with(json!({"n": 129})),
        with(json!({"stop": 1})),
        with(json!({"tools": [{"type": "function"}]})),
        with(json!({"tool_choice": "auto"})),
        with(json!({"tool_choice": "maybe"})),
        with(json!({"tools": [function("f")], "tool_choice": function("g")})),
        with(json!({"response_format": {"type": "yaml"}})),
    ];
    let mut table = String::new();
    for body in bodies {
        let refusal = refused(mock.post("/chat/completions", body.clone())).await;
        table.push_str(&format!("{body}\n  {refusal}\n"));
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_finished_tool_turn_is_accepted() {
    let turn = json!({"role": "assistant", "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]});
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": id});
    let messages = json!([{"role": "user", "content": "go"}, turn, tool("b"), tool("a")]);
    let answer = Mock::start().await.answer(&json!({"model": "m", "messages": messages})).await;
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with(r#"The tool g returned "b". The tool f returned "a"."#), "{text}");
}

#[tokio::test]
async fn prompts_over_the_limit() {
    let check = async |tokens: usize, text: &str, expected: u16| {
        let mock = Mock::with(MockServer::builder().with_context_tokens(tokens)).await;
        let response = mock.chat(&ask(text)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), expected);
    };
    check(2, "12345678", 200).await;
    check(2, "123456789", 400).await;
    check(1_000_000, &"word".repeat(1_000_000), 200).await;
    let mock = Mock::start().await;
    insta::assert_snapshot!(refused(mock.chat(&ask(&"word".repeat(128_001)))).await);
}

#[tokio::test]
async fn keys() {
    let check = async |required: Option<&str>, authorization: Option<&str>, expected: &str| {
        let mut config = MockServer::builder();
        if let Some(key) = required {
            config = config.with_key(key);
        }
        let server = config.start().await.unwrap();
        let mut request = reqwest::Client::new().get(format!("{}/models", server.base_url()));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let response = request.send().await.unwrap();
        let answer = match response.status().as_u16() {
            200 => "200".to_owned(),
            status => {
                let body: Value = response.json().await.unwrap();
                assert_eq!(body["error"]["code"], "invalid_api_key");
                format!("{status} {}", body["error"]["message"].as_str().unwrap())
            }
        };
        assert!(answer.starts_with(expected), "{answer}");
    };
    check(None, Some("Bearer anything"), "200").await;
    check(None, Some("bearer anything"), "200").await;
    check(None, None, "401 You didn't provide an API key.").await;
    check(None, Some(""), "401 You didn't provide an API key.").await;
    check(None, Some("Bearer "), "401 You didn't provide an API key.").await;
    check(None, Some("Basic anything"), "401 You didn't provide an API key.").await;
    check(Some("sk-right"), Some("Bearer sk-right"), "200").await;
    check(Some("sk-right"), Some("Bearer sk-wrong"), "401 Incorrect API key provided: ***.").await;
    check(Some("sk-right"), Some("Bearer sk-1234567890abcd"), "401 Incorrect API key provided: sk-12***cd.")
        .await;
    check(Some("sk-right"), None, "401 You didn't provide an API key.").await;
}

#[tokio::test]
async fn routes_that_do_not_exist() {
    let mock = Mock::with(MockServer::builder().with_body_limit(100)).await;
    let check = async |request: RequestBuilder, expected: &str| assert_eq!(refused(request).await, expected);
    check(mock.get("/nothing?x=1"), r#"404 null null "Invalid URL (GET /v1/nothing)""#).await;
    check(mock.get("/models/"), r#"404 null null "Invalid URL (GET /v1/models/)""#).await;
    check(mock.get("/models/%ff"), r#"400 null null "Invalid URL: Invalid UTF-8 in `id`""#).await;
    check(mock.get("/models/gpt-1"), r#"404 "model_not_found" "model" "The model 'gpt-1' does not exist""#)
        .await;
    check(
        mock.get("/chat/completions"),
        r#"405 "method_not_supported" null "Not allowed to GET on /v1/chat/completions. (HINT: see the allow header.)""#,
    )
    .await;
    check(
        mock.post("/chat/completions", "x".repeat(101)),
        r#"413 null null "The request's body could not be read, or is larger than the limit of 100 bytes.""#,
    )
    .await;
}

#[tokio::test]
async fn endpoints_below_responses() {
    let mock = Mock::start().await;
    let check = async |method: Method, path: &str, expected: &str| {
        let url = format!("{}/responses/{path}", mock.server.base_url());
        let request = reqwest::Client::new().request(method, url).bearer_auth("sk-test").body("{}");
        let refusal = refused(request).await;
        assert_eq!(refusal, expected, "{path}");
    };
    let not_found = r#"404 null null "Response with id 'resp_1' not found.""#;
    check(Method::GET, "resp_1", not_found).await;
    check(Method::DELETE, "resp_1", not_found).await;
    check(Method::POST, "resp_1/cancel", not_found).await;
    check(Method::GET, "resp_1/input_items", not_found).await;
    let invalid = r#"404 null null "Invalid URL (POST /v1/responses/resp_1/other)""#;
    check(Method::POST, "resp_1/other", invalid).await;
    let missing = r#"400 "missing_required_parameter" "model" "Missing required parameter: 'model'.""#;
    check(Method::POST, "compact", missing).await;
    let not_allowed = r#"405 "method_not_supported" null "Not allowed to POST on /v1/responses/resp_1. (HINT: see the allow header.)""#;
    check(Method::POST, "resp_1", not_allowed).await;
}

#[tokio::test]
async fn a_refused_method_says_what_is_allowed() {
    let mock = Mock::start().await;
    let url = format!("{}/models", mock.server.base_url());
    let request = reqwest::Client::new().request(Method::DELETE, url).bearer_auth("sk-test");
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
        (405, "GET,HEAD")
    );
}

#[tokio::test]
async fn embeddings_that_are_refused() {
    let mock = Mock::start().await;
    let check = async |fields: Value, expected: &str| {
        let body = merge(&json!({"model": "m", "input": "hi"}), fields).to_string();
        let refusal = refused(mock.post("/embeddings", body)).await;
        assert!(refusal.starts_with(expected), "{refusal}");
    };
    check(json!({"input": ""}), r#"400 null "input""#).await;
    check(json!({"input": []}), r#"400 "empty_array" "input""#).await;
    check(json!({"input": null}), r#"400 "invalid_type" "input""#).await;
    check(json!({"input": vec!["a"; 2049]}), r#"400 "array_above_max_length" "input""#).await;
    check(json!({"dimensions": 0}), r#"400 "integer_below_min_value" "dimensions""#).await;
    check(json!({"dimensions": 3073}), r#"400 null "dimensions""#).await;
    check(json!({"encoding_format": "hex"}), r#"400 "invalid_value" "encoding_format""#).await;
    check(json!({"model": "missing-embedder"}), r#"404 "model_not_found" null"#).await;
}
