//! The end of a response: finish reasons of any server, earlier, later, twice or never; bodies that are cut.

use fastrand::Rng;
use serde_json::{Value, json};
use tachikoma_backends_core::FinishReason;

use super::super::wire::{Event, parse, serialize};
use super::super::{Demand, Input, Tolerance, Transformed};
use super::{each_choice, each_payload, finish, has_content, is_truthy};

/// Finish reasons of other servers for the end of a turn.
const ENDS: &[&str] = &["stop", "STOP", "Stop", "end_turn", "eos"];

/// The same after tool calls.
const ENDS_WITH_CALLS: &[&str] =
    &["stop", "STOP", "end_turn", "eos", "tool_calls", "tool_use", "function_call"];

/// Finish reasons for a cut response.
const CUTS: &[(&str, FinishReason)] = &[
    ("length", FinishReason::Length),
    ("max_tokens", FinishReason::Length),
    ("MAX_TOKENS", FinishReason::Length),
    ("model_context_window_exceeded", FinishReason::Length),
    ("content_filter", FinishReason::ContentFilter),
    ("sensitive", FinishReason::ContentFilter),
    ("SAFETY", FinishReason::ContentFilter),
];

/// Finish reasons for a server that failed.
const FAILS: &[&str] = &["error", "network_error", "insufficient_system_resource", "abort"];

/// Finish reasons that may mean anything.
const UNKNOWN: &[&str] = &["brand_new", "OTHER", "LANGUAGE", "pause", "unknown"];

/// The input with another value in place of each finish reason.
fn with_word(input: &Input, word: impl Into<Value>) -> Option<Vec<Event>> {
    let mut events = input.events.clone();
    finish(&events)?;
    let word = word.into();
    each_choice(&mut events, |choice| {
        if choice.get("finish_reason").is_some_and(is_truthy) {
            choice.insert("finish_reason".to_owned(), word.clone());
        }
    });
    Some(events)
}

/// Whether the turn has calls, if the model ended it.
fn has_ended(input: &Input) -> Option<bool> {
    let reading = input.success()?;
    let is_end = matches!(reading.finish, FinishReason::Stop | FinishReason::ToolUse);
    is_end.then_some(!reading.calls.is_empty())
}

pub(in super::super) fn word_that_ends(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let has_calls = has_ended(input)?;
    let word = *random.choice(if has_calls { ENDS_WITH_CALLS } else { ENDS })?;
    let finish = if has_calls { FinishReason::ToolUse } else { FinishReason::Stop };
    Some(Transformed::new(Demand::Finish(finish), with_word(input, word)?))
}

pub(in super::super) fn word_that_cuts(input: &Input, random: &mut Rng) -> Option<Transformed> {
    has_ended(input)?;
    let (word, finish) = *random.choice(CUTS)?;
    Some(Transformed::new(Demand::Finish(finish), with_word(input, word)?))
}

pub(in super::super) fn word_that_fails(input: &Input, random: &mut Rng) -> Option<Transformed> {
    has_ended(input)?;
    Some(Transformed::new(Demand::RetryableError, with_word(input, *random.choice(FAILS)?)?))
}

pub(in super::super) fn word_unknown(input: &Input, random: &mut Rng) -> Option<Transformed> {
    has_ended(input)?;
    let (word, demand) = match random.u8(..5) {
        0 => (json!(7), Demand::Incomplete),
        1 => (json!(true), Demand::Incomplete),
        2 => (json!({"reason": "x"}), Demand::IncompleteOrError),
        3 => (json!("brand_new"), Demand::Incomplete),
        _ => (json!(random.choice(UNKNOWN)?), Demand::IncompleteOrError),
    };
    Some(Transformed::new(demand, with_word(input, word)?))
}

pub(in super::super) fn finish_removed(input: &Input, random: &mut Rng) -> Option<Transformed> {
    has_ended(input)?;
    let mut events = with_word(input, Value::Null)?;
    if random.bool() {
        each_choice(&mut events, |choice| drop(choice.remove("finish_reason")));
    }
    let is_done = input.is_whole || events.last()?.is_done();
    let demand = if is_done { Demand::NoCallIsWhole } else { Demand::ErrorWithPrefix(Vec::new()) };
    Some(Transformed::new(demand, events))
}

/// As LiteLLM, vLLM and others do for all events, or all with reasoning.
pub(in super::super) fn finish_everywhere(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    input.success()?;
    let (_, word) = finish(&events)?;
    each_choice(&mut events, |choice| drop(choice.insert("finish_reason".to_owned(), json!(word))));
    Some(Transformed::same(events))
}

/// The finish reason comes before the last content, and `[DONE]` or the end of the body after it.
pub(in super::super) fn finish_earlier(input: &Input, random: &mut Rng) -> Option<Transformed> {
    input.success()?;
    let (at, word) = finish(&input.stream()?)?;
    let mut events = with_word(input, Value::Null)?;
    let has_choice = |event: &Event| super::first_choices(event).next().is_some();
    let earlier: Vec<usize> = (0..at).filter(|at| has_choice(&events[*at])).collect();
    let at = random.choice(earlier)?;
    each_choice(&mut events[at..=at], |choice| drop(choice.insert("finish_reason".to_owned(), json!(word))));
    Some(Transformed::same(events))
}

pub(in super::super) fn last_events_doubled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    let (at, _) = finish(&events)?;
    let usage =
        events.iter().rposition(|event| event.value().is_some_and(|value| is_truthy(&value["usage"])));
    let at = random.choice([Some(at), usage, events.last()?.is_done().then_some(events.len() - 1)])??;
    let mut copy = events[at].clone();
    each_payload(std::slice::from_mut(&mut copy), serde_json::Map::clear);
    each_choice(std::slice::from_mut(&mut copy), |choice| drop(choice.remove("text")));
    if has_content(&copy) {
        return None;
    }
    events.insert(at + 1, copy);
    Some(Transformed::same(events))
}

pub(in super::super) fn done_removed(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    events.last().filter(|event| event.is_done())?;
    events.pop();
    input.success()?;
    let is_finished = finish(&events).is_some();
    let demand = if is_finished { Demand::Same } else { Demand::ErrorWithPrefix(Vec::new()) };
    Some(Transformed::new(demand, events))
}

/// The demand on a stream that ends after these bytes.
fn cut(input: &Input, body: &[u8]) -> Option<Demand> {
    let before = parse(&String::from_utf8_lossy(body));
    let error = Demand::ErrorWithPrefix(Vec::new());
    // A cut error may be read as any other error.
    let Some(_) = input.success() else { return finish(&before).is_none().then_some(error) };
    if before.iter().any(Event::is_done) {
        return Some(Demand::Same);
    }
    if finish(&before).is_none() {
        return Some(error);
    }
    // After a finish reason, a client cannot know that more was to come.
    let is_read = |event: &&Event| event.value().is_some();
    let after = input.events.iter().skip(before.iter().filter(is_read).count());
    let is_clean = before.iter().all(|event| is_read(&event));
    let demand = if is_clean { Demand::Same } else { Demand::SameOrError };
    (!after.clone().any(has_content)).then_some(demand)
}

pub(in super::super) fn cut_between_events(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    events.truncate(random.usize(..events.len()));
    let demand = cut(input, serialize(&events).as_bytes())?;
    Some(Transformed::new(demand, events).with_tolerance(Tolerance { usage: true, ..Default::default() }))
}

pub(in super::super) fn cut_anywhere(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut body = serialize(&input.stream()?).into_bytes();
    body.truncate(random.usize(..body.len()));
    let demand = cut(input, &body)?;
    Some(
        Transformed::bytes(demand, vec![body])
            .with_tolerance(Tolerance { usage: true, ..Default::default() }),
    )
}

/// The server fails at any moment before the end.
pub(in super::super) fn error_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    input.success()?;
    let end = events.iter().position(Event::is_done).unwrap_or(events.len());
    let error = json!({"message": "the upstream failed", "code": 502});
    let (name, value) = random.choice([
        (None, json!({"error": error})),
        (None, json!({"error": "the upstream failed"})),
        (Some("error"), json!({"message": "the upstream failed"})),
        (None, json!({"choices": [], "error": error})),
        (None, json!({"choices": [{"index": 0, "delta": {"content": ""}, "error": error, "finish_reason": "error"}]})),
        (None, json!({"choices": [{"index": 0, "delta": {}, "error": error}]})),
        (None, json!({"object": "error", "message": "the upstream failed", "code": 502})),
        (None, json!({"detail": "the upstream failed"})),
    ])?;
    // This is an error only if it is the whole body.
    let is_sure = value.get("detail").is_none();
    let demand = if is_sure { Demand::ErrorWithPrefix(Vec::new()) } else { Demand::SameOrError };
    events.insert(random.usize(..=end), Event::Json(name.map(str::to_owned), value));
    Some(Transformed::new(demand, events))
}
