//! Extracts the message for people from a JSON value.

use serde_json::Value;

use super::parse::Fields;
use super::tables::*;
use crate::runtime::json;

/// The length to which messages are truncated, in bytes.
const MAX_MESSAGE: usize = 64 << 10;
/// The length to which lists of messages are truncated, in bytes.
const MAX_LIST: usize = 4 << 10;
/// The length to which JSON is truncated that is quoted in place of a message, in bytes.
const MAX_QUOTE: usize = 500;
/// The depth to which a value is searched, and the number of fields of an object.
pub(super) const MAX_DEPTH: usize = 16;
pub(super) const MAX_FIELDS: usize = 256;

/// The message in a JSON value, if it has one under a known key.
pub(super) fn from_json(body: &Value) -> Option<String> {
    extract(body, 0)
}

/// The message in a text.
pub(super) fn from_text(text: &str) -> Option<String> {
    text_message(text, 0)
}

/// The beginning of a value as JSON. A lone text is kept where JSON would escape it or is truncated before it.
pub(super) fn quote(value: &Value) -> String {
    let json = beginning(value);
    let mut texts = Vec::new();
    collect_texts(value, &mut texts);
    match texts[..] {
        [text] if !json.contains(text) => truncate(text, MAX_MESSAGE),
        _ => json,
    }
}

/// The beginning of a value as JSON.
fn beginning(value: &Value) -> String {
    /// Keeps the beginning of the output, and then fails.
    struct Beginning(Vec<u8>);
    impl std::io::Write for Beginning {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend(bytes.iter().take(MAX_MESSAGE));
            if self.0.len() > MAX_QUOTE.saturating_mul(4) {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut beginning = Beginning(Vec::new());
    // An error means that the quote is long enough.
    let _ = serde_json::to_writer(&mut beginning, value);
    truncate(String::from_utf8_lossy(&beginning.0).as_ref(), MAX_QUOTE)
}

/// Every text in a value, up to a limit.
pub(super) fn collect_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    if texts.len() >= MAX_FIELDS {
        return;
    }
    match value {
        Value::String(text) if !text.trim().is_empty() => texts.push(text.trim()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|value| collect_texts(value, texts)),
        _ => {}
    }
}

/// The message in a value that is meant for people.
fn extract(value: &Value, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    let depth = depth.saturating_add(1);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => text_message(text, depth),
        Value::Array(items) => list_message(items, depth),
        Value::Object(fields) => object_message(&Fields::new(fields), depth),
    }
}

fn list_message(items: &[Value], depth: usize) -> Option<String> {
    let items = items.iter().filter(|item| !json::is_empty(item)).filter_map(|item| extract(item, depth));
    Some(list(items)).filter(|text| !text.is_empty())
}

fn object_message(fields: &Fields<'_>, depth: usize) -> Option<String> {
    // FastAPI
    if let (Some(Value::Array(path)), Some(message)) = (fields.get("loc"), fields.get("msg")) {
        let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        let field = joined(path.iter().map(step), ".", MAX_LIST);
        return Some(format!("{field}: {}", extract(message, depth)?));
    }
    let mut parts: Vec<String> = Vec::new();
    let errors = ERROR_KEYS.iter().filter_map(|key| fields.get(key));
    let messages = MESSAGE_KEYS.iter().filter_map(|key| Some((*key, fields.get(key)?)));
    // OpenRouter puts the provider's message there.
    let metadata = fields.get("metadata").filter(|metadata| metadata.is_object());
    let texts = errors
        .filter_map(|error| extract(error, depth))
        .chain(messages.filter_map(|(key, value)| keyed_message(key, value, depth)))
        .chain(metadata.and_then(|metadata| extract(metadata, depth)));
    for text in texts {
        // Some servers repeat a text.
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.retain(|part| !text.contains(part.as_str()));
            parts.push(text);
        }
    }
    // A reason of one word beside a message is a code.
    if let Some(Value::String(reason)) = fields.get("reason")
        && parts.len() > 1
        && !reason.trim().contains(char::is_whitespace)
    {
        parts.retain(|part| part != reason.trim());
    }
    match parts.is_empty() {
        false => Some(join_parts(parts)),
        true => fields
            .0
            .iter()
            .filter(|(key, _)| !FOREIGN_KEYS.contains(&key.as_str()))
            .find_map(|(_, value)| inner_message(value, depth)),
    }
}

/// The message under a key for messages.
fn keyed_message(key: &str, value: &Value, depth: usize) -> Option<String> {
    let is_typed = |value: &Value| value.get("@type").is_some();
    match value {
        // Google's details are for programs.
        Value::Array(items) if key == "details" && items.iter().any(is_typed) => None,
        // The model's text is not the server's.
        Value::Object(_) if is_chat_message(value) => None,
        Value::Object(fields) if matches!(key, "errors" | "details" | "detail" | "message") => {
            let by_field = || {
                let field = |(name, value): (&String, &Value)| match value {
                    Value::String(_) | Value::Array(_) => Some(format!("{name}: {}", extract(value, depth)?)),
                    _ => None,
                };
                let text = list(fields.iter().take(MAX_FIELDS).filter_map(field));
                Some(text).filter(|text| !text.is_empty())
            };
            // Problem details name each field with what is wrong about it.
            if key == "errors" {
                by_field().or_else(|| extract(value, depth))
            } else {
                extract(value, depth).or_else(by_field)
            }
        }
        _ => extract(value, depth),
    }
}

/// Whether a message is one of a conversation, not of an error.
pub(super) fn is_chat_message(value: &Value) -> bool {
    value.get("role").is_some() || value.get("content").is_some()
}

/// The message of the first object in a value that has one.
fn inner_message(value: &Value, depth: usize) -> Option<String> {
    match value {
        _ if depth > MAX_DEPTH => None,
        Value::Object(fields) => object_message(&Fields::new(fields), depth.saturating_add(1)),
        Value::Array(items) => {
            items.iter().take(MAX_FIELDS).find_map(|item| inner_message(item, depth.saturating_add(1)))
        }
        Value::String(text) => {
            json_in_text(text).and_then(|(_, inner, _)| inner_message(&inner, depth.saturating_add(1)))
        }
        _ => None,
    }
}

/// Joins the parts of one message: "Provider returned error: upstream is busy".
fn join_parts(parts: Vec<String>) -> String {
    let mut all = String::new();
    for part in parts {
        match all.chars().next_back() {
            None => {}
            Some('.' | '!' | '?' | ':') => all.push(' '),
            Some(_) => all.push_str(": "),
        }
        all.push_str(&part);
    }
    truncate(&all, MAX_MESSAGE)
}

/// A list of texts, truncated to the limit.
pub(super) fn list(parts: impl Iterator<Item = String>) -> String {
    joined(parts, "; ", MAX_LIST)
}

fn joined(parts: impl Iterator<Item = String>, separator: &str, max: usize) -> String {
    let mut all = String::new();
    for part in parts {
        if !all.is_empty() {
            all.push_str(separator);
        }
        all.push_str(&part);
        if all.len() > max {
            return truncate(&all, max);
        }
    }
    all
}

/// The message of a text: that of the JSON in it, or the title of a web page instead of its markup.
fn text_message(text: &str, depth: usize) -> Option<String> {
    let text = text.trim();
    let is_error = |value: &Value| match value {
        Value::Object(fields) => {
            let fields = Fields::new(fields);
            ["error", "errors"].iter().chain(LONE_MESSAGE_KEYS).any(|key| fields.get(key).is_some())
        }
        _ => true,
    };
    if depth <= MAX_DEPTH
        && let Some((before, inner, after)) = json_in_text(text)
        // JSON within a sentence may be an example.
        && (before.is_empty() && after.is_empty() || is_error(&inner))
        && let Some(inner) = inner_message(&inner, depth.saturating_add(1))
    {
        let all = [before, &inner, after].into_iter().filter(|part| !part.is_empty());
        return Some(truncate(&all.collect::<Vec<_>>().join(" "), MAX_MESSAGE));
    }
    readable(text)
}

/// The JSON object or array in a text, with what is before and after it.
pub(super) fn json_in_text(text: &str) -> Option<(&str, Value, &str)> {
    if text.len() > MAX_MESSAGE {
        return None;
    }
    let at = text.find(['{', '['])?;
    let at = match text.get(at..)? {
        rest if rest.starts_with('{') || rest.starts_with("[{") => at,
        _ => text.find('{')?,
    };
    let (before, json) = text.split_at_checked(at)?;
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
    let inner = values.next()?.ok()?;
    let after = json.get(values.byte_offset()..).unwrap_or_default();
    Some((before.trim(), inner, after.trim()))
}

/// The beginning of a text.
pub(super) fn excerpt(text: &str) -> String {
    truncate(text, MAX_QUOTE)
}

fn readable(text: &str) -> Option<String> {
    let lower = text.get(..20).unwrap_or(text).to_ascii_lowercase();
    if !["<!doctype", "<html", "<head"].iter().any(|start| lower.starts_with(start)) {
        return (!text.is_empty()).then(|| truncate(text, MAX_MESSAGE));
    }
    let text = truncate(text, MAX_MESSAGE);
    let lower = text.to_ascii_lowercase();
    let title = ["title", "h1"].iter().find_map(|tag| {
        let start = lower.find(&format!("<{tag}"))?;
        let (_, rest) = text.get(start..)?.split_once('>')?;
        let (title, _) = rest.split_once('<')?;
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        (!title.is_empty()).then_some(title)
    });
    Some(match title {
        Some(title) => format!("a web page with the title {:?}", truncate(&title, MAX_QUOTE)),
        None => "a web page without a title".to_owned(),
    })
}

/// The text, or about its first `max` bytes.
fn truncate(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}...", text.get(..end).unwrap_or_default())
}
