//! Every recorded response of a real server is read as it says, by a second reading that is simple enough to be right.
//!
//! The second reading looks at JSON and nothing else. The few justified differences are rules in it: a missing id may be
//! made up, no arguments are `{}`, thinking is reasoning wherever it stands, and an error inside a 200 is an error.

use std::collections::BTreeMap;

use futures::executor::block_on;
use serde_json::Value;
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{BackendError, CollectingStream, CompletionResponse, FinishReason};

use crate::exchanges::{self, Exchange};

/// What a response says.
#[derive(Debug, Default, PartialEq)]
struct Contents {
    text: String,
    commentary: String,
    refusal: String,
    reasoning: String,
    /// Id (empty where the server sends none), name, and arguments as JSON, or as text where they are not.
    calls: Vec<(String, String, Value)>,
    finish: Option<FinishReason>,
    /// Tokens of the prompt, of the answer, both, cached, written to the cache, of reasoning.
    usage: Option<[Option<u64>; 6]>,
}

/// A response says something, or it is an error.
type Reading = Result<Contents, String>;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Arguments as JSON: none at all are an empty object.
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
    counts[4] = counts[4].or_else(|| count("/cache_creation_input_tokens"));
    counts[..3].iter().any(Option::is_some).then_some(counts)
}

mod chat {
    use super::*;

    const USAGE: [&str; 6] = [
        "/prompt_tokens",
        "/completion_tokens",
        "/total_tokens",
        "/prompt_tokens_details/cached_tokens",
        "/prompt_tokens_details/cache_write_tokens",
        "/completion_tokens_details/reasoning_tokens",
    ];

    /// Adds `content`, which is text or a list of parts, of which some are thinking.
    fn add_content(contents: &mut Contents, content: &Value) {
        contents.text.push_str(text(content));
        for part in list(content) {
            contents.text.push_str(text(part));
            contents.text.push_str(text(&part["text"]));
            contents.reasoning.push_str(text(&part["thinking"]));
            for part in list(&part["thinking"]) {
                contents.reasoning.push_str(text(&part["text"]));
            }
        }
    }

    /// Adds what a message or a delta says beside its calls.
    fn add_texts(contents: &mut Contents, message: &Value) {
        add_content(contents, &message["content"]);
        contents.refusal.push_str(text(&message["refusal"]));
        // Where both stand, they say the same.
        let reasoning = [&message["reasoning_content"], &message["reasoning"]];
        let reasoning = reasoning.map(text).into_iter().find(|text| !text.is_empty()).map(str::to_owned);
        let details = || {
            let details = message["reasoning_details"].as_array().into_iter().flatten();
            details.map(|detail| text(&detail["text"])).collect()
        };
        contents.reasoning.push_str(&reasoning.unwrap_or_else(details));
    }

    fn finish(word: &str, has_calls: bool) -> Option<FinishReason> {
        Some(match word {
            "stop" | "tool_calls" | "function_call" if has_calls => FinishReason::ToolUse,
            "stop" => FinishReason::Stop,
            "tool_calls" => FinishReason::ToolUse,
            "length" => FinishReason::Length,
            "content_filter" => FinishReason::ContentFilter,
            "" => return None,
            other => panic!("what is the finish reason {other:?}?"),
        })
    }

    /// Where several were asked for, the first is the response.
    fn first_choice(value: &Value) -> &Value {
        let is_first = |choice: &&Value| matches!(choice["index"].as_u64(), None | Some(0));
        list(&value["choices"]).iter().find(is_first).unwrap_or(&Value::Null)
    }

    pub(super) fn body(body: &Value) -> Reading {
        if body["error"].is_object() {
            return Err(text(&body["error"]["message"]).to_owned());
        }
        let choice = first_choice(body);
        let message = &choice["message"];
        let mut contents = Contents::default();
        add_texts(&mut contents, message);
        for call in list(&message["tool_calls"]) {
            let function = &call["function"];
            contents.calls.push((
                text(&call["id"]).to_owned(),
                text(&function["name"]).to_owned(),
                arguments(&function["arguments"]),
            ));
        }
        let function = &message["function_call"];
        // Snowflake writes a call of no name where there is none.
        if contents.calls.is_empty() && !text(&function["name"]).is_empty() {
            contents.calls.push((
                String::new(),
                text(&function["name"]).to_owned(),
                arguments(&function["arguments"]),
            ));
        }
        contents.finish = finish(text(&choice["finish_reason"]), !contents.calls.is_empty());
        contents.usage = counts(&body["usage"], USAGE);
        Ok(contents)
    }

    pub(super) fn stream(events: &[Value]) -> Reading {
        let mut contents = Contents::default();
        let mut calls: BTreeMap<u64, (String, String, String)> = BTreeMap::new();
        let mut word = "";
        for event in events {
            if event["error"].is_object() {
                return Err(text(&event["error"]["message"]).to_owned());
            }
            contents.usage = counts(&event["usage"], USAGE).or(contents.usage);
            let choice = first_choice(event);
            if !text(&choice["finish_reason"]).is_empty() {
                word = text(&choice["finish_reason"]);
            }
            add_texts(&mut contents, &choice["delta"]);
            for call in list(&choice["delta"]["tool_calls"]) {
                let (id, name, arguments) = calls.entry(call["index"].as_u64().unwrap()).or_default();
                id.push_str(text(&call["id"]));
                name.push_str(text(&call["function"]["name"]));
                match &call["function"]["arguments"] {
                    Value::String(text) => arguments.push_str(text),
                    Value::Null => {}
                    object => arguments.push_str(&object.to_string()),
                }
            }
        }
        let whole = |(id, name, text)| (id, name, arguments(&Value::String(text)));
        contents.calls = calls.into_values().map(whole).collect();
        contents.finish = finish(word, !contents.calls.is_empty());
        Ok(contents)
    }
}

mod responses {
    use super::*;

    const USAGE: [&str; 6] = [
        "/input_tokens",
        "/output_tokens",
        "/total_tokens",
        "/input_tokens_details/cached_tokens",
        "/input_tokens_details/cache_write_tokens",
        "/output_tokens_details/reasoning_tokens",
    ];

    fn add_paragraph(text: &mut String, paragraph: &str) {
        if !text.is_empty() && !paragraph.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(paragraph);
    }

    /// A response: its items, status and usage. `output` are the items.
    fn contents(response: &Value, output: &[Value]) -> Reading {
        if response["error"].is_object() {
            return Err(text(&response["error"]["message"]).to_owned());
        }
        let mut contents = Contents::default();
        for item in output {
            let content = list(&item["content"]);
            match text(&item["type"]) {
                "message" => {
                    let texts: String = content.iter().map(|part| text(&part["text"])).collect();
                    // Commentary is not the answer.
                    let is_commentary = item["phase"] == "commentary";
                    add_paragraph(
                        if is_commentary { &mut contents.commentary } else { &mut contents.text },
                        &texts,
                    );
                    content.iter().for_each(|part| contents.refusal.push_str(text(&part["refusal"])));
                }
                "reasoning" => {
                    for part in list(&item["summary"]).iter().chain(content) {
                        add_paragraph(&mut contents.reasoning, text(&part["text"]));
                    }
                }
                "function_call" => contents.calls.push((
                    text(&item["call_id"]).to_owned(),
                    text(&item["name"]).to_owned(),
                    arguments(&item["arguments"]),
                )),
                "custom_tool_call" => contents.calls.push((
                    text(&item["call_id"]).to_owned(),
                    text(&item["name"]).to_owned(),
                    item["input"].clone(),
                )),
                // Work of the provider's own tools.
                "web_search_call"
                | "file_search_call"
                | "code_interpreter_call"
                | "image_generation_call"
                | "mcp_call"
                | "mcp_list_tools"
                | "compaction"
                | "tool_search_call"
                | "tool_search_output" => {}
                other => panic!("what is the item {other:?}?"),
            }
        }
        contents.finish =
            Some(match (text(&response["status"]), text(&response["incomplete_details"]["reason"])) {
                ("completed" | "complete", _) if contents.calls.is_empty() => FinishReason::Stop,
                ("completed" | "complete", _) => FinishReason::ToolUse,
                ("incomplete", "max_output_tokens") => FinishReason::Length,
                other => panic!("what is the status {other:?}?"),
            });
        contents.usage = counts(&response["usage"], USAGE);
        Ok(contents)
    }

    pub(super) fn body(body: &Value) -> Reading {
        contents(body, list(&body["output"]))
    }

    /// The last event holds all; some servers leave the items out there.
    pub(super) fn stream(events: &[Value]) -> Reading {
        let kind = |event: &Value| text(&event["type"]).to_owned();
        let last = events
            .iter()
            .find(|event| matches!(kind(event).as_str(), "response.completed" | "response.incomplete"));
        let Some(last) = last else { return Err("no last event".to_owned()) };
        let done = events.iter().filter(|event| kind(event) == "response.output_item.done");
        let items: Vec<Value> = done.map(|event| event["item"].clone()).collect();
        let output = list(&last["response"]["output"]);
        contents(&last["response"], if output.is_empty() { &items } else { output })
    }
}

/// The second reading of a response.
fn expected(exchange: &Exchange) -> Reading {
    let json = || serde_json::from_str(&exchange.body).unwrap();
    match (exchange.is_responses(), exchange.is_whole()) {
        (false, true) => chat::body(&json()),
        (false, false) => chat::stream(&events(&exchange.body)),
        (true, true) => responses::body(&json()),
        (true, false) => responses::stream(&events(&exchange.body)),
    }
}

/// How this crate reads it.
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
/// Where the two readings differ.
fn compare(exchange: &Exchange, got: Result<CompletionResponse, BackendError>) -> Result<(), String> {
    let (expected, got) = match (expected(exchange), got) {
        (Ok(expected), Ok(got)) => (expected, got),
        (Err(words), Err(got)) if got.to_string().contains(&words) => return Ok(()),
        (expected, got) => return Err(format!("it says {expected:?}, read as {got:?}")),
    };
    let mut calls: Vec<(String, String, Value)> = Vec::new();
    for call in got.tool_calls.iter().chain(&got.incomplete_tool_calls) {
        if calls.iter().any(|(id, ..)| *id == call.id) || call.id.is_empty() {
            return Err(format!("the id {:?} is of no call, or of two", call.id));
        }
        let value = arguments(&Value::String(call.arguments.clone()));
        calls.push((call.id.clone(), call.name.clone(), value));
    }
    // A missing id is made up.
    for (call, (id, ..)) in calls.iter_mut().zip(&expected.calls).filter(|(_, (id, ..))| id.is_empty()) {
        call.0.clone_from(id);
    }
    let is_cut = got.finish_reason.is_cut();
    if !is_cut && !got.incomplete_tool_calls.is_empty() {
        return Err(format!("calls of a finished turn are incomplete: {:?}", got.incomplete_tool_calls));
    }
    let known = Contents {
        text: got.content.unwrap_or_default(),
        commentary: got.commentary.unwrap_or_default(),
        refusal: got.refusal.unwrap_or_default(),
        reasoning: got.reasoning.unwrap_or_default(),
        calls,
        // Without a word for it, that the turn has ended is not known.
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
    (known == expected).then_some(()).ok_or_else(|| format!("it says {expected:?},\n  read as {known:?}"))
}

#[test]
fn every_recorded_response_is_read_as_it_says() {
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
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), exchanges.len(), failures.concat());
    assert!(exchanges.is_empty() || seen.len() > 4, "not every kind of exchange is there any more: {seen:?}");
}

/// # Errors
/// The error does not have the server's own words, or its status is that of another category.
fn compare_error(exchange: &Exchange, status: u16) -> Result<(), String> {
    let error = internals::error_response(status, exchange.body.as_bytes());
    let (message, category) = (error.to_string(), error.category());
    let body: Value = serde_json::from_str(&exchange.body).map_err(|error| error.to_string())?;
    let places = ["/error/message", "/error", "/message", "/detail", "/detail/message"];
    let Some(words) = places.iter().find_map(|place| body.pointer(place)?.as_str()) else {
        return Err(format!("where are the words in {body}?"));
    };
    let words = words.trim();
    if !message.contains(words) {
        return Err(format!("the words {words:?} are not in {message:?}"));
    }
    let fits = match status {
        401 => category.as_str() == "authentication",
        403 => matches!(category.as_str(), "permission" | "quota" | "authentication"),
        404 => category.as_str() == "not_found",
        429 => matches!(category.as_str(), "rate_limit" | "quota"),
        500.. => category.is_retryable() || category.as_str() == "context_length",
        // The body says more than the status.
        _ => category.as_str() != "parse" && !category.is_retryable(),
    };
    fits.then_some(()).ok_or_else(|| format!("a status of {status} is {category}: {message}"))
}
