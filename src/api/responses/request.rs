//! Converts the core request to the generated one. A new request field is added here: a test compares the fields that are
//! converted with those of the core request (`tests/it/core_fields.rs`).

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{
    CompletionRequest, ErrorCategory, ReasoningEffort, ReasoningSummary, ResponseFormat, Truncation,
    Verbosity,
};

use super::input::{Input, unknown};
use super::tools as tool;
use crate::CodexError;
use crate::api::custom_tool;
use crate::api::extra::{self, parse_enum, parse_value};
use crate::openai::types;
use crate::target::Target;

/// Fields of the body that this crate sets.
const RESERVED: &[&str] = &["input", "model", "stream"];

/// What `include` calls the reasoning for the next turn, and the log probabilities.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";
const LOGPROBS: &str = "message.output_text.logprobs";

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
        reasoning_summary,
        logprobs,
        top_logprobs,
        prediction,
        truncation,
        compaction_threshold,
        include,
        prompt_cache_key,
        prompt_cache,
        moderation,
        safety_identifier,
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

    let mut input = Input::new(target);
    let previous_response = target.previous_response.as_ref();
    for (index, message) in messages.into_iter().enumerate() {
        input.push(message)?;
        if previous_response.is_some_and(|previous| previous.messages == index + 1) {
            input.items.clear();
        }
    }
    // Validation rejects these for OpenAI's Responses API, which has none of them. Other servers do.
    extra::add(&mut extra, "stop", (!stop.is_empty()).then_some(stop))?;
    extra::add(&mut extra, "seed", seed)?;
    extra::add(&mut extra, "frequency_penalty", frequency_penalty)?;
    extra::add(&mut extra, "presence_penalty", presence_penalty)?;
    extra::add(&mut extra, "prediction", prediction.map(|text| json!({"type": "content", "content": text})))?;
    extra::add(&mut extra, "logit_bias", (!logit_bias.is_empty()).then_some(logit_bias))?;
    if let Some(format) = response_format.as_ref().filter(|_| !target.is_official) {
        // llama.cpp reads only the field of Chat Completions.
        let format = chat_format(format)?;
        extra.entry("response_format").or_insert(format);
    }
    let takes_custom = target.takes_custom_tools();
    let custom_names = custom_tool::names(&tools);
    let is_custom = |name: &str| takes_custom && custom_names.contains(name);
    let tools: Vec<_> =
        tools.into_iter().map(|spec| tool::tool(spec, takes_custom)).collect::<Result<_, _>>()?;
    let included = included(include, logprobs.unwrap_or(top_logprobs.is_some()), target, &extra);
    let body = types::CreateResponse {
        model: Some(target.model_in_body.clone()),
        previous_response_id: previous_response.map(|previous| previous.id.clone()),
        // Responses are stored only on request, since each request holds the whole conversation.
        store: store.or((!extra.contains_key("store")).then_some(false)),
        include: parse_value(included, "include", &mut extra)?,
        max_output_tokens: max_tokens.map(i64::from),
        temperature,
        top_p,
        tools: (!tools.is_empty()).then_some(tools),
        tool_choice: tool_choice.map(|choice| tool::choice(choice, is_custom)).transpose()?,
        parallel_tool_calls,
        text: text(response_format, verbosity)?,
        reasoning: reasoning(reasoning_effort, reasoning_summary, &mut extra)?,
        top_logprobs: top_logprobs.map(i64::from),
        truncation: parse_enum(truncation.map(Truncation::as_str), "truncation", &mut extra),
        context_management: compaction_threshold.map(|tokens| vec![compaction(tokens)]),
        prompt_cache_key,
        prompt_cache_options: parse_value(prompt_cache, "prompt_cache_options", &mut extra)?,
        moderation: parse_value(moderation, "moderation", &mut extra)?,
        safety_identifier,
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

fn compaction(threshold: u32) -> types::ContextManagementParam {
    types::ContextManagementParam {
        compact_threshold: Some(threshold.into()),
        type_: "compaction".to_owned(),
    }
}

/// The further data of the response: what the caller wants, and what the caller's other fields and the next turn need.
fn included(
    mut include: Vec<String>,
    logprobs: bool,
    target: &Target,
    extra: &Map<String, Value>,
) -> Option<Vec<String>> {
    if extra.contains_key("include") {
        return (!include.is_empty()).then_some(include);
    }
    let needed = [(target.is_known_to_reason(), ENCRYPTED_REASONING), (logprobs, LOGPROBS)];
    for (_, name) in needed.into_iter().filter(|(is_needed, _)| *is_needed) {
        if !include.iter().any(|held| held == name) {
            include.push(name.to_owned());
        }
    }
    (!include.is_empty()).then_some(include)
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

/// The effort and the summary; a word that the document does not have is sent unchanged.
fn reasoning(
    effort: Option<ReasoningEffort>,
    summary: Option<ReasoningSummary>,
    extra: &mut Map<String, Value>,
) -> Result<Option<types::Reasoning>, CodexError> {
    if effort.is_none() && summary.is_none() {
        return Ok(None);
    }
    let fields = json!({ "effort": effort, "summary": summary });
    let set = fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let fields: Map<_, _> = set.map(|(field, value)| (field.clone(), value.clone())).collect();
    parse_value(Some(fields), "reasoning", extra)
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
