//! The content of messages, in the JSON that the conventions ask for.

use serde_json::{Value, json};
use tachikoma_backends_core::{
    ContentPart, FinishReason, MediaSource, Message, MessageContent, Role, ToolCall,
};

/// A conversation, without the bytes of images and files.
pub(super) fn messages(messages: &[Message]) -> String {
    let messages: Vec<Value> = messages.iter().map(message).collect();
    Value::Array(messages).to_string()
}

/// A response.
pub(super) fn response(text: &str, calls: &[ToolCall], finish_reason: FinishReason) -> String {
    let mut parts: Vec<Value> = calls.iter().map(call).collect();
    if !text.is_empty() {
        parts.insert(0, text_part(text));
    }
    json!([{ "role": "assistant", "parts": parts, "finish_reason": finish_reason.as_str() }]).to_string()
}

fn message(message: &Message) -> Value {
    let Message { role, content, name, tool_call_id, tool_calls, .. } = message;
    let mut parts = match (role, content) {
        (Role::Tool, content) => {
            vec![json!({ "type": "tool_call_response", "id": tool_call_id, "response": content.to_text() })]
        }
        (_, MessageContent::Text(text)) if text.is_empty() => Vec::new(),
        (_, MessageContent::Text(text)) => vec![text_part(text)],
        (_, MessageContent::Parts(parts)) => parts.iter().map(part).collect(),
    };
    parts.extend(tool_calls.iter().map(call));
    match name {
        Some(name) => json!({ "role": role.as_str(), "name": name, "parts": parts }),
        None => json!({ "role": role.as_str(), "parts": parts }),
    }
}

fn part(part: &ContentPart) -> Value {
    match part {
        ContentPart::Text { text, .. } => text_part(text),
        ContentPart::Image { source: MediaSource::Url { url }, .. } if !url.starts_with("data:") => {
            json!({ "type": "uri", "modality": "image", "uri": url })
        }
        ContentPart::Image { .. } => json!({ "type": "blob", "modality": "image" }),
        ContentPart::File { source: MediaSource::Id { id }, .. } => {
            json!({ "type": "file", "modality": "document", "file_id": id })
        }
        ContentPart::File { source: MediaSource::Url { url }, .. } if !url.starts_with("data:") => {
            json!({ "type": "uri", "modality": "document", "uri": url })
        }
        ContentPart::File { .. } => json!({ "type": "blob", "modality": "document" }),
        ContentPart::Audio { .. } => json!({ "type": "blob", "modality": "audio" }),
        _ => json!({ "type": "blob" }),
    }
}

fn text_part(text: &str) -> Value {
    json!({ "type": "text", "content": text })
}

fn call(call: &ToolCall) -> Value {
    // Unchanged where they are not valid JSON.
    let arguments = call.parse_arguments().unwrap_or_else(|_| json!(call.arguments));
    json!({ "type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments })
}
