//! Converts a core message to the generated one.

use tachikoma_backends_core::{
    ContentPart, ErrorCategory, FileSource, ImageDetail, Message, MessageContent, Role, ToolCall,
};

use crate::CodexError;
use crate::api::attachment::{self, FileFields};
use crate::models::InstructionRole;
use crate::openai::types;
use crate::openai::types::ChatCompletionRequestMessage as Wire;

/// # Errors
/// The message holds what a message of its role cannot.
pub(super) fn convert(message: Message, instruction_role: InstructionRole) -> Result<Wire, CodexError> {
    let Message {
        role,
        content,
        name,
        tool_call_id,
        tool_calls,
        refusal,
        // Chat Completions has no state.
        provider_state: _,
        ..
    } = message;
    Ok(match role {
        Role::System if instruction_role != InstructionRole::UserOnly => {
            instructions(text_only(content, "a system message")?, name, instruction_role)
        }
        Role::System | Role::User => Wire::User(types::ChatCompletionRequestUserMessage {
            content: match content {
                MessageContent::Text(text) => types::ChatCompletionRequestUserMessageContent::Text(text),
                MessageContent::Parts(parts) => types::ChatCompletionRequestUserMessageContent::Array(
                    parts.into_iter().map(user_part).collect::<Result<_, _>>()?,
                ),
            },
            name,
            role: types::ChatCompletionRequestUserMessageRole::User,
        }),
        Role::Assistant => {
            // A turn with only calls, or a refusal, has no content.
            let is_empty = content.is_empty() && (!tool_calls.is_empty() || refusal.is_some());
            let content = match text_only(content, "an assistant message")? {
                _ if is_empty => None,
                Texts::One(text) => Some(types::ChatCompletionRequestAssistantMessageContent::Text(text)),
                Texts::Parts(parts) => Some(types::ChatCompletionRequestAssistantMessageContent::Array(
                    parts
                        .into_iter()
                        .map(types::ChatCompletionRequestAssistantMessageContentPart::Text)
                        .collect(),
                )),
            };
            Wire::Assistant(types::ChatCompletionRequestAssistantMessage {
                content,
                name,
                refusal,
                role: types::ChatCompletionRequestAssistantMessageRole::Assistant,
                tool_calls: (!tool_calls.is_empty()).then(|| tool_calls.into_iter().map(tool_call).collect()),
            })
        }
        Role::Tool => Wire::Tool(types::ChatCompletionRequestToolMessage {
            content: match text_only(content, "a tool result")? {
                Texts::One(text) => types::ChatCompletionRequestToolMessageContent::Text(text),
                Texts::Parts(parts) => types::ChatCompletionRequestToolMessageContent::Array(parts),
            },
            role: types::ChatCompletionRequestToolMessageRole::Tool,
            tool_call_id: tool_call_id.ok_or_else(|| {
                CodexError::unsent(ErrorCategory::InvalidRequest, "a tool result has no tool_call_id")
                    .with_hint("Make it with Message::tool_result or ToolResult::to_message.")
            })?,
        }),
        _ => return Err(unknown("role")),
    })
}

fn instructions(texts: Texts, name: Option<String>, role: InstructionRole) -> Wire {
    if role == InstructionRole::Developer {
        return Wire::Developer(types::ChatCompletionRequestDeveloperMessage {
            content: match texts {
                Texts::One(text) => types::ChatCompletionRequestDeveloperMessageContent::Text(text),
                Texts::Parts(parts) => types::ChatCompletionRequestDeveloperMessageContent::Array(parts),
            },
            name,
            role: types::ChatCompletionRequestDeveloperMessageRole::Developer,
        });
    }
    Wire::System(types::ChatCompletionRequestSystemMessage {
        content: match texts {
            Texts::One(text) => types::ChatCompletionRequestSystemMessageContent::Text(text),
            Texts::Parts(parts) => types::ChatCompletionRequestSystemMessageContent::Array(parts),
        },
        name,
        role: types::ChatCompletionRequestSystemMessageRole::System,
    })
}

enum Texts {
    One(String),
    Parts(Vec<types::ChatCompletionRequestMessageContentPartText>),
}

fn text_only(content: MessageContent, whose: &str) -> Result<Texts, CodexError> {
    let parts = match content {
        MessageContent::Text(text) => return Ok(Texts::One(text)),
        MessageContent::Parts(parts) => parts,
    };
    let parts = parts.into_iter().map(|part| match part {
        ContentPart::Text { text } => Ok(text_part(text)),
        other => {
            let message = format!("{whose} cannot hold {}", attachment::kind(&other));
            Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                .with_hint("Put it into a user message."))
        }
    });
    parts.collect::<Result<_, _>>().map(Texts::Parts)
}

fn text_part(text: String) -> types::ChatCompletionRequestMessageContentPartText {
    types::ChatCompletionRequestMessageContentPartText {
        text,
        type_: types::ChatCompletionRequestMessageContentPartTextType::Text,
    }
}

fn user_part(part: ContentPart) -> Result<types::ChatCompletionRequestUserMessageContentPart, CodexError> {
    use types::ChatCompletionRequestMessageContentPartImageImageUrlDetail as Detail;
    let (source, detail) = match part {
        ContentPart::Text { text } => {
            return Ok(types::ChatCompletionRequestUserMessageContentPart::Text(text_part(text)));
        }
        ContentPart::Image { source, detail } => (source, detail),
        ContentPart::File { source, name } => return file(source, name),
        _ => return Err(unknown("kind of content")),
    };
    let url = attachment::image_url(source).ok_or_else(|| unknown("source of an image"))?;
    let detail = match detail {
        None => None,
        Some(ImageDetail::Auto) => Some(Detail::Auto),
        Some(ImageDetail::Low) => Some(Detail::Low),
        Some(ImageDetail::High) => Some(Detail::High),
        Some(other) => {
            let message = format!("Chat Completions has no image detail {other:?}");
            return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                .with_hint("Use auto, low or high."));
        }
    };
    Ok(types::ChatCompletionRequestUserMessageContentPart::ImageUrl(
        types::ChatCompletionRequestMessageContentPartImage {
            image_url: types::ChatCompletionRequestMessageContentPartImageImageUrl { detail, url },
            type_: types::ChatCompletionRequestMessageContentPartImageType::ImageUrl,
        },
    ))
}

fn file(
    source: FileSource,
    name: Option<String>,
) -> Result<types::ChatCompletionRequestUserMessageContentPart, CodexError> {
    let FileFields { data, id, url, name } =
        FileFields::new(source, name).ok_or_else(|| unknown("source of a file"))?;
    Ok(types::ChatCompletionRequestUserMessageContentPart::File(
        types::ChatCompletionRequestMessageContentPartFile {
            file: types::ChatCompletionRequestMessageContentPartFileFile {
                // Validation has rejected a URL for OpenAI, which takes none; OpenRouter takes one in place of the data.
                file_data: data.or(url),
                file_id: id,
                filename: name,
            },
            prompt_cache_breakpoint: None,
            type_: types::ChatCompletionRequestMessageContentPartFileType::File,
        },
    ))
}

pub(super) fn unknown(what: &str) -> CodexError {
    let message = format!("Chat Completions has no such {what}");
    CodexError::unsent(ErrorCategory::InvalidRequest, message)
}

fn tool_call(call: ToolCall) -> types::ChatCompletionRequestAssistantMessageToolCallsItem {
    let ToolCall { id, name, arguments, .. } = call;
    types::ChatCompletionRequestAssistantMessageToolCallsItem::Function(
        types::ChatCompletionMessageToolCall {
            function: types::ChatCompletionMessageToolCallFunction { arguments, name },
            id,
            type_: types::ChatCompletionMessageToolCallType::Function,
        },
    )
}
