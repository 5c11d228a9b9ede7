//! Transformations of responses of the Responses API.

mod end;
mod fields;
mod items;
mod pieces;

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{FinishReason, ToolCall, ToolCallKind, Usage};

use super::outcome::Reading;
use super::wire::{Event, serialize};
use super::{Input, Transformation, any};

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
    ("an event broken", any::event_broken),
    ("body cut", any::body_cut),
    ("event lines removed", fields::event_lines_removed),
    ("type only in the event line", fields::type_in_the_event_line),
    ("two objects on a data line", any::two_objects_on_a_line),
    // Fields that no response needs
    ("unknown fields added", fields::unknown_added),
    ("optional fields removed", fields::optional_removed),
    ("item_id removed", fields::item_id_removed),
    ("output_index removed", fields::output_index_removed),
    ("item ids that change", fields::item_ids_that_change),
    ("unneeded fields retyped", fields::unneeded_retyped),
    ("indices retyped", fields::indices_retyped),
    ("item ids as numbers", fields::numeric_item_ids),
    ("call ids as numbers", fields::numeric_call_ids),
    ("error and incomplete_details in falsy forms", fields::error_falsy),
    ("empty contents in other forms", fields::contents_falsy),
    ("usage retyped", fields::usage_retyped),
    ("counts as floats or text", fields::counts_respelled),
    ("unneeded fields twice", fields::doubled),
    // Events of an item that are left out or repeated
    ("first events removed", pieces::first_events_removed),
    ("events of parts removed", pieces::part_events_removed),
    ("output_item.added removed", pieces::added_removed),
    ("deltas removed", pieces::deltas_removed),
    ("only output_item.done and the end", pieces::only_items_done),
    ("only the last event", pieces::only_the_last_event),
    ("later items only in the last event", pieces::later_items_at_the_end),
    ("done events of later items only", pieces::later_deltas_removed),
    ("no output in the last event", pieces::output_removed),
    ("arguments only in arguments.done", pieces::arguments_only_when_done),
    ("arguments as an object", pieces::arguments_as_object),
    ("done events doubled", pieces::done_doubled),
    ("first events doubled", pieces::added_doubled),
    ("deltas in single characters", pieces::deltas_in_single_characters),
    ("delta of a wrong type", pieces::delta_of_a_wrong_type),
    // Items
    ("unknown events added", items::unknown_events_added),
    ("documented events without content added", items::documented_events_added),
    ("items of hosted tools added", items::hosted_items_added),
    ("items that the client must run added", items::client_items_added),
    ("unknown parts added", items::unknown_parts_added),
    ("content as text", items::content_as_text),
    ("output_text beside output", items::output_text_added),
    ("final_answer on messages", items::final_answer),
    ("commentary on messages", items::commentary),
    ("a message added", items::message_added),
    ("a commentary added", items::commentary_added),
    // The end
    ("a body in place of the stream", end::body_in_place_of_the_stream),
    ("the stream as a body", end::stream_as_body),
    ("status other than completed", end::status_other_than_completed),
    ("status incomplete", end::status_incomplete),
    ("last event replaced by [DONE]", end::last_replaced_by_done),
    ("[DONE] added", end::done_added),
    ("events after the last", end::events_after_the_last),
    ("cut between events", end::cut_between_events),
    ("cut anywhere", end::cut_anywhere),
    ("an error added", end::error_added),
];

/// A builder of the events of a stream, and of the items in its last event.
#[derive(Default)]
struct StreamBuilder {
    events: Vec<Event>,
    output: Vec<Value>,
}

impl StreamBuilder {
    fn event(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.events.len());
        self.events.push(Event::Json(Some(kind.to_owned()), data));
    }

    fn response(&mut self, kind: &str, status: &str, usage: Value) {
        let response = json!({
            "id": "resp_9", "object": "response", "created_at": 1_760_000_000, "status": status, "model": "gpt-x",
            "error": null, "incomplete_details": null, "service_tier": "default", "output": self.output, "usage": usage,
        });
        self.event(kind, json!({ "response": response }));
    }

    /// The events of an item: added, its own, done.
    fn item(&mut self, added: Value, own: &[(&str, Value)], done: Value) {
        let (index, id) = (self.output.len(), done["id"].clone());
        self.event("response.output_item.added", json!({"output_index": index, "item": added}));
        for (kind, data) in own {
            let mut data = data.clone();
            data["output_index"] = json!(index);
            data["item_id"] = id.clone();
            self.event(kind, data);
        }
        self.event("response.output_item.done", json!({"output_index": index, "item": done}));
        self.output.push(done);
    }

    fn message(&mut self, id: &str, phase: Option<&str>, deltas: &[&str]) {
        let text = deltas.concat();
        let part =
            |text: &str| json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text});
        let item = |status: &str, content: Value| {
            let mut item = json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content});
            if let Some(phase) = phase {
                item["phase"] = json!(phase);
            }
            item
        };
        let mut own = vec![("response.content_part.added", json!({"content_index": 0, "part": part("")}))];
        own.extend(deltas.iter().map(|delta| {
            ("response.output_text.delta", json!({"content_index": 0, "delta": delta, "logprobs": []}))
        }));
        own.push(("response.output_text.done", json!({"content_index": 0, "text": text, "logprobs": []})));
        own.push(("response.content_part.done", json!({"content_index": 0, "part": part(&text)})));
        self.item(item("in_progress", json!([])), &own, item("completed", json!([part(&text)])));
    }

    fn reasoning(&mut self, id: &str, paragraphs: &[&str]) {
        let part = |text: &str| json!({"type": "summary_text", "text": text});
        let mut own = Vec::new();
        for (at, text) in paragraphs.iter().enumerate() {
            own.push((
                "response.reasoning_summary_part.added",
                json!({"summary_index": at, "part": part("")}),
            ));
            for delta in text.split_inclusive(' ') {
                own.push((
                    "response.reasoning_summary_text.delta",
                    json!({"summary_index": at, "delta": delta}),
                ));
            }
            own.push(("response.reasoning_summary_text.done", json!({"summary_index": at, "text": text})));
            own.push((
                "response.reasoning_summary_part.done",
                json!({"summary_index": at, "part": part(text)}),
            ));
        }
        let summary: Vec<Value> = paragraphs.iter().map(|text| part(text)).collect();
        let item = |summary: Value| json!({"id": id, "type": "reasoning", "summary": summary});
        self.item(item(json!([])), &own, item(json!(summary)));
    }

    fn call(&mut self, id: &str, call_id: &str, name: &str, deltas: &[&str]) {
        let arguments = deltas.concat();
        let item = |status: &str, arguments: &str| {
            json!({
                "id": id, "type": "function_call", "status": status, "call_id": call_id, "name": name,
                "arguments": arguments,
            })
        };
        let mut own: Vec<(&str, Value)> = deltas
            .iter()
            .map(|delta| ("response.function_call_arguments.delta", json!({"delta": delta})))
            .collect();
        own.push(("response.function_call_arguments.done", json!({"arguments": arguments, "name": name})));
        self.item(item("in_progress", ""), &own, item("completed", &arguments));
    }

    fn custom_call(&mut self, id: &str, call_id: &str, name: &str, deltas: &[&str]) {
        let input = deltas.concat();
        let item = |status: &str, input: &str| {
            json!({
                "id": id, "type": "custom_tool_call", "status": status, "call_id": call_id, "name": name,
                "input": input,
            })
        };
        let mut own: Vec<(&str, Value)> = deltas
            .iter()
            .map(|delta| ("response.custom_tool_call_input.delta", json!({"delta": delta})))
            .collect();
        own.push(("response.custom_tool_call_input.done", json!({"input": input})));
        self.item(item("in_progress", ""), &own, item("completed", &input));
    }
}

/// Streams with features that the scenarios lack, and their expected readings.
pub(super) fn extra_streams() -> Vec<(String, String, Reading)> {
    let stream = |name: &str, make: &dyn Fn(&mut StreamBuilder), expected: Reading| {
        let mut builder = StreamBuilder::default();
        builder.response("response.created", "in_progress", Value::Null);
        make(&mut builder);
        let usage = json!({
            "input_tokens": 19, "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 3}, "output_tokens": 14,
            "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 33,
        });
        builder.response("response.completed", "completed", usage);
        let finish = if expected.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolUse };
        let usage =
            Usage::new(19, 14).with_cached_tokens(8).with_cache_write_tokens(3).with_reasoning_tokens(5);
        let expected = Reading { finish, usage: Some(usage), ..expected };
        (format!("extra stream: {name}"), serialize(&builder.events), expected)
    };
    vec![
        stream(
            "reasoning, text and two calls",
            &|builder| {
                builder.reasoning("rs_1", &["First, look.", "Then tell."]);
                builder.message("msg_1", None, &["Let me", " look \"é😀\"."]);
                builder.call("fc_1", "call_a", "get_weather", &["{\"city\":", "\"Malmö\"}"]);
                builder.call("fc_2", "call_b", "get_time", &["{\"zone\":\"CET\",", "\"n\":1}"]);
            },
            Reading {
                text: "Let me look \"é😀\".".into(),
                reasoning: "First, look.\n\nThen tell.".into(),
                calls: vec![
                    ToolCall::new("call_a", "get_weather", "{\"city\":\"Malmö\"}"),
                    ToolCall::new("call_b", "get_time", "{\"zone\":\"CET\",\"n\":1}"),
                ],
                ..Reading::default()
            },
        ),
        stream(
            "two messages",
            &|builder| {
                builder.message("msg_1", None, &["One ", "thing."]);
                builder.message("msg_2", None, &["Another", "."]);
            },
            Reading { text: "One thing.\n\nAnother.".into(), ..Reading::default() },
        ),
        stream(
            "commentary and final_answer",
            &|builder| {
                builder.message("msg_1", Some("commentary"), &["I will ", "look."]);
                builder.reasoning("rs_1", &["Hm."]);
                builder.message("msg_2", Some("final_answer"), &["{\"answer\":", "42}"]);
            },
            Reading {
                text: "{\"answer\":42}".into(),
                commentary: "I will look.".into(),
                reasoning: "Hm.".into(),
                ..Reading::default()
            },
        ),
        stream(
            "a custom call",
            &|builder| builder.custom_call("ctc_1", "call_a", "patch", &["*** Begin", " Patch\n+é"]),
            Reading {
                calls: vec![ToolCall::custom("call_a", "patch", "*** Begin Patch\n+é")],
                ..Reading::default()
            },
        ),
    ]
}

/// The kind of an event.
fn kind(event: &Event) -> &str {
    match event {
        Event::Json(name, value) => value["type"].as_str().or(name.as_deref()).unwrap_or_default(),
        _ => "",
    }
}

fn is_last(event: &Event) -> bool {
    matches!(kind(event), "response.completed" | "response.incomplete" | "response.failed")
}

/// The position of the last event.
fn last(events: &[Event]) -> Option<usize> {
    events.iter().position(is_last)
}

/// The stream, if it is a success that ends with `response.completed`.
fn completed(input: &Input) -> Option<Vec<Event>> {
    input.success()?;
    let events = input.stream()?;
    let end = last(&events)?;
    (kind(&events[end]) == "response.completed").then_some(events)
}

/// The response objects: those in events, or the body.
fn each_response(input: &Input, events: &mut [Event], mut edit: impl FnMut(&mut Map<String, Value>)) {
    for event in events {
        let is_response = kind(event).starts_with("response.");
        let Some(value) = event.value_mut() else { continue };
        let response = if input.is_whole {
            Some(value)
        } else if is_response {
            value.get_mut("response")
        } else {
            None
        };
        if let Some(response) = response.and_then(Value::as_object_mut) {
            edit(response);
        }
    }
}

/// The items, in events of their own and in outputs.
fn each_item(input: &Input, events: &mut [Event], mut edit: impl FnMut(&mut Map<String, Value>)) {
    for event in events.iter_mut() {
        if kind(event).starts_with("response.output_item.")
            && let Some(item) = event.value_mut().and_then(|value| value["item"].as_object_mut())
        {
            edit(item);
        }
    }
    each_response(input, events, |response| {
        let output = response.get_mut("output").and_then(Value::as_array_mut);
        output.into_iter().flatten().filter_map(Value::as_object_mut).for_each(&mut edit);
    });
}

/// The data of the events of this API.
fn each_data(input: &Input, events: &mut [Event], mut edit: impl FnMut(&mut Map<String, Value>)) {
    for event in events {
        if (input.is_whole || kind(event).starts_with("response."))
            && let Some(data) = event.value_mut().and_then(Value::as_object_mut)
        {
            edit(data);
        }
    }
}

/// The output of the last event, or of the body.
fn output(input: &Input) -> Option<&Vec<Value>> {
    let response = match input.events.as_slice() {
        [Event::Json(_, body)] if input.is_whole => body,
        events => &events[last(events)?].value()?["response"],
    };
    response["output"].as_array()
}

/// Whether the last event has all items that were streamed.
fn has_whole_output(input: &Input) -> Option<()> {
    let streamed = input.events.iter().filter(|event| kind(event) == "response.output_item.done").count();
    let begun = input.events.iter().filter(|event| kind(event) == "response.output_item.added").count();
    let output = output(input)?.len();
    (output > 0 && output >= streamed && output >= begun).then_some(())
}

/// Whether every item that began, or that the last event has, was streamed as done.
fn has_all_items_done(input: &Input) -> bool {
    let ids = |item: &Value| item["id"].clone();
    let done: Vec<Value> = input
        .events
        .iter()
        .filter(|event| kind(event) == "response.output_item.done")
        .filter_map(|event| Some(ids(&event.value()?["item"])))
        .collect();
    let begun = input.events.iter().filter(|event| kind(event) == "response.output_item.added").count();
    let is_all = !done.is_empty() && done.len() >= begun;
    is_all && output(input).into_iter().flatten().all(|item| done.contains(&ids(item)))
}

fn is_call(item: &Map<String, Value>) -> bool {
    matches!(item.get("type").and_then(Value::as_str), Some("function_call" | "custom_tool_call"))
}

/// Whether the client has to run a hosted tool. All that such a call holds is its arguments, and its item's id may be the call's.
fn has_hosted_calls(input: &Input) -> bool {
    let is_hosted = |call: &ToolCall| call.kind == ToolCallKind::Hosted;
    input.success().is_some_and(|reading| reading.calls.iter().any(is_hosted))
}

fn is_message(item: &Map<String, Value>) -> bool {
    item.get("type").and_then(Value::as_str) == Some("message")
}

/// Whether a message has a phase.
fn has_phases(input: &Input) -> bool {
    let mut events = input.events.clone();
    let mut found = false;
    each_item(input, &mut events, |item| found |= item.contains_key("phase"));
    found
}
