//! Random conversations: a longer one is never reported, a changed one at the place of the change.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::set;
use crate::validate::prefix::{CONVERSATIONS, Pointer, prefix_break};

/// A random item of one API, whose text contains `number`, so that no two are the same.
fn item(is_chat: bool, number: usize) -> impl Strategy<Value = Value> {
    (0..5_usize, "[a-z0-9:é ]{0,12}").prop_map(move |(kind, text)| {
        let text = format!("{text} {number}");
        let call = format!("call_{number}");
        match (is_chat, kind) {
            (_, 0) => json!({"role": "user", "content": text}),
            (true, 1) => json!({"role": "user", "content": [
                {"type": "text", "text": text},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
            ]}),
            (true, 2) => json!({"role": "assistant", "content": text, "reasoning_content": "Hm"}),
            (true, 3) => json!({"role": "assistant", "tool_calls": [
                {"id": call, "type": "function", "function": {"name": "f", "arguments": text}},
            ]}),
            (true, _) => json!({"role": "tool", "tool_call_id": call, "content": text}),
            (false, 1) => json!({"role": "user", "content": [
                {"type": "input_text", "text": text},
                {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
            ]}),
            (false, 2) => json!({"type": "reasoning", "encrypted_content": text, "summary": []}),
            (false, 3) => json!({"type": "function_call", "call_id": call, "name": "f", "arguments": text}),
            (false, _) => json!({"type": "function_call_output", "call_id": call, "output": text}),
        }
    })
}

/// A random request, and the items that follow later.
fn conversation() -> impl Strategy<Value = (Value, Vec<Value>)> {
    (any::<bool>(), 1..8_usize, 0..4_usize, 0..4_usize).prop_flat_map(|(is_chat, count, more, tools)| {
        let items: Vec<_> = (0..count + more).map(|number| item(is_chat, number)).collect();
        (items, any::<bool>()).prop_map(move |(mut items, has_settings)| {
            let later = items.split_off(count);
            let names = ["a", "b", "c"].iter().take(tools);
            let tools: Vec<_> = names
                .map(|name| json!({"type": "function", "name": name, "parameters": {"type": "object", "required": [name]}}))
                .collect();
            let mut body = json!({"model": "m", "temperature": 1, "tools": tools});
            if has_settings {
                body["prompt_cache_key"] = json!("k");
                match is_chat {
                    true => body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "n"}}),
                    false => body["instructions"] = json!("Be brief."),
                }
            }
            body[if is_chat { "messages" } else { "input" }] = Value::from(items);
            (body, later)
        })
    })
}

fn extend(body: &Value, items: &[Value]) -> Value {
    let mut body = body.clone();
    for name in CONVERSATIONS {
        if let Some(Value::Array(held)) = body.get_mut(name) {
            held.extend_from_slice(items);
        }
    }
    body
}

/// The places of all values that are neither lists nor objects and are part of the prompt.
fn leaves(value: &Value, path: &Pointer, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, &path.key(name), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| leaves(value, &path.index(i), found));
        }
        _ if path.to_string() == "/temperature" => {}
        _ => found.push(path.to_string()),
    }
}

/// Whether the place of a break is a changed place, or one that contains it.
fn contains(path: &str, changed: &str) -> bool {
    changed.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_extended_conversation_is_never_reported((body, later) in conversation(), breakpoint in any::<Index>()) {
        let mut extended = extend(&body, &later);
        extended["temperature"] = json!(0);
        for name in CONVERSATIONS {
            if let Some(Value::Array(items)) = extended.get_mut(name) {
                let index = breakpoint.index(items.len());
                items[index]["prompt_cache_breakpoint"] = json!({"mode": "explicit"});
            }
        }
        prop_assert_eq!(prefix_break(&body, &extended), None);
    }

    #[test]
    fn a_changed_value_is_reported_at_its_place(
        (body, later) in conversation(),
        leaf in any::<Index>(),
        suffix in "[a-z0-9:é]{1,4}",
    ) {
        let mut paths = Vec::new();
        leaves(&body, &Pointer::default(), &mut paths);
        let changed = &paths[leaf.index(paths.len())];
        let mut mutated = extend(&body, &later);
        let text = mutated.pointer(changed).and_then(Value::as_str).unwrap_or_default().to_owned();
        set(&mut mutated, changed, Value::from(text + &suffix));
        let found = prefix_break(&body, &mutated);
        let found = found.ok_or_else(|| TestCaseError::fail(format!("not reported: {changed}")))?;
        prop_assert!(contains(&found.path, changed), "{} instead of {}", found.path, changed);
        // The excerpts are those of this place.
        prop_assert!(body.pointer(&found.path).is_some() && found.earlier.is_some());
        prop_assert_ne!(found.earlier, found.later);
        prop_assert!(found.matching_items < found.items);
    }

    #[test]
    fn a_moved_removed_or_inserted_item_is_reported_at_its_place(
        (body, later) in conversation(),
        index in any::<Index>(),
        kind in 0..3_usize,
    ) {
        for name in ["messages", "input", "tools"] {
            let Some(Value::Array(items)) = body.get(name) else { continue };
            if items.is_empty() || items.len() < 2 && kind == 0 {
                continue;
            }
            let mut items = items.clone();
            let place = match kind {
                0 => {
                    let place = index.index(items.len() - 1);
                    items.swap(place, place + 1);
                    place
                }
                1 => {
                    let place = index.index(items.len());
                    items.remove(place);
                    place
                }
                _ => {
                    let place = index.index(items.len());
                    items.insert(place, json!({"type": "custom", "role": "user", "content": "new"}));
                    place
                }
            };
            let mut mutated = body.clone();
            mutated[name] = Value::from(items);
            let found = prefix_break(&body, &extend(&mutated, &later));
            let found = found.ok_or_else(|| TestCaseError::fail(format!("not reported: {name} {kind}")))?;
            let expected = format!("/{name}/{place}");
            let is_at = contains(&expected, &found.path) || found.path == format!("/{name}");
            prop_assert!(is_at, "{} instead of {}", found.path, expected);
            prop_assert_eq!(found.matching_items, if name == "tools" { 0 } else { place });
        }
    }

    #[test]
    fn any_values_are_compared(one in any_json(), other in any_json(), body in conversation()) {
        prop_assert_eq!(prefix_break(&one, &one), None);
        let _ = prefix_break(&one, &other);
        for (earlier, later) in [(&one, &body.0), (&body.0, &one)] {
            let _ = prefix_break(earlier, later).map(|found| found.to_string());
        }
        let nested = |value: &Value| json!({"model": value, "tools": [value], "messages": [value, {"content": value}]});
        prop_assert_eq!(prefix_break(&nested(&one), &nested(&one)), None);
        let _ = prefix_break(&nested(&one), &nested(&other)).map(|found| found.to_string());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("messages"),
        Just("input"),
        Just("tools"),
        Just("type"),
        Just("text"),
        Just("role"),
        Just("content"),
        Just("~a/b"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[a-z0-9:]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..4).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}
