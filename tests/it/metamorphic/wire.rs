//! Response bodies as the transformations see them: a list of events, or one JSON document.

use fastrand::Rng;
use serde_json::{Value, json};

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// JSON, with the name of the `event:` line, if any.
    Json(Option<String>, Value),
    /// Data that is not JSON, such as `[DONE]`.
    Text(Option<String>, String),
    /// Lines that are written unchanged: comments, `retry:`, empty data.
    Raw(String),
}

impl Event {
    pub(super) fn json(value: Value) -> Self {
        Self::Json(None, value)
    }

    pub(super) fn done() -> Self {
        Self::Text(None, "[DONE]".to_owned())
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Text(_, data) if data.trim() == "[DONE]")
    }

    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Json(_, value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn value_mut(&mut self) -> Option<&mut Value> {
        match self {
            Self::Json(_, value) => Some(value),
            _ => None,
        }
    }

    /// The event as text, with the blank line that ends it.
    fn write(&self, out: &mut String) {
        let named = |out: &mut String, name: &Option<String>| {
            if let Some(name) = name {
                out.push_str(&format!("event: {name}\n"));
            }
        };
        match self {
            Self::Json(name, value) => {
                named(out, name);
                out.push_str(&format!("data: {value}\n\n"));
            }
            Self::Text(name, data) => {
                named(out, name);
                for line in data.split('\n') {
                    out.push_str(&format!("data: {line}\n"));
                }
                out.push('\n');
            }
            Self::Raw(lines) => {
                out.push_str(lines);
                out.push_str("\n\n");
            }
        }
    }
}

/// The events as the text of a stream.
pub(super) fn serialize(events: &[Event]) -> String {
    let mut out = String::new();
    events.iter().for_each(|event| event.write(&mut out));
    out
}

/// Parses a stream, also a cut one: an event at the end needs no blank line. Comments are left out.
pub(super) fn parse(body: &str) -> Vec<Event> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    for block in body.split("\n\n") {
        let field = |line: &str, name: &str| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.strip_prefix(' ').unwrap_or(value).to_owned())
        };
        let name = block.lines().find_map(|line| field(line, "event"));
        let data: Vec<String> = block.lines().filter_map(|line| field(line, "data")).collect();
        if data.is_empty() {
            continue;
        }
        let data = data.join("\n");
        events.push(match serde_json::from_str(&data) {
            Ok(value) => Event::Json(name, value),
            Err(_) => Event::Text(name, data),
        });
    }
    events
}

/// JSON with the fields of every object in random order.
pub(super) fn shuffled(value: &Value, random: &mut Rng) -> String {
    let mut out = String::new();
    write_shuffled(value, random, &mut out);
    out
}

fn write_shuffled(value: &Value, random: &mut Rng, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            random.shuffle(&mut fields);
            out.push('{');
            for (at, (name, field)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&format!("{}:", Value::from(name.as_str())));
                write_shuffled(field, random, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_shuffled(item, random, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// JSON with white space between its tokens, and with escapes for random characters of texts.
pub(super) fn escaped(value: &Value, random: &mut Rng) -> String {
    let text = value.to_string();
    let (mut out, mut in_text, mut is_escape) = (String::new(), false, false);
    for letter in text.chars() {
        let was_escape = std::mem::take(&mut is_escape);
        match letter {
            '"' if !was_escape => {
                in_text = !in_text;
                out.push('"');
            }
            '\\' if in_text && !was_escape => {
                is_escape = true;
                out.push('\\');
            }
            letter if in_text && !was_escape && (!letter.is_ascii() || random.u8(..8) == 0) => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            ',' | ':' | '{' | '[' if !in_text => {
                out.push(letter);
                out.push_str(random.choice([" ", "\t", ""]).unwrap());
            }
            letter => out.push(letter),
        }
    }
    out
}

/// One of each type of JSON.
pub(super) fn any_json(random: &mut Rng) -> Value {
    random
        .choice([
            json!(null),
            json!(false),
            json!(true),
            json!(0),
            json!(7),
            json!(-1.5),
            json!(1e300),
            json!(""),
            json!("text"),
            json!("é\u{2028}😀\\\""),
            json!([]),
            json!(["a", 1, null, {"b": []}]),
            json!({}),
            json!({"a": {"b": [null, {"index": "x"}]}, "content": "not the content"}),
        ])
        .unwrap()
}

/// A value that is falsy in JavaScript and Python.
pub(super) fn falsy(random: &mut Rng) -> Value {
    random.choice([json!(null), json!(false), json!(0), json!(""), json!([]), json!({})]).unwrap()
}

/// Adds unknown fields of every type of JSON to every object.
pub(super) fn add_unknown(value: &mut Value, random: &mut Rng) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| add_unknown(field, random));
            for name in ["x_new", "aaa", "zzz"] {
                if random.bool() {
                    fields.insert(name.to_owned(), any_json(random));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| add_unknown(item, random)),
        _ => {}
    }
}

/// Writes every number in it as text, or as one with a fraction.
pub(super) fn respell_numbers(value: &mut Value, as_text: bool) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| respell_numbers(field, as_text)),
        Value::Number(number) if as_text => *value = Value::from(number.to_string()),
        Value::Number(number) => *value = Value::from(number.as_f64()),
        _ => {}
    }
}

/// An object as JSON in which a field occurs twice.
pub(super) fn doubled_fields(object: &Value, name: &str) -> String {
    let mut rest = object.clone();
    rest.as_object_mut().unwrap().remove(name);
    let rest = rest.to_string();
    let comma = if rest == "{}" { "" } else { "," };
    format!("{{\"{name}\":\"one\",\"{name}\":\"two\"{comma}{}", &rest[1..])
}
