//! What a request for a response may hold, and what is refused.

use serde_json::{Value, json};
use tachikoma_openai_mock::MockServer;

use crate::client::{Mock, input, merge};
use crate::refusals::{refused, without_values};
use crate::responses::{text, tools};

pub(crate) fn items(items: Value) -> Value {
    json!({"model": "gpt-5.6-terra", "input": items})
}

#[tokio::test]
async fn items_have_the_same_content_as_messages() {
    let mock = Mock::start().await;
    let check = async |input: Value, expected: &str| {
        let response = mock.response(&items(input)).await;
        assert!(text(&response).starts_with(expected), "{response}");
    };
    let user = |text: &str| json!({"role": "user", "content": text});
    let call = |id: &str, name: &str| json!({"type": "function_call", "call_id": id, "name": name, "arguments": "{}"});
    let output =
        |id: &str, output: Value| json!({"type": "function_call_output", "call_id": id, "output": output});
    check(json!([user("hey there")]), "Hello!").await;
    check(json!([{"role": "developer", "content": "Be brief."}]), "There is no user message").await;
    check(json!([]), "There is no user message").await;
    check(
        json!([
            user("hello"),
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello!"}]},
            {"type": "message", "role": "user", "status": "completed", "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "https://example.com/a.png"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            ]},
        ]),
        r#"You said "Look" and sent 2 image(s)."#,
    )
    .await;
    check(
        json!([
            user("Go"),
            call("a", "f"),
            call("b", "g"),
            output("b", json!("B")),
            output("a", json!([{"type": "input_text", "text": "A"}]))
        ]),
        r#"The tool g returned "B". The tool f returned "A". With that I can answer "Go"."#,
    )
    .await;
    check(
        json!([user("Go"), call("a", "f"), output("a", json!("A")), call("b", "g"), output("b", json!("B"))]),
        r#"The tool g returned "B". With that"#,
    )
    .await;
    check(
        json!([
            user("hello"),
            {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "phase": "final_answer", "content": [
                {"type": "output_text", "text": "Hello!", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "No."},
            ]},
            {"role": "assistant", "content": "Hello again."},
            user("hi"),
        ]),
        "Hello!",
    )
    .await;
}

#[tokio::test]
async fn a_conversation_continues_with_the_unchanged_items() {
    let mock = Mock::start().await;
    let check = async |question: &str, fields: Value| {
        let first = merge(&items(json!([{"role": "user", "content": question}])), fields);
        let mut turns = first["input"].as_array().unwrap().clone();
        let mut answers = Vec::new();
        for _ in 0..2 {
            let response = mock.response(&merge(&first, json!({"input": turns}))).await;
            for item in response["output"].as_array().unwrap() {
                turns.push(item.clone());
            }
            for call in
                response["output"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call")
            {
                turns.push(
                    json!({"type": "function_call_output", "call_id": call["call_id"], "output": "18 °C"}),
                );
            }
            answers.push(text(&response).to_owned());
        }
        let last = mock.response(&merge(&first, json!({"input": turns}))).await;
        assert_eq!(last["status"], "completed");
        answers.remove(1)
    };
    let stateless = || json!({"store": false, "include": ["reasoning.encrypted_content"]});
    let with_tools = |fields: Value| merge(&json!({"tools": tools()}), fields);
    let quoted = r#"The tool get_weather returned "18 °C". With that I can answer "THINK of it"."#;
    assert_eq!(check("THINK of it", with_tools(stateless())).await, quoted);
    // What is stored at OpenAI is known by its id.
    assert_eq!(check("THINK of it", with_tools(json!({}))).await, quoted);
    assert!(check("THINK", stateless()).await.starts_with("You said"));
}

#[tokio::test]
async fn conversations_that_are_not_possible() {
    let mock = Mock::start().await;
    let fields = json!({"tools": tools(), "store": false, "include": ["reasoning.encrypted_content"]});
    let output = mock.response(&merge(&input("THINK"), fields)).await["output"].clone();
    let (reasoning, call) = (output[0].clone(), output[1].clone());
    let harmed = |fields: Value| merge(&reasoning, fields);
    let mut bare = reasoning.as_object().unwrap().clone();
    bare.remove("encrypted_content");
    let result = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "42"});
    let user = json!({"role": "user", "content": "hi"});
    let id = call["call_id"].as_str().unwrap();
    let mut table = String::new();
    for (name, items) in [
        ("an output of no call", json!([user, result("call_1")])),
        ("an output of another call", json!([user, call, result("call_1")])),
        ("two outputs of one call", json!([user, call, result(id), result(id)])),
        ("an output before its call", json!([result(id), call])),
        ("a call without its output", json!([user, call])),
        ("a call without its output, and a message", json!([user, call, user])),
        (
            "reasoning of somebody else",
            json!([user, harmed(json!({"encrypted_content": "gAAAAAB1"})), call, result(id)]),
        ),
        ("reasoning under another id", json!([user, harmed(json!({"id": "rs_1"})), call, result(id)])),
        ("reasoning with another summary", json!([user, harmed(json!({"summary": []})), call, result(id)])),
        ("reasoning that is not stored", json!([user, bare, call, result(id)])),
        ("reasoning that leads to nothing", json!([user, reasoning])),
        ("reasoning without what it led to", json!([user, reasoning, user])),
        ("an item that is only named", json!([user, {"type": "item_reference", "id": "msg_1"}])),
    ] {
        let refusal = refused(mock.responses(&self::items(items))).await;
        table.push_str(&format!("{name}\n  {refusal}\n"));
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn bodies_that_are_not_a_request_for_a_response() {
    let mock = Mock::start().await;
    let user = json!({"role": "user", "content": "hi"});
    let with = |fields: Value| merge(&input("hi"), fields);
    let item = |item: Value| items(json!([user, item]));
    let part = |role: &str, part: Value| item(json!({"role": role, "content": [part]}));
    let strict = |parameters: Value| {
        with(json!({"tools": [{"type": "function", "name": "f", "strict": true, "parameters": parameters}]}))
    };
    let format = |format: Value| with(json!({"text": {"format": format}}));
    let open = || json!({"type": "object", "properties": {}});
    let bodies = [
        json!({"input": "hi"}),
        json!({"model": "m"}),
        with(json!({"model": "no-such-model"})),
        with(json!({"input": 1})),
        with(json!({"input": null})),
        with(json!({"messages": []})),
        with(json!({"max_tokens": 16})),
        with(json!({"max_output_tokens": 15})),
        with(json!({"temperature": 3})),
        with(json!({"include": ["reasoning"]})),
        with(json!({"reasoning": {"effort": "extreme"}})),
        with(json!({"metadata": {"a": 1}})),
        with(json!({"previous_response_id": "resp_1"})),
        with(json!({"conversation": "conv_1"})),
        with(json!({"background": true, "store": false})),
        with(json!({"previous_response_id": "resp_1", "conversation": "conv_1"})),
        with(json!({"prompt": {"id": "pmpt_1"}})),
        with(json!({"tools": [{"type": "function", "function": {"name": "f"}}]})),
        with(json!({"tools": [{"type": "telepathy"}]})),
        with(json!({"tool_choice": "required"})),
        with(json!({"tool_choice": "maybe"})),
        with(json!({"tool_choice": {"type": "function", "name": "f"}})),
        with(json!({"tool_choice": {"type": "web_search"}})),
        strict(open()),
        format(json!({"type": "yaml"})),
        format(json!({"type": "json_schema", "name": "n"})),
        format(json!({"type": "json_schema", "name": "n", "strict": true, "schema": open()})),
        item(json!("hi")),
        item(json!({})),
        item(json!({"role": "robot", "content": "hi"})),
        item(json!({"role": "user"})),
        item(json!({"role": "user", "content": 1})),
        item(json!({"role": "user", "content": "hi", "name": "me"})),
        item(json!({"type": "computer_call"})),
        item(json!({"type": "function_call", "call_id": "a", "name": "f"})),
        item(json!({"type": "function_call", "call_id": "a", "name": "f", "arguments": {}})),
        item(json!({"type": "function_call_output", "output": "42"})),
        item(json!({"type": "function_call_output", "call_id": "a", "output": {}})),
        item(json!({"type": "reasoning", "id": "rs_1"})),
        part("user", json!({"type": "input_text"})),
        part("user", json!({"type": "text", "text": "hi"})),
        part("user", json!({"type": "output_text", "text": "hi"})),
        part("user", json!({"type": "input_image", "image_url": "x", "detail": "huge"})),
        part("user", json!({"type": "input_image", "image_url": {"url": "x"}})),
        part("assistant", json!({"type": "input_text", "text": "hi"})),
        part("assistant", json!({"type": "output_text"})),
    ];
    let mut table = String::new();
    for body in bodies {
        table.push_str(&format!(
            "{}\n  {}\n",
            crate::client::sorted(&body),
            without_values(&refused(mock.responses(&body)).await)
        ));
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn what_the_document_allows_is_accepted() {
    let mock = Mock::start().await;
    let check = async |fields: Value| drop(mock.response(&merge(&input("hi"), fields)).await);
    let object = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    check(json!({"temperature": null, "top_p": null, "top_logprobs": null, "instructions": null, "metadata": null})).await;
    check(json!({"temperature": 2, "top_p": 0.5, "store": true, "user": "me", "truncation": "auto"})).await;
    check(json!({"previous_response_id": null, "conversation": null, "background": false, "prompt_cache_key": "k"})).await;
    check(json!({"reasoning": {"effort": "xhigh", "summary": "auto"}, "text": {"verbosity": "low"}})).await;
    check(json!({"stream_options": {"include_obfuscation": false}, "max_tool_calls": 3, "model": "gpt-99"}))
        .await;
    check(json!({"tools": [{"type": "function", "name": "f", "parameters": object, "strict": null}]})).await;
    check(json!({"tools": [{"type": "custom", "name": "c"}, {"type": "web_search"}]})).await;
    check(json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": object}}})).await;
}

#[tokio::test]
async fn the_check_can_be_off() {
    let mock = Mock::with(MockServer::builder().with_schema_check(false)).await;
    mock.response(&merge(&input("hi"), json!({"top_k": 40, "max_output_tokens": 1}))).await;
    let check = async |body: Value, expected: &str| {
        let refusal = refused(mock.responses(&body)).await;
        assert!(refusal.starts_with(&format!("400 {expected}")), "{refusal}");
    };
    let item = |item: Value| items(json!([item]));
    check(merge(&input("hi"), json!({"max_output_tokens": -1})), r#""invalid_value" "max_output_tokens""#)
        .await;
    check(item(json!({"content": "hi"})), r#""missing_required_parameter" "input[0].role""#).await;
    check(item(json!({"role": "user"})), r#""missing_required_parameter" "input[0].content""#).await;
    check(item(json!({"type": "function_call"})), r#""missing_required_parameter" "input[0].call_id""#).await;
}

#[tokio::test]
async fn inputs_over_the_limit() {
    let mock = Mock::with(MockServer::builder().with_context_tokens(2)).await;
    assert_eq!(mock.responses(&input("12345678")).send().await.unwrap().status().as_u16(), 200);
    let request = merge(&input("1234"), json!({"instructions": "12345"}));
    let refusal = refused(mock.responses(&request)).await;
    assert!(refusal.starts_with(r#"400 "context_length_exceeded" "input" "Your input exceeds"#), "{refusal}");
}
