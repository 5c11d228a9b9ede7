//! The end of a response: bodies for streams, other statuses, errors and cuts.

use fastrand::Rng;
use serde_json::{Value, json};

use super::super::wire::{Event, parse, serialize};
use super::super::{Demand, Input, Transformed};
use super::{completed, each_response, has_whole_output, is_last, kind, last};

/// The response in the last event, or the body.
fn response(input: &Input) -> Option<Value> {
    match input.events.as_slice() {
        [Event::Json(_, body)] if input.is_whole => Some(body.clone()),
        events => Some(events[last(events)?].value()?["response"].clone()),
    }
}

pub(in super::super) fn body_in_place_of_the_stream(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let body = response(input)?;
    if !input.is_whole {
        input.success()?;
        has_whole_output(input)?;
    }
    let event = json!({"type": "response.completed", "response": body});
    let text = match random.u8(..4) {
        0 => body.to_string(),
        1 => serde_json::to_string_pretty(&body).unwrap(),
        2 if input.is_whole && body["status"] == "completed" && input.success().is_some() => {
            serialize(&[Event::json(event)])
        }
        _ => format!("\n{body}\n\n"),
    };
    let transformed = Transformed::bytes(Demand::Same, vec![text.into_bytes()]).read_as(false);
    Some(transformed.with_arguments_as_json())
}

pub(in super::super) fn stream_as_body(input: &Input, _: &mut Rng) -> Option<Transformed> {
    if input.is_whole {
        return None;
    }
    input.success()?;
    has_whole_output(input)?;
    let body = response(input)?.to_string();
    let transformed = Transformed::bytes(Demand::Same, vec![body.into_bytes()]).read_as(true);
    Some(transformed.with_arguments_as_json())
}

fn with_status(input: &Input, status: &Value, reason: Value) -> Option<Vec<Event>> {
    let mut events = if input.is_whole { input.events.clone() } else { completed(input)? };
    if input.is_whole {
        input.success()?;
    }
    let end = if input.is_whole { 0 } else { last(&events)? };
    each_response(input, &mut events[end..=end], |response| {
        response.insert("status".to_owned(), status.clone());
        if !reason.is_null() {
            response.insert("incomplete_details".to_owned(), json!({ "reason": reason }));
        }
    });
    Some(events)
}

/// The calls whose items these events complete.
fn done_calls(events: &[Event]) -> Vec<String> {
    let items = events.iter().filter(|event| kind(event) == "response.output_item.done");
    let calls = items.filter_map(|event| {
        let item = &event.value()?["item"];
        (item["status"] != "incomplete").then(|| item["call_id"].as_str().map(str::to_owned))?
    });
    calls.collect()
}

pub(in super::super) fn status_other_than_completed(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let status = random.choice(["cancelled", "queued", "in_progress", "failed"])?;
    let events = with_status(input, &json!(status), Value::Null)?;
    Some(Transformed::new(Demand::ErrorWithPrefix(done_calls(&events)), events))
}

pub(in super::super) fn status_incomplete(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let reason = random.choice([
        json!("max_output_tokens"),
        json!("content_filter"),
        json!("brand_new"),
        Value::Null,
    ])?;
    let mut events = with_status(input, &json!("incomplete"), reason)?;
    if let Some(end) = last(&events).filter(|_| random.bool()) {
        let kind = "response.incomplete";
        let mut value = events[end].value()?.clone();
        value["type"] = json!(kind);
        events[end] = Event::Json(Some(kind.to_owned()), value);
    }
    Some(Transformed::new(Demand::Cut, events).with_arguments_as_json())
}

pub(in super::super) fn last_replaced_by_done(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    let end = last(&events)?;
    input.success()?;
    events.truncate(end);
    let demand = Demand::ErrorWithPrefix(done_calls(&events));
    events.push(Event::done());
    Some(Transformed::new(demand, events))
}

pub(in super::super) fn done_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    events.push(Event::Text(random.choice([None, Some("done".to_owned())])?, "[DONE]".to_owned()));
    Some(Transformed::same(events))
}

pub(in super::super) fn events_after_the_last(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = completed(input)?;
    let delta =
        json!({"type": "response.output_text.delta", "delta": "late", "output_index": 0, "item_id": "x"});
    events.push(Event::json(random.choice([
        delta,
        json!({"type": "error", "message": "late"}),
        json!(null),
    ])?));
    Some(Transformed::same(events))
}

fn cut(input: &Input, body: &[u8]) -> Option<Demand> {
    let before = parse(&String::from_utf8_lossy(body));
    if before.iter().any(is_last) {
        return input.success().map(|_| Demand::Same);
    }
    Some(Demand::ErrorWithPrefix(done_calls(&before)))
}

pub(in super::super) fn cut_between_events(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    events.truncate(random.usize(..events.len()));
    let demand = cut(input, serialize(&events).as_bytes())?;
    Some(Transformed::new(demand, events))
}

pub(in super::super) fn cut_anywhere(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut body = serialize(&input.stream()?).into_bytes();
    body.truncate(random.usize(..body.len()));
    let demand = cut(input, &body)?;
    Some(Transformed::bytes(demand, vec![body]))
}

/// The server fails at any moment before the end.
pub(in super::super) fn error_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = completed(input)?;
    let end = last(&events)?;
    let error = json!({"message": "the upstream failed", "code": "server_error"});
    let (name, value) = random.choice([
        (None, json!({"error": error})),
        (None, json!({"error": "the upstream failed"})),
        (Some("error"), json!({"message": "the upstream failed"})),
        (None, json!({"type": "error", "message": "the upstream failed", "code": null})),
        (Some("error"), json!({"type": "error", "error": error})),
        (None, json!({"type": "response.failed", "response": {"status": "failed", "error": error}})),
        (Some("response.failed"), json!({"type": "response.failed", "response": {"error": null}})),
        (None, json!({"type": "response.hologram", "error": error})),
        (None, json!({"object": "error", "message": "the upstream failed", "code": 502})),
        (None, json!({"detail": "the upstream failed"})),
    ])?;
    let at = random.usize(..=end);
    // This is an error only if it is the whole body.
    let is_sure = value.get("detail").is_none();
    let demand =
        if is_sure { Demand::ErrorWithPrefix(done_calls(&events[..at])) } else { Demand::SameOrError };
    events.insert(at, Event::Json(name.map(str::to_owned), value));
    Some(Transformed::new(demand, events))
}
