//! What OpenAI takes in a strict schema, as its guide to structured outputs lists it (November 2026).

/// The keywords that stay.
const KEPT: &[&str] = &[
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];

/// The formats that stay.
const FORMATS: &[&str] =
    &["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"];

/// The keywords without which a schema means something else, and what to use in their place.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        "patternProperties",
        "is a map, which a strict schema cannot say; use a list of structs with a key and a value",
    ),
    ("prefixItems", "is a tuple, which a strict schema cannot say; use a struct"),
];

/// How much there may be of what.
pub(super) const MAX_PROPERTIES: usize = 5_000;
pub(super) const MAX_DEPTH: usize = 10;
pub(super) const MAX_ENUM_VALUES: usize = 1_000;
pub(super) const MAX_NAME_CHARS: usize = 120_000;

/// Whether a keyword with this value stays.
pub(super) fn is_kept(keyword: &str, value: &serde_json::Value) -> bool {
    match keyword {
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        keyword => KEPT.contains(&keyword),
    }
}
