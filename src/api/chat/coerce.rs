//! Normalizes a response that is not of the documented form, as far as nothing is lost: a single value becomes a list where one
//! is expected, text becomes the object that holds it, and empty values are removed.

use serde_json::{Map, Value, json};

use crate::runtime::json;

/// A chunk or a whole response.
pub(super) fn event(event: &mut Value) {
    if let Value::Object(fields) = event {
        list(fields, "choices", choice);
    }
}

fn choice(choice: &mut Value) {
    if let Value::String(text) = choice {
        *choice = json!({ "text": text });
    }
    if let Value::Object(fields) = choice {
        object(fields, "delta", message);
        object(fields, "message", message);
        nest(fields);
        hoist(fields);
    }
}

/// Moves fields that some servers put beside the message into it.
fn nest(choice: &mut Map<String, Value>) {
    for name in ["content", "tool_calls", "function_call"] {
        let Some(value) = choice.remove(name).filter(|value| !json::is_empty(value)) else { continue };
        let key = if choice.contains_key("message") { "message" } else { "delta" };
        let target = choice.entry(key).or_insert_with(|| json!({}));
        if let Value::Object(fields) = target
            && fields.get(name).is_none_or(json::is_empty)
        {
            fields.insert(name.to_owned(), value);
            message(target);
        }
    }
}

/// Moves a finish reason from a message to its choice.
fn hoist(choice: &mut Map<String, Value>) {
    for key in ["delta", "message"] {
        let word = choice
            .get_mut(key)
            .and_then(Value::as_object_mut)
            .and_then(|fields| fields.remove("finish_reason"));
        if let Some(word) = word.filter(|word| !json::is_empty(word))
            && choice.get("finish_reason").is_none_or(json::is_empty)
        {
            choice.insert("finish_reason".to_owned(), word);
        }
    }
}

fn message(message: &mut Value) {
    if let Value::String(_) | Value::Array(_) = message {
        *message = json!({ "content": message.take() });
    }
    if let Value::Object(fields) = message {
        list(fields, "tool_calls", call);
        object(fields, "function_call", function);
    }
}

fn call(call: &mut Value) {
    if let Value::Object(fields) = call {
        object(fields, "function", function);
        object(fields, "custom", function);
    }
}

fn function(function: &mut Value) {
    if let Value::String(name) = function {
        *function = json!({ "name": name });
    }
}

/// Normalizes a field that should be an object.
fn object(fields: &mut Map<String, Value>, name: &str, coerce: fn(&mut Value)) {
    match fields.get_mut(name) {
        Some(value) if json::is_empty(value) && !value.is_object() => drop(fields.remove(name)),
        Some(value) => coerce(value),
        None => {}
    }
}

/// Normalizes a field that should be a list of objects; it may be one of them, or an object of them by number.
fn list(fields: &mut Map<String, Value>, name: &str, coerce: fn(&mut Value)) {
    match fields.get_mut(name) {
        Some(Value::Array(items)) => {
            items.retain(|item| item.is_object() || !json::is_empty(item));
            items.iter_mut().for_each(coerce);
        }
        Some(value) if json::is_empty(value) => drop(fields.remove(name)),
        Some(value @ Value::Object(_)) => {
            let mut items = match value.take() {
                // A list by number.
                Value::Object(fields) if fields.keys().all(|key| key.parse::<usize>().is_ok()) => {
                    fields.into_iter().map(|(_, item)| item).collect()
                }
                item => vec![item],
            };
            items.iter_mut().for_each(coerce);
            *value = Value::Array(items);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_can_be_normalized() {
        #[track_caller]
        fn check(mut given: Value, expected: Value) {
            event(&mut given);
            assert_eq!(given, expected);
        }
        check(json!({"choices": {"delta": "a"}}), json!({"choices": [{"delta": {"content": "a"}}]}));
        check(json!({"choices": ["a", null, {}]}), json!({"choices": [{"text": "a"}, {}]}));
        for empty in [json!(""), json!(false), json!(null), json!(0)] {
            check(
                json!({"choices": [{"delta": {"tool_calls": empty, "function_call": empty}, "message": empty}]}),
                json!({"choices": [{"delta": {}}]}),
            );
        }
        check(json!({"choices": ""}), json!({}));
        check(
            json!({"choices": [{"delta": {"tool_calls": {"function": "now", "custom": ""}}}]}),
            json!({"choices": [{"delta": {"tool_calls": [{"function": {"name": "now"}}]}}]}),
        );
        // Content that would be lost stays unchanged, and fails.
        let wrong = json!({"choices": [{"delta": {"tool_calls": "now()"}}]});
        check(wrong.clone(), wrong);
    }
}
