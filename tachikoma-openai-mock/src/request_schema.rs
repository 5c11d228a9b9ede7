//! Checks requests against the schema of OpenAI's document, and names the wrong field in OpenAI's words.
//!
//! The schema decides its unions by type and tag, so an error of the validator points to the wrong field.

use std::sync::LazyLock;

use axum::http::StatusCode;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::{Value, json};

use crate::body::RequestSchema;
use crate::errors::ApiError;

/// Compiled once, or the reason why it cannot be.
type Compiled = LazyLock<Result<Validator, String>>;

static CHAT: Compiled = LazyLock::new(|| compile("CreateChatCompletionRequest"));
static EMBEDDINGS: Compiled = LazyLock::new(|| compile("CreateEmbeddingRequest"));
static RESPONSES: Compiled = LazyLock::new(|| compile("CreateResponse"));

fn compile(name: &str) -> Result<Validator, String> {
    let mut schema: Value =
        serde_json::from_str(include_str!("../schema/openai.json")).map_err(|error| error.to_string())?;
    if let Some(root) = schema.as_object_mut() {
        root.insert("$ref".to_owned(), json!(format!("#/components/schemas/{name}")));
    }
    jsonschema::validator_for(&schema).map_err(|error| error.to_string())
}

/// Refuses a body that the schema does not allow.
pub(crate) fn check(schema: RequestSchema, body: &Value) -> Result<(), ApiError> {
    let compiled = match schema {
        RequestSchema::Chat => &*CHAT,
        RequestSchema::Embeddings => &*EMBEDDINGS,
        RequestSchema::Responses => &*RESPONSES,
    };
    let validator = compiled.as_ref().map_err(|error| {
        let message = format!("The schema within the mock cannot be used: {error}.");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    // A value of the wrong type breaks other rules as well: its type is the cause.
    let errors = validator.iter_errors(body);
    let first = errors.min_by_key(|error| !matches!(error.kind(), Kind::Type { .. }));
    first.map_or(Ok(()), |error| Err(refusal(&error)))
}

fn refusal(error: &ValidationError<'_>) -> ApiError {
    let param = param(error.instance_path());
    let got = error.instance().as_ref();
    let number = if got.is_f64() { "decimal" } else { "integer" };
    let limited = |reason: String, expected: String, got: String, code: String| {
        let message = format!("Invalid '{param}': {reason}. Expected {expected}, but got {got} instead.");
        ApiError::invalid(message).param(&param).code(code)
    };
    let length = || match got {
        Value::Array(items) if items.is_empty() => "an empty array".to_owned(),
        Value::Array(items) => format!("an array with length {}", items.len()),
        _ => format!("a string with length {}", got.as_str().unwrap_or_default().chars().count()),
    };
    match error.kind() {
        Kind::Required { property } => {
            ApiError::missing_parameter(&joined(&param, property.as_str().unwrap_or_default()))
        }
        Kind::AdditionalProperties { unexpected } => unknown(&param, unexpected),
        Kind::Type { kind } => wrong_type(&param, kind, got),
        Kind::Enum { options } => no_option(&param, options, got),
        Kind::Minimum { limit } => limited(
            format!("{number} below minimum value"),
            format!("a value >= {limit}"),
            got.to_string(),
            format!("{number}_below_min_value"),
        ),
        Kind::Maximum { limit } => limited(
            format!("{number} above maximum value"),
            format!("a value <= {limit}"),
            got.to_string(),
            format!("{number}_above_max_value"),
        ),
        Kind::MinItems { limit } => limited(
            "empty array".to_owned(),
            format!("an array with minimum length {limit}"),
            length(),
            "empty_array".to_owned(),
        ),
        Kind::MaxItems { limit } => limited(
            "array too long".to_owned(),
            format!("an array with maximum length {limit}"),
            length(),
            "array_above_max_length".to_owned(),
        ),
        Kind::MaxLength { limit } => limited(
            "string too long".to_owned(),
            format!("a string with maximum length {limit}"),
            length(),
            "string_above_max_length".to_owned(),
        ),
        // Without a tag, the branch with the fewest errors is the likeliest.
        Kind::AnyOf { context } => {
            match context.iter().min_by_key(|branch| branch.len()).map(Vec::as_slice) {
                Some([first, ..]) => refusal(first),
                _ => other(param, error),
            }
        }
        _ => other(param, error),
    }
}

fn other(param: String, error: &ValidationError<'_>) -> ApiError {
    ApiError::invalid(format!("Invalid value for '{param}': {error}.")).param(param).code("invalid_value")
}

fn unknown(param: &str, fields: &[String]) -> ApiError {
    let message = match (param, fields) {
        ("", [field]) => format!("Unrecognized request argument supplied: {field}"),
        ("", several) => format!("Unrecognized request arguments supplied: {}", several.join(", ")),
        _ => format!("Unknown parameter: '{}'.", joined(param, &fields.join("', '"))),
    };
    let first = fields.first().map_or("", String::as_str);
    ApiError::invalid(message).param(joined(param, first)).code("unknown_parameter")
}

fn wrong_type(param: &str, expected: &TypeKind, got: &Value) -> ApiError {
    let expected: Vec<JsonType> = match expected {
        TypeKind::Single(kind) => vec![*kind],
        TypeKind::Multiple(kinds) => kinds.iter().filter(|kind| *kind != JsonType::Null).collect(),
    };
    let names: Vec<&str> = expected.iter().map(|kind| article(*kind)).collect();
    let expected = match names.as_slice() {
        [only] => (*only).to_owned(),
        several => format!("one of {}", several.join(" or ")),
    };
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let place = if param.is_empty() { "the request's body".to_owned() } else { format!("'{param}'") };
    ApiError::invalid(format!("Invalid type for {place}: expected {expected}, but got {got} instead."))
        .param(param)
        .code("invalid_type")
}

fn article(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "an array",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    }
}

fn no_option(param: &str, options: &Value, got: &Value) -> ApiError {
    let quoted = |value: &Value| format!("'{}'", value.as_str().map_or(value.to_string(), str::to_owned));
    let options: Vec<String> = options.as_array().into_iter().flatten().map(quoted).collect();
    let supported = match options.as_slice() {
        [only] => format!("Only {only} is supported"),
        [most @ .., last] => format!("Supported values are: {} and {last}", most.join(", ")),
        [] => "No value is supported".to_owned(),
    };
    ApiError::invalid(format!("Invalid value: {}. {supported}.", quoted(got)))
        .param(param)
        .code("invalid_value")
}

/// A location in OpenAI's notation: `messages[0].content`.
fn param(path: &Location) -> String {
    path.segments().fold(String::new(), |param, segment| match segment {
        LocationSegment::Property(name) => joined(&param, &name),
        LocationSegment::Index(index) => format!("{param}[{index}]"),
    })
}

fn joined(param: &str, field: &str) -> String {
    if param.is_empty() { field.to_owned() } else { format!("{param}.{field}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_values_that_are_supported() {
        #[track_caller]
        fn check(options: Value, expected: &str) {
            let error = no_option("p", &options, &json!("x"));
            assert!(format!("{error:?}").contains(&format!("Invalid value: 'x'. {expected}.")), "{error:?}");
        }
        check(json!([]), "No value is supported");
        check(json!(["a"]), "Only 'a' is supported");
        check(json!(["a", "b", 3]), "Supported values are: 'a', 'b' and '3'");
    }
}
