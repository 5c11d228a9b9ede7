//! Where `tachikoma-openai-mock` differs from the document: what servers accept all the same, and what it does not have.

use anyhow::{Context, Result};
use serde_json::Value;

/// A place among the schemas of the document, and what stands there instead.
pub(super) const EDITS: [(&str, &str); 24] = [
    // A response may be sent back unchanged, with fields that the document lists for responses alone, or not at all.
    ("/ChatCompletionRequestAssistantMessage/properties/annotations", "{}"),
    ("/ChatCompletionRequestAssistantMessage/properties/reasoning_content", "{}"),
    // OpenAI's Python library sends back what its `stream` and `parse` have read from the response.
    ("/ChatCompletionRequestAssistantMessage/properties/parsed", "{}"),
    ("/ChatCompletionMessageToolCall/properties/function/properties/parsed_arguments", "{}"),
    ("/ChatCompletionMessageToolCall/properties/index", "{}"),
    // The role decides between the messages, of which the document has three: two of them are one.
    ("/InputMessage", r##"{"$ref": "#/components/schemas/EasyInputMessage"}"##),
    ("/EasyInputMessage/properties/role/enum", r#"["user", "system", "developer"]"#),
    // A compaction returns the user's messages with ids, and is the next input unchanged.
    ("/EasyInputMessage/properties/id", r#"{"type": "string"}"#),
    (
        "/EasyInputMessage/properties/status",
        r#"{"type": "string", "enum": ["in_progress", "completed", "incomplete"]}"#,
    ),
    (
        "/OutputMessage/properties/content",
        r##"{"oneOf": [
            {"type": "string"},
            {"type": "array", "items": {"$ref": "#/components/schemas/OutputMessageContent"}}
        ]}"##,
    ),
    ("/ItemReferenceParam/properties/type", r#"{"type": "string", "enum": ["item_reference"]}"#),
    ("/ItemReferenceParam/required", r#"["id", "type"]"#),
    // What servers do without.
    ("/OutputMessage/required", r#"["role", "content"]"#),
    ("/OutputTextContent/required", r#"["type", "text"]"#),
    ("/InputImageContent/required", r#"["type"]"#),
    ("/FunctionTool/required", r#"["type", "name"]"#),
    ("/ReasoningItem/required", r#"["type", "summary"]"#),
    // Required by the document, which does not declare them.
    ("/LocalShellToolCallOutput/properties/call_id", r#"{"type": "string"}"#),
    ("/LocalShellToolCallOutput/required", r#"["type", "output"]"#),
    ("/MCPApprovalResponse/properties/request_id", r#"{"type": "string"}"#),
    ("/MCPApprovalResponse/required", r#"["type", "approve", "approval_request_id"]"#),
    // Asks for reasoning on other servers.
    ("/CreateChatCompletionRequest/properties/reasoning", r#"{"type": "object"}"#),
    ("/CreateResponse/properties/top_logprobs/type", r#"["integer", "null"]"#),
    // Spelt with `$recursiveRef` in the document.
    (
        "/CompoundFilter/properties/filters/items/oneOf",
        r##"[{"$ref": "#/components/schemas/ComparisonFilter"}, {"$ref": "#/components/schemas/CompoundFilter"}]"##,
    ),
];

/// Puts a value where the document has another one, or a field more.
pub(super) fn apply(schemas: &mut Value, place: &str, value: &str) -> Result<()> {
    let (parent, field) = place.rsplit_once('/').context("it is not a JSON pointer")?;
    let parent = schemas.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.context("the document has no such object")?.insert(field.to_owned(), serde_json::from_str(value)?);
    Ok(())
}
