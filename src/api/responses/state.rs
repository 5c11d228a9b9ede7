//! The state of a response for the next turn: its items, above all the reasoning, which no plain message can hold. It is sent
//! back only to the same server, account and model.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tachikoma_backends_core::{Message, ProviderState, ToolCall, ToolCallKind};

use super::item::{self, Item, TurnText};
use super::{compaction, hosted_call};

/// The fields of output items that input items lack, by the document.
const OUTPUT_ONLY: &[&str] = &["created_by"];

/// The state of a whole response with these items; `None` if there is nothing to send back.
pub(super) fn new(items: Vec<Value>, origin: &str) -> Option<ProviderState> {
    let count = items.len();
    let mut items: Vec<Map<String, Value>> = items.into_iter().filter_map(input_item).collect();
    if items.len() < count {
        for item in &mut items {
            remove_reference(item);
        }
    }
    let items: Vec<Value> = items.into_iter().map(Value::Object).collect();
    (!items.is_empty()).then(|| ProviderState::new(origin, items))
}

/// An item to send back: without nulls, which servers send but do not all accept, and without the fields of outputs.
fn input_item(item: Value) -> Option<Map<String, Value>> {
    // A failed call of an MCP server holds its error, which the model has to know.
    let has_error = Item(&item).text("type") == "mcp_call" && Item(&item).text("status") == "failed";
    let is_failed = Item(&item).is_incomplete() && !has_error;
    let fields = without_output_fields(item)?;
    let has = |key: &str| {
        fields.get(key).is_some_and(|value| match value {
            Value::String(text) => !text.is_empty(),
            Value::Array(parts) => !parts.is_empty(),
            _ => true,
        })
    };
    // Reasoning without its content is a reference, which a server that stores nothing cannot resolve.
    let is_empty = is_reasoning(&fields) && !has("encrypted_content") && !has("content");
    (!is_empty && !is_failed).then_some(fields)
}

/// An item without nulls and the fields of outputs.
pub(super) fn without_output_fields(item: Value) -> Option<Map<String, Value>> {
    let Value::Object(mut fields) = item else { return None };
    fields.retain(|name, value| !value.is_null() && !OUTPUT_ONLY.contains(&name.as_str()));
    Some(fields)
}

fn is_reasoning(item: &Map<String, Value>) -> bool {
    item.get("type").is_some_and(|kind| kind == "reasoning")
}

/// Removes the id of an item that does not need it, for which the server would look up the reasoning that belongs to it.
/// Returns whether there was one.
fn remove_reference(item: &mut Map<String, Value>) -> bool {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    matches!(kind, "message" | "function_call" | "custom_tool_call") && item.remove("id").is_some()
}

/// The items of this turn, if they are of this origin and still agree with it: later changes of the text or the calls take
/// precedence.
pub(super) fn items(message: &Message, origin: &str) -> Option<Vec<Map<String, Value>>> {
    let state = message.provider_state.as_ref().filter(|state| state.origin == origin)?;
    let Some(items) = state.data.as_array() else { return compaction::items(message, &state.data) };
    let text = TurnText::from_items(items);
    let own_calls: Vec<ToolCall> =
        item::calls(items).map(own_call).chain(hosted_call::calls(items)).collect();
    let agrees = text.text == message.content.to_text()
        && text.refusal == message.refusal.as_deref().unwrap_or_default()
        && message.tool_calls.len() == own_calls.len()
        && message.tool_calls.iter().zip(&own_calls).all(|(call, own)| is_same(call, own));
    agrees.then(|| {
        let kept = compaction::from_newest(items);
        let mut kept_items: Vec<_> = kept.iter().filter_map(Value::as_object).cloned().collect();
        if kept.len() < items.len() {
            for item in &mut kept_items {
                remove_reference(item);
            }
        }
        kept_items
    })
}

/// The call of an item. One without arguments is returned to the caller with an empty object.
fn own_call(item: Item<'_>) -> ToolCall {
    let is_custom = item.text("type") == "custom_tool_call";
    let arguments = match item.arguments() {
        arguments if arguments.trim().is_empty() && !is_custom => "{}".to_owned(),
        arguments => arguments,
    };
    let kind = if is_custom { ToolCallKind::Custom } else { ToolCallKind::Function };
    ToolCall::new(item.text("call_id"), item.text("name"), arguments).with_kind(kind)
}

/// Whether a turn's call is still that of its item, which is a function's where the server has no custom tools.
fn is_same(call: &ToolCall, own: &ToolCall) -> bool {
    let arguments = match call.kind {
        ToolCallKind::Custom => own.input(),
        _ => Cow::Borrowed(own.arguments.as_str()),
    };
    call.id == own.id && call.name == own.name && call.arguments == arguments
}

/// A request's body without the states that the server no longer accepts: the reasoning, and the ids that refer to it. `None`
/// if it has none.
pub(crate) fn without_state(body: &[u8]) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let input = body.get_mut("input")?.as_array_mut()?;
    let count = input.len();
    input.retain(|item| !item.as_object().is_some_and(is_reasoning));
    let is_shorter = input.len() < count;
    let items = input.iter_mut().filter_map(Value::as_object_mut);
    let is_changed = items.fold(is_shorter, |is_changed, item| remove_reference(item) || is_changed);
    is_changed.then(|| serde_json::to_vec(&body).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_to_send_back() {
        #[track_caller]
        fn check(items: Value, expected: Value) {
            let Value::Array(items) = items else { panic!("not a list") };
            let state = new(items, "o").map_or(Value::Null, |state| (*state.data).clone());
            assert_eq!(state, expected);
        }
        let call =
            json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"});
        let bare = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
        let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"});
        check(json!([reasoning, call]), json!([reasoning, call]));
        // Without its reasoning, an item must not refer to it.
        check(json!([{"type": "reasoning", "id": "rs_1", "summary": []}, call]), json!([bare]));
        check(
            json!([{"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": null}]),
            json!(null),
        );
        let failed_call =
            json!({"type": "mcp_call", "id": "mcp_1", "status": "failed", "error": "no such page"});
        check(json!([failed_call]), json!([failed_call]));
        check(
            json!([{"type": "shell_call", "id": "sh_1", "created_by": "x", "environment": null}]),
            json!([{"type": "shell_call", "id": "sh_1"}]),
        );
    }

    /// A server without custom tools has a function in the place of each.
    #[test]
    fn the_state_of_a_custom_call_made_as_a_function() {
        #[track_caller]
        fn check(arguments: &str, input: &str, agrees: bool) {
            let reasoning = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "x"});
            let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments});
            let custom = ToolCall::new("c", "f", input).with_kind(ToolCallKind::Custom);
            let mut message = Message::assistant_with_tool_calls("", vec![custom]);
            message.provider_state = new(vec![reasoning, call], "o");
            assert_eq!(items(&message, "o").is_some(), agrees, "{arguments} {input}");
        }
        let input = "a \"quoted\"\nline é";
        check(&json!({"input": input}).to_string(), input, true);
        check("{\"input\": \"\\u00e9\"}", "é", true);
        check(&json!({"input": input}).to_string(), "changed", false);
        // The model did not keep to the one parameter.
        check("{\"text\": 1}", "{\"text\": 1}", true);
        check("", "{}", true);
    }

    #[test]
    fn a_body_without_its_states() {
        let with = json!({"model": "m", "input": [
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "x"},
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
        ]});
        let without = json!({"model": "m", "input": [
            {"role": "user", "content": "Hi"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ]});
        let body = without_state(with.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), without);
        assert_eq!(without_state(&body), None);
        assert_eq!(without_state(b"{}"), None);
        let id_alone = json!({"input": [{"type": "function_call", "id": "fc_1", "call_id": "c"}]});
        let body = without_state(id_alone.to_string().as_bytes()).unwrap();
        let without = json!({"input": [{"type": "function_call", "call_id": "c"}]});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), without);
    }

    /// The list follows from the document.
    #[test]
    fn output_only_fields_match_the_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/closure.json");
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let schemas = &document["components"]["schemas"];
        let (mut found, mut items) = (std::collections::BTreeSet::new(), 0);
        let inputs: Vec<_> =
            ["InputItem", "Item"].iter().flat_map(|union| variants(schemas, union)).collect();
        for (kind, fields) in variants(schemas, "OutputItem") {
            let same = || inputs.iter().filter(|(other, _)| *other == kind);
            if same().next().is_none() {
                continue;
            }
            let input: Vec<&String> = same().flat_map(|(_, fields)| fields).collect();
            items += 1;
            // The outputs of functions are written by the client.
            if !kind.ends_with("function_call_output") && !kind.ends_with("custom_tool_call_output") {
                found.extend(fields.into_iter().filter(|field| !input.contains(&field)));
            }
        }
        assert!(items > 15, "too few items were found: {items}");
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), OUTPUT_ONLY);
    }

    /// The types of a union's objects, with their fields.
    fn variants(schemas: &Value, union: &str) -> Vec<(String, Vec<String>)> {
        let branches = schemas[union]["oneOf"].as_array().or(schemas[union]["anyOf"].as_array()).unwrap();
        let names = branches.iter().filter_map(|branch| branch["$ref"].as_str()?.rsplit('/').next());
        names
            .filter_map(|name| {
                let mut fields = Map::new();
                collect(schemas, name, &mut fields);
                let kind = fields.get("type")?["enum"][0].as_str()?.to_owned();
                Some((kind, fields.keys().cloned().collect()))
            })
            .collect()
    }

    fn collect(schemas: &Value, name: &str, fields: &mut Map<String, Value>) {
        let schema = &schemas[name];
        for part in schema["allOf"].as_array().into_iter().flatten().chain([schema]) {
            fields.extend(part["properties"].as_object().cloned().unwrap_or_default());
            if let Some(name) = part["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
                collect(schemas, name, fields);
            }
        }
    }
}
