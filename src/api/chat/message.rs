//! Converts a core message to the generated one.

use serde_json::{Map, Value};
use tachikoma_backends_core::{
    ContentPart, ErrorCategory, ImageDetail, MediaSource, Message, MessageContent, PartOptions, Role,
    ToolCall, ToolCallKind,
};

use super::state::MessageState;
use crate::CodexError;
use crate::api::attachment::{self, FileFields};
use crate::api::custom_tool;
use crate::models::InstructionRole;
use crate::openai::types;
use crate::openai::types::{
    ChatCompletionRequestMessage as Wire, ChatCompletionRequestUserMessageContentPart as Part,
};
use crate::target::Target;

/// # Errors
/// The message holds what a message of its role cannot.
pub(super) fn convert(message: Message, target: &Target) -> Result<Wire, CodexError> {
    let state = MessageState::of(&message, &target.state_origin);
    let Message { role, content, name, tool_call_id, tool_calls, refusal, mut extra, .. } = message;
    let instruction_role = target.instruction_role();
    Ok(match role {
        Role::System if instruction_role != InstructionRole::UserOnly => {
            instructions(text_only(content, "a system message")?, name, instruction_role, extra)
        }
        Role::System | Role::User => Wire::User(types::ChatCompletionRequestUserMessage {
            content: match content {
                MessageContent::Text(text) => types::ChatCompletionRequestUserMessageContent::Text(text),
                MessageContent::Parts(parts) => {
                    types::ChatCompletionRequestUserMessageContent::Array(parts_of(parts)?)
                }
            },
            name,
            role: types::ChatCompletionRequestUserMessageRole::User,
            extra,
        }),
        Role::Assistant => {
            use types::ChatCompletionRequestAssistantMessageContent as Content;
            // A turn with only calls, or a refusal, has no content.
            let is_empty = content.is_empty() && (!tool_calls.is_empty() || refusal.is_some());
            let content = match content {
                _ if is_empty => None,
                content if target.is_official => Some(match text_only(content, "an assistant message")? {
                    Texts::One(text) => Content::Text(text),
                    Texts::Parts(parts) => Content::Array(parts.into_iter().map(Part::Text).collect()),
                }),
                MessageContent::Text(text) => Some(Content::Text(text)),
                MessageContent::Parts(parts) => Some(Content::Array(parts_of(parts)?)),
            };
            let calls = tool_calls.into_iter().map(|call| tool_call(call, target, &state));
            let tool_calls: Vec<_> = calls.collect::<Result<_, _>>()?;
            state.add_to(&mut extra);
            Wire::Assistant(types::ChatCompletionRequestAssistantMessage {
                content,
                name,
                refusal,
                role: types::ChatCompletionRequestAssistantMessageRole::Assistant,
                tool_calls: (!tool_calls.is_empty()).then_some(tool_calls),
                extra,
            })
        }
        Role::Tool => Wire::Tool(types::ChatCompletionRequestToolMessage {
            content: match content {
                MessageContent::Text(text) => types::ChatCompletionRequestToolMessageContent::Text(text),
                MessageContent::Parts(parts) => {
                    types::ChatCompletionRequestToolMessageContent::Array(parts_of(parts)?)
                }
            },
            role: types::ChatCompletionRequestToolMessageRole::Tool,
            tool_call_id: tool_call_id.ok_or_else(|| {
                CodexError::unsent(ErrorCategory::InvalidRequest, "a tool result has no tool_call_id")
                    .with_hint("Make it with Message::tool_result or ToolResult::to_message.")
            })?,
            extra,
        }),
        _ => return Err(unknown("role")),
    })
}

fn instructions(
    texts: Texts,
    name: Option<String>,
    role: InstructionRole,
    extra: Map<String, Value>,
) -> Wire {
    if role == InstructionRole::Developer {
        return Wire::Developer(types::ChatCompletionRequestDeveloperMessage {
            content: match texts {
                Texts::One(text) => types::ChatCompletionRequestDeveloperMessageContent::Text(text),
                Texts::Parts(parts) => types::ChatCompletionRequestDeveloperMessageContent::Array(parts),
            },
            name,
            role: types::ChatCompletionRequestDeveloperMessageRole::Developer,
            extra,
        });
    }
    Wire::System(types::ChatCompletionRequestSystemMessage {
        content: match texts {
            Texts::One(text) => types::ChatCompletionRequestSystemMessageContent::Text(text),
            Texts::Parts(parts) => types::ChatCompletionRequestSystemMessageContent::Array(parts),
        },
        name,
        role: types::ChatCompletionRequestSystemMessageRole::System,
        extra,
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
        ContentPart::Text { text, options } => Ok(text_part(text, options)),
        other => {
            let message = format!("{whose} cannot hold {}", attachment::kind(&other));
            Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                .with_hint("Put it into a user message."))
        }
    });
    parts.collect::<Result<_, _>>().map(Texts::Parts)
}

fn text_part(text: String, options: PartOptions) -> types::ChatCompletionRequestMessageContentPartText {
    types::ChatCompletionRequestMessageContentPartText {
        prompt_cache_breakpoint: breakpoint(&options),
        text,
        type_: types::ChatCompletionRequestMessageContentPartTextType::Text,
        extra: options.extra,
    }
}

fn breakpoint(options: &PartOptions) -> Option<types::PromptCacheBreakpointParam> {
    let mode = types::PromptCacheBreakpointParamMode::Explicit;
    options.cache_breakpoint.then_some(types::PromptCacheBreakpointParam { mode })
}

fn parts_of(parts: Vec<ContentPart>) -> Result<Vec<Part>, CodexError> {
    parts.into_iter().map(part).collect()
}

fn part(part: ContentPart) -> Result<Part, CodexError> {
    match part {
        ContentPart::Text { text, options } => Ok(Part::Text(text_part(text, options))),
        ContentPart::Image { source, detail, options } => image(source, detail, options),
        ContentPart::File { source, name, options } => file(source, name, options),
        ContentPart::Audio { source, options } => audio(source, options),
        ContentPart::Other { part } => Ok(Part::Raw(part)),
        _ => Err(unknown("kind of content")),
    }
}

fn image(source: MediaSource, detail: Option<ImageDetail>, options: PartOptions) -> Result<Part, CodexError> {
    use types::ChatCompletionRequestMessageContentPartImageImageUrlDetail as Detail;
    let url = attachment::image_url(source).ok_or_else(|| {
        let message = "Chat Completions takes no image by its id";
        CodexError::unsent(ErrorCategory::InvalidRequest, message)
            .with_hint("Send its URL or its bytes, or use the Responses API.")
    })?;
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
    Ok(Part::ImageUrl(types::ChatCompletionRequestMessageContentPartImage {
        image_url: types::ChatCompletionRequestMessageContentPartImageImageUrl { detail, url },
        prompt_cache_breakpoint: breakpoint(&options),
        type_: types::ChatCompletionRequestMessageContentPartImageType::ImageUrl,
        extra: options.extra,
    }))
}

fn file(source: MediaSource, name: Option<String>, options: PartOptions) -> Result<Part, CodexError> {
    let FileFields { data, id, url, name } =
        FileFields::new(source, name).ok_or_else(|| unknown("source of a file"))?;
    Ok(Part::File(types::ChatCompletionRequestMessageContentPartFile {
        file: types::ChatCompletionRequestMessageContentPartFileFile {
            // Validation has rejected a URL for OpenAI, which takes none; OpenRouter takes one in place of the data.
            file_data: data.or(url),
            file_id: id,
            filename: name,
        },
        prompt_cache_breakpoint: breakpoint(&options),
        type_: types::ChatCompletionRequestMessageContentPartFileType::File,
        extra: options.extra,
    }))
}

fn audio(source: MediaSource, options: PartOptions) -> Result<Part, CodexError> {
    use types::ChatCompletionRequestMessageContentPartAudioInputAudioFormat as Format;
    let (data, format) = attachment::audio(source).ok_or_else(|| {
        let message = "Chat Completions takes a recording only as base64";
        CodexError::unsent(ErrorCategory::InvalidRequest, message).with_hint("Use ContentPart::audio_base64.")
    })?;
    let Ok(known) = format.parse::<Format>() else {
        let mut part = options.extra;
        part.insert("type".to_owned(), "input_audio".into());
        part.insert("input_audio".to_owned(), serde_json::json!({ "data": data, "format": format }));
        return Ok(Part::Raw(part));
    };
    Ok(Part::InputAudio(types::ChatCompletionRequestMessageContentPartAudio {
        input_audio: types::ChatCompletionRequestMessageContentPartAudioInputAudio { data, format: known },
        prompt_cache_breakpoint: breakpoint(&options),
        type_: types::ChatCompletionRequestMessageContentPartAudioType::InputAudio,
        extra: options.extra,
    }))
}

pub(super) fn unknown(what: &str) -> CodexError {
    let message = format!("Chat Completions has no such {what}");
    CodexError::unsent(ErrorCategory::InvalidRequest, message)
}

fn tool_call(
    call: ToolCall,
    target: &Target,
    state: &MessageState,
) -> Result<types::ChatCompletionRequestAssistantMessageToolCallsItem, CodexError> {
    use types::ChatCompletionRequestAssistantMessageToolCallsItem as Call;
    let call = match call.kind {
        ToolCallKind::Custom if !target.takes_custom_tools() => custom_tool::function_call(call),
        // Only the Responses API has calls of hosted tools; elsewhere the conversation goes on with a function's.
        _ => call,
    };
    let extra = state.call_fields(&call.id);
    let ToolCall { id, name, arguments, kind, .. } = call;
    Ok(match kind {
        ToolCallKind::Custom => Call::Custom(types::ChatCompletionMessageCustomToolCall {
            custom: types::ChatCompletionMessageCustomToolCallCustom { input: arguments, name },
            id,
            type_: types::ChatCompletionMessageCustomToolCallType::Custom,
            extra,
        }),
        _ => Call::Function(types::ChatCompletionMessageToolCall {
            function: types::ChatCompletionMessageToolCallFunction { arguments, name },
            id,
            type_: types::ChatCompletionMessageToolCallType::Function,
            extra,
        }),
    })
}
