//! The first difference between two values: of an item of the conversation as far as it is part of the prompt, of a schema in
//! every respect.

use serde_json::{Map, Value};

use super::Pointer;

/// A place with its values in both bodies; `None` where one has none.
#[derive(Clone, Debug)]
pub(super) struct Difference<'a> {
    pub(super) path: Pointer,
    pub(super) earlier: Option<&'a Value>,
    pub(super) later: Option<&'a Value>,
}

/// Fields of items and parts that are not part of the prompt: marks of the cache, and what only describes an output.
const NOT_IN_PROMPT: &[&str] =
    &["annotations", "cache_control", "created_by", "logprobs", "prompt_cache_breakpoint", "status"];

/// Types of items that have the same meaning without their id; that of others may refer to their content.
const WITHOUT_ID: &[&str] = &["custom_tool_call", "function_call", "message"];

/// Fields of an item that decide what it is: where they differ, the items are different as a whole.
const KIND: &[&str] = &["type", "role"];

/// Fields of a message in front of its text.
const FIRST: &[&str] = &["name", "reasoning", "reasoning_content", "reasoning_details", "type"];

/// The fields of a message after its text.
const LAST: &[&str] = &["tool_calls"];

/// The first difference between two items, or values in them, that changes the prompt.
pub(super) fn difference<'a>(path: Pointer, earlier: &'a Value, later: &'a Value) -> Option<Difference<'a>> {
    match (earlier, later) {
        (Value::Object(one), Value::Object(other)) => {
            if KIND.iter().any(|name| prompt_field(one, name) != prompt_field(other, name)) {
                return Some(Difference { path, earlier: Some(earlier), later: Some(later) });
            }
            let mut names: Vec<&str> = one.keys().chain(other.keys()).map(String::as_str).collect();
            names.sort_unstable_by_key(|name| (rank(name), *name));
            names.dedup();
            names.into_iter().find_map(|name| match (prompt_field(one, name), prompt_field(other, name)) {
                (None, None) => None,
                (Some(one), Some(other)) => difference(path.key(name), one, other),
                (earlier, later) => Some(Difference { path: path.key(name), earlier, later }),
            })
        }
        (Value::Array(one), Value::Array(other)) => (0..one.len().max(other.len())).find_map(|index| {
            let path = path.index(index);
            match (one.get(index), other.get(index)) {
                (Some(one), Some(other)) => difference(path, one, other),
                (earlier, later) => Some(Difference { path, earlier, later }),
            }
        }),
        (Value::String(text), Value::Array(parts)) | (Value::Array(parts), Value::String(text))
            if only_text(parts) == Some(text) =>
        {
            None
        }
        _ => (earlier != later).then_some(Difference { path, earlier: Some(earlier), later: Some(later) }),
    }
}

/// Whether two items are the same in the prompt.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    difference(Pointer::default(), one, other).is_none()
}

/// Whether an item is a user's message of this text.
pub(super) fn is_user_text(item: Option<&Value>, text: &Value) -> bool {
    let (role, content) = (item.and_then(|item| item.get("role")), item.and_then(|item| item.get("content")));
    role.is_some_and(|role| role == "user") && content.is_some_and(|content| is_same(content, text))
}

/// A field, where it is part of the prompt and not the default.
fn prompt_field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let value = fields.get(name).filter(|value| !value.is_null())?;
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("message");
    let is_default = match name {
        "type" => value == "message",
        "detail" => value == "auto",
        "id" => WITHOUT_ID.contains(&kind),
        _ => NOT_IN_PROMPT.contains(&name),
    };
    (!is_default).then_some(value)
}

fn rank(name: &str) -> u8 {
    if FIRST.contains(&name) {
        0
    } else if LAST.contains(&name) {
        2
    } else {
        1
    }
}

/// The text of content that is one part, of text.
fn only_text(parts: &[Value]) -> Option<&String> {
    let [part] = parts else { return None };
    let kind = part.get("type")?.as_str()?;
    match part.get("text") {
        Some(Value::String(text)) if matches!(kind, "text" | "input_text" | "output_text") => Some(text),
        _ => None,
    }
}

/// The first difference between two values in any respect, and whether it is only the order of their keys.
pub(super) fn strict_difference<'a>(
    path: Pointer,
    earlier: &'a Value,
    later: &'a Value,
) -> Option<(Difference<'a>, bool)> {
    match (earlier, later) {
        (Value::Object(one), Value::Object(other)) => {
            let is_order = one.len() == other.len() && one.keys().all(|name| other.contains_key(name));
            if is_order && !one.keys().eq(other.keys()) {
                return Some((Difference { path, earlier: Some(earlier), later: Some(later) }, true));
            }
            let added = other.keys().filter(|name| !one.contains_key(*name));
            one.keys()
                .chain(added)
                .find_map(|name| strict_values(path.key(name), one.get(name), other.get(name)))
        }
        (Value::Array(one), Value::Array(other)) => (0..one.len().max(other.len()))
            .find_map(|index| strict_values(path.index(index), one.get(index), other.get(index))),
        _ => (earlier != later)
            .then_some((Difference { path, earlier: Some(earlier), later: Some(later) }, false)),
    }
}

fn strict_values<'a>(
    path: Pointer,
    earlier: Option<&'a Value>,
    later: Option<&'a Value>,
) -> Option<(Difference<'a>, bool)> {
    match (earlier, later) {
        (Some(earlier), Some(later)) => strict_difference(path, earlier, later),
        (earlier, later) => Some((Difference { path, earlier, later }, false)),
    }
}
