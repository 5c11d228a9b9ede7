//! Tool calls of other shapes.

use std::collections::VecDeque;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::super::wire::Event;
use super::super::{Demand, Input, Tolerance, Transformed};
use super::{
    choices, chunk, chunks_mut, each_call, each_payload, fragments, has_one_choice, has_two_payloads,
    is_truthy, payload, payloads,
};

/// Whether there are calls, each ends before the next begins, and each fragment has an index.
fn are_in_order(events: &[Event]) -> bool {
    let indices: Vec<Option<u64>> =
        events.iter().flat_map(fragments).map(|call| call["index"].as_u64()).collect();
    !indices.is_empty() && indices.iter().all(Option::is_some) && indices.is_sorted()
}

/// Whether the first fragment of each call, and no other, has an id and a name.
fn begin_with_names(events: &[Event]) -> bool {
    let mut begun = Vec::new();
    events.iter().flat_map(fragments).all(|call| {
        let index = call["index"].as_u64();
        let is_named = is_truthy(&call["id"]) && is_truthy(&call["function"]["name"]);
        let is_first = !begun.contains(&index);
        begun.push(index);
        is_named == is_first
    })
}

fn with_calls(input: &Input) -> Option<Vec<Event>> {
    input.success().filter(|reading| !reading.calls.is_empty() || !reading.incomplete.is_empty())?;
    input.events.iter().any(|event| fragments(event).count() > 0).then(|| input.events.clone())
}

/// A stream of calls one after the other.
fn in_order(input: &Input) -> Option<Vec<Event>> {
    let events = with_calls(input).filter(|_| !input.is_whole)?;
    (are_in_order(&events) && begin_with_names(&events) && has_one_choice(&events)).then_some(events)
}

pub(in super::super) fn flat(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = with_calls(input)?;
    each_call(&mut events, |call| {
        if let Some(Value::Object(function)) = call.remove("function") {
            call.extend(function);
        }
    });
    Some(Transformed::same(events))
}

/// A numeric id may be read as text, or replaced by a generated one.
pub(in super::super) fn numeric_ids(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = with_calls(input)?;
    let mut ids: Vec<String> = Vec::new();
    each_call(&mut events, |call| {
        let Some(id) = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned)
        else {
            return;
        };
        let at = ids.iter().position(|other| *other == id).unwrap_or_else(|| {
            ids.push(id);
            ids.len() - 1
        });
        call.insert("id".to_owned(), json!(1001 + at));
    });
    Some(Transformed::same(events).with_other_ids())
}

pub(in super::super) fn without_ids(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = with_calls(input)?;
    let has_indices = events.iter().flat_map(fragments).all(|call| call["index"].is_u64());
    // Then only the index distinguishes the calls of a stream.
    if !input.is_whole && (!has_indices || !begin_with_names(&events)) {
        return None;
    }
    each_call(&mut events, |call| {
        call.remove("id");
        if random.bool() {
            call.insert("id".to_owned(), random.choice([json!(null), json!("")]).unwrap());
        }
    });
    Some(Transformed::same(events).with_other_ids())
}

pub(in super::super) fn without_index(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = if input.is_whole { with_calls(input)? } else { in_order(input)? };
    each_call(&mut events, |call| drop(call.remove("index")));
    Some(Transformed::same(events))
}

pub(in super::super) fn index_zero(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = if input.is_whole { with_calls(input)? } else { in_order(input)? };
    each_call(&mut events, |call| drop(call.insert("index".to_owned(), json!(0))));
    Some(Transformed::same(events))
}

/// Whether calls that follow each other have different names.
fn have_different_names(events: &[Event]) -> bool {
    let names: Vec<&Value> = events
        .iter()
        .flat_map(fragments)
        .map(|call| &call["function"]["name"])
        .filter(|name| is_truthy(name))
        .collect();
    names.len() > 1 && names.windows(2).all(|pair| pair[0] != pair[1])
}

pub(in super::super) fn distinguished_by_name(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = in_order(input).filter(|events| have_different_names(events))?;
    // A call without any arguments before another name could as well be a name in two pieces.
    if input.success()?.calls.iter().any(|call| call.arguments == "{}") && !has_braces(&events) {
        return None;
    }
    let index = random.choice([Some(json!(0)), None])?;
    each_call(&mut events, |call| {
        call.remove("id");
        call.remove("index");
        if let Some(index) = &index {
            call.insert("index".to_owned(), index.clone());
        }
    });
    Some(Transformed::same(events).with_other_ids())
}

/// Whether each call has arguments on the wire.
fn has_braces(events: &[Event]) -> bool {
    let texts = events.iter().flat_map(fragments).filter_map(|call| call["function"]["arguments"].as_str());
    let names = events.iter().flat_map(fragments).filter(|call| is_truthy(&call["function"]["name"])).count();
    texts.filter(|text| text.starts_with('{')).count() == names
}

/// Calls that only differ in their names are read, or are an error.
pub(in super::super) fn one_id(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = in_order(input).filter(|events| have_different_names(events))?;
    each_call(&mut events, |call| {
        call.insert("id".to_owned(), json!("call_1"));
        call.insert("index".to_owned(), json!(0));
    });
    let mut transformed = Transformed::same(events).with_other_ids();
    transformed.demand = Demand::SameOrError;
    Some(transformed)
}

pub(in super::super) fn names_repeated(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = in_order(input)?;
    let (mut id, mut name) = (Value::Null, Value::Null);
    let (repeats_id, repeats_name) = (random.bool(), random.bool());
    each_call(&mut events, |call| {
        if call.get("id").is_some_and(is_truthy) {
            id = call["id"].clone();
            name = call["function"]["name"].clone();
        }
        call.insert(
            "id".to_owned(),
            if repeats_id || call.get("id") == Some(&id) { id.clone() } else { json!("") },
        );
        let is_first = call["function"].get("name").is_some_and(is_truthy);
        call["function"]["name"] = if repeats_name || is_first { name.clone() } else { json!("") };
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn arguments_as_object(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = with_calls(input)?;
    let mut changed = false;
    each_call(&mut events, |call| {
        let Some(arguments) = call.get_mut("function").and_then(|function| function.get_mut("arguments"))
        else {
            return;
        };
        let object = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        if let Some(object) = object.filter(Value::is_object) {
            *arguments = object;
            changed = true;
        }
    });
    let tolerance = Tolerance { arguments_as_json: true, ..Tolerance::default() };
    changed.then(|| Transformed::same(events).with_tolerance(tolerance))
}

/// An event with a fragment of arguments.
fn fragment(index: &Value, arguments: &str) -> Event {
    chunk(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))
}

pub(in super::super) fn arguments_in_single_characters(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = Vec::new();
    for mut event in in_order(input)? {
        let calls: Vec<Value> = fragments(&event).cloned().collect();
        let [call] = calls.as_slice() else {
            events.push(event);
            continue;
        };
        let text = call["function"]["arguments"].as_str().unwrap_or_default();
        let letters: Vec<String> = text.chars().map(String::from).collect();
        if letters.len() < 2 || letters.len() > 200 {
            events.push(event);
            continue;
        }
        let mut last = event.clone();
        let end = [letters.len() - 1];
        each_payload(std::slice::from_mut(&mut last), |payload| {
            payload.clear();
            let text = &letters[end[0]];
            payload.insert(
                "tool_calls".to_owned(),
                json!([{"index": call["index"], "function": {"arguments": text}}]),
            );
        });
        each_call(std::slice::from_mut(&mut event), |call| call["function"]["arguments"] = json!(letters[0]));
        for choice in chunks_mut(std::slice::from_mut(&mut event)).flat_map(super::choices_mut) {
            choice.remove("finish_reason");
        }
        event.value_mut()?.as_object_mut()?.remove("usage");
        events.push(event);
        events.extend(letters[1..end[0]].iter().map(|letter| fragment(&call["index"], letter)));
        events.push(last);
    }
    Some(Transformed::same(events))
}

/// Whether the event holds fragments of calls and nothing else.
fn is_only_calls(event: &Event) -> bool {
    let has_more = |payload: &Map<String, Value>| {
        payload
            .iter()
            .any(|(name, value)| !matches!(name.as_str(), "role" | "tool_calls") && is_truthy(value))
    };
    let has_end = |value: &Value| {
        is_truthy(&value["usage"])
            || choices(value).any(|choice| choice.get("finish_reason").is_some_and(is_truthy))
    };
    fragments(event).count() > 0 && !payloads(event).any(has_more) && !event.value().is_some_and(has_end)
}

pub(in super::super) fn fragments_merged(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events: Vec<Event> = Vec::new();
    let mut room = 0;
    for event in in_order(input)? {
        let can_merge = room > 0 && is_only_calls(&event) && events.last().is_some_and(is_only_calls);
        if !can_merge {
            room = random.usize(..6);
            events.push(event);
            continue;
        }
        room -= 1;
        let more: Vec<Value> = fragments(&event).cloned().collect();
        each_payload(std::slice::from_mut(events.last_mut()?), |payload| {
            payload["tool_calls"].as_array_mut().unwrap().extend(more.clone());
        });
    }
    Some(Transformed::same(events))
}

/// The fragments of different calls interleaved, those of each call in order.
pub(in super::super) fn interleaved(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let events = in_order(input)?;
    let mut by_call: Vec<(Value, VecDeque<Event>)> = Vec::new();
    let (first, last) = (events.iter().position(is_only_calls)?, events.iter().rposition(is_only_calls)?);
    for event in &events[first..=last] {
        let calls: Vec<&Value> = fragments(event).collect();
        let [call] = calls.as_slice() else { return None };
        is_only_calls(event).then_some(())?;
        match by_call.iter_mut().find(|(index, _)| *index == call["index"]) {
            Some((_, queue)) => queue.push_back(event.clone()),
            None => by_call.push((call["index"].clone(), VecDeque::from([event.clone()]))),
        }
    }
    if by_call.len() < 2 {
        return None;
    }
    let mut mixed = events[..first].to_vec();
    // They begin in order, so that they get the same indices.
    mixed.extend(by_call.iter_mut().filter_map(|(_, queue)| queue.pop_front()));
    while let Some((_, queue)) =
        random.choice(by_call.iter_mut().filter(|(_, queue)| !queue.is_empty()).collect::<Vec<_>>())
    {
        mixed.extend(queue.pop_front());
    }
    mixed.extend_from_slice(&events[last + 1..]);
    Some(Transformed::same(mixed))
}

/// Text in the first choice, calls in the second, though one was requested: read or an error, never dropped.
pub(in super::super) fn in_second_choice(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = with_calls(input)?;
    if !has_one_choice(&events) || has_two_payloads(&events) {
        return None;
    }
    let has_index = random.bool();
    for chunk in chunks_mut(&mut events) {
        let list = chunk["choices"].as_array_mut()?;
        let Some(first) = list.first_mut().and_then(Value::as_object_mut) else { continue };
        let name = if first.contains_key("message") { "message" } else { "delta" };
        let calls = first
            .get_mut(name)
            .and_then(Value::as_object_mut)
            .and_then(|payload| payload.remove("tool_calls"));
        let is_end = first.get("finish_reason").is_some_and(is_truthy);
        let finish = first.get("finish_reason").cloned().unwrap_or_default();
        let mut second = json!({name: {}, "finish_reason": finish});
        match calls.filter(is_truthy) {
            Some(calls) => second[name] = json!({"role": "assistant", "tool_calls": calls}),
            None if is_end => {}
            None => continue,
        }
        if has_index {
            first.insert("index".to_owned(), json!(0));
            second["index"] = json!(1);
        } else {
            first.remove("index");
        }
        list.push(second);
    }
    Some(Transformed::new(Demand::SameOrError, events))
}

/// A call of another type is lost: that is an error.
pub(in super::super) fn of_a_wrong_type(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = with_calls(input)?;
    let event = random
        .choice(events.iter_mut().filter(|event| fragments(event).any(has_content)).collect::<Vec<_>>())?;
    let value = event.value_mut()?;
    let choice = value["choices"].as_array_mut()?.iter_mut().find(|choice| {
        let calls =
            choice.as_object().and_then(payload).and_then(|payload| payload.get("tool_calls")?.as_array());
        calls.is_some_and(|calls| calls.iter().any(has_content))
    })?;
    let payload = super::payload_mut(choice.as_object_mut()?)?;
    let wrong = random.choice([
        json!("text"),
        json!(7),
        json!({"a": 1}),
        json!([7]),
        json!(["text"]),
        json!(true),
    ])?;
    payload.insert("tool_calls".to_owned(), wrong);
    Some(Transformed::new(Demand::SameOrError, events))
}

fn has_content(call: &Value) -> bool {
    is_truthy(&call["function"]["arguments"]) || is_truthy(&call["function"]["name"])
}
