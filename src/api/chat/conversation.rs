//! Converts a conversation to the messages of Chat Completions.
//!
//! With OpenAI, a tool message can hold only text there, and the results of one turn's calls must be adjacent. Images and files of
//! a result follow them in a user message, which names the call. Other servers take them in the tool message.

use std::mem;

use tachikoma_backends_core::{ContentPart, Message, MessageContent, Role};

use super::message;
use crate::CodexError;
use crate::openai::types::ChatCompletionRequestMessage as Wire;
use crate::target::Target;

/// The text of a result without text.
const SEE_BELOW: &str = "The result is in the user message that follows.";

/// # Errors
/// A message holds what a message of its role cannot.
pub(super) fn convert(messages: Vec<Message>, target: &Target) -> Result<Vec<Wire>, CodexError> {
    let mut wire = Vec::with_capacity(messages.len());
    let mut attachments = Vec::new();
    for mut message in messages {
        if message.role == Role::Tool && target.is_official {
            attachments.append(&mut detach(&mut message));
        } else if !attachments.is_empty() {
            let message = Message::user(mem::take(&mut attachments));
            wire.push(message::convert(message, target)?);
        }
        wire.push(message::convert(message, target)?);
    }
    if !attachments.is_empty() {
        wire.push(message::convert(Message::user(attachments), target)?);
    }
    Ok(wire)
}

/// Takes the parts that are not text from a tool result, after a line that names the call.
fn detach(result: &mut Message) -> Vec<ContentPart> {
    let MessageContent::Parts(parts) = &mut result.content else { return Vec::new() };
    let is_text = |part: &ContentPart| matches!(part, ContentPart::Text { .. });
    let (texts, others): (Vec<_>, Vec<_>) = mem::take(parts).into_iter().partition(is_text);
    *parts = texts;
    if others.is_empty() {
        return others;
    }
    if parts.is_empty() {
        result.content = SEE_BELOW.into();
    }
    let id = result.tool_call_id.as_deref().unwrap_or_default();
    let name = result.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let label = ContentPart::text(format!("Returned by the tool call {id}{name}:"));
    [label].into_iter().chain(others).collect()
}
