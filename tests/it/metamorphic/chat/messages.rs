//! Whole messages in place of deltas, or beside them.

use fastrand::Rng;
use serde_json::{Map, Value, json};
use tachikoma_backends_core::ToolCall;

use super::super::outcome::Reading;
use super::super::wire::Event;
use super::super::{Demand, Input, Transformed};
use super::{chunk, each_choice, finish, fragments, has_content, has_one_choice, has_two_payloads};

fn call_json(call: &ToolCall) -> Value {
    let ToolCall { id, name, arguments, .. } = call;
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// A message with the contents of a reading.
fn message(reading: &Reading) -> Value {
    let mut message = json!({"role": "assistant"});
    for (name, text) in
        [("content", &reading.text), ("refusal", &reading.refusal), ("reasoning_content", &reading.reasoning)]
    {
        message[name] = if text.is_empty() { Value::Null } else { json!(text) };
    }
    let calls: Vec<Value> = reading.calls.iter().chain(&reading.incomplete).map(call_json).collect();
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    message
}

/// A whole body with the contents of a reading.
fn body(input: &Input) -> Option<Value> {
    let reading = input.success()?;
    let (_, word) = finish(&input.stream()?)?;
    let usage = reading.usage.map(|usage| {
        json!({
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": {
                "cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens,
            },
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        })
    });
    Some(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "m",
        "choices": [{"index": 0, "message": message(reading), "logprobs": null, "finish_reason": word}],
        "usage": usage,
    }))
}

pub(in super::super) fn stream_as_body(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let body = body(input)?.to_string();
    Some(Transformed::bytes(Demand::Same, vec![body.into_bytes()]).read_as(true))
}

pub(in super::super) fn body_in_place_of_the_stream(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let body = match &input.events[..] {
        [Event::Json(_, body)] if input.is_whole => body.clone(),
        _ => body(input)?,
    };
    // An error need not be the same one where the body is an event.
    let as_event = if input.base.is_ok() { Demand::Same } else { Demand::SameOrError };
    let (text, demand) = match random.u8(..5) {
        0 => (body.to_string(), Demand::Same),
        1 => (serde_json::to_string_pretty(&body).unwrap(), Demand::Same),
        2 => (format!("\n \n{body}\n"), Demand::Same),
        3 => (format!("data: {body}\n\ndata: [DONE]\n\n"), as_event),
        _ => (format!("{body}\n\ndata: [DONE]\n\n"), Demand::SameOrError),
    };
    Some(Transformed::bytes(demand, vec![text.into_bytes()]).read_as(false))
}

pub(in super::super) fn message_at_the_end(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let body = body(input)?;
    let mut end = body.clone();
    end["object"] = json!("chat.completion.chunk");
    if random.bool() {
        end["choices"][0]["delta"] = json!({});
    }
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""})), Event::json(end)];
    if random.bool() {
        events.push(Event::done());
    }
    Some(Transformed::same(events))
}

/// Adds a message to a choice that holds a delta.
fn add_message(choice: &mut Map<String, Value>, message: Value) {
    if choice.get("delta").is_some_and(Value::is_object) {
        choice.insert("message".to_owned(), message);
    }
}

pub(in super::super) fn message_repeats_all(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    let (at, word) = finish(&events)?;
    if has_two_payloads(&events) || !has_one_choice(&events) || events[at + 1..].iter().any(has_content) {
        return None;
    }
    let message = message(input.success()?);
    if random.bool() {
        each_choice(&mut events[at..=at], |choice| add_message(choice, message.clone()));
    } else {
        let choice = json!({"index": 0, "message": message, "finish_reason": word});
        events.insert(at + 1, Event::json(json!({"object": "chat.completion", "choices": [choice]})));
    }
    Some(Transformed::same(events))
}

/// Every event repeats in `message` all content so far, beside its delta.
pub(in super::super) fn message_grows(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    if has_two_payloads(&events)
        || !has_one_choice(&events)
        || events.iter().any(|event| fragments(event).count() > 0)
    {
        return None;
    }
    let mut text = String::new();
    each_choice(&mut events, |choice| {
        let content = choice.get("delta").and_then(|delta| delta["content"].as_str()).unwrap_or_default();
        text.push_str(content);
        add_message(choice, json!({"role": "assistant", "content": text}));
    });
    Some(Transformed::same(events))
}
