//! Extracts the server's message, codes and waits from any JSON.
//!
//! No specification describes what servers really send, so that it is parsed as untyped JSON.

use std::time::Duration;

use serde_json::{Map, Value};

use super::message::{self, MAX_DEPTH, MAX_FIELDS};
use super::tables::*;
use super::wait;
use crate::runtime::json;

/// The number of values of a body that are searched for codes.
const MAX_VALUES: usize = 4096;

/// The content of an error body of any shape.
#[derive(Clone, Debug, Default)]
pub(super) struct ParsedErrorBody {
    /// The server's message.
    pub(super) message: Option<String>,
    /// The JSON itself, or the texts in it, if there is no message.
    pub(super) quote: Option<String>,
    /// Error codes and types, the most specific first.
    pub(super) codes: Vec<String>,
    /// The names of exceeded limits.
    pub(super) quotas: Vec<String>,
    pub(super) param: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) wait: Option<Duration>,
}

impl ParsedErrorBody {
    pub(super) fn from_bytes(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
        let text = text.trim();
        // An error status with an event stream for a body, or with several JSON values, a line each.
        let lines = || text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line));
        let json = serde_json::from_str::<Value>(text).ok().or_else(|| {
            lines().filter_map(|line| serde_json::from_str(line).ok()).find(|value: &Value| value.is_object())
        });
        match json {
            Some(value) => Self::from_json(&value),
            None => Self { message: message::from_text(text), ..Self::default() },
        }
    }

    pub(super) fn from_json(body: &Value) -> Self {
        let mut parsed = Self { message: message::from_json(body), ..Self::default() };
        let mut left = MAX_VALUES;
        parsed.collect(body, 0, true, &mut left);
        if parsed.message.is_none() {
            parsed.quote = parsed.quote_unless_code(body);
        }
        parsed
    }

    /// The most specific code: one that is not an HTTP status, if there is one.
    pub(super) fn code(&self) -> Option<&String> {
        self.codes.iter().find(|code| http_status(code).is_none()).or(self.codes.first())
    }

    /// The HTTP status that servers put into a body.
    pub(super) fn status(&self) -> Option<u16> {
        self.codes.iter().find_map(|code| http_status(code))
    }

    /// Collects the waits of a value and of everything in it, and if it `is_error` the codes; those of an inner error come first.
    fn collect(&mut self, value: &Value, depth: usize, is_error: bool, left: &mut usize) {
        *left = left.saturating_sub(1);
        if depth > MAX_DEPTH || *left == 0 {
            return;
        }
        let depth = depth.saturating_add(1);
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, depth, is_error, left)),
            Value::String(text) => {
                if let Some((_, inner, _)) = message::json_in_text(text) {
                    self.collect(&inner, depth, is_error, left);
                }
            }
            Value::Object(fields) => {
                let fields = Fields::new(fields);
                let (errors, others): (Vec<_>, Vec<_>) =
                    fields.0.iter().partition(|(key, _)| ERROR_KEYS.contains(&key.as_str()));
                errors.iter().for_each(|(_, inner)| self.collect(inner, depth, true, left));
                self.collect_fields(&fields, is_error);
                for (key, inner) in others {
                    let is_error = is_error && CODE_PARENTS.contains(&key.as_str());
                    if !FOREIGN_KEYS.contains(&key.as_str()) {
                        self.collect(inner, depth, is_error, left);
                    }
                }
            }
            _ => {}
        }
    }

    /// Collects the waits of one object, and the codes of an error.
    fn collect_fields(&mut self, fields: &Fields<'_>, is_error: bool) {
        let scalar = |value: &Value| match value {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        for key in CODE_KEYS.iter().filter(|_| is_error) {
            // A reason is a code or a sentence.
            let is_sentence = |code: &String| *key == "reason" && code.contains(char::is_whitespace);
            let is_empty = |code: &String| code == "0" || EMPTY_CODES.contains(&code.to_lowercase().as_str());
            let is_code = |code: &String| !is_sentence(code) && !is_empty(code);
            if let Some(code) = fields.get(key).and_then(scalar).filter(is_code)
                && !self.codes.contains(&code)
            {
                self.codes.push(code);
            }
        }
        if let Some(Value::Number(number)) = fields.get("error") {
            self.codes.push(number.to_string());
        }
        if is_error {
            self.param = self.param.take().or_else(|| fields.get("param").and_then(scalar));
        }
        self.request_id = self.request_id.take().or_else(|| fields.get("requestid").and_then(scalar));
        let waits = || WAIT_KEYS.iter().find_map(|(key, factor)| wait::from_json(fields.get(key)?, *factor));
        self.wait = self.wait.or_else(waits);
        self.quotas.extend(
            fields
                .0
                .iter()
                .filter(|(key, _)| key.starts_with("quota"))
                .filter_map(|(_, value)| scalar(value)),
        );
    }

    /// The quote of a body without a message; `None` if its only text is the code.
    fn quote_unless_code(&self, body: &Value) -> Option<String> {
        let mut texts = Vec::new();
        message::collect_texts(body, &mut texts);
        let is_code_only = self.code().is_some_and(|code| texts.iter().all(|text| text == code));
        if is_code_only || json::is_empty(body) && texts.is_empty() {
            return None;
        }
        let json = message::quote(body);
        // JSON that is truncated or escaped may not contain the texts.
        if texts.iter().all(|text| json.contains(text)) {
            return Some(json);
        }
        Some(message::list(texts.into_iter().map(str::to_owned)))
    }
}

/// The fields of an object, by keys in lower case without separators.
pub(super) struct Fields<'a>(pub(super) Vec<(String, &'a Value)>);

impl<'a> Fields<'a> {
    pub(super) fn new(fields: &'a Map<String, Value>) -> Self {
        Self(fields.iter().take(MAX_FIELDS).map(|(key, value)| (normalize_key(key), value)).collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.iter().find(|(name, value)| name == key && !value.is_null()).map(|(_, value)| *value)
    }
}

/// A key or code in lower case without separators.
pub(crate) fn normalize_key(name: &str) -> String {
    // `com.amazon.coral#ThrottlingException`, `ThrottlingException:http://...`
    let name = name.split_once('#').map_or(name, |(_, name)| name);
    name.chars()
        .take(100)
        .filter(|c| !matches!(c, '_' | '-' | ' ' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn http_status(code: &str) -> Option<u16> {
    code.parse().ok().filter(|status| (400..600).contains(status))
}

#[cfg(test)]
mod tests;
