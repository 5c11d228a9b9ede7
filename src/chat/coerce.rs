//! Brings a response that is not of the documented form into it, as far as nothing is lost: what stands alone where a list is
//! expected becomes one, text becomes the object that holds it, and empty values are left out. Only read where the documented
//! form did not fit.

use serde_json::{Map, Value, json};

use crate::decode::json;

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

/// A field that should be an object.
fn object(fields: &mut Map<String, Value>, name: &str, coerce: fn(&mut Value)) {
    match fields.get_mut(name) {
        Some(value) if json::is_empty(value) && !value.is_object() => drop(fields.remove(name)),
        Some(value) => coerce(value),
        None => {}
    }
}

/// A field that should be a list of objects.
fn list(fields: &mut Map<String, Value>, name: &str, coerce: fn(&mut Value)) {
    match fields.get_mut(name) {
        Some(Value::Array(items)) => {
            items.retain(|item| item.is_object() || !json::is_empty(item));
            items.iter_mut().for_each(coerce);
        }
        Some(value) if json::is_empty(value) => drop(fields.remove(name)),
        Some(value @ Value::Object(_)) => {
            coerce(value);
            *value = Value::Array(vec![value.take()]);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_brought_into_form() {
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
        // What would be lost stays as it is, and fails.
        let wrong = json!({"choices": [{"delta": {"tool_calls": "now()"}}]});
        check(wrong.clone(), wrong);
    }
}
