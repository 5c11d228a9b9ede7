//! Converts the core request to the generated one. A new request field is added here: a test compares the fields that are
//! converted with those of the core request (`tests/it/core_fields.rs`).

use serde_json::{Value, json};
use tachikoma_backends_core::{CompletionRequest, ErrorCategory, ReasoningEffort, ResponseFormat, Verbosity};

use super::message::unknown;
use super::{conversation, tools as tool};
use crate::CodexError;
use crate::api::custom_tool;
use crate::api::extra::{self, parse_enum, parse_value};
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

    let max_tokens = max_tokens.map(i64::from);
    let (max_tokens, max_completion_tokens) = match target.token_parameter() {
        TokenParameter::MaxTokens => (max_tokens, None),
        TokenParameter::MaxCompletionTokens => (None, max_tokens),
    };
    // OpenAI's Chat Completions has none of these; validation has rejected them for it. Other servers may.
    extra::add(&mut extra, "reasoning_summary", reasoning_summary)?;
    extra::add(&mut extra, "truncation", truncation)?;
    let compaction = |tokens| json!([{"type": "compaction", "compact_threshold": tokens}]);
    extra::add(&mut extra, "context_management", compaction_threshold.map(compaction))?;
    extra::add(&mut extra, "include", (!include.is_empty()).then_some(include))?;
    let takes_custom = target.takes_custom_tools();
    let custom_names = custom_tool::names(&tools);
    let is_custom = |name: &str| takes_custom && custom_names.contains(name);
    let tools: Vec<_> =
        tools.into_iter().map(|spec| tool::tool(spec, takes_custom)).collect::<Result<_, _>>()?;
    let mut body = types::CreateChatCompletionRequest {
        messages: conversation::convert(messages, target)?,
        model: target.model_in_body.clone(),
        max_tokens,
        max_completion_tokens,
        temperature,
        top_p,
        stop: (!stop.is_empty()).then_some(types::StopConfiguration::Array(stop)),
        tools: (!tools.is_empty()).then_some(tools),
        tool_choice: tool_choice.map(|choice| tool::choice(choice, is_custom)).transpose()?,
        parallel_tool_calls,
        response_format: response_format.map(format).transpose()?,
        reasoning_effort: parse_enum(
            reasoning_effort.map(ReasoningEffort::as_str),
            "reasoning_effort",
            &mut extra,
        ),
        verbosity: parse_enum(verbosity.map(Verbosity::as_str), "verbosity", &mut extra),
        service_tier: parse_enum(service_tier.as_deref(), "service_tier", &mut extra),
        logprobs: logprobs.or(top_logprobs.map(|_| true)),
        top_logprobs: top_logprobs.map(i64::from),
        prediction: prediction.map(|text| types::PredictionContent {
            content: types::PredictionContentContent::Text(text),
            type_: types::PredictionContentType::Content,
        }),
        prompt_cache_key,
        prompt_cache_options: parse_value(prompt_cache, "prompt_cache_options", &mut extra)?,
        moderation: parse_value(moderation, "moderation", &mut extra)?,
        safety_identifier,
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
