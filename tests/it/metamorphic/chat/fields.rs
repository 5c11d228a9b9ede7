//! Fields that a response does not need: unknown, left out, of other types.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::super::wire::{Event, add_unknown, any_json, doubled_fields, falsy, respell_numbers};
use super::super::{Demand, Input, Tolerance, Transformed};
use super::{chunks_mut, each_call, each_choice, each_payload, finish, has_one_choice, is_truthy};

pub(in super::super) fn unknown_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    for chunk in chunks_mut(&mut events) {
        // Arguments that are an object are content: no fields may be added to them.
        let arguments = |call: &Value| call["function"]["arguments"].is_object();
        let has_objects = super::choices(chunk)
            .filter_map(super::payload)
            .filter_map(|payload| payload.get("tool_calls")?.as_array())
            .flatten()
            .any(arguments);
        if !has_objects {
            add_unknown(chunk, random);
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

pub(in super::super) fn optional_removed(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let one_choice = has_one_choice(&events);
    for chunk in chunks_mut(&mut events) {
        let chunk = chunk.as_object_mut()?;
        let names = ["id", "created", "object", "model", "system_fingerprint", "service_tier", "obfuscation"];
        remove(chunk, &names, random);
        if !chunk.get("usage").is_some_and(is_truthy) {
            chunk.remove("usage");
        }
    }
    each_choice(&mut events, |choice| {
        remove(choice, &["logprobs", "native_finish_reason"], random);
        if one_choice {
            remove(choice, &["index"], random);
        }
        if !choice.get("finish_reason").is_some_and(is_truthy) {
            choice.remove("finish_reason");
        }
    });
    each_payload(&mut events, |payload| remove(payload, &["role", "name", "annotations"], random));
    each_call(&mut events, |call| remove(call, &["type"], random));
    Some(Transformed::same(events))
}

fn retype(object: &mut Map<String, Value>, names: &[&str], random: &mut Rng) {
    for name in names {
        if random.bool() {
            object.insert((*name).to_owned(), any_json(random));
        }
    }
}

pub(in super::super) fn unneeded_retyped(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    for chunk in chunks_mut(&mut events) {
        let names = ["id", "created", "object", "model", "system_fingerprint", "service_tier", "moderation"];
        retype(chunk.as_object_mut()?, &names, random);
    }
    each_choice(&mut events, |choice| retype(choice, &["logprobs", "content_filter_results"], random));
    each_payload(&mut events, |payload| retype(payload, &["role", "annotations", "name"], random));
    each_call(&mut events, |call| retype(call, &["type"], random));
    Some(Transformed::same(events))
}

pub(in super::super) fn indices_retyped(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let mut retype = |object: &mut Map<String, Value>| {
        let Some(number) = object.get("index").and_then(Value::as_u64) else { return };
        let spellings = [json!(number.to_string()), json!(number as f64), json!(number)];
        object.insert("index".to_owned(), random.choice(spellings).unwrap());
    };
    each_choice(&mut events, &mut retype);
    each_call(&mut events, &mut retype);
    Some(Transformed::same(events))
}

pub(in super::super) fn finish_reason_falsy(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    each_choice(&mut events, |choice| {
        if !choice.get("finish_reason").is_some_and(is_truthy) {
            choice.insert("finish_reason".to_owned(), falsy(random));
        }
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn usage_falsy(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    for chunk in chunks_mut(&mut events) {
        if !chunk.get("usage").is_some_and(is_truthy) {
            chunk["usage"] = falsy(random);
        }
    }
    Some(Transformed::same(events))
}

/// An unreadable usage, or a part of it, is left out; it does not fail the response.
pub(in super::super) fn usage_retyped(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let usage = input.success()?.usage?;
    let mut events = input.events.clone();
    let mut expected = input.success()?.clone();
    let mut with_usage: Vec<&mut Value> =
        chunks_mut(&mut events).filter(|chunk| chunk.get("usage").is_some_and(is_truthy)).collect();
    let [chunk] = with_usage.as_mut_slice() else { return None };
    let other =
        random.choice([json!("many"), json!(7), json!([1, 2]), json!(true), json!([]), json!({"a": 1})])?;
    match random.u8(..3) {
        0 => {
            chunk["usage"] = other;
            expected.usage = None;
        }
        1 => {
            for name in ["prompt_tokens_details", "completion_tokens_details"] {
                chunk["usage"][name] = other.clone();
            }
            // Some servers have them outside of the details.
            let is_beside = |name: &&str| chunk["usage"].get(*name).is_some_and(Value::is_number);
            let reads =
                ["cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens"];
            let mut usage = usage;
            usage.cached_tokens = usage.cached_tokens.filter(|_| reads.iter().any(is_beside));
            usage.cache_write_tokens =
                usage.cache_write_tokens.filter(|_| is_beside(&"cache_creation_input_tokens"));
            usage.reasoning_tokens = None;
            expected.usage = Some(usage);
        }
        _ => {
            for name in ["prompt_tokens", "completion_tokens", "total_tokens"] {
                chunk["usage"][name] =
                    random.choice([json!(null), json!({}), json!([]), json!("many"), json!(false)])?;
            }
            expected.usage = None;
        }
    }
    Some(Transformed::same(events).expecting(expected))
}

/// A count of another type is read or left out, never misread.
pub(in super::super) fn counts_respelled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    input.success()?.usage?;
    let mut events = input.events.clone();
    let as_text = random.bool();
    for chunk in chunks_mut(&mut events) {
        if let Some(usage) = chunk.get_mut("usage") {
            respell_numbers(usage, as_text);
        }
    }
    Some(Transformed::same(events).with_tolerance(Tolerance { usage: as_text, ..Default::default() }))
}

/// An empty field of content may have any falsy value.
pub(in super::super) fn contents_falsy(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    each_payload(&mut events, |payload| {
        let names =
            ["content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call", "audio"];
        for name in names {
            if !payload.get(name).is_some_and(is_truthy) && random.u8(..3) > 0 {
                payload.insert(name.to_owned(), falsy(random));
            }
        }
    });
    each_call(&mut events, |call| {
        for name in ["id", "custom"] {
            if !call.get(name).is_some_and(is_truthy) && random.u8(..3) > 0 {
                call.insert(name.to_owned(), falsy(random));
            }
        }
        let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) else { return };
        if !function.get("name").is_some_and(is_truthy) {
            function
                .insert("name".to_owned(), random.choice([json!(null), json!(""), json!(false)]).unwrap());
        }
        if !function.get("arguments").is_some_and(is_truthy) {
            // An empty object is the arguments of a call that has none.
            function.insert("arguments".to_owned(), random.choice([json!(null), json!("")]).unwrap());
        }
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn error_falsy(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    for chunk in chunks_mut(&mut events) {
        chunk["error"] = falsy(random);
    }
    each_choice(&mut events, |choice| drop(choice.insert("error".to_owned(), falsy(random))));
    Some(Transformed::same(events))
}

/// Fields that occur twice in one object, whose meaning JSON leaves open.
pub(in super::super) fn doubled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let name = random.choice(["id", "model", "created", "x_new"])?;
    let events = input.events.iter().map(|event| match event {
        Event::Json(label, value) if value.get("choices").is_some_and(Value::is_array) => {
            Event::Text(label.clone(), doubled_fields(value, name))
        }
        other => other.clone(),
    });
    Some(Transformed::new(Demand::SameOrError, events.collect()))
}

pub(in super::super) fn events_named(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    for event in &mut events {
        match event {
            Event::Json(name @ None, value) if value.get("choices").is_some_and(Value::is_array) => {
                *name = random
                    .choice([None, Some("message"), Some("chunk"), Some("completion")])?
                    .map(str::to_owned);
            }
            _ => {}
        }
    }
    Some(Transformed::same(events))
}

/// Events that hold no content: pings, empty choices, roles.
pub(in super::super) fn events_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let empty = [
        json!(null),
        json!({}),
        json!([]),
        json!({"type": "ping"}),
        json!({"choices": []}),
        json!({"choices": null}),
        json!({"id": "x", "object": "chat.completion.chunk", "choices": [], "usage": null}),
        json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        json!({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}),
        json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "delta": {}}]}),
        json!({"choices": [{"index": 0, "delta": null}]}),
        json!({"choices": [{"index": 0}]}),
        json!({"choices": [{"index": 0, "delta": {"content": null, "tool_calls": []}}]}),
    ];
    let mut events = input.stream()?;
    input.success()?;
    for _ in 0..random.usize(1..5) {
        let value = random.choice(empty.iter())?.clone();
        let name = (value["type"] == "ping" && random.bool()).then(|| "ping".to_owned());
        events.insert(random.usize(..=events.len()), Event::Json(name, value));
    }
    Some(Transformed::same(events))
}

pub(in super::super) fn usage_moved(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    input.success()?.usage?;
    let (end, _) = finish(&events)?;
    let at = events.iter().position(|event| event.value().is_some_and(|value| value["usage"].is_object()))?;
    let is_last =
        !events[at + 1..].iter().any(|event| event.value().is_some_and(|value| value["usage"].is_object()));
    if at <= end || !is_last {
        return None;
    }
    let usage = events[at].value()?["usage"].clone();
    events[if random.bool() { end } else { 0 }].value_mut()?["usage"] = usage;
    events.remove(at);
    Some(Transformed::same(events))
}

/// Counts of zero after the true ones count nothing.
pub(in super::super) fn usage_zeros_added(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    input.success()?.usage?;
    let zeros = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let end = events.len() - usize::from(events.last()?.is_done());
    events.insert(end, Event::json(json!({"choices": [], "usage": zeros})));
    Some(Transformed::same(events))
}
