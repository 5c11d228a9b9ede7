//! `GET /models`: the models of the server, and what it states of each. Servers add fields of their own, in forms of their own.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::{ClientResult, Protocol, ResponseContext, body};
use crate::CodexError;
use crate::models::{Date, ModelFacts, Price};
use crate::openai::Client;
use crate::runtime::{json, transport::Bytes};
use crate::server::ERRORS;

/// Where servers state the context window of a model, in tokens, the first of which counts: what the server runs it with comes
/// before what the model could do.
const CONTEXT_WINDOW: &[&str] = &[
    "/loaded_context_length",       // LM Studio
    "/meta/n_ctx",                  // llama.cpp
    "/max_model_len",               // vLLM, SGLang
    "/top_provider/context_length", // OpenRouter
    "/context_length",              // OpenRouter, Together
    "/context_window",              // Groq
    "/max_context_length",          // LM Studio, Mistral
    "/meta/n_ctx_train",            // llama.cpp
];

/// Where servers state the limit on output.
const MAX_OUTPUT: &[&str] =
    &["/top_provider/max_completion_tokens", "/max_completion_tokens", "/max_output_tokens"];

/// Where servers state the day of the shutdown: OpenAI, OpenRouter, Azure, and others.
const SHUTDOWN: &[&str] =
    &["/shutdown_date", "/expiration_date", "/deprecation_date", "/deprecation/inference", "/deprecation"];

/// The endpoint.
pub(crate) struct ModelList;

/// One model of the list.
#[derive(Debug, PartialEq)]
pub(crate) struct ListedModel {
    pub(crate) id: String,
    pub(crate) facts: ModelFacts,
}

impl Protocol for ModelList {
    type Response = Vec<ListedModel>;

    fn path(&self) -> &'static str {
        "models"
    }

    fn is_in_deployment(&self) -> bool {
        false
    }

    fn call(&self, client: Client, _: Bytes) -> BoxFuture<'static, ClientResult> {
        async move { client.list_models().await }.boxed()
    }

    fn decode(&self, body: &[u8], _: ResponseContext) -> Result<Vec<ListedModel>, CodexError> {
        let mut value = parse(body)?;
        let list = match &mut value {
            Value::Array(_) => Some(value.take()),
            // Servers without a model write null.
            Value::Object(fields) => ["data", "models"].iter().find_map(|name| fields.remove(*name)),
            _ => None,
        };
        match list {
            Some(Value::Array(models)) => Ok(models.iter().filter_map(listed).collect()),
            Some(Value::Null) => Ok(Vec::new()),
            _ => Err(body::absent(&value, "data")),
        }
    }
}

/// Checks that a body is JSON without an error, as the health of a server needs it.
///
/// # Errors
/// It is not.
pub(crate) fn check(body: &[u8]) -> Result<(), CodexError> {
    let value = parse(body)?;
    ERRORS.find_error(&value).map_or(Ok(()), Err)
}

fn parse(body: &[u8]) -> Result<Value, CodexError> {
    let text = body::utf8(body)?;
    serde_json::from_str(text).map_err(|reason| body::unreadable(text, reason))
}

fn listed(model: &Value) -> Option<ListedModel> {
    let id = ["id", "name"].iter().find_map(|name| json::text(model.get(*name)?))?;
    Some(ListedModel { id, facts: facts(model) })
}

fn facts(model: &Value) -> ModelFacts {
    let mut facts = ModelFacts::new();
    facts.context_window = first_count(model, CONTEXT_WINDOW);
    let fits = |limit: &u32| facts.context_window.is_none_or(|window| *limit <= window);
    facts.max_output_tokens = first_count(model, MAX_OUTPUT).filter(fits);
    facts.shutdown = SHUTDOWN.iter().find_map(|path| date(model.pointer(path)?));
    facts.prices = model.get("pricing").and_then(price).map(Into::into);
    if let Some(inputs) = texts(model.pointer("/architecture/input_modalities")) {
        facts.image_input = Some(inputs.contains(&"image"));
        facts.audio_input = Some(inputs.contains(&"audio"));
        // Others are turned into text by the server.
        facts.file_input = inputs.contains(&"file").then_some(true);
    }
    if let Some(parameters) = texts(model.get("supported_parameters")) {
        let takes = |name: &str| parameters.contains(&name);
        facts.tools = Some(takes("tools"));
        facts.structured_outputs = Some(takes("structured_outputs"));
        facts.json_mode = Some(takes("response_format"));
        facts.reasoning = Some(takes("reasoning"));
        facts.parallel_tool_calls = takes("parallel_tool_calls").then_some(true);
    }
    match model.get("capabilities") {
        Some(Value::Object(capabilities)) => {
            let can = |name: &str| capabilities.get(name).and_then(Value::as_bool);
            facts.tools = facts.tools.or_else(|| can("function_calling"));
            facts.image_input = facts.image_input.or_else(|| can("vision"));
        }
        capabilities => {
            let calls_tools = texts(capabilities).is_some_and(|names| names.contains(&"tool_use"));
            facts.tools = facts.tools.or(calls_tools.then_some(true));
        }
    }
    // LM Studio's name for models that take images.
    if model.get("type").is_some_and(|kind| kind == "vlm") {
        facts.image_input = Some(true);
    }
    facts
}

/// The first number of tokens that is one; servers write 0 for an unknown one.
fn first_count(model: &Value, paths: &[&str]) -> Option<u32> {
    paths.iter().find_map(|path| json::count(model.pointer(path)?).filter(|count| *count > 0))
}

fn texts(list: Option<&Value>) -> Option<Vec<&str>> {
    Some(list?.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// A day, the day of a moment, or seconds since 1970.
fn date(value: &Value) -> Option<Date> {
    match value {
        Value::String(text) => text.get(..10)?.parse().ok(),
        value => Date::from_unix_seconds(value.as_u64().filter(|seconds| *seconds > 0)?),
    }
}

/// OpenRouter's prices: USD for one token, as texts; negative ones depend on the request.
fn price(pricing: &Value) -> Option<Price> {
    let pricing: &Map<String, Value> = pricing.as_object()?;
    let usd = |name: &str| {
        let usd: f64 = pricing.get(name)?.as_str()?.trim().parse().ok()?;
        // Without the error of a price such as 0.0000004, in 1e-6 USD for a million tokens.
        (usd.is_finite() && usd >= 0.0).then(|| (usd * 1e12).round() / 1e6)
    };
    let price = Price::new(usd("prompt")?, usd("completion")?);
    let price = usd("input_cache_read").map_or(price, |usd| price.with_cached_input(usd));
    Some(usd("input_cache_write").map_or(price, |usd| price.with_cache_write(usd)))
}

#[cfg(test)]
mod tests;
