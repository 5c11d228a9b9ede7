//! Turns the body of a recorded request into the core request. What the core has no field for goes into an `extra` field.

mod chat;
mod content;
mod responses;
mod tools;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tachikoma_backends_core::{CompletionRequest, ResponseFormat};

pub(super) type Fields = Map<String, Value>;

/// The core request of a body. `origin` is that of provider state of the request's server and model.
///
/// # Errors
/// What the core cannot hold.
pub(super) fn from_body(body: &Value, is_responses: bool, origin: &str) -> Result<CompletionRequest, String> {
    let mut fields = body.as_object().cloned().ok_or("the body is not an object")?;
    fields.retain(|_, value| !value.is_null());
    // The backend sets these by itself.
    for name in ["stream", "stream_options"] {
        fields.remove(name);
    }
    let messages = if is_responses {
        responses::messages(fields.remove("input"), take(&mut fields, "instructions"), origin)?
    } else {
        chat::messages(fields.remove("messages"), origin)?
    };
    let mut request = CompletionRequest::new(messages);
    request.model = take(&mut fields, "model");
    if is_responses {
        responses_fields(&mut request, &mut fields);
    } else {
        chat_fields(&mut request, &mut fields);
    }
    common_fields(&mut request, &mut fields);
    for tool in list(fields.remove("tools")) {
        request.tools.push(tools::tool(tool, is_responses)?);
    }
    if let Some(choice) = fields.get("tool_choice").and_then(tools::choice) {
        fields.remove("tool_choice");
        request.tool_choice = Some(choice);
    }
    request.extra = fields;
    Ok(request)
}

/// Takes a field that is exactly of this type; another one is left for `extra`.
fn take<T: DeserializeOwned + Serialize>(fields: &mut Fields, name: &str) -> Option<T> {
    let value = fields.get(name)?;
    let parsed: T = serde_json::from_value(value.clone()).ok()?;
    let mut again = serde_json::to_value(&parsed).ok()?;
    let mut value = value.clone();
    numbers(&mut again);
    numbers(&mut value);
    (again == value).then(|| fields.remove(name))?;
    Some(parsed)
}

/// Writes whole numbers without a fraction, so that `1.0` equals `1`.
pub(super) fn numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 1e15 {
                *value = Value::from(float as i64);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(numbers),
        Value::Object(fields) => fields.values_mut().for_each(numbers),
        _ => {}
    }
}

pub(super) fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}

fn common_fields(request: &mut CompletionRequest, fields: &mut Fields) {
    request.temperature = take(fields, "temperature");
    request.top_p = take(fields, "top_p");
    request.parallel_tool_calls = take(fields, "parallel_tool_calls");
    request.top_logprobs = take(fields, "top_logprobs");
    request.truncation = take(fields, "truncation");
    request.include = take(fields, "include").unwrap_or_default();
    request.prompt_cache_key = take(fields, "prompt_cache_key");
    request.prompt_cache = take(fields, "prompt_cache_options");
    request.moderation = take(fields, "moderation");
    request.service_tier = take(fields, "service_tier");
    request.store = take(fields, "store");
    request.metadata = take(fields, "metadata").unwrap_or_default();
    request.user = take(fields, "user");
    request.safety_identifier = take(fields, "safety_identifier");
    request.seed = take(fields, "seed");
    request.frequency_penalty = take(fields, "frequency_penalty");
    request.presence_penalty = take(fields, "presence_penalty");
    request.logit_bias = take(fields, "logit_bias").unwrap_or_default();
    request.stop = match take::<String>(fields, "stop") {
        Some(text) => vec![text],
        None => take(fields, "stop").unwrap_or_default(),
    };
}

fn chat_fields(request: &mut CompletionRequest, fields: &mut Fields) {
    let modern = take(fields, "max_completion_tokens");
    // A body with both limits keeps the older one as a further field.
    request.max_tokens = if modern.is_some() { modern } else { take(fields, "max_tokens") };
    request.reasoning_effort = take(fields, "reasoning_effort");
    request.verbosity = take(fields, "verbosity");
    request.logprobs = take(fields, "logprobs");
    if let Some(prediction) = fields.get("prediction").and_then(Value::as_object)
        && prediction.len() == 2
        && prediction.get("type").is_some_and(|kind| kind == "content")
        && let Some(text) = prediction.get("content").and_then(Value::as_str)
    {
        request.prediction = Some(text.to_owned());
        fields.remove("prediction");
    }
    if let Some(format) = fields.get("response_format").and_then(chat_format) {
        request.response_format = Some(format);
        fields.remove("response_format");
    }
}

fn chat_format(format: &Value) -> Option<ResponseFormat> {
    let fields = format.as_object()?;
    match (fields.get("type")?.as_str()?, fields.len()) {
        ("json_schema", 2) => json_schema(fields.get("json_schema")?.as_object()?.clone()),
        ("json_object", 1) => Some(ResponseFormat::JsonObject),
        ("text", 1) => Some(ResponseFormat::Text),
        _ => None,
    }
}

fn responses_fields(request: &mut CompletionRequest, fields: &mut Fields) {
    request.max_tokens = take(fields, "max_output_tokens");
    if let Some(Value::Object(reasoning)) = fields.get("reasoning") {
        let mut rest = reasoning.clone();
        rest.retain(|_, value| !value.is_null());
        let (effort, summary) = (take(&mut rest, "effort"), take(&mut rest, "summary"));
        // An object with other fields as well is sent as a whole.
        if rest.is_empty() {
            (request.reasoning_effort, request.reasoning_summary) = (effort, summary);
            fields.remove("reasoning");
        }
    }
    if let Some(Value::Object(text)) = fields.get("text") {
        let mut rest = text.clone();
        rest.retain(|_, value| !value.is_null());
        let verbosity = take(&mut rest, "verbosity");
        let format = rest.remove("format");
        let parsed = format.as_ref().map(responses_format);
        if rest.is_empty() && parsed != Some(None) {
            (request.verbosity, request.response_format) = (verbosity, parsed.flatten());
            fields.remove("text");
        }
    }
}

fn responses_format(format: &Value) -> Option<ResponseFormat> {
    let mut fields = format.as_object()?.clone();
    match (take::<String>(&mut fields, "type")?.as_str(), fields.len()) {
        ("json_schema", _) => json_schema(fields),
        ("json_object", 0) => Some(ResponseFormat::JsonObject),
        ("text", 0) => Some(ResponseFormat::Text),
        _ => None,
    }
}

fn json_schema(mut fields: Fields) -> Option<ResponseFormat> {
    fields.retain(|_, value| !value.is_null());
    let format = ResponseFormat::JsonSchema {
        name: take(&mut fields, "name")?,
        description: take(&mut fields, "description"),
        schema: fields.remove("schema")?,
        strict: take(&mut fields, "strict"),
    };
    fields.is_empty().then_some(format)
}
