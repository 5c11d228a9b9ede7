//! Fields that a response does not need: unknown, left out, of other types.

use fastrand::Rng;
use serde_json::{Map, Value, json};
use tachikoma_backends_core::Usage;

use super::super::wire::{Event, add_unknown, any_json, doubled_fields, falsy, respell_numbers};
use super::super::{Demand, Input, Tolerance, Transformed};
use super::{each_data, each_item, each_response, has_hosted_calls, has_phases, is_call, kind};

pub(in super::super) fn event_lines_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    for event in &mut events {
        if let Event::Json(name, value) = event
            && value["type"].is_string()
        {
            *name = None;
        }
    }
    Some(Transformed::same(events))
}

pub(in super::super) fn type_in_the_event_line(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    for event in &mut events {
        let kind = kind(event).to_owned();
        if let Event::Json(name, Value::Object(data)) = event
            && kind.starts_with("response.")
        {
            *name = Some(kind);
            data.remove("type");
            if random.u8(..4) == 0 {
                data.insert("type".to_owned(), random.choice([json!(null), json!(""), json!(7)])?);
            }
        }
    }
    Some(Transformed::same(events))
}

pub(in super::super) fn unknown_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    if has_hosted_calls(input) {
        return None;
    }
    let mut events = input.events.clone();
    for event in &mut events {
        if (input.is_whole && input.base.is_ok() || kind(event).starts_with("response."))
            && let Some(value) = event.value_mut()
        {
            add_unknown(value, random);
        }
    }
    Some(Transformed::same(events))
}

fn remove(object: &mut Map<String, Value>, names: &[&str], random: &mut Rng) {
    for name in names {
        if random.u8(..3) > 0 {
            object.remove(*name);
        }
    }
}

const RESPONSE_FIELDS: &[&str] = &[
    "object", "created_at", "background", "billing", "completed_at", "instructions", "max_output_tokens",
    "max_tool_calls", "parallel_tool_calls", "previous_response_id", "prompt_cache_key", "reasoning",
    "safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice", "tools",
    "top_logprobs", "top_p", "truncation", "user", "metadata",
];

pub(in super::super) fn optional_removed(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    each_data(input, &mut events, |data| {
        remove(data, &["sequence_number", "logprobs", "obfuscation"], random);
    });
    each_response(input, &mut events, |response| {
        remove(response, RESPONSE_FIELDS, random);
        remove(response, &["id", "model"], random);
        for name in ["error", "incomplete_details", "usage"] {
            if response.get(name).is_some_and(Value::is_null) {
                remove(response, &[name], random);
            }
        }
    });
    each_item(input, &mut events, |item| {
        remove(item, &["role", "encrypted_content"], random);
        if !is_call(item) {
            remove(item, &["status"], random);
        }
        let parts =
            ["content", "summary"].into_iter().flat_map(|name| item.get(name)?.as_array().map(|_| name));
        for name in parts.collect::<Vec<_>>() {
            for part in item[name].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                remove(part, &["annotations", "logprobs"], random);
            }
        }
    });
    Some(Transformed::same(events))
}

/// Whether each event of an item has both the item's id and its index.
fn has_id_and_index(events: &[Event]) -> bool {
    let data = |name: &str| {
        let name = name.to_owned();
        events
            .iter()
            .filter_map(Event::value)
            .filter(move |value| value.get(&name).is_some_and(|field| field.is_string() || field.is_number()))
    };
    data("item_id").count() > 0
        && data("item_id").all(|value| value["output_index"].is_u64())
        && events.iter().filter(|event| kind(event).starts_with("response.output_item.")).all(|event| {
            event
                .value()
                .is_some_and(|value| value["output_index"].is_u64() && value["item"]["id"].is_string())
        })
}

pub(in super::super) fn item_id_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream().filter(|events| has_id_and_index(events))?;
    each_data(input, &mut events, |data| drop(data.remove("item_id")));
    Some(Transformed::same(events))
}

pub(in super::super) fn output_index_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream().filter(|events| has_id_and_index(events))?;
    each_data(input, &mut events, |data| drop(data.remove("output_index")));
    Some(Transformed::same(events))
}

/// Some servers send another id of the same item in every event: then its index identifies it.
pub(in super::super) fn item_ids_that_change(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream().filter(|events| has_id_and_index(events))?;
    for (at, event) in events.iter_mut().enumerate() {
        let is_item = kind(event).starts_with("response.output_item.");
        let Some(value) = event.value_mut() else { continue };
        let id = json!(format!("id_{at}"));
        if is_item {
            value["item"]["id"] = id;
        } else if value["item_id"].is_string() {
            value["item_id"] = id;
        }
    }
    Some(Transformed::same(events))
}

fn retype(object: &mut Map<String, Value>, names: &[&str], random: &mut Rng) {
    for name in names {
        if random.bool() && object.contains_key(*name) {
            object.insert((*name).to_owned(), any_json(random));
        }
    }
}

pub(in super::super) fn unneeded_retyped(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    each_data(input, &mut events, |data| {
        retype(data, &["sequence_number", "logprobs", "obfuscation", "annotation"], random);
    });
    each_response(input, &mut events, |response| {
        retype(response, RESPONSE_FIELDS, random);
        retype(response, &["id", "model"], random);
    });
    each_item(input, &mut events, |item| {
        retype(item, &["role", "encrypted_content"], random);
        if !is_call(item) {
            retype(item, &["status"], random);
        }
        for part in item.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(part) = part.as_object_mut() {
                retype(part, &["annotations", "logprobs"], random);
            }
        }
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn indices_retyped(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    let as_text = random.bool();
    each_data(input, &mut events, |data| {
        for name in ["output_index", "content_index", "summary_index"] {
            if let Some(number) = data.get(name).and_then(Value::as_u64) {
                let spelled = if as_text { json!(number.to_string()) } else { json!(number as f64) };
                data.insert(name.to_owned(), spelled);
            }
        }
    });
    Some(Transformed::same(events))
}

/// Numbers in place of texts, the same one for the same text.
#[derive(Default)]
struct Numbers(Vec<String>);

impl Numbers {
    fn replace(&mut self, object: &mut Map<String, Value>, name: &str) {
        let Some(text) = object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()) else {
            return;
        };
        let at = self.0.iter().position(|other| other == text).unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        object.insert(name.to_owned(), json!(1001 + at));
    }
}

pub(in super::super) fn numeric_item_ids(input: &Input, _: &mut Rng) -> Option<Transformed> {
    if has_hosted_calls(input) {
        return None;
    }
    let mut events = input.events.clone();
    let mut numbers = Numbers::default();
    // Ids of items that are ids of calls stay the same.
    let mut call_ids = Vec::new();
    each_item(input, &mut events, |item| call_ids.extend(item.get("call_id").cloned()));
    if call_ids.iter().any(|id| events.iter().filter_map(Event::value).any(|value| value["item_id"] == *id)) {
        return None;
    }
    each_data(input, &mut events, |data| numbers.replace(data, "item_id"));
    each_item(input, &mut events, |item| numbers.replace(item, "id"));
    each_response(input, &mut events, |response| numbers.replace(response, "id"));
    Some(Transformed::same(events))
}

pub(in super::super) fn numeric_call_ids(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let mut numbers = Numbers::default();
    each_data(input, &mut events, |data| {
        let is_call_id = |id: &Value| id.as_str().is_some_and(|id| id.starts_with("call_"));
        if data.get("item_id").is_some_and(is_call_id) {
            numbers.replace(data, "item_id");
        }
    });
    each_item(input, &mut events, |item| numbers.replace(item, "call_id"));
    input.success().filter(|reading| !reading.calls.is_empty())?;
    Some(Transformed::same(events).with_other_ids())
}

pub(in super::super) fn error_falsy(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    input.success()?;
    each_response(input, &mut events, |response| {
        for name in ["error", "incomplete_details"] {
            if response.get(name).is_none_or(Value::is_null) {
                response.insert(name.to_owned(), falsy(random));
            }
        }
    });
    each_data(input, &mut events, |data| {
        data.insert("error".to_owned(), falsy(random));
    });
    Some(Transformed::same(events))
}

/// An empty field may have any falsy value.
pub(in super::super) fn contents_falsy(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let is_empty = |value: &Value| {
        value.is_null() || value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)
    };
    each_item(input, &mut events, |item| {
        for name in ["content", "summary", "arguments", "input", "phase"] {
            // An empty object means a call without arguments.
            let value = if matches!(name, "arguments" | "input") {
                random.choice([json!(null), json!("")]).unwrap()
            } else {
                falsy(random)
            };
            if item.get(name).is_some_and(is_empty) {
                item.insert(name.to_owned(), value);
            }
        }
    });
    each_response(input, &mut events, |response| {
        if response.get("usage").is_some_and(Value::is_null) {
            response.insert("usage".to_owned(), falsy(random));
        }
    });
    each_data(input, &mut events, |data| {
        for name in ["delta", "text", "refusal"] {
            if data.get(name).is_some_and(is_empty) {
                data.insert(name.to_owned(), falsy(random));
            }
        }
    });
    Some(Transformed::same(events))
}

/// An unreadable usage, or a part of it, is left out; it does not fail the response.
pub(in super::super) fn usage_retyped(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let usage = input.success()?.usage?;
    let mut events = input.events.clone();
    let mut expected = input.success()?.clone();
    let other =
        random.choice([json!("many"), json!(7), json!([1, 2]), json!(true), json!([]), json!({"a": 1})])?;
    let details = random.bool();
    each_response(input, &mut events, |response| {
        let Some(usage) = response.get_mut("usage").filter(|usage| usage.is_object()) else { return };
        if details {
            usage["input_tokens_details"] = other.clone();
            usage["output_tokens_details"] = other.clone();
        } else {
            *usage = other.clone();
        }
    });
    let without_details = Usage::new(usage.prompt_tokens, usage.completion_tokens);
    expected.usage = details.then_some(without_details.with_total_tokens(usage.total_tokens));
    Some(Transformed::same(events).expecting(expected))
}

/// A count of another type is read or left out, never misread.
pub(in super::super) fn counts_respelled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    input.success()?.usage?;
    let mut events = input.events.clone();
    let as_text = random.bool();
    each_response(input, &mut events, |response| {
        if let Some(usage) = response.get_mut("usage") {
            respell_numbers(usage, as_text);
        }
    });
    Some(Transformed::same(events).with_tolerance(Tolerance { usage: as_text, ..Default::default() }))
}

/// Fields that occur twice in one object, whose meaning JSON leaves open.
pub(in super::super) fn doubled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let name = random.choice(["sequence_number", "obfuscation", "created_at", "x_new"])?;
    if has_phases(input) {
        return None;
    }
    let events = input.events.iter().map(|event| match event {
        Event::Json(label, value) if input.is_whole || kind(event).starts_with("response.") => {
            Event::Text(label.clone(), doubled_fields(value, name))
        }
        other => other.clone(),
    });
    Some(Transformed::new(Demand::SameOrError, events.collect()))
}
