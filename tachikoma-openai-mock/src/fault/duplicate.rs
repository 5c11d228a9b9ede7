//! Tool calls that share the field which should identify them.

use axum::body::Bytes;
use serde_json::Value;

use super::SharedField;

/// Gives every call in an event, or in a response, the index or the id of the first one. In Responses these are its
/// `output_index` and its `call_id`.
pub(crate) fn calls(field: SharedField, first: &mut Option<Value>, piece: Bytes) -> Bytes {
    let text = String::from_utf8_lossy(&piece);
    let (start, json) = text.split_at(text.find('{').unwrap_or(text.len()));
    let Ok(mut body) = serde_json::from_str::<Value>(json) else { return piece };
    let mut share = |value: Option<&mut Value>| {
        if let Some(value) = value {
            *value = first.get_or_insert_with(|| value.clone()).clone();
        }
    };
    let choices = body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten();
    let messages = choices.flat_map(|choice| choice.as_object_mut()).flat_map(|choice| choice.values_mut());
    let calls = messages.filter_map(|message| message.get_mut("tool_calls")?.as_array_mut()).flatten();
    for call in calls {
        share(call.get_mut(match field {
            SharedField::Index => "index",
            SharedField::Id => "id",
        }));
    }
    match field {
        SharedField::Index if is_about_call(&body) => share(body.get_mut("output_index")),
        SharedField::Index => {}
        SharedField::Id => {
            share(body.pointer_mut("/item/call_id"));
            for place in ["/output", "/response/output"] {
                let items = body.pointer_mut(place).and_then(Value::as_array_mut);
                items.into_iter().flatten().for_each(|item| share(item.get_mut("call_id")));
            }
        }
    }
    let end = if start.is_empty() { "" } else { "\n\n" };
    Bytes::from(format!("{start}{body}{end}"))
}

/// Whether this is an event of the Responses API about a call.
fn is_about_call(event: &Value) -> bool {
    let kind = |place| event.pointer(place).and_then(Value::as_str).unwrap_or_default();
    let prefixes = ["response.function_call_arguments.", "response.custom_tool_call_input."];
    prefixes.iter().any(|prefix| kind("/type").starts_with(prefix))
        || ["function_call", "custom_tool_call"].contains(&kind("/item/type"))
}
