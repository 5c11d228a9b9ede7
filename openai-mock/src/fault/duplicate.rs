//! Calls that share what should tell them apart.

use axum::body::Bytes;
use serde_json::Value;

use super::Double;

/// Gives every call in an event, or in an answer, the index or the id of the first one. In Responses these are its
/// `output_index` and its `call_id`.
pub(super) fn calls(double: Double, first: &mut Option<Value>, piece: Bytes) -> Bytes {
    let text = String::from_utf8_lossy(&piece);
    let (start, json) = text.split_at(text.find('{').unwrap_or(text.len()));
    let Ok(mut answer) = serde_json::from_str::<Value>(json) else { return piece };
    let mut share = |field: Option<&mut Value>| {
        if let Some(field) = field {
            *field = first.get_or_insert_with(|| field.clone()).clone();
        }
    };
    let choices = answer.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten();
    let messages = choices.flat_map(|choice| choice.as_object_mut()).flat_map(|choice| choice.values_mut());
    let calls = messages.filter_map(|message| message.get_mut("tool_calls")?.as_array_mut()).flatten();
    for call in calls {
        share(call.get_mut(match double {
            Double::Index => "index",
            Double::Id => "id",
        }));
    }
    match double {
        Double::Index if is_about_call(&answer) => share(answer.get_mut("output_index")),
        Double::Index => {}
        Double::Id => {
            share(answer.pointer_mut("/item/call_id"));
            for place in ["/output", "/response/output"] {
                let items = answer.pointer_mut(place).and_then(Value::as_array_mut);
                items.into_iter().flatten().for_each(|item| share(item.get_mut("call_id")));
            }
        }
    }
    let end = if start.is_empty() { "" } else { "\n\n" };
    Bytes::from(format!("{start}{answer}{end}"))
}

/// Whether this is an event of the Responses API about a call.
fn is_about_call(event: &Value) -> bool {
    let kind = |place| event.pointer(place).and_then(Value::as_str).unwrap_or_default();
    kind("/type").starts_with("response.function_call_arguments.") || kind("/item/type") == "function_call"
}
