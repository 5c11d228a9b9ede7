//! Converts core messages to the items of the input.

use std::collections::HashSet;

use serde_json::{Map, Value};
use tachikoma_backends_core::{
    ContentPart, ErrorCategory, ImageDetail, Message, MessageContent, Role, ToolCall,
};

use super::state;
use crate::CodexError;
use crate::api::attachment::{self, FileFields};
use crate::api::encode;
use crate::models::InstructionRole;
use crate::openai::types;
use crate::openai::types::{
    EasyInputMessageContent as Content, EasyInputMessageRole as InputRole, InputItem,
};

/// The items of an input, built message by message.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) items: Vec<InputItem>,
    /// The ids of calls of custom tools, whose results have a type of their own.
    custom_calls: HashSet<String>,
}

impl Input {
    /// Adds a message.
    ///
    /// # Errors
    /// The message holds what a message of its role cannot.
    pub(super) fn push(
        &mut self,
        message: Message,
        instruction_role: InstructionRole,
        state_origin: &str,
    ) -> Result<(), CodexError> {
        if let Some(items) = state::items(&message, state_origin) {
            let custom =
                items.iter().filter(|item| item.get("type").is_some_and(|kind| kind == "custom_tool_call"));
            let ids = custom.filter_map(|item| item.get("call_id").and_then(Value::as_str));
            self.custom_calls.extend(ids.map(str::to_owned));
            self.items.extend(items.into_iter().map(InputItem::Raw));
            return Ok(());
        }
        let is_custom = message.tool_call_id.as_ref().is_some_and(|id| self.custom_calls.contains(id));
        if message.role == Role::Tool && is_custom {
            self.items.push(custom_result(result(message.tool_call_id, message.content)?)?);
            return Ok(());
        }
        push(&mut self.items, message, instruction_role)
    }
}

/// The result of a custom tool's call: that of a function, under another type.
fn custom_result(result: InputItem) -> Result<InputItem, CodexError> {
    let mut item = match serde_json::to_value(result).map_err(encode::unencodable)? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    item.insert("type".to_owned(), Value::from("custom_tool_call_output"));
    Ok(InputItem::Raw(item))
}

fn push(
    input: &mut Vec<InputItem>,
    message: Message,
    instruction_role: InstructionRole,
) -> Result<(), CodexError> {
    // The Responses API has no field for a name; a state of another origin is dropped.
    let Message { role, content, name: _, tool_call_id, tool_calls, refusal, provider_state: _, .. } =
        message;
    match role {
        Role::System => {
            let role = match instruction_role {
                InstructionRole::System => InputRole::System,
                InstructionRole::Developer => InputRole::Developer,
                InstructionRole::UserOnly => InputRole::User,
            };
            input.push(input_message(role, Content::Text(text_only(content, "a system message")?)));
        }
        Role::User => {
            let content = match content {
                MessageContent::Text(text) => Content::Text(text),
                MessageContent::Parts(parts) => Content::Array(parts_of(parts)?),
            };
            input.push(input_message(InputRole::User, content));
        }
        Role::Assistant => {
            let text = text_only(content, "an assistant message")?;
            let is_empty = text.is_empty() && (!tool_calls.is_empty() || refusal.is_some());
            let texts = (!is_empty).then_some(text).into_iter().chain(refusal);
            input.extend(texts.map(|text| input_message(InputRole::Assistant, Content::Text(text))));
            input.extend(tool_calls.into_iter().map(call));
        }
        Role::Tool => input.push(result(tool_call_id, content)?),
        _ => return Err(unknown("role")),
    }
    Ok(())
}

fn input_message(role: InputRole, content: Content) -> InputItem {
    // Only an assistant's message can be mistaken for an item of another type.
    let type_ = (role == InputRole::Assistant).then_some(types::EasyInputMessageType::Message);
    InputItem::Message(types::EasyInputMessage { content, role, type_ })
}

fn call(call: ToolCall) -> InputItem {
    let ToolCall { id, name, arguments, .. } = call;
    InputItem::FunctionCall(types::FunctionToolCall {
        arguments,
        call_id: id,
        name,
        type_: types::FunctionToolCallType::FunctionCall,
    })
}

fn result(call_id: Option<String>, content: MessageContent) -> Result<InputItem, CodexError> {
    use types::FunctionCallOutputItemParamOutput as Output;
    let call_id = call_id.ok_or_else(|| {
        CodexError::unsent(ErrorCategory::InvalidRequest, "a tool result has no tool_call_id")
            .with_hint("Make it with Message::tool_result or ToolResult::to_message.")
    })?;
    let output = match content {
        MessageContent::Text(text) => Output::Text(text),
        MessageContent::Parts(parts) => Output::Array(parts_of(parts)?),
    };
    Ok(InputItem::FunctionCallOutput(types::FunctionCallOutputItemParam {
        call_id,
        output,
        type_: types::FunctionCallOutputItemParamType::FunctionCallOutput,
    }))
}

/// The text of content that must be text only; its parts are joined.
fn text_only(content: MessageContent, whose: &str) -> Result<String, CodexError> {
    let other = match &content {
        MessageContent::Parts(parts) => parts.iter().find(|part| !matches!(part, ContentPart::Text { .. })),
        MessageContent::Text(_) => None,
    };
    if let Some(part) = other {
        let message = format!("{whose} cannot hold {}", attachment::kind(part));
        return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
            .with_hint("Put it into a user message."));
    }
    Ok(match content {
        MessageContent::Text(text) => text,
        parts @ MessageContent::Parts(_) => parts.to_text(),
    })
}

pub(super) fn unknown(what: &str) -> CodexError {
    let message = format!("the Responses API has no such {what}");
    CodexError::unsent(ErrorCategory::InvalidRequest, message)
}

fn parts_of(parts: Vec<ContentPart>) -> Result<Vec<types::InputContent>, CodexError> {
    parts.into_iter().map(part).collect()
}

fn part(part: ContentPart) -> Result<types::InputContent, CodexError> {
    let (source, detail) = match part {
        ContentPart::Text { text } => {
            let type_ = types::InputTextContentType::InputText;
            return Ok(types::InputContent::Text(types::InputTextContent { text, type_ }));
        }
        ContentPart::Image { source, detail } => (source, detail),
        ContentPart::File { source, name } => {
            let FileFields { data, id, url, name } =
                FileFields::new(source, name).ok_or_else(|| unknown("source of a file"))?;
            return Ok(types::InputContent::File(types::InputFileContent {
                file_data: data,
                file_id: id,
                file_url: url,
                filename: name,
                type_: types::InputFileContentType::InputFile,
            }));
        }
        _ => return Err(unknown("kind of content")),
    };
    let detail = match detail {
        None | Some(ImageDetail::Auto) => types::ImageDetail::Auto,
        Some(ImageDetail::Low) => types::ImageDetail::Low,
        Some(ImageDetail::High) => types::ImageDetail::High,
        Some(other) => {
            let message = format!("the Responses API has no image detail {other:?}");
            return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                .with_hint("Use auto, low or high."));
        }
    };
    Ok(types::InputContent::Image(types::InputImageContent {
        detail,
        image_url: Some(attachment::image_url(source).ok_or_else(|| unknown("source of an image"))?),
        type_: types::InputImageContentType::InputImage,
    }))
}
