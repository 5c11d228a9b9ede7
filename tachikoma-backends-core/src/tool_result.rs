//! The results of tool calls.

use serde::{Deserialize, Serialize};

use crate::{ContentPart, Message, MessageContent, ToolCall};

/// The result of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolResult {
    /// The id of the call.
    pub tool_call_id: String,
    /// The tool's name.
    pub name: String,
    /// What the tool returned (text, images), or why it failed.
    pub content: MessageContent,
    /// Whether the call succeeded.
    pub success: bool,
}

impl ToolResult {
    /// The call succeeded and returned this.
    pub fn success(call: &ToolCall, content: impl Into<MessageContent>) -> Self {
        let (tool_call_id, name) = (call.id.clone(), call.name.clone());
        Self { tool_call_id, name, content: content.into(), success: true }
    }

    /// The call failed for this reason.
    pub fn failure(call: &ToolCall, reason: impl Into<MessageContent>) -> Self {
        Self { success: false, ..Self::success(call, reason) }
    }

    /// The call succeeded and returned this value, which becomes JSON. A value that cannot be JSON is a failure.
    pub fn json(call: &ToolCall, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::success(call, text),
            Err(error) => Self::failure(call, format!("the result is not valid JSON: {error}")),
        }
    }

    /// The message for the model. The content of a failure starts with `Error: `, since not every provider has a field for it.
    pub fn to_message(&self) -> Message {
        let content = self.content.clone();
        let content = if self.success { content } else { with_prefix("Error: ", content) };
        Message::tool_result(&self.tool_call_id, content).with_name(&self.name).with_is_error(!self.success)
    }
}

/// The content with this text before it: in the same text, or as the first part.
pub(crate) fn with_prefix(prefix: &str, content: MessageContent) -> MessageContent {
    match content {
        MessageContent::Text(text) => MessageContent::Text(format!("{prefix}{text}")),
        MessageContent::Parts(mut parts) => {
            parts.insert(0, ContentPart::text(prefix));
            MessageContent::Parts(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn results_become_messages() {
        let call = ToolCall::new("a", "now", "{}");
        let image = || ContentPart::image_base64("image/png", "AAAA");
        let unwritable = HashMap::from([(vec![1], 1)]);
        let table: [(_, MessageContent); 6] = [
            (ToolResult::success(&call, "noon"), "noon".into()),
            (ToolResult::failure(&call, "no clock"), "Error: no clock".into()),
            (ToolResult::success(&call, vec![image()]), vec![image()].into()),
            (ToolResult::failure(&call, vec![image()]), vec![ContentPart::text("Error: "), image()].into()),
            (ToolResult::json(&call, &json!({"hour": 12})), "{\"hour\":12}".into()),
            (
                ToolResult::json(&call, &unwritable),
                "Error: the result is not valid JSON: key must be a string".into(),
            ),
        ];
        for (result, expected) in table {
            let message = result.to_message();
            assert_eq!(message.content, expected);
            assert_eq!(message.tool_call_id.as_deref(), Some("a"));
            assert_eq!(message.name.as_deref(), Some("now"));
            let json = serde_json::to_value(&result).unwrap();
            assert_eq!(serde_json::from_value::<ToolResult>(json).unwrap(), result);
        }
    }
}
