//! Events of an item that are left out, repeated or late.

use fastrand::Rng;
use serde_json::{Value, json};

use super::super::wire::Event;
use super::super::{Demand, Input, Tolerance, Transformed};
use super::{
    completed, each_data, each_item, each_response, has_all_items_done, has_hosted_calls, has_phases,
    has_whole_output, is_call, kind, last,
};

/// Streamed arguments may be formatted differently than those of the item (llama.cpp).
const AS_JSON: Tolerance = Tolerance { arguments_as_json: true, ids: false, usage: false };

fn without(events: Vec<Event>, is_left_out: impl Fn(&str) -> bool) -> Option<Transformed> {
    let kept: Vec<Event> = events.iter().filter(|event| !is_left_out(kind(event))).cloned().collect();
    (kept.len() < events.len()).then(|| Transformed::same(kept).with_tolerance(AS_JSON))
}

pub(in super::super) fn first_events_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    without(input.stream()?, |kind| {
        matches!(kind, "response.created" | "response.in_progress" | "response.queued")
    })
}

pub(in super::super) fn part_events_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    without(completed(input)?, |kind| kind.contains("_part."))
}

/// Without it, names and ids of calls arrive with `response.output_item.done`.
pub(in super::super) fn added_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    // Only this event holds the phase before the text.
    if has_phases(input) || !has_all_items_done(input) || !have_known_items(&input.events) {
        return None;
    }
    without(completed(input)?, |kind| kind == "response.output_item.added")
}

/// Whether each event of an item has an index, or the id of a completed item.
fn have_known_items(events: &[Event]) -> bool {
    let done: Vec<&Value> = events.iter().filter_map(|event| Some(&event.value()?["item"]["id"])).collect();
    events.iter().filter_map(Event::value).all(|value| {
        value["item_id"].is_null() || value["output_index"].is_u64() || done.contains(&&value["item_id"])
    })
}

fn is_delta(kind: &str) -> bool {
    kind.ends_with(".delta")
}

/// Whether every item of text has a done event.
fn has_done_events(events: &[Event]) -> bool {
    let count = |ending: &str, kinds: &[&str]| {
        events.iter().filter(|event| kinds.contains(&kind(event).trim_end_matches(ending))).count()
    };
    let kinds = ["response.output_text", "response.refusal", "response.reasoning_text"];
    kinds.iter().all(|kind| (count(".delta", &[kind]) > 0) == (count(".done", &[kind]) > 0))
}

pub(in super::super) fn deltas_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let events = completed(input)?;
    if !has_all_items_done(input) && !has_done_events(&events) {
        return None;
    }
    without(events, is_delta)
}

pub(in super::super) fn only_items_done(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let events = completed(input).filter(|_| has_all_items_done(input))?;
    let keeps_added = random.bool();
    without(events, |kind| {
        let is_kept =
            matches!(kind, "response.created" | "response.completed" | "response.output_item.done" | "");
        !(is_kept || keeps_added && kind == "response.output_item.added")
    })
}

pub(in super::super) fn only_the_last_event(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let events = completed(input)?;
    has_whole_output(input)?;
    let keeps_created = random.bool();
    without(events, |kind| {
        !(matches!(kind, "response.completed" | "") || keeps_created && kind == "response.created")
    })
}

/// The item of an event.
fn item_index(event: &Event) -> Option<u64> {
    event.value()?["output_index"].as_u64()
}

/// The indices of items, grouped by text, reasoning and calls.
fn indices(input: &Input) -> Option<[Vec<u64>; 3]> {
    let mut by_kind = [Vec::new(), Vec::new(), Vec::new()];
    for (at, item) in super::output(input)?.iter().enumerate() {
        let kind = match item["type"].as_str()? {
            "message" => 0,
            "reasoning" => 1,
            "function_call" | "custom_tool_call" => 2,
            _ => continue,
        };
        by_kind[kind].push(at as u64);
    }
    Some(by_kind)
}

/// Some items, of each kind the later ones, so that the emitted content stays in order.
fn later(input: &Input, random: &mut Rng) -> Option<Vec<u64>> {
    let has_index = |value: &Value| value["item_id"].is_null() || value["output_index"].is_u64();
    if !input.events.iter().filter_map(Event::value).all(has_index) {
        return None;
    }
    let later = indices(input)?.into_iter().flat_map(|indices| {
        let from = random.usize(..=indices.len());
        indices[from..].to_vec()
    });
    Some(later.collect())
}

pub(in super::super) fn later_items_at_the_end(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = completed(input)?;
    has_whole_output(input)?;
    let later = later(input, random).filter(|later| !later.is_empty())?;
    events.retain(|event| item_index(event).is_none_or(|index| !later.contains(&index)));
    Some(Transformed::same(events).with_tolerance(AS_JSON))
}

pub(in super::super) fn later_deltas_removed(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = completed(input).filter(|_| has_all_items_done(input))?;
    let later = later(input, random).filter(|later| !later.is_empty())?;
    let keeps_done = random.bool();
    events.retain(|event| {
        let is_item = kind(event).starts_with("response.output_item.");
        let is_later = item_index(event).is_some_and(|index| later.contains(&index));
        !is_later || is_item || keeps_done && !is_delta(kind(event))
    });
    Some(Transformed::same(events).with_tolerance(AS_JSON))
}

pub(in super::super) fn output_removed(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = completed(input).filter(|_| has_all_items_done(input))?;
    each_response(input, &mut events, |response| {
        response.remove("output");
        if random.bool() {
            response.insert("output".to_owned(), random.choice([json!([]), Value::Null]).unwrap());
        }
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn arguments_only_when_done(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = completed(input)?;
    let is_done = |kind: &str| {
        matches!(kind, "response.function_call_arguments.done" | "response.custom_tool_call_input.done")
    };
    let calls = input.success()?.calls.len();
    if calls == 0 || events.iter().filter(|event| is_done(kind(event))).count() < calls {
        return None;
    }
    events.retain(|event| {
        !matches!(
            kind(event),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta"
        )
    });
    let is_null = random.bool();
    each_item(input, &mut events, |item| {
        for name in ["arguments", "input"] {
            if is_call(item) && item.contains_key(name) {
                item.insert(name.to_owned(), if is_null { Value::Null } else { json!("") });
            }
        }
    });
    Some(Transformed::same(events).with_tolerance(AS_JSON))
}

pub(in super::super) fn arguments_as_object(input: &Input, _: &mut Rng) -> Option<Transformed> {
    if has_hosted_calls(input) {
        return None;
    }
    let mut events = input.events.clone();
    input.success().filter(|reading| !reading.calls.is_empty())?;
    events.retain(|event| kind(event) != "response.function_call_arguments.delta");
    let object = |arguments: &mut Value| {
        let json = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        if let Some(json) = json.filter(Value::is_object) {
            *arguments = json;
        }
    };
    each_item(input, &mut events, |item| item.get_mut("arguments").into_iter().for_each(object));
    each_data(input, &mut events, |data| data.get_mut("arguments").into_iter().for_each(object));
    (input.is_whole || has_whole_output(input).is_some() || has_all_items_done(input))
        .then(|| Transformed::same(events).with_tolerance(AS_JSON))
}

fn doubled(
    mut events: Vec<Event>,
    is_doubled: impl Fn(&str) -> bool,
    random: &mut Rng,
) -> Option<Transformed> {
    for at in (0..events.len()).rev() {
        if is_doubled(kind(&events[at])) && random.bool() {
            let copy = events[at].clone();
            events.insert(at + 1, copy);
        }
    }
    Some(Transformed::same(events))
}

pub(in super::super) fn done_doubled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    doubled(completed(input)?, |kind| kind.ends_with(".done") || kind == "response.completed", random)
}

pub(in super::super) fn added_doubled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    doubled(completed(input)?, |kind| kind.ends_with(".added") || kind == "response.created", random)
}

pub(in super::super) fn deltas_in_single_characters(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = Vec::new();
    for event in input.stream()? {
        let delta = event.value().and_then(|value| value["delta"].as_str()).unwrap_or_default().to_owned();
        if !is_delta(kind(&event)) || delta.len() < 2 || delta.len() > 200 {
            events.push(event);
            continue;
        }
        for letter in delta.chars() {
            let mut piece = event.clone();
            piece.value_mut()?["delta"] = json!(letter.to_string());
            events.push(piece);
        }
    }
    Some(Transformed::same(events))
}

/// An unreadable delta may be replaced by the done event; otherwise it is an error.
pub(in super::super) fn delta_of_a_wrong_type(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = completed(input)?;
    let end = last(&events)?;
    let is_text = |event: &Event| {
        is_delta(kind(event))
            && event.value().is_some_and(|value| !value["delta"].as_str().unwrap_or("").is_empty())
    };
    let at = random.choice((0..end).filter(|at| is_text(&events[*at])).collect::<Vec<_>>())?;
    if ["code", "mcp", "shell"].iter().any(|other| kind(&events[at]).contains(other)) {
        return None;
    }
    events[at].value_mut()?["delta"] =
        random.choice([json!(7), json!({"x": 1}), json!(["a"]), json!(true)])?;
    if random.bool() {
        // No other event holds it.
        events.retain(|event| !kind(event).ends_with(".done"));
        each_response(input, &mut events, |response| drop(response.remove("output")));
    }
    Some(Transformed::new(Demand::SameOrError, events).with_tolerance(AS_JSON))
}
