//! The JSON of requests.

use serde::Serialize;
use tachikoma_backends_core::{ContentPart, ErrorCategory, Message, MessageContent};

use crate::CodexError;
use crate::runtime::transport::Bytes;

/// The JSON of a generated request; `capacity` is about its length in bytes, so that a long body is not moved as it grows.
///
/// # Errors
/// It cannot be represented in JSON.
pub(crate) fn json(request: &impl Serialize, capacity: usize) -> Result<Bytes, CodexError> {
    let mut body = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut body, request).map_err(unencodable)?;
    Ok(body.into())
}

/// About the length of a conversation in JSON, in bytes: its texts, with room for escapes and fields.
pub(crate) fn capacity(messages: &[Message]) -> usize {
    let part = |part: &ContentPart| part.as_text().map_or(0, str::len);
    let text = |message: &Message| match &message.content {
        MessageContent::Text(text) => text.len(),
        MessageContent::Parts(parts) => parts.iter().map(part).sum(),
    };
    messages.iter().map(|message| text(message) * 17 / 16 + 64).sum()
}

/// The error for a request that cannot be represented in JSON.
pub(crate) fn unencodable(error: serde_json::Error) -> CodexError {
    let message = format!("the request cannot be encoded as JSON: {error}");
    CodexError::unsent(ErrorCategory::InvalidRequest, message).with_source(error)
}
