//! Every recorded response of a real server is read correctly, by comparison with a second parser that is simple enough to trust.
//!
//! The second parser reads JSON and nothing else. Its few justified rules: a missing id may be generated, missing arguments
//! are `{}`, thinking is reasoning in whichever field, and an error inside a 200 is an error.

mod chat;
mod items;
mod normal;
mod replay;
mod requests;
mod responses;

use std::collections::BTreeMap;

use futures::executor::block_on;
use serde_json::Value;
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{BackendError, CollectingStream, CompletionResponse, FinishReason};

use crate::exchanges::{self, Exchange};

/// The contents of a response.
#[derive(Debug, Default, PartialEq)]
struct Contents {
    text: String,
    commentary: String,
    refusal: String,
    reasoning: String,
    /// Id (empty if the server sends none), name, and arguments as JSON (as text if they are not JSON).
    calls: Vec<(String, String, Value)>,
    finish: Option<FinishReason>,
    /// Tokens: prompt, completion, total, cached, written to the cache, reasoning.
    usage: Option<[Option<u64>; 6]>,
}

/// The contents, or the message of the error.
type Reading = Result<Contents, String>;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Arguments as JSON: missing ones are an empty object.
fn arguments(value: &Value) -> Value {
    match value {
        Value::Null => Value::Object(serde_json::Map::new()),
        Value::String(text) if text.trim().is_empty() => arguments(&Value::Null),
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        object => object.clone(),
    }
}

/// The data of the events of a stream, without `[DONE]`.
fn events(body: &str) -> Vec<Value> {
    let mut events = Vec::new();
    for event in body.replace("\r\n", "\n").split("\n\n") {
        let lines: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        let data = lines.join("\n");
        if !data.trim().is_empty() && data.trim() != "[DONE]" {
            events.push(serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")));
        }
    }
    events
}

fn counts(usage: &Value, names: [&str; 6]) -> Option<[Option<u64>; 6]> {
    let count = |name: &str| {
        let value = usage.pointer(name)?;
        value.as_u64().or(value.as_f64().filter(|count| *count >= 0.0).map(|count| count as u64))
    };
    let mut counts = names.map(count);
    let beside =
        ["/cached_tokens", "/prompt_cache_hit_tokens", "/num_cached_tokens", "/cache_read_input_tokens"];
    counts[3] = counts[3].or_else(|| beside.into_iter().find_map(count));
    counts[4] = counts[4].or_else(|| count("/cache_creation_input_tokens"));
    counts[..3].iter().any(Option::is_some).then_some(counts)
}

/// Parses a response with the second parser.
fn expected(exchange: &Exchange) -> Reading {
    let json = || serde_json::from_str(&exchange.body).unwrap();
    match (exchange.is_responses(), exchange.is_whole()) {
        (false, true) => chat::body(&json()),
        (false, false) => chat::stream(&events(&exchange.body)),
        (true, true) => responses::body(&json()),
        (true, false) => responses::stream(&events(&exchange.body)),
    }
}

/// Parses a response with this crate.
fn read(exchange: &Exchange) -> Result<CompletionResponse, BackendError> {
    let body = exchange.body.as_bytes();
    match (exchange.is_responses(), exchange.is_whole()) {
        (false, true) => internals::chat_response(body).map_err(Into::into),
        (true, true) => internals::responses_response(body).map_err(Into::into),
        (false, false) => {
            block_on(CollectingStream::new(internals::chat_stream([body])).collect()).map_err(Into::into)
        }
        (true, false) => {
            block_on(CollectingStream::new(internals::responses_stream([body])).collect()).map_err(Into::into)
        }
    }
}

/// # Errors
/// If the two parsers differ.
fn compare(exchange: &Exchange, got: Result<CompletionResponse, BackendError>) -> Result<(), String> {
    let (expected, got) = match (expected(exchange), got) {
        (Ok(expected), Ok(got)) => (expected, got),
        (Err(words), Err(got)) if got.to_string().contains(&words) => return Ok(()),
        (expected, got) => return Err(format!("expected {expected:?}, read as {got:?}")),
    };
    let mut calls: Vec<(String, String, Value)> = Vec::new();
    for call in got.tool_calls.iter().chain(&got.incomplete_tool_calls) {
        if calls.iter().any(|(id, ..)| *id == call.id) || call.id.is_empty() {
            return Err(format!("the id {:?} is empty or used twice", call.id));
        }
        let value = arguments(&Value::String(call.arguments.clone()));
        calls.push((call.id.clone(), call.name.clone(), value));
    }
    // A missing id is generated.
    for (call, (id, ..)) in calls.iter_mut().zip(&expected.calls).filter(|(_, (id, ..))| id.is_empty()) {
        call.0.clone_from(id);
    }
    let is_cut = got.finish_reason.is_cut();
    if !is_cut && !got.incomplete_tool_calls.is_empty() {
        return Err(format!("calls of a finished turn are incomplete: {:?}", got.incomplete_tool_calls));
    }
    let found = Contents {
        text: got.content.unwrap_or_default(),
        commentary: got.commentary.unwrap_or_default(),
        refusal: got.refusal.unwrap_or_default(),
        reasoning: got.reasoning.unwrap_or_default(),
        calls,
        // Without a finish reason, it is unknown whether the turn has ended.
        finish: expected.finish.and(Some(got.finish_reason)),
        usage: got.usage.map(|usage| {
            [
                Some(usage.prompt_tokens.into()),
                Some(usage.completion_tokens.into()),
                Some(usage.total_tokens.into()),
                usage.cached_tokens.map(Into::into),
                usage.cache_write_tokens.map(Into::into),
                usage.reasoning_tokens.map(Into::into),
            ]
        }),
    };
    (found == expected).then_some(()).ok_or_else(|| format!("expected {expected:?},\n  read as {found:?}"))
}

#[test]
fn every_recorded_response_is_read_correctly() {
    let exchanges = exchanges::read();
    let (mut seen, mut failures) = (BTreeMap::<_, usize>::new(), Vec::new());
    for exchange in &exchanges {
        let kind = match exchange.status {
            200 => (exchange.is_responses(), exchange.is_whole(), true),
            _ => (exchange.is_responses(), exchange.is_whole(), false),
        };
        *seen.entry(kind).or_default() += 1;
        let compared = match exchange.status {
            200 => compare(exchange, read(exchange)),
            status => compare_error(exchange, status),
        };
        if let Err(why) = compared {
            failures.push(format!("{} {} ({}): {why}\n", exchange.host, exchange.path, exchange.source));
        }
    }
    println!("{} exchanges", exchanges.len());
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), exchanges.len(), failures.concat());
    assert!(exchanges.is_empty() || seen.len() > 4, "some kind of exchange is missing: {seen:?}");
}

/// # Errors
/// If the error does not hold the server's message, or its category does not fit its status.
fn compare_error(exchange: &Exchange, status: u16) -> Result<(), String> {
    let error = internals::error_response(status, exchange.body.as_bytes());
    let (message, category) = (error.to_string(), error.category());
    let body: Value = serde_json::from_str(&exchange.body).map_err(|error| error.to_string())?;
    let places = ["/error/message", "/error", "/message", "/detail", "/detail/message"];
    let Some(words) = places.iter().find_map(|place| body.pointer(place)?.as_str()) else {
        return Err(format!("no message found in {body}"));
    };
    let words = words.trim();
    if !message.contains(words) {
        return Err(format!("the message {words:?} is not in {message:?}"));
    }
    let fits = match status {
        401 => category.as_str() == "authentication",
        403 => matches!(category.as_str(), "permission" | "quota" | "authentication"),
        404 => category.as_str() == "not_found",
        429 => matches!(category.as_str(), "rate_limit" | "quota"),
        500.. => category.is_retryable() || category.as_str() == "context_length",
        // The body is more precise than the status.
        _ => category.as_str() != "parse" && !category.is_retryable(),
    };
    fits.then_some(()).ok_or_else(|| format!("the status {status} became {category}: {message}"))
}
