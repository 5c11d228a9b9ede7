//! Random JSON documents of a schema of an OpenAPI document, the same ones for the same seed.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Depth from which optional fields are left out and lists have their minimum length.
const DEPTH: usize = 12;

/// Texts that have broken parsers before; the empty one first.
const TEXTS: &[&str] = &[
    "",
    " ",
    "Hello",
    "a \"quoted\" \\ backslash /",
    "line\nbreak\r\n\tand tab",
    "é ß 漢字 😀 \u{0301}",
    "\u{2028}\u{2029}\u{0}\u{1f}\u{feff}",
    "data: [DONE]\n\nevent: error",
    "[DONE]",
    "null",
    "{\"error\": {\"message\": \"no\"}}",
    "<html><body>502</body></html>",
];

/// Generates documents of the schemas in `document`, an OpenAPI document of version 3.1.
pub(super) struct Generator<'a> {
    document: &'a Value,
    random: Rng,
}

impl<'a> Generator<'a> {
    pub(super) fn new(document: &'a Value, seed: u64) -> Self {
        Self { document, random: Rng::with_seed(seed) }
    }

    /// A document of the component schema of this name.
    pub(super) fn generate(&mut self, name: &str) -> Value {
        self.value(&json!({"$ref": format!("#/components/schemas/{name}")}), 0)
    }

    /// The random numbers of the seed, for damage to the document.
    pub(super) fn random(&mut self) -> &mut Rng {
        &mut self.random
    }

    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        let Some(keywords) = schema.as_object().filter(|_| *schema != json!({})) else {
            return self.anything(depth);
        };
        if keywords.get("nullable") == Some(&json!(true)) && self.random.u8(..4) == 0 {
            return Value::Null;
        }
        if let Some(reference) = keywords.get("$ref") {
            let pointer = reference.as_str().unwrap().trim_start_matches('#');
            let target = self.document.pointer(pointer).unwrap_or_else(|| panic!("no {reference}"));
            return self.value(target, depth);
        }
        if let Some(value) = keywords.get("const") {
            return value.clone();
        }
        if let Some(values) = keywords.get("enum") {
            return self.random.choice(values.as_array().unwrap()).unwrap().clone();
        }
        for union in ["anyOf", "oneOf"] {
            if let Some(branches) = keywords.get(union) {
                let branch = self.random.choice(branches.as_array().unwrap()).unwrap().clone();
                let generated = self.value(&branch, depth);
                return self.with_fields(keywords, generated, depth);
            }
        }
        if let Some(parts) = keywords.get("allOf") {
            let mut all = Map::new();
            for part in parts.as_array().unwrap() {
                match self.value(part, depth) {
                    Value::Object(fields) => all.extend(fields),
                    // A part that is not an object is the whole value: `allOf` around a reference.
                    other => return other,
                }
            }
            return self.with_fields(keywords, Value::Object(all), depth);
        }
        match self.kind(keywords) {
            Some("null") => Value::Null,
            Some("boolean") => Value::Bool(self.random.bool()),
            Some("integer") => self.integer(keywords),
            Some("number") => self.number(keywords),
            Some("string") => Value::String(self.text(keywords)),
            Some("array") => self.array(keywords, depth),
            Some("object") => self.object(keywords, depth),
            None => self.anything(depth),
            Some(other) => panic!("unknown type {other:?} in {schema}"),
        }
    }

    /// One of the schema's types, derived from its other keywords if it names none.
    fn kind<'s>(&mut self, keywords: &'s Map<String, Value>) -> Option<&'s str> {
        match keywords.get("type") {
            Some(Value::Array(kinds)) => self.random.choice(kinds).and_then(Value::as_str),
            Some(kind) => kind.as_str(),
            None if keywords.contains_key("properties") => Some("object"),
            None if keywords.contains_key("items") => Some("array"),
            None => None,
        }
    }

    /// Adds the fields beside a union or an `allOf`.
    fn with_fields(&mut self, keywords: &Map<String, Value>, generated: Value, depth: usize) -> Value {
        match (generated, keywords.get("properties")) {
            (Value::Object(mut fields), Some(_)) => {
                let Value::Object(beside) = self.object(keywords, depth) else { unreachable!() };
                fields.extend(beside);
                Value::Object(fields)
            }
            (generated, _) => generated,
        }
    }

    fn object(&mut self, keywords: &Map<String, Value>, depth: usize) -> Value {
        let required: BTreeSet<&str> = keywords
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = Map::new();
        for (name, schema) in keywords.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if required.contains(name.as_str()) || depth < DEPTH && self.random.bool() {
                fields.insert(name.clone(), self.value(schema, depth + 1));
            }
        }
        if let Some(schema) = keywords.get("additionalProperties").filter(|schema| **schema != json!(false)) {
            for at in 0..self.random.usize(..3) {
                fields.insert(format!("key_{at}"), self.value(schema, depth + 1));
            }
        }
        Value::Object(fields)
    }

    fn array(&mut self, keywords: &Map<String, Value>, depth: usize) -> Value {
        let bound = |name| keywords.get(name).and_then(Value::as_u64).map(|length| length as usize);
        let least = bound("minItems").unwrap_or(0);
        let most = if depth < DEPTH { bound("maxItems").unwrap_or(least + 3).min(least + 3) } else { least };
        let items = keywords.get("items").cloned().unwrap_or_default();
        (0..self.random.usize(least..=most)).map(|_| self.value(&items, depth + 1)).collect()
    }

    fn integer(&mut self, keywords: &Map<String, Value>) -> Value {
        let bound = |name| keywords.get(name).and_then(Value::as_i64);
        let least = bound("minimum").unwrap_or(0);
        let most = bound("maximum").unwrap_or(i64::MAX).max(least);
        let near = least.saturating_add(1000).min(most);
        match self.random.u8(..8) {
            0 => json!(least),
            1 => json!(most),
            // JSON has one kind of number: 9.0 is an integer.
            2 => json!(self.random.i64(least..=near) as f64),
            _ => json!(self.random.i64(least..=near)),
        }
    }

    fn number(&mut self, keywords: &Map<String, Value>) -> Value {
        let bound = |name| keywords.get(name).and_then(Value::as_f64);
        let (least, most) = (bound("minimum").unwrap_or(-1e9), bound("maximum").unwrap_or(1e9));
        match self.random.u8(..4) {
            0 => json!(least.trunc() as i64),
            1 => json!(most),
            _ => json!(least + self.random.f64() * (most - least)),
        }
    }

    fn text(&mut self, keywords: &Map<String, Value>) -> String {
        let text = match keywords.get("format").and_then(Value::as_str) {
            Some("uri") => "https://example.com/a?b=c#d".to_owned(),
            Some("date") => "2026-02-28".to_owned(),
            Some("date-time") => "2026-02-28T23:59:60Z".to_owned(),
            Some("byte" | "base64" | "binary") => "iVBORw0KGgo=".to_owned(),
            _ => (0..self.random.usize(1..3)).map(|_| *self.random.choice(TEXTS).unwrap()).collect(),
        };
        let bound = |name| keywords.get(name).and_then(Value::as_u64).map(|length| length as usize);
        let padding = bound("minLength").unwrap_or(0).saturating_sub(text.chars().count());
        text.chars()
            .chain("x".repeat(padding).chars())
            .take(bound("maxLength").unwrap_or(usize::MAX))
            .collect()
    }

    fn anything(&mut self, depth: usize) -> Value {
        match self.random.u8(..if depth < DEPTH { 7 } else { 5 }) {
            0 => Value::Null,
            1 => json!(self.random.bool()),
            2 => json!(self.random.i32(..)),
            3 => json!(self.random.f64()),
            4 => Value::String(self.text(&Map::new())),
            5 => (0..self.random.usize(..3)).map(|_| self.anything(depth + 1)).collect(),
            _ => json!({"key": self.anything(depth + 1)}),
        }
    }
}
