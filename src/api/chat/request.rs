//! Converts the core request to the generated one. A new request field is added here: a test compares the fields that are
//! converted with those of the core request (`tests/it/core_fields.rs`).

use serde_json::Value;
use tachikoma_backends_core::{
    CompletionRequest, ErrorCategory, ReasoningEffort, ResponseFormat, ToolChoice, ToolDefinition, Verbosity,
};

use super::conversation;
use super::message::unknown;
use crate::CodexError;
use crate::api::extra::{self, parse_enum};
use crate::models::TokenParameter;
use crate::openai::types;
use crate::target::Target;

/// Fields of the body that this crate sets.
const RESERVED: &[&str] = &["messages", "model", "stream"];

/// # Errors
/// The request cannot be expressed in Chat Completions; no part of it is dropped.
pub(crate) fn convert(
    request: CompletionRequest,
    target: &Target,
) -> Result<types::CreateChatCompletionRequest, CodexError> {
    let CompletionRequest {
        messages,
        // It is resolved in `target`.
        model: _,
        max_tokens,
        temperature,
        top_p,
        stop,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format,
        reasoning_effort,
        verbosity,
        seed,
        frequency_penalty,
        presence_penalty,
        logit_bias,
        service_tier,
        store,
        metadata,
        user,
        mut extra,
        // For the transport.
        max_retries: _,
        ..
    } = request;

    extra::take_single_choice(&mut extra)?;
    let max_tokens = max_tokens.map(i64::from);
    let (max_tokens, max_completion_tokens) = match target.token_parameter() {
        TokenParameter::MaxTokens => (max_tokens, None),
        TokenParameter::MaxCompletionTokens => (None, max_tokens),
    };
    let has_tools = !tools.is_empty();
    let role = target.instruction_role();
    let mut body = types::CreateChatCompletionRequest {
        messages: conversation::convert(messages, role)?,
        model: target.model_in_body.clone(),
        max_tokens,
        max_completion_tokens,
        temperature,
        top_p,
        stop: (!stop.is_empty()).then_some(types::StopConfiguration::Array(stop)),
        tools: has_tools.then(|| tools.into_iter().map(tool).collect()),
        tool_choice: tool_choice.map(choice).transpose()?,
        parallel_tool_calls,
        response_format: response_format.map(format).transpose()?,
        reasoning_effort: parse_enum(
            reasoning_effort.map(ReasoningEffort::as_str),
            "reasoning_effort",
            &mut extra,
        ),
        verbosity: parse_enum(verbosity.map(Verbosity::as_str), "verbosity", &mut extra),
        service_tier: parse_enum(service_tier.as_deref(), "service_tier", &mut extra),
        seed,
        frequency_penalty,
        presence_penalty,
        logit_bias: (!logit_bias.is_empty())
            .then(|| logit_bias.into_iter().map(|(token, bias)| (token, i64::from(bias))).collect()),
        store,
        metadata: (!metadata.is_empty()).then(|| metadata.into_iter().collect()),
        user,
        stream: target.stream.then_some(true),
        stream_options: (target.stream && target.stream_usage)
            .then(|| types::ChatCompletionStreamOptions { include_usage: Some(true), ..Default::default() }),
        ..Default::default()
    };
    if !extra.is_empty() {
        // The conversation is not needed to find duplicate fields, and may be large.
        let messages = std::mem::take(&mut body.messages);
        extra::reject_duplicate_fields(&extra, &body, RESERVED)?;
        body.messages = messages;
    }
    body.extra = extra;
    Ok(body)
}

fn tool(tool: ToolDefinition) -> types::CreateChatCompletionRequestToolsItem {
    let ToolDefinition { name, description, parameters, strict, .. } = tool;
    types::CreateChatCompletionRequestToolsItem::Function(types::ChatCompletionTool {
        function: types::FunctionObject {
            name,
            description: (!description.is_empty()).then_some(description),
            parameters: Some(parameters.into_json_schema().into()),
            strict,
        },
        type_: types::ChatCompletionToolType::Function,
    })
}

fn choice(choice: ToolChoice) -> Result<types::ChatCompletionToolChoiceOption, CodexError> {
    use types::ChatCompletionToolChoiceOptionMode as Mode;
    let mode = match choice {
        ToolChoice::Auto => Mode::Auto,
        ToolChoice::Required => Mode::Required,
        ToolChoice::None => Mode::None,
        ToolChoice::Tool { name } => {
            let function = types::ChatCompletionNamedToolChoiceFunction { name };
            let type_ = types::ChatCompletionNamedToolChoiceType::Function;
            let choice = types::ChatCompletionNamedToolChoice { function, type_ };
            return Ok(types::ChatCompletionToolChoiceOption::Function(choice));
        }
        _ => return Err(unknown("tool choice")),
    };
    Ok(types::ChatCompletionToolChoiceOption::Mode(mode))
}

fn format(format: ResponseFormat) -> Result<types::CreateChatCompletionRequestResponseFormat, CodexError> {
    use types::CreateChatCompletionRequestResponseFormat as Format;
    Ok(match format {
        ResponseFormat::Text => {
            Format::Text(types::ResponseFormatText { type_: types::ResponseFormatTextType::Text })
        }
        ResponseFormat::JsonObject => Format::JsonObject(types::ResponseFormatJsonObject {
            type_: types::ResponseFormatJsonObjectType::JsonObject,
        }),
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            let Value::Object(schema) = schema else {
                let message =
                    format!("the schema {name:?} of the response format is not a JSON object: {schema}");
                return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message));
            };
            Format::JsonSchema(types::ResponseFormatJsonSchema {
                json_schema: types::ResponseFormatJsonSchemaJsonSchema {
                    name,
                    description,
                    schema: Some(schema.into()),
                    strict,
                },
                type_: types::ResponseFormatJsonSchemaType::JsonSchema,
            })
        }
        _ => return Err(unknown("response format")),
    })
}
