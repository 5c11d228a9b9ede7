//! Transformations of Chat Completions responses.

mod calls;
mod content;
mod end;
mod fields;
mod messages;

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{FinishReason, ToolCall, Usage};

use super::outcome::Reading;
use super::wire::{Event, serialize};
use super::{Transformation, any};

pub(super) const TRANSFORMATIONS: &[Transformation] = &[
    // Spelling
    ("keys shuffled", any::keys_shuffled),
    ("JSON escaped and spaced", any::json_escaped_and_spaced),
    ("JSON on several data lines", any::json_on_several_lines),
    ("bytes split", any::bytes_split),
    ("line ends", any::line_ends),
    ("byte order mark", any::byte_order_mark),
    ("fields of events spelled otherwise", any::field_spelling),
    ("comments and empty events added", any::comments),
    ("events after [DONE]", any::events_after_done),
    ("an event broken", any::event_broken),
    ("body cut", any::body_cut),
    // Fields that no response needs
    ("unknown fields added", fields::unknown_added),
    ("optional fields removed", fields::optional_removed),
    ("unneeded fields retyped", fields::unneeded_retyped),
    ("indices retyped", fields::indices_retyped),
    ("finish_reason null in other forms", fields::finish_reason_falsy),
    ("usage null in other forms", fields::usage_falsy),
    ("usage retyped", fields::usage_retyped),
    ("counts as floats or text", fields::counts_respelled),
    ("empty texts and lists in other forms", fields::contents_falsy),
    ("error in falsy forms", fields::error_falsy),
    ("unneeded fields twice", fields::doubled),
    ("events named", fields::events_named),
    ("events without content added", fields::events_added),
    ("usage moved to the finish event", fields::usage_moved),
    ("usage of zeros added", fields::usage_zeros_added),
    // Position of content
    ("delta as message", content::in_message),
    ("content as text of the choice", content::in_text),
    ("content repeated as text of the choice", content::repeated_in_text),
    ("content in parts", content::in_parts),
    ("unknown parts added", content::unknown_parts_added),
    ("content of a wrong type", content::of_a_wrong_type),
    ("content in single characters", content::in_single_characters),
    ("reasoning moved", content::reasoning_moved),
    ("reasoning in two fields", content::reasoning_doubled),
    ("choices counted from one", content::choices_from_one),
    ("choices without an index", content::choices_without_index),
    ("an empty second choice", content::empty_choice_added),
    ("events merged", content::events_merged),
    ("all in a message at the end", messages::message_at_the_end),
    ("message at the end repeats all", messages::message_repeats_all),
    ("message grows with every event", messages::message_grows),
    ("two objects on a data line", any::two_objects_on_a_line),
    ("a body in place of the stream", messages::body_in_place_of_the_stream),
    ("the stream as a body", messages::stream_as_body),
    // Tool calls
    ("calls flat", calls::flat),
    ("call ids as numbers", calls::numeric_ids),
    ("calls without ids", calls::without_ids),
    ("calls without index", calls::without_index),
    ("calls all of index zero", calls::index_zero),
    ("calls of index zero, distinguished by name", calls::distinguished_by_name),
    ("calls of one index and id", calls::one_id),
    ("ids and names on every fragment", calls::names_repeated),
    ("arguments as an object", calls::arguments_as_object),
    ("arguments in single characters", calls::arguments_in_single_characters),
    ("fragments merged into one list", calls::fragments_merged),
    ("calls interleaved", calls::interleaved),
    ("calls in a second choice", calls::in_second_choice),
    ("calls as null or of a wrong type", calls::of_a_wrong_type),
    // The end
    ("finish_reason on every event", end::finish_everywhere),
    ("finish_reason earlier", end::finish_earlier),
    ("finish_reason removed", end::finish_removed),
    ("finish_reason of another server for the end of a turn", end::word_that_ends),
    ("finish_reason of another server for a cut", end::word_that_cuts),
    ("finish_reason of another server for a failure", end::word_that_fails),
    ("finish_reason unknown", end::word_unknown),
    ("last events doubled", end::last_events_doubled),
    ("[DONE] removed", end::done_removed),
    ("cut between events", end::cut_between_events),
    ("cut anywhere", end::cut_anywhere),
    ("an error at the end", end::error_added),
];

/// Streams with features that the scenarios lack, and their expected readings.
pub(super) fn extra_streams() -> Vec<(String, String, Reading)> {
    let chunk = |delta: Value, finish: Value| {
        Event::json(json!({
            "id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "gpt-x",
            "system_fingerprint": "fp", "service_tier": "default", "usage": null,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        }))
    };
    let call = |index: usize, id: &str, name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        let call = json!({"index": index, "id": id, "type": "function", "function": function});
        chunk(json!({"tool_calls": [call]}), Value::Null)
    };
    let more = |index: usize, arguments: &str| {
        chunk(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}), Value::Null)
    };
    let text = |text: &str| chunk(json!({"content": text}), Value::Null);
    let thought = |text: &str| chunk(json!({"reasoning_content": text}), Value::Null);
    let role = || chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null);
    let end = |reason: &str| chunk(json!({}), json!(reason));
    let usage = || {
        let usage = json!({
            "prompt_tokens": 19, "completion_tokens": 14, "total_tokens": 33,
            "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 5},
        });
        Event::json(
            json!({"id": "chatcmpl-2", "object": "chat.completion.chunk", "choices": [], "usage": usage}),
        )
    };
    let counted =
        Some(Usage::new(19, 14).with_cached_tokens(8).with_cache_write_tokens(3).with_reasoning_tokens(5));
    let streams = [
        (
            "reasoning, text and two calls",
            vec![
                role(),
                thought("First, "),
                thought("look."),
                text("Let me"),
                text(" look \"é😀\"."),
                call(0, "call_a", "get_weather", ""),
                more(0, "{\"city\":"),
                more(0, "\"Malmö\"}"),
                call(1, "call_b", "get_time", ""),
                more(1, "{\"zone\":\"CET\","),
                more(1, "\"n\":1}"),
                end("tool_calls"),
                usage(),
                Event::done(),
            ],
            Reading {
                text: "Let me look \"é😀\".".into(),
                reasoning: "First, look.".into(),
                calls: vec![
                    ToolCall::new("call_a", "get_weather", "{\"city\":\"Malmö\"}"),
                    ToolCall::new("call_b", "get_time", "{\"zone\":\"CET\",\"n\":1}"),
                ],
                finish: FinishReason::ToolUse,
                usage: counted,
                ..Reading::default()
            },
        ),
        (
            "whole calls",
            vec![
                call(0, "call_a", "now", "{}"),
                call(1, "call_b", "get_time", "{\"zone\":\"CET\"}"),
                call(2, "call_c", "read", "{\"path\":\"a.rs\",\"range\":[1,2]}"),
                end("tool_calls"),
                Event::done(),
            ],
            Reading {
                calls: vec![
                    ToolCall::new("call_a", "now", "{}"),
                    ToolCall::new("call_b", "get_time", "{\"zone\":\"CET\"}"),
                    ToolCall::new("call_c", "read", "{\"path\":\"a.rs\",\"range\":[1,2]}"),
                ],
                finish: FinishReason::ToolUse,
                ..Reading::default()
            },
        ),
        (
            "a call without arguments",
            vec![call(0, "call_a", "now", ""), end("tool_calls"), usage(), Event::done()],
            Reading {
                calls: vec![ToolCall::new("call_a", "now", "{}")],
                finish: FinishReason::ToolUse,
                usage: counted,
                ..Reading::default()
            },
        ),
        (
            "text with the finish reason",
            vec![
                text("One, "),
                text("two, "),
                chunk(json!({"content": "three."}), json!("stop")),
                Event::done(),
            ],
            Reading { text: "One, two, three.".into(), ..Reading::default() },
        ),
        (
            "text that is cut",
            vec![role(), text("One, "), text("two"), end("length"), usage(), Event::done()],
            Reading {
                text: "One, two".into(),
                finish: FinishReason::Length,
                usage: counted,
                ..Reading::default()
            },
        ),
    ];
    let extra = streams
        .into_iter()
        .map(|(name, events, reading)| (format!("extra stream: {name}"), serialize(&events), reading));
    extra.collect()
}

/// The choices of a chunk or a body.
fn choices(value: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    value.get("choices").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn choices_mut(value: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    value
        .get_mut("choices")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

/// The payload of a choice: its delta, or its message if it has no delta.
fn payload(choice: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let is_object = |name: &&str| choice.get(*name).is_some_and(Value::is_object);
    choice.get(["delta", "message"].into_iter().find(is_object)?)?.as_object()
}

fn payload_mut(choice: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    let is_object = |name: &&str| choice.get(*name).is_some_and(Value::is_object);
    let name = ["delta", "message"].into_iter().find(is_object)?;
    choice.get_mut(name)?.as_object_mut()
}

/// The chunks with choices, or the body.
fn chunks_mut(events: &mut [Event]) -> impl Iterator<Item = &mut Value> {
    events
        .iter_mut()
        .filter_map(Event::value_mut)
        .filter(|value| value.get("choices").is_some_and(Value::is_array) && !has_error(value))
}

fn has_error(value: &Value) -> bool {
    value.get("error").is_some_and(is_truthy)
        || choices(value).any(|choice| choice.get("error").is_some_and(is_truthy))
}

fn each_choice(events: &mut [Event], mut edit: impl FnMut(&mut Map<String, Value>)) {
    for chunk in chunks_mut(events) {
        choices_mut(chunk).for_each(&mut edit);
    }
}

fn each_payload(events: &mut [Event], mut edit: impl FnMut(&mut Map<String, Value>)) {
    each_choice(events, |choice| {
        if let Some(payload) = payload_mut(choice) {
            edit(payload);
        }
    });
}

fn each_call(events: &mut [Event], mut edit: impl FnMut(&mut Map<String, Value>)) {
    each_payload(events, |payload| {
        let calls = payload.get_mut("tool_calls").and_then(Value::as_array_mut);
        calls.into_iter().flatten().filter_map(Value::as_object_mut).for_each(&mut edit);
    });
}

/// The payloads of an event.
fn payloads(event: &Event) -> impl Iterator<Item = &Map<String, Value>> {
    event.value().into_iter().flat_map(choices).filter_map(payload)
}

/// The calls, or fragments of calls, of an event.
fn fragments(event: &Event) -> impl Iterator<Item = &Value> {
    payloads(event).filter_map(|payload| payload.get("tool_calls")?.as_array()).flatten()
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_true) => *is_true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Whether the event has content for the user or a tool.
fn has_content(event: &Event) -> bool {
    let is_content = |name: &&str| !matches!(*name, "role");
    let mut fields = payloads(event).flat_map(|payload| payload.iter());
    fields.any(|(name, value)| is_content(&name.as_str()) && is_truthy(value))
        || event.value().into_iter().flat_map(choices).any(|choice| choice.get("text").is_some_and(is_truthy))
}

/// The choices of an event that belong to the first choice.
fn first_choices(event: &Event) -> impl Iterator<Item = &Map<String, Value>> {
    let is_first = |choice: &&Map<String, Value>| {
        matches!(choice.get("index").and_then(Value::as_f64), None | Some(0.0))
    };
    event.value().into_iter().flat_map(choices).filter(is_first)
}

/// The position of the last finish reason, and its value.
fn finish(events: &[Event]) -> Option<(usize, String)> {
    let word = |event: &Event| {
        let mut words = first_choices(event).filter_map(|choice| choice.get("finish_reason"));
        words.find_map(|word| word.as_str().filter(|word| !word.is_empty()).map(str::to_owned))
    };
    events.iter().enumerate().rev().find_map(|(at, event)| Some((at, word(event)?)))
}

/// Whether every event has one choice at most, and that is the first.
fn has_one_choice(events: &[Event]) -> bool {
    events.iter().filter_map(Event::value).all(|value| {
        let choices: Vec<_> = choices(value).collect();
        let is_first = |choice: &&Map<String, Value>| {
            choice.get("index").is_none_or(|index| index.as_f64() == Some(0.0))
        };
        choices.len() <= 1 && choices.iter().all(is_first)
    })
}

/// Whether a chunk's choice has a message or a text beside its delta, which a moved payload would collide with.
fn has_two_payloads(events: &[Event]) -> bool {
    events.iter().filter_map(Event::value).flat_map(choices).any(|choice| {
        choice.contains_key("text") || choice.contains_key("delta") && choice.contains_key("message")
    })
}

/// A chunk with this delta.
fn chunk(delta: Value) -> Event {
    Event::json(
        json!({"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}),
    )
}
