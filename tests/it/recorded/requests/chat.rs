//! The messages of Chat Completions.

use serde_json::{Value, json};
use tachikoma_backends_core::{Message, ProviderState, Role, ToolCall};

use super::{Fields, content, list, take};

/// Fields of an assistant's message that belong to the server that made it, and to no other.
const STATE_FIELDS: [&str; 3] = ["reasoning_content", "reasoning_details", "reasoning"];

/// # Errors
/// What the core cannot hold.
pub(super) fn messages(messages: Option<Value>, origin: &str) -> Result<Vec<Message>, String> {
    list(messages).into_iter().map(|wire| message(wire, origin)).collect()
}

fn message(wire: Value, origin: &str) -> Result<Message, String> {
    let Value::Object(mut fields) = wire else { return Err(format!("the message {wire} is not an object")) };
    fields.retain(|_, value| !value.is_null());
    let role: String = take(&mut fields, "role").ok_or("a message has no role")?;
    let role = match role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => return Err(format!("the core has no role {other:?}")),
    };
    let mut message = Message::new(role, content::content(fields.remove("content"))?);
    let calls = list(fields.remove("tool_calls"));
    match role {
        Role::Assistant => {
            message.refusal = take(&mut fields, "refusal");
            message.name = take(&mut fields, "name");
            let mut state = Fields::new();
            for name in STATE_FIELDS {
                state.extend(fields.remove(name).map(|value| (name.to_owned(), value)));
            }
            let mut call_state = Fields::new();
            for wire in calls {
                let (call, rest) = call(wire)?;
                if !rest.is_empty() {
                    call_state.insert(call.id.clone(), rest.into());
                }
                message.tool_calls.push(call);
            }
            if !state.is_empty() || !call_state.is_empty() {
                let data = json!({"message": state, "tool_calls": call_state});
                message.provider_state = Some(ProviderState::new(origin, data));
            }
        }
        // The name of a result is a field of some servers only, and stays a further field.
        Role::Tool => message.tool_call_id = take(&mut fields, "tool_call_id"),
        _ => message.name = take(&mut fields, "name"),
    }
    message.extra = fields;
    Ok(message)
}

/// A call, and its further fields.
fn call(wire: Value) -> Result<(ToolCall, Fields), String> {
    let wrong = || format!("the call {wire} has no name or arguments");
    let mut fields = wire.as_object().cloned().ok_or_else(wrong)?;
    fields.retain(|_, value| !value.is_null());
    let id: String = take(&mut fields, "id").unwrap_or_default();
    fields.remove("type");
    let text = |holder: &Value, field: &str| match holder.get(field) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(object @ Value::Object(_)) => Some(object.to_string()),
        _ => None,
    };
    let call = match (fields.remove("function"), fields.remove("custom")) {
        (Some(function), _) => text(&function, "name")
            .zip(text(&function, "arguments"))
            .map(|(name, arguments)| ToolCall::new(id, name, arguments)),
        (None, Some(custom)) => text(&custom, "name")
            .zip(text(&custom, "input"))
            .map(|(name, input)| ToolCall::custom(id, name, input)),
        (None, None) => None,
    };
    Ok((call.ok_or_else(wrong)?, fields))
}
