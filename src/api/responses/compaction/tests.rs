//! What a compaction replaces, and what the endpoint returns.

use tachikoma_backends_core::{CompactionRequest, ToolCall};

use super::*;
use crate::target::WireApi;

const ORIGIN: &str = "o";

fn compaction() -> Value {
    json!({"type": COMPACTION, "id": "cmp_1", "encrypted_content": "x"})
}

fn user(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

fn assistant(text: &str, items: Value) -> Message {
    let state = ProviderState::new(ORIGIN, items);
    Message::assistant(text).with_provider_state(state)
}

fn message_item(text: &str) -> Value {
    json!({"type": "message", "id": "msg_2", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
}

/// A conversation after a compaction by the endpoint with this output.
fn compacted(messages: Vec<Message>, output: Value) -> Vec<Message> {
    let body = json!({"output": output, "usage": {"input_tokens": 9, "output_tokens": 2}}).to_string();
    let output = Compact.decode(body.as_bytes(), ResponseContext::default()).unwrap();
    assert_eq!(output.usage, Some(Usage::new(9, 2)));
    let request = CompactionRequest::new(CompletionRequest::new(messages));
    request.with_state(vec![], Message::assistant("-"), |carrier| output.state(ORIGIN, carrier)).messages
}

/// What is sent to this origin.
fn sent(mut messages: Vec<Message>, origin: &str) -> Value {
    let target =
        Target { state_origin: origin.to_owned(), ..Target::for_model("gpt-5.2", WireApi::Responses) };
    prune(&mut messages, origin);
    let body = request::convert(CompletionRequest::new(messages), &target).unwrap();
    serde_json::to_value(&body).unwrap()["input"].clone()
}

fn conversation() -> Vec<Message> {
    vec![Message::system("S"), Message::user("A"), Message::assistant("B"), Message::user("C")]
}

#[test]
fn the_output_of_the_endpoint_is_the_next_input() {
    let items = [user("A"), user("C"), compaction()];
    let mut output = items.clone();
    output[2]["created_by"] = json!("x");
    output[0]["phase"] = Value::Null;
    let messages = compacted(conversation(), json!(output));
    let texts: Vec<_> = messages.iter().map(Message::text).collect();
    assert_eq!(texts, ["S", "A", "C"]);
    let next = [messages.clone(), vec![Message::user("D")]].concat();
    let system = json!({"role": "developer", "content": "S"});
    let plain = |text: &str| json!({"role": "user", "content": text});
    let [first, second, third] = items;
    assert_eq!(sent(next.clone(), ORIGIN), json!([system, first, second, third, plain("D")]));
    // Stored and loaded, it is the same.
    let stored: Vec<Message> = serde_json::from_value(serde_json::to_value(&next).unwrap()).unwrap();
    assert_eq!(sent(stored, ORIGIN), sent(next.clone(), ORIGIN));
    let elsewhere = json!([system, plain("A"), plain("C"), plain("D")]);
    assert_eq!(sent(next.clone(), "other"), elsewhere);
    // A later change of the message takes precedence.
    let mut edited = next;
    edited[2].content = "E".into();
    assert_eq!(sent(edited, ORIGIN), json!([system, plain("A"), plain("E"), plain("D")]));
}

#[test]
fn what_stands_before_the_newest_compaction_item_is_not_sent() {
    let mut messages = conversation();
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "y"});
    messages.push(assistant("F", json!([compaction(), message_item("F")])));
    messages.push(Message::user("G"));
    messages.push(assistant("H", json!([reasoning, compaction(), message_item("H")])));
    messages.push(Message::user("I"));
    let mut bare = message_item("H");
    bare.as_object_mut().unwrap().remove("id");
    let system = json!({"role": "developer", "content": "S"});
    let last = json!({"role": "user", "content": "I"});
    assert_eq!(sent(messages.clone(), ORIGIN), json!([system, compaction(), bare, last]));
    assert_eq!(sent(messages, "other").as_array().unwrap().len(), 8);
}

#[test]
fn a_result_stays_beside_its_call() {
    let call = json!({"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"});
    let calls = |items: Value| {
        let message = Message::assistant_with_tool_calls("", vec![ToolCall::new("1", "f", "{}")]);
        message.with_provider_state(ProviderState::new(ORIGIN, items))
    };
    let result = Message::tool_result("1", "r");
    // Within the turn of the compaction, and in a turn before it.
    let within = vec![Message::user("A"), calls(json!([call, compaction()])), result.clone()];
    assert_eq!(sent(within, ORIGIN).as_array().unwrap()[..2], [call.clone(), compaction()]);
    let before = vec![
        Message::user("A"),
        calls(json!([call])),
        assistant("B", json!([compaction(), message_item("B")])),
        result.clone(),
    ];
    assert_eq!(sent(before, ORIGIN).as_array().unwrap().len(), 5);
    let answered =
        vec![Message::user("A"), calls(json!([call])), result, assistant("", json!([compaction()]))];
    assert_eq!(sent(answered, ORIGIN), json!([compaction()]));
}

#[test]
fn outputs_that_are_not_a_conversation() {
    let check = |body: Value, expected: &str| {
        let error = Compact.decode(body.to_string().as_bytes(), ResponseContext::default()).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    };
    check(json!({"error": {"message": "Slow down."}}), "Slow down.");
    check(json!({"output": null}), "output");
    check(json!({"output": [user("A")]}), "no compaction item");
}

#[test]
fn the_body_has_the_fields_of_the_endpoint() {
    let target = Target::for_model("gpt-5.2", WireApi::Responses);
    let request = CompletionRequest::new(conversation())
        .with_max_tokens(100)
        .with_prompt_cache_key("k")
        .with_service_tier("flex")
        .with_compaction_threshold(1_000)
        .with_extra("instructions", "I")
        .with_extra("previous_response_id", "resp_1")
        .with_extra("max_tool_calls", 3);
    let body: Value = serde_json::from_slice(&Compact::encode(request, &target).unwrap()).unwrap();
    let expected = json!({
        "model": "gpt-5.2", "prompt_cache_key": "k", "service_tier": "flex", "instructions": "I\n\nS",
        "previous_response_id": "resp_1", "input": [
            {"role": "user", "content": "A"},
            {"type": "message", "role": "assistant", "content": "B"},
            {"role": "user", "content": "C"},
        ],
    });
    assert_eq!(body, expected);
}

#[test]
fn messages_of_the_user_that_only_the_server_had() {
    let image = json!({"type": "input_image", "image_url": "https://a", "detail": "low"});
    let other = json!({"type": "input_new", "x": 1});
    let parts = json!({"role": "user", "content": [{"type": "input_text", "text": "B"}, image, other]});
    let output =
        CompactedOutput { items: vec![user("A"), parts, compaction(), message_item("C")], usage: None };
    let image = ContentPart::image_url("https://a").with_detail(ImageDetail::Low);
    let parts = vec![ContentPart::text("B"), image, ContentPart::other(other.as_object().unwrap().clone())];
    let messages: Vec<_> = output.user_messages().collect();
    assert_eq!(messages, [Message::user("A"), Message::user(parts)]);
    assert_eq!(output.text().as_deref(), Some("C"));
}
