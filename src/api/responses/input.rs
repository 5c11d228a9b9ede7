//! Converts core messages to the items of the input.

use serde_json::{Map, Value};
use tachikoma_backends_core::{
    ContentPart, ErrorCategory, ImageDetail, Message, MessageContent, PartOptions, Role, ToolCall,
    ToolCallKind,
};

use super::hosted_call::{self, PendingCall};
use super::item::Item;
use super::state;
use crate::CodexError;
use crate::api::attachment::{self, FileFields};
use crate::api::{custom_tool, encode};
use crate::models::InstructionRole;
use crate::openai::types;
use crate::openai::types::{
    EasyInputMessageContent as Content, EasyInputMessageRole as InputRole, InputContent, InputItem,
};
use crate::target::Target;

/// The items of an input, built message by message.
pub(super) struct Input<'a> {
    target: &'a Target,
    pub(super) items: Vec<InputItem>,
    /// The calls so far, whose results differ by their kind.
    calls: Vec<PendingCall>,
}

impl<'a> Input<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self { target, items: Vec::new(), calls: Vec::new() }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// The message holds what a message of its role cannot.
    pub(super) fn push(&mut self, mut message: Message) -> Result<(), CodexError> {
        if let Some(items) = state::items(&message, &self.target.state_origin) {
            for item in items {
                let item = Value::Object(item);
                self.calls.extend(PendingCall::from_item(Item(&item)));
                if let Value::Object(item) = item {
                    self.items.push(InputItem::Raw(item));
                }
            }
            return Ok(());
        }
        let extra = std::mem::take(&mut message.extra);
        let start = self.items.len();
        self.convert(message)?;
        if !extra.is_empty()
            && let Some(item) = self.items.get_mut(start)
        {
            *item = with_extra(item, extra)?;
        }
        Ok(())
    }

    fn convert(&mut self, message: Message) -> Result<(), CodexError> {
        match message.role {
            Role::System => {
                let role = match self.target.instruction_role() {
                    InstructionRole::System => InputRole::System,
                    InstructionRole::Developer => InputRole::Developer,
                    InstructionRole::UserOnly => InputRole::User,
                };
                let content = match &message.content {
                    MessageContent::Parts(parts) if parts.iter().any(has_options) => {
                        Content::Array(parts_of(message.content)?)
                    }
                    _ => Content::Text(text_only(message.content, "a system message")?),
                };
                self.items.push(input_message(role, content));
            }
            Role::User => {
                let content = match message.content {
                    MessageContent::Text(text) => Content::Text(text),
                    parts @ MessageContent::Parts(_) => Content::Array(parts_of(parts)?),
                };
                self.items.push(input_message(InputRole::User, content));
            }
            Role::Assistant => {
                let Message { content, tool_calls, refusal, .. } = message;
                let text = text_only(content, "an assistant message")?;
                let is_empty = text.is_empty() && (!tool_calls.is_empty() || refusal.is_some());
                let texts = (!is_empty).then_some(text).into_iter().chain(refusal);
                self.items.extend(texts.map(|text| input_message(InputRole::Assistant, Content::Text(text))));
                for call in tool_calls {
                    self.call(call);
                }
            }
            Role::Tool => {
                let item = self.result(message)?;
                self.items.push(item);
            }
            _ => return Err(unknown("role")),
        }
        Ok(())
    }

    fn call(&mut self, call: ToolCall) {
        let call = match call.kind {
            ToolCallKind::Custom if !self.target.takes_custom_tools() => custom_tool::function_call(call),
            _ => call,
        };
        let mut pending = PendingCall::new(&call);
        let item = match call.kind {
            ToolCallKind::Hosted => hosted_call::item(&call).map(InputItem::Raw),
            _ => None,
        };
        let item = item.unwrap_or_else(|| {
            if pending.kind == ToolCallKind::Hosted {
                pending.kind = ToolCallKind::Function;
            }
            plain_call(call)
        });
        self.calls.push(pending);
        self.items.push(item);
    }

    fn result(&self, message: Message) -> Result<InputItem, CodexError> {
        use types::FunctionCallOutputItemParamOutput as Output;
        let call_id = message.tool_call_id.clone().ok_or_else(|| {
            CodexError::unsent(ErrorCategory::InvalidRequest, "a tool result has no tool_call_id")
                .with_hint("Make it with Message::tool_result or ToolResult::to_message.")
        })?;
        let call = self.calls.iter().rfind(|call| call.id == call_id);
        let caller = call.and_then(|call| call.caller.clone());
        match call.map(|call| (call.kind, call)) {
            Some((ToolCallKind::Hosted, call)) => return hosted_call::output(call, &message),
            Some((ToolCallKind::Custom, _)) => {
                use types::CustomToolCallOutputOutput as Output;
                return Ok(InputItem::CustomCallOutput(types::CustomToolCallOutput {
                    call_id,
                    caller,
                    output: match message.content {
                        MessageContent::Text(text) => Output::Text(text),
                        parts @ MessageContent::Parts(_) => Output::Array(parts_of(parts)?),
                    },
                    type_: types::CustomToolCallOutputType::CustomToolCallOutput,
                }));
            }
            _ => {}
        }
        Ok(InputItem::FunctionCallOutput(types::FunctionCallOutputItemParam {
            call_id,
            caller,
            output: match message.content {
                MessageContent::Text(text) => Output::Text(text),
                parts @ MessageContent::Parts(_) => Output::Array(parts_of(parts)?),
            },
            type_: types::FunctionCallOutputItemParamType::FunctionCallOutput,
        }))
    }
}

/// The item with further fields, whatever it is.
fn with_extra(item: &InputItem, extra: Map<String, Value>) -> Result<InputItem, CodexError> {
    // Encoded and parsed again, since a second serializer for requests would cost build time.
    let mut fields: Map<String, Value> =
        serde_json::from_slice(&encode::json(item, 0)?).map_err(encode::unencodable)?;
    fields.extend(extra);
    Ok(InputItem::Raw(fields))
}

fn input_message(role: InputRole, content: Content) -> InputItem {
    // Only an assistant's message can be mistaken for an item of another type.
    let type_ = matches!(role, InputRole::Assistant).then_some(types::EasyInputMessageType::Message);
    InputItem::Message(types::EasyInputMessage { content, role, type_ })
}

fn plain_call(call: ToolCall) -> InputItem {
    let ToolCall { id, name, arguments, kind, namespace, .. } = call;
    match kind {
        ToolCallKind::Custom => InputItem::CustomCall(types::CustomToolCall {
            call_id: id,
            input: arguments,
            name,
            namespace,
            type_: types::CustomToolCallType::CustomToolCall,
        }),
        _ => InputItem::FunctionCall(types::FunctionToolCall {
            arguments,
            call_id: id,
            name,
            namespace,
            type_: types::FunctionToolCallType::FunctionCall,
        }),
    }
}

/// The text of content that must be text only; its parts are joined.
fn text_only(content: MessageContent, whose: &str) -> Result<String, CodexError> {
    let other = match &content {
        MessageContent::Parts(parts) => parts.iter().find(|part| part.as_text().is_none()),
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

fn has_options(part: &ContentPart) -> bool {
    part.options().is_none_or(|options| !options.is_default())
}

fn parts_of(content: MessageContent) -> Result<Vec<InputContent>, CodexError> {
    match content {
        MessageContent::Text(text) => Ok(vec![text_part(text, PartOptions::default())]),
        MessageContent::Parts(parts) => parts.into_iter().map(part).collect(),
    }
}

fn text_part(text: String, options: PartOptions) -> InputContent {
    InputContent::InputText(types::InputTextContent {
        prompt_cache_breakpoint: breakpoint(&options),
        text,
        type_: types::InputTextContentType::InputText,
        extra: options.extra,
    })
}

fn breakpoint(options: &PartOptions) -> Option<types::PromptCacheBreakpointConfig> {
    let mode = types::PromptCacheBreakpointConfigMode::Explicit;
    options.cache_breakpoint.then_some(types::PromptCacheBreakpointConfig { mode })
}

fn part(part: ContentPart) -> Result<InputContent, CodexError> {
    Ok(match part {
        ContentPart::Text { text, options } => text_part(text, options),
        ContentPart::Image { source, detail, options } => {
            let (image_url, file_id) = attachment::image_url_or_id(source);
            if image_url.is_none() && file_id.is_none() {
                return Err(unknown("source of an image"));
            }
            InputContent::InputImage(types::InputImageContent {
                detail: match detail {
                    None | Some(ImageDetail::Auto) => types::ImageDetail::Auto,
                    Some(ImageDetail::Low) => types::ImageDetail::Low,
                    Some(ImageDetail::High) => types::ImageDetail::High,
                    Some(ImageDetail::Original) => types::ImageDetail::Original,
                    Some(other) => {
                        let message = format!("the Responses API has no image detail {other:?}");
                        return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                            .with_hint("Use auto, low, high or original."));
                    }
                },
                file_id,
                image_url,
                prompt_cache_breakpoint: breakpoint(&options),
                type_: types::InputImageContentType::InputImage,
                extra: options.extra,
            })
        }
        ContentPart::File { source, name, options } => {
            let FileFields { data, id, url, name } =
                FileFields::new(source, name).ok_or_else(|| unknown("source of a file"))?;
            InputContent::InputFile(types::InputFileContent {
                file_data: data,
                file_id: id,
                file_url: url,
                filename: name,
                prompt_cache_breakpoint: breakpoint(&options),
                type_: types::InputFileContentType::InputFile,
                extra: options.extra,
            })
        }
        ContentPart::Audio { .. } => {
            return Err(unknown("part as a recording").with_hint(
                "Use Chat Completions, or give the part in the server's own form as ContentPart::other.",
            ));
        }
        ContentPart::Other { part } => InputContent::Raw(part),
        _ => return Err(unknown("kind of content")),
    })
}
