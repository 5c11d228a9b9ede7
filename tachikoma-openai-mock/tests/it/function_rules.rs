//! Requests against the rules that OpenAI's document lacks: those of functions, formats and output limits.

use serde_json::{Value, json};

use crate::client::{Mock, ask, input, merge};
use crate::refusals::refused;

#[tokio::test]
async fn strict_schemas_have_to_be_strict() {
    let mock = Mock::start().await;
    let check = async |fields: Value, expected: &str| {
        let refusal = refused(mock.chat(&merge(&ask("hi"), fields))).await;
        assert!(refusal.starts_with(&format!("400 {expected}")), "{refusal}");
    };
    let tool = |parameters: Value| json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": parameters}}]});
    let format = |format: Value| json!({"response_format": {"type": "json_schema", "json_schema": format}});
    check(
        tool(json!({"type": "object", "properties": {}})),
        r#""invalid_function_parameters" "tools[0].function.parameters" "Invalid schema for function 'f': In context=(), 'additionalProperties'"#,
    )
    .await;
    check(
        json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true}}]}),
        r#""missing_required_parameter" "tools[0].function.parameters""#,
    )
    .await;
    check(
        format(json!({"name": "n", "strict": true, "schema": {
            "type": "object", "properties": {"a": {"type": "string"}}, "required": [], "additionalProperties": false,
        }})),
        r#"null "response_format" "Invalid schema for response_format 'n': In context=(), 'required' is required"#,
    )
    .await;
    check(
        format(json!({"name": "n", "strict": true})),
        r#""missing_required_parameter" "response_format.json_schema.schema""#,
    )
    .await;
}

/// The same function or format in both APIs.
#[tokio::test]
async fn functions_and_formats_are_checked_by_their_rules() {
    let mock = Mock::start().await;
    let outcome =
        async |request: reqwest::RequestBuilder| match request.send().await.unwrap().json::<Value>().await {
            Ok(body) if body["error"].is_null() => "accepted".to_owned(),
            Ok(body) => {
                let error = &body["error"];
                format!("{} {} {}", error["code"], error["param"], error["message"].as_str().unwrap())
            }
            Err(error) => error.to_string(),
        };
    // `{}` is the place of the function in the expectation.
    let tools = async |functions: Value, expected: &str| {
        let function = |function: &Value| json!({"type": "function", "function": function});
        let chat: Vec<Value> = functions.as_array().unwrap().iter().map(function).collect();
        let item = |function: &Value| merge(&json!({"type": "function"}), function.clone());
        let items: Vec<Value> = functions.as_array().unwrap().iter().map(item).collect();
        for (request, place) in [
            (mock.chat(&merge(&ask("hi"), json!({"tools": chat}))), ".function"),
            (mock.responses(&merge(&input("hi"), json!({"tools": items}))), ""),
        ] {
            assert_eq!(outcome(request).await, expected.replace("{}", place), "{functions}");
        }
    };
    let named = |name: &str| json!([{"name": name}]);
    tools(named("aZ_-9"), "accepted").await;
    tools(named(&"x".repeat(64)), "accepted").await;
    tools(
        named(&"x".repeat(65)),
        r#""string_above_max_length" "tools[0]{}.name" Invalid 'tools[0]{}.name': string too long. Expected a string with maximum length 64, but got a string with length 65 instead."#,
    )
    .await;
    for wrong in ["get weather", "a.b", "wetter_für"] {
        tools(
            named(wrong),
            r#""invalid_value" "tools[0]{}.name" Invalid 'tools[0]{}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."#,
        )
        .await;
    }
    tools(
        named(""),
        r#""empty_string" "tools[0]{}.name" Invalid 'tools[0]{}.name': empty string. Expected a string with minimum length 1, but got an empty string instead."#,
    )
    .await;
    tools(json!([{"name": "f"}, {"name": "g"}]), "accepted").await;
    tools(
        json!([{"name": "f"}, {"name": "g"}, {"name": "f"}]),
        r#""invalid_value" "tools[2]{}.name" Invalid 'tools[2]{}.name': the names of tools must be unique, but 'f' is given twice."#,
    )
    .await;

    let parameters = async |parameters: Value, expected: &str| {
        tools(json!([{"name": "f", "parameters": parameters, "strict": false}]), expected).await;
    };
    let wrong = |why: &str| {
        format!(
            r#""invalid_function_parameters" "tools[0]{{}}.parameters" Invalid schema for function 'f': {why}"#
        )
    };
    let wrong_type =
        |got: &str| wrong(&format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {got}'."));
    parameters(json!({"type": "object", "properties": {}}), "accepted").await;
    // What is strict about schemas is not asked of others, not even `properties` inside the parameters.
    let loose = json!({"a": {"type": "object"}, "b": {"allOf": [{"minLength": 1}], "default": 1}, "c": {}});
    parameters(json!({"type": "object", "properties": loose}), "accepted").await;
    parameters(json!({"type": "object"}), &wrong("In context=(), object schema missing properties.")).await;
    parameters(json!({"type": "null"}), &wrong_type(r#""null""#)).await;
    parameters(json!({"type": "string"}), &wrong_type(r#""string""#)).await;
    parameters(json!({}), &wrong_type(r#""None""#)).await;
    parameters(
        json!({"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]}),
        &wrong("schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."),
    )
    .await;
    for (array, place) in [
        (json!({"type": "array"}), "'properties', 'a'"),
        (json!({"type": "array", "prefixItems": []}), "'properties', 'a'"),
        (json!({"type": ["null", "array"]}), "'properties', 'a', 'type', '1'"),
        (json!({"oneOf": [{"type": "null"}, {"type": "array"}]}), "'properties', 'a', 'oneOf', '1'"),
        (json!({"type": "array", "items": {"type": "array"}}), "'properties', 'a', 'items'"),
    ] {
        let schema = json!({"type": "object", "properties": {"a": array}});
        parameters(schema, &wrong(&format!("In context=({place}), array schema missing items."))).await;
    }

    let format = async |format: Value, expected: &str| {
        let item = merge(&json!({"type": "json_schema"}), format.clone());
        for (request, place) in [
            (
                mock.chat(&merge(
                    &ask("hi"),
                    json!({"response_format": {"type": "json_schema", "json_schema": format}}),
                )),
                "response_format.json_schema",
            ),
            (mock.responses(&merge(&input("hi"), json!({"text": {"format": item}}))), "text.format"),
        ] {
            assert_eq!(outcome(request).await, expected.replace("{}", place), "{format}");
        }
    };
    let object = json!({"type": "object", "properties": {}});
    format(json!({"name": "n", "schema": object}), "accepted").await;
    format(
        json!({"name": "my format", "schema": object}),
        r#""invalid_value" "{}.name" Invalid '{}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."#,
    )
    .await;
}

#[tokio::test]
async fn the_order_of_keys_in_a_request_counts() {
    let mock = Mock::start().await;
    let branch = |properties: &str, required: &str| {
        format!(
            r#"{{"type": "object", "properties": {{{properties}}}, "required": [{required}], "additionalProperties": false}}"#
        )
    };
    let (text, number) = (r#"{"type": "string"}"#, r#"{"type": "number"}"#);
    let check = async |first: String, second: String, expected: &str| {
        let schema = branch(&format!(r#""u": {{"anyOf": [{first}, {second}]}}"#), r#""u""#);
        let body = format!(
            r#"{{"model": "m", "messages": [{{"role": "user", "content": "hi"}}], "response_format": {{"type": "json_schema",
                "json_schema": {{"name": "n", "strict": true, "schema": {schema}}}}}}}"#
        );
        let response = mock.post("/chat/completions", body).send().await.unwrap().text().await.unwrap();
        assert!(response.contains(expected), "{response}");
    };
    let names = r#""a", "b""#;
    let a_first = || branch(&format!(r#""a": {text}, "b": {text}"#), names);
    let b_first = || branch(&format!(r#""b": {number}, "a": {number}"#), names);
    check(a_first(), b_first(), "chat.completion").await;
    check(b_first(), b_first(), "must not share identical first keys").await;
    check(branch(r#""a": {}, "a": {}"#, ""), b_first(), "duplicate key 'a'").await;
}

#[tokio::test]
async fn responses_are_not_longer_than_models_write() {
    let mock = Mock::start().await;
    for name in ["max_tokens", "max_completion_tokens"] {
        let request = |limit: u32| merge(&ask("hi"), json!({name: limit}));
        mock.answer(&request(128_000)).await;
        assert_eq!(
            refused(mock.chat(&request(10_000_000))).await,
            format!(
                r#"400 "invalid_value" "{name}" "{name} is too large: 10000000. This model supports at most 128000 completion tokens, whereas you provided 10000000.""#
            )
        );
    }
    let request = |limit: u32| merge(&input("hi"), json!({"max_output_tokens": limit}));
    mock.response(&request(128_000)).await;
    assert_eq!(
        refused(mock.responses(&request(128_001))).await,
        r#"400 "integer_above_max_value" "max_output_tokens" "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 128000, but got 128001 instead.""#
    );
}
