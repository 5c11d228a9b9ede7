//! What OpenAI accepts in a strict schema, as its guide to structured outputs lists it (November 2026).

use serde_json::{Map, Value};

/// The keywords that stay.
const KEPT: &[&str] = &[
    "additionalProperties", "anyOf", "const", "description", "enum", "exclusiveMaximum", "exclusiveMinimum",
    "format", "items", "maxItems", "maximum", "minItems", "minimum", "multipleOf", "pattern", "properties",
    "required", "title", "type",
];

/// The formats that stay.
const FORMATS: &[&str] =
    &["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"];

/// The keywords without which a schema means something else, and what to use instead.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        "patternProperties",
        "is a map, which a strict schema cannot express; use a list of structs with a key and a value",
    ),
    ("prefixItems", "is a tuple, which a strict schema cannot express; use a struct"),
];

/// The keywords that do not restrict values.
const ANNOTATIONS: &[&str] = &[
    "$comment", "$id", "$schema", "default", "deprecated", "description", "example", "examples", "readOnly",
    "title", "writeOnly",
];

/// The keywords that concern values of one type.
const OF_OBJECTS: &[&str] = &[
    "additionalProperties", "dependentRequired", "maxProperties", "minProperties", "propertyNames",
    "properties", "required", "unevaluatedProperties",
];
const OF_ARRAYS: &[&str] = &[
    "contains", "items", "maxContains", "maxItems", "minContains", "minItems", "prefixItems", "uniqueItems",
];

/// Whether a keyword with this value stays.
pub(super) fn is_kept(keyword: &str, value: &Value) -> bool {
    match keyword {
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        keyword => KEPT.contains(&keyword),
    }
}

/// Whether a keyword does not restrict values.
pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword)
}

/// Whether a keyword can concern values of this type.
pub(super) fn concerns(keyword: &str, kind: &str) -> bool {
    match (OF_OBJECTS.contains(&keyword), OF_ARRAYS.contains(&keyword)) {
        (true, _) => kind == "object",
        (_, true) => kind == "array",
        _ => kind != "null" && kind != "object" && kind != "array",
    }
}

/// Whether a keyword concerns a schema of these types.
pub(super) fn concerns_any(keyword: &str, kinds: &[String]) -> bool {
    matches!(keyword, "type" | "enum" | "const")
        || is_annotation(keyword)
        || kinds.iter().any(|kind| concerns(keyword, kind))
}

/// The types that a schema names.
pub(super) fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind],
        _ => Vec::new(),
    }
}

/// The JSON type of a value, as schemas name it.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
