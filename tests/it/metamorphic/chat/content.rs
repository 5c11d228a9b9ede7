//! Content in other fields, or of another shape.

use fastrand::Rng;
use serde_json::{Value, json};

use super::super::wire::Event;
use super::super::{Demand, Input, Transformed};
use super::{
    chunk, chunks_mut, each_choice, each_payload, has_one_choice, has_two_payloads, is_truthy, payload_mut,
    payloads,
};

pub(in super::super) fn in_message(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    if has_two_payloads(&events) {
        return None;
    }
    let (from, to) = if input.is_whole { ("message", "delta") } else { ("delta", "message") };
    each_choice(&mut events, |choice| {
        if let Some(payload) = choice.remove(from) {
            choice.insert(to.to_owned(), payload);
            if random.bool() {
                choice.insert(from.to_owned(), random.choice([json!(null), json!({})]).unwrap());
            }
        }
    });
    // No server is known to send a whole body with deltas.
    let demand = if input.is_whole { Demand::SameOrError } else { Demand::Same };
    Some(Transformed::new(demand, events))
}

fn move_text(events: &mut [Event], mut is_kept: impl FnMut() -> bool) {
    each_choice(events, |choice| {
        let Some(payload) = payload_mut(choice) else { return };
        let Some(Value::String(text)) = payload.get("content").cloned() else { return };
        if !is_kept() {
            payload.remove("content");
        }
        choice.insert("text".to_owned(), json!(text));
    });
}

pub(in super::super) fn in_text(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    move_text(&mut events, || false);
    each_choice(&mut events, |choice| {
        if random.bool() && choice.get("delta").is_some_and(|delta| !is_truthy(delta)) {
            choice.remove("delta");
        }
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn repeated_in_text(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    move_text(&mut events, || true);
    Some(Transformed::same(events))
}

/// A text as a list of parts, or one part.
fn parts(text: &str, random: &mut Rng) -> Value {
    let letters: Vec<char> = text.chars().collect();
    let (head, tail) = letters.split_at(random.usize(..=letters.len()));
    let [head, tail]: [String; 2] = [head.iter().collect(), tail.iter().collect()];
    random
        .choice([
            json!([{"type": "text", "text": text}]),
            json!([{"type": "output_text", "text": text, "annotations": []}]),
            json!([{"text": text}]),
            json!({"type": "text", "text": text}),
            json!([text]),
            json!([{"type": "text", "text": head}, {"type": "text", "text": tail}]),
            json!([head, {"type": "output_text", "text": tail}, null]),
        ])
        .unwrap()
}

pub(in super::super) fn in_parts(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    each_payload(&mut events, |payload| {
        if let Some(content) = payload.get_mut("content")
            && let Some(text) = content.as_str()
        {
            *content = parts(text, random);
        }
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn unknown_parts_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let mut added = false;
    each_payload(&mut events, |payload| {
        let Some(Value::String(text)) = payload.get("content") else { return };
        if text.is_empty() {
            return;
        }
        added = true;
        let mut parts = vec![json!({"type": "text", "text": text})];
        for _ in 0..random.usize(1..3) {
            let part = random.choice([
                json!({"type": "reference", "reference_ids": [0, 1]}),
                json!({"type": "redacted_thinking", "data": "EmwK"}),
                json!({"type": "hologram", "x": 1.5}),
                json!({"type": "tool_reference", "tool": {"name": "x"}}),
                json!({"type": 7}),
                json!({}),
            ]);
            parts.insert(random.usize(..=parts.len()), part.unwrap());
        }
        payload.insert("content".to_owned(), json!(parts));
    });
    added.then(|| Transformed::same(events))
}

/// A text that becomes a number is lost: that is an error. An object could be a part of unknown type.
pub(in super::super) fn of_a_wrong_type(input: &Input, random: &mut Rng) -> Option<Transformed> {
    input.success()?;
    let mut events = input.events.clone();
    if has_two_payloads(&events) {
        return None;
    }
    let name = random.choice(["content", "refusal"])?;
    let mut texts: Vec<&mut Value> = chunks_mut(&mut events)
        .flat_map(super::choices_mut)
        .filter_map(payload_mut)
        .filter_map(|payload| payload.get_mut(name))
        .filter(|text| text.as_str().is_some_and(|text| !text.is_empty()))
        .collect();
    **random.choice(texts.iter_mut())? = random.choice([json!(7), json!(-1.5), json!(true)])?;
    Some(Transformed::new(Demand::SameOrError, events))
}

pub(in super::super) fn in_single_characters(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = Vec::new();
    if has_two_payloads(&input.events) || !has_one_choice(&input.events) {
        return None;
    }
    for mut event in input.stream()? {
        let mut payloads = payloads(&event);
        let text = payloads.next().and_then(|payload| payload.get("content")?.as_str().map(str::to_owned));
        drop(payloads);
        let text = text.unwrap_or_default();
        let letters: Vec<String> = text.chars().map(String::from).collect();
        if letters.len() > 1 && letters.len() < 200 {
            let (last, first) = letters.split_last()?;
            events.extend(first.iter().map(|letter| chunk(json!({"content": letter}))));
            each_payload(std::slice::from_mut(&mut event), |payload| {
                payload.insert("content".to_owned(), json!(last));
            });
        }
        events.push(event);
    }
    Some(Transformed::same(events))
}

/// The fields in which servers put thinking.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

pub(in super::super) fn reasoning_moved(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let way = random.usize(..6);
    let mut moved = 0;
    each_payload(&mut events, |payload| {
        let Some((from, text)) = REASONING.iter().find_map(|name| {
            Some((*name, payload.get(*name)?.as_str().filter(|text| !text.is_empty())?.to_owned()))
        }) else {
            return;
        };
        let is_plain = payload.get("content").is_none_or(|content| content.is_string() || content.is_null());
        let is_doubled = REASONING.iter().all(|name| payload.get(*name).is_some_and(is_truthy));
        if is_doubled || !is_plain {
            return;
        }
        moved += 1;
        payload.remove(from);
        let thinking = match way {
            0 => return drop(payload.insert("reasoning_content".to_owned(), json!(text))),
            1 => return drop(payload.insert("reasoning".to_owned(), json!(text))),
            2 => json!({"type": "thinking", "thinking": text}),
            3 => json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]}),
            4 => json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}),
            _ => json!({"type": "reasoning", "text": text}),
        };
        let mut parts = vec![thinking];
        if let Some(Value::String(content)) = payload.get("content").filter(|content| is_truthy(content)) {
            parts.push(json!({"type": "text", "text": content}));
        }
        payload.insert("content".to_owned(), json!(parts));
    });
    (moved > 0).then(|| Transformed::same(events))
}

/// Servers that send both fields send the same text in both.
pub(in super::super) fn reasoning_doubled(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let mut doubled = false;
    each_payload(&mut events, |payload| {
        if let Some(text) =
            REASONING.iter().find_map(|name| payload.get(*name).filter(|text| is_truthy(text)))
        {
            let text = text.clone();
            REASONING.iter().for_each(|name| drop(payload.insert((*name).to_owned(), text.clone())));
            doubled = true;
        }
    });
    doubled.then(|| Transformed::same(events))
}

pub(in super::super) fn choices_from_one(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    if !has_one_choice(&events) {
        return None;
    }
    let index = random.choice([json!(1), json!(1.0), json!("1")])?;
    each_choice(&mut events, |choice| drop(choice.insert("index".to_owned(), index.clone())));
    Some(Transformed::same(events))
}

pub(in super::super) fn choices_without_index(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    if !has_one_choice(&events) {
        return None;
    }
    each_choice(&mut events, |choice| {
        choice.remove("index");
        if random.u8(..4) == 0 {
            choice.insert("index".to_owned(), Value::Null);
        }
    });
    Some(Transformed::same(events))
}

pub(in super::super) fn empty_choice_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    if !has_one_choice(&events) {
        return None;
    }
    let payload = if input.is_whole { "message" } else { "delta" };
    let (is_before, has_role) = (random.bool(), random.bool());
    for chunk in chunks_mut(&mut events) {
        let choices = chunk["choices"].as_array_mut()?;
        let Some(first) = choices.first_mut().and_then(Value::as_object_mut) else { continue };
        first.insert("index".to_owned(), json!(0));
        let fields = if has_role { json!({"role": "assistant", "content": ""}) } else { json!({}) };
        let finish = first.get("finish_reason").cloned().unwrap_or_default();
        let other = json!({"index": 1, payload: fields, "finish_reason": finish});
        choices.insert(usize::from(!is_before), other);
    }
    Some(Transformed::same(events))
}

/// Events in a row become one, with a choice of the same index for each.
pub(in super::super) fn events_merged(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events: Vec<Event> = Vec::new();
    if !has_one_choice(&input.events) || input.base.is_err() {
        return None;
    }
    let mut room = 0;
    for event in input.stream()? {
        let choice = event.value().and_then(|value| {
            let is_usage = value.get("usage").is_some_and(is_truthy);
            value["choices"].as_array().filter(|choices| !choices.is_empty() && !is_usage)?.first().cloned()
        });
        let last =
            events.last_mut().and_then(Event::value_mut).and_then(|last| last["choices"].as_array_mut());
        match (choice, last) {
            (Some(mut choice), Some(last)) if room > 0 && !last.is_empty() => {
                for choice in last.iter_mut().chain([&mut choice]) {
                    choice["index"] = json!(0);
                }
                last.push(choice);
                room -= 1;
            }
            _ => {
                events.push(event);
                room = random.usize(..4);
            }
        }
    }
    Some(Transformed::same(events))
}
