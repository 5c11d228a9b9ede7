//! The input of the Responses API. The assistant's items in a row are one turn, and where plain fields cannot hold them its state.

use serde_json::{Value, json};
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{Message, ProviderState, Role, ToolCall};

use super::{content, take};

/// # Errors
/// What the core cannot hold.
pub(super) fn messages(
    input: Option<Value>,
    instructions: Option<String>,
    origin: &str,
) -> Result<Vec<Message>, String> {
    let mut messages: Vec<Message> = instructions.into_iter().map(Message::system).collect();
    let items = match input {
        Some(Value::Array(items)) => items,
        Some(Value::String(text)) => vec![json!({"role": "user", "content": text})],
        None => Vec::new(),
        Some(other) => return Err(format!("the input {other} is neither a text nor a list")),
    };
    let mut turn: Vec<Value> = Vec::new();
    for item in items {
        match callers_message(&item)? {
            Some(message) => {
                messages.extend(assistant(std::mem::take(&mut turn), origin)?);
                messages.push(message);
            }
            None => turn.push(item),
        }
    }
    messages.extend(assistant(turn, origin)?);
    Ok(messages)
}

/// The message of an item that the caller made; `None` for one of the assistant.
fn callers_message(item: &Value) -> Result<Option<Message>, String> {
    let mut fields = item.as_object().cloned().ok_or_else(|| format!("the item {item} is not an object"))?;
    fields.retain(|_, value| !value.is_null());
    let kind: Option<String> = take(&mut fields, "type");
    let mut message = match kind.as_deref() {
        Some("function_call_output" | "custom_tool_call_output") => {
            fields.remove("status");
            let id: String = take(&mut fields, "call_id").ok_or_else(|| format!("{item} has no call_id"))?;
            Message::tool_result(id, content::content(fields.remove("output"))?)
        }
        None | Some("message") => {
            let role = match fields.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => Role::System,
                Some("user") => Role::User,
                _ => return Ok(None),
            };
            fields.remove("role");
            Message::new(role, content::content(fields.remove("content"))?)
        }
        Some(_) => return Ok(None),
    };
    message.extra = fields;
    Ok(Some(message))
}

/// The turn that consists of these items, if there are any.
fn assistant(items: Vec<Value>, origin: &str) -> Result<Option<Message>, String> {
    if items.is_empty() {
        return Ok(None);
    }
    if let Some(message) = plain(&items) {
        return Ok(Some(message));
    }
    let items: Vec<Value> = items.into_iter().map(with_type).collect();
    // What the turn says and calls is parsed as if it had just been received.
    let response = json!({"id": "resp_1", "status": "completed", "model": "m", "output": items});
    let response = internals::responses_response(response.to_string().as_bytes())
        .map_err(|error| format!("the turn cannot be read: {error}"))?;
    let mut message = response.to_message();
    message.provider_state = Some(ProviderState::new(origin, items));
    Ok(Some(message))
}

/// A turn of at most one text before its calls, which has no state.
fn plain(items: &[Value]) -> Option<Message> {
    let mut message = Message::assistant("");
    for (i, item) in items.iter().enumerate() {
        let mut fields = item.as_object()?.clone();
        fields.retain(|_, value| !value.is_null());
        match take::<String>(&mut fields, "type").as_deref() {
            None | Some("message") if i == 0 && take::<String>(&mut fields, "role")? == "assistant" => {
                // An empty text before calls would not be sent.
                let text: String = take(&mut fields, "content").filter(|text: &String| !text.is_empty())?;
                message.content = text.into();
            }
            Some("function_call") => {
                let id: String = take(&mut fields, "call_id")?;
                let name: String = take(&mut fields, "name")?;
                let arguments: String = take(&mut fields, "arguments")?;
                let mut call = ToolCall::new(id, name, arguments);
                call.namespace = take(&mut fields, "namespace");
                message.tool_calls.push(call);
            }
            _ => return None,
        }
        if !fields.is_empty() {
            return None;
        }
    }
    Some(message)
}

/// A message in the form of responses: with its type, and with parts.
fn with_type(item: Value) -> Value {
    let Value::Object(mut fields) = item else { return item };
    if fields.get("role").is_some_and(|role| role == "assistant") {
        fields.entry("type").or_insert_with(|| "message".into());
        if let Some(Value::String(text)) = fields.get("content") {
            let parts = json!([{"type": "output_text", "text": text}]);
            fields.insert("content".to_owned(), parts);
        }
    }
    Value::Object(fields)
}
