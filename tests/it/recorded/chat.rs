//! The second parser of Chat Completions.

use std::collections::BTreeMap;

use serde_json::Value;
use tachikoma_backends_core::FinishReason;

use super::{Contents, Reading, arguments, counts, list, text};

const USAGE: [&str; 6] = [
    "/prompt_tokens",
    "/completion_tokens",
    "/total_tokens",
    "/prompt_tokens_details/cached_tokens",
    "/prompt_tokens_details/cache_write_tokens",
    "/completion_tokens_details/reasoning_tokens",
];

/// Adds `content`, which is text or a list of parts, some of them thinking.
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

/// Adds the texts of a message or a delta.
fn add_texts(contents: &mut Contents, message: &Value) {
    add_content(contents, &message["content"]);
    contents.refusal.push_str(text(&message["refusal"]));
    // Servers that send both fields send the same text in both.
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
        other => panic!("unknown finish reason {other:?}"),
    })
}

/// The choice that is read, of several.
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
    // Snowflake sends a call without a name if there is no call.
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
