//! Converts the core request to the generated one. A new request field is added here: a test compares the fields that are
//! converted with those of the core request (`tests/it/core_fields.rs`).

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{
    CompletionRequest, ErrorCategory, ReasoningEffort, ResponseFormat, ToolChoice, ToolDefinition, Verbosity,
};

use super::input::{Input, unknown};
use crate::CodexError;
use crate::api::extra::{self, parse_enum};
use crate::openai::types;
use crate::target::Target;

/// Fields of the body that this crate sets.
const RESERVED: &[&str] = &["input", "model", "stream"];

/// # Errors
/// The request cannot be expressed in the Responses API; no part of it is dropped.
pub(crate) fn convert(
    request: CompletionRequest,
    target: &Target,
) -> Result<types::CreateResponse, CodexError> {
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
    let role = target.instruction_role();
    let mut input = Input::default();
    for message in messages {
        input.push(message, role, &target.state_origin)?;
    }
    // Validation rejects these for OpenAI's Responses API, which has none of them. Other servers do.
    add_extra(&mut extra, "stop", (!stop.is_empty()).then_some(stop))?;
    add_extra(&mut extra, "seed", seed)?;
    add_extra(&mut extra, "frequency_penalty", frequency_penalty)?;
    add_extra(&mut extra, "presence_penalty", presence_penalty)?;
    add_extra(&mut extra, "logit_bias", (!logit_bias.is_empty()).then_some(logit_bias))?;
    if let Some(format) = response_format.as_ref().filter(|_| !target.is_official) {
        // llama.cpp reads only the field of Chat Completions.
        let format = chat_format(format)?;
        extra.entry("response_format").or_insert(format);
    }
    let body = types::CreateResponse {
        model: Some(target.model_in_body.clone()),
        // Responses are stored only on request, since each request holds the whole conversation.
        store: store.or((!extra.contains_key("store")).then_some(false)),
        include: (target.is_known_to_reason() && !extra.contains_key("include"))
            .then(|| vec![types::IncludeEnum::ReasoningEncryptedContent]),
        max_output_tokens: max_tokens.map(i64::from),
        temperature,
        top_p,
        tools: (!tools.is_empty()).then(|| tools.into_iter().map(tool).collect()),
        tool_choice: tool_choice.map(choice).transpose()?,
        parallel_tool_calls,
        text: text(response_format, verbosity)?,
        reasoning: reasoning_effort.and_then(|effort| reasoning(effort, &mut extra)),
        service_tier: parse_enum(service_tier.as_deref(), "service_tier", &mut extra),
        metadata: (!metadata.is_empty()).then(|| metadata.into_iter().collect()),
        user,
        stream: target.stream.then_some(true),
        ..Default::default()
    };
    if !extra.is_empty() {
        extra::reject_duplicate_fields(&extra, &body, RESERVED)?;
    }
    Ok(types::CreateResponse { input: Some(types::InputParam::Array(input.items)), extra, ..body })
}

/// Adds a field that the document does not have.
fn add_extra(
    extra: &mut Map<String, Value>,
    field: &str,
    value: Option<impl serde::Serialize>,
) -> Result<(), CodexError> {
    let Some(value) = value else { return Ok(()) };
    let value = json!({ field: value });
    extra::reject_duplicate_fields(extra, &value, &[])?;
    extra.extend(value.as_object().cloned().unwrap_or_default());
    Ok(())
}

fn chat_format(format: &ResponseFormat) -> Result<Value, CodexError> {
    Ok(match format {
        ResponseFormat::Text => json!({"type": "text"}),
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema { name, schema, strict, .. } => {
            json!({"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": strict.unwrap_or(false)}})
        }
        _ => return Err(unknown("response format")),
    })
}

/// An effort that the document does not have is sent unchanged.
fn reasoning(effort: ReasoningEffort, extra: &mut Map<String, Value>) -> Option<types::Reasoning> {
    let mut unknown = Map::new();
    let effort = parse_enum(Some(effort.as_str()), "effort", &mut unknown);
    if !unknown.is_empty() {
        extra.insert("reasoning".to_owned(), unknown.into());
    }
    effort.map(|effort| types::Reasoning { effort: Some(effort), ..Default::default() })
}

fn tool(tool: ToolDefinition) -> types::FunctionTool {
    let ToolDefinition { name, description, parameters, strict, .. } = tool;
    types::FunctionTool {
        description: (!description.is_empty()).then_some(description),
        name,
        parameters: Some(parameters.into_json_schema().into()),
        // Unlike in Chat Completions the default is true, and a schema that is not made for it would be rejected.
        strict: Some(strict.unwrap_or(false)),
        type_: types::FunctionToolType::Function,
    }
}

fn choice(choice: ToolChoice) -> Result<types::ToolChoiceParam, CodexError> {
    use types::ToolChoiceOptions as Mode;
    Ok(types::ToolChoiceParam::Mode(match choice {
        ToolChoice::Auto => Mode::Auto,
        ToolChoice::Required => Mode::Required,
        ToolChoice::None => Mode::None,
        ToolChoice::Tool { name } => {
            let type_ = types::ToolChoiceFunctionType::Function;
            return Ok(types::ToolChoiceParam::Function(types::ToolChoiceFunction { name, type_ }));
        }
        _ => return Err(unknown("tool choice")),
    }))
}

fn text(
    format: Option<ResponseFormat>,
    verbosity: Option<Verbosity>,
) -> Result<Option<types::ResponseTextParam>, CodexError> {
    if format.is_none() && verbosity.is_none() {
        return Ok(None);
    }
    let verbosity = match verbosity {
        None => None,
        Some(verbosity) => Some(verbosity.as_str().parse().map_err(|_| {
            let message = format!("the Responses API has no verbosity {verbosity}");
            CodexError::unsent(ErrorCategory::InvalidRequest, message)
        })?),
    };
    Ok(Some(types::ResponseTextParam { format: format.map(self::format).transpose()?, verbosity }))
}

fn format(format: ResponseFormat) -> Result<types::TextResponseFormatConfiguration, CodexError> {
    use types::TextResponseFormatConfiguration as Format;
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
            Format::JsonSchema(types::TextResponseFormatJsonSchema {
                description,
                name,
                schema: schema.into(),
                strict,
                type_: types::TextResponseFormatJsonSchemaType::JsonSchema,
            })
        }
        _ => return Err(unknown("response format")),
    })
}
