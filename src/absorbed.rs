//! What answers hold that nobody here knows: it breaks nothing, and is counted, so that operators see the API move.

mod known;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use self::known::{CHAT, Form, RESPONSE, SERVICE_TIERS};
pub(crate) use self::known::{EVENTS, ITEMS};
use crate::auth::Redactor;

/// How many different names are counted: a server could make up any number of them.
const MAX_NAMES: usize = 1_000;
/// How much of a name is kept, in characters.
const MAX_NAME_CHARS: usize = 100;
/// Documents longer than this, in bytes, are not looked through for fields: it would cost more than reading them.
const MAX_LOOKED_THROUGH: usize = 16 << 10;

/// What kind of thing was absorbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AbsorbedKind {
    /// An event of a stream, by its type.
    Event,
    /// A field, by its place: `choices[].message.mood`.
    Field,
    /// A value where a few are known, with its field: `service_tier: on_demand`.
    Value,
}

impl AbsorbedKind {
    /// The word for it in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Field => "field",
            Self::Value => "value",
        }
    }
}

impl fmt::Display for AbsorbedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something in answers that this release does not know, and how often it came: see
/// [`CodexBackend::absorbed`](crate::CodexBackend::absorbed).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Absorbed {
    /// What kind of thing it is.
    pub kind: AbsorbedKind,
    /// Its name.
    pub name: String,
    /// In how many answers it came.
    pub count: u64,
}

/// What one answer held.
#[derive(Debug, Default)]
pub(crate) struct Unknown(Vec<(AbsorbedKind, String)>);

impl Unknown {
    fn note(&mut self, kind: AbsorbedKind, name: impl fmt::Display) {
        let name: String = name.to_string().chars().take(MAX_NAME_CHARS).collect();
        if self.0.len() < MAX_NAMES
            && !self.0.iter().any(|(known_kind, known)| *known_kind == kind && *known == name)
        {
            self.0.push((kind, name));
        }
    }

    /// An event that is not read.
    pub(crate) fn event(&mut self, kind: &str) {
        if !EVENTS.contains(&kind) {
            self.note(AbsorbedKind::Event, kind);
        }
    }

    /// An item of an answer of the Responses API, by its type.
    pub(crate) fn item(&mut self, kind: &str) {
        // Servers that send no type are common.
        if !kind.is_empty() && !ITEMS.contains(&kind) {
            self.note(AbsorbedKind::Value, format_args!("output[].type: {kind}"));
        }
    }

    /// A value, where a few are known.
    pub(crate) fn value(&mut self, place: &str, value: &str) {
        self.note(AbsorbedKind::Value, format_args!("{place}: {value}"));
    }

    /// The fields of a chat completion, or of a chunk of one.
    pub(crate) fn chat(&mut self, document: &[u8]) {
        if let Some(value) = read(document) {
            self.fields(&value, CHAT);
        }
    }

    /// The fields and items of a response, or of an event that holds one.
    pub(crate) fn response(&mut self, document: &[u8]) {
        let Some(value) = read(document) else { return };
        let response = value.get("response").unwrap_or(&value);
        self.fields(response, RESPONSE);
        for item in response.get("output").and_then(Value::as_array).into_iter().flatten() {
            self.item(item.get("type").and_then(Value::as_str).unwrap_or_default());
        }
    }

    /// What an answer says of itself.
    pub(crate) fn answer(&mut self, finish_reason_text: Option<&str>, service_tier: Option<&str>) {
        if let Some(reason) = finish_reason_text {
            self.note(AbsorbedKind::Value, format_args!("finish_reason: {reason}"));
        }
        if let Some(tier) = service_tier.filter(|tier| !SERVICE_TIERS.contains(tier)) {
            self.note(AbsorbedKind::Value, format_args!("service_tier: {tier}"));
        }
    }

    fn fields(&mut self, document: &Value, form: Form) {
        for (path, known) in form {
            for object in at(document, path).into_iter().filter_map(Value::as_object) {
                let dot = if path.is_empty() { "" } else { "." };
                for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
                    self.note(AbsorbedKind::Field, format_args!("{path}{dot}{name}"));
                }
            }
        }
    }
}

fn read(document: &[u8]) -> Option<Value> {
    if document.len() > MAX_LOOKED_THROUGH { None } else { serde_json::from_slice(document).ok() }
}

/// What stands at a path such as `choices[].message`.
fn at<'v>(document: &'v Value, path: &str) -> Vec<&'v Value> {
    path.split('.').filter(|step| !step.is_empty()).fold(vec![document], |found, step| {
        let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        let found = found.into_iter().filter_map(|value| value.get(name));
        if is_list { found.filter_map(Value::as_array).flatten().collect() } else { found.collect() }
    })
}

/// What the answers to one backend held.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: Mutex<BTreeMap<(AbsorbedKind, String), u64>>,
    redactor: Arc<Redactor>,
}

impl Counters {
    pub(crate) fn new(redactor: Arc<Redactor>) -> Self {
        Self { counts: Mutex::default(), redactor }
    }

    pub(crate) fn add(&self, unknown: Unknown) {
        if unknown.0.is_empty() {
            return;
        }
        let Ok(mut counts) = self.counts.lock() else { return };
        for (kind, name) in unknown.0 {
            let name = self.redactor.text(&name).into_owned();
            let is_new = !counts.contains_key(&(kind, name.clone()));
            if is_new && counts.len() >= MAX_NAMES {
                continue;
            }
            if is_new {
                tracing::debug!(
                    kind = kind.as_str(),
                    name,
                    "an answer holds something unknown, which was left out"
                );
            }
            *counts.entry((kind, name)).or_default() += 1;
        }
    }

    pub(crate) fn list(&self) -> Vec<Absorbed> {
        let Ok(counts) = self.counts.lock() else { return Vec::new() };
        counts
            .iter()
            .map(|((kind, name), count)| Absorbed { kind: *kind, name: name.clone(), count: *count })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_named_by_its_place() {
        #[track_caller]
        fn check(look: fn(&mut Unknown, &[u8]), document: &str, expected: &[&str]) {
            let mut unknown = Unknown::default();
            look(&mut unknown, document.as_bytes());
            let found: Vec<String> = unknown.0.iter().map(|(kind, name)| format!("{kind} {name}")).collect();
            assert_eq!(found, expected, "{document}");
        }
        check(Unknown::chat, r#"{"id": "a", "choices": [{"index": 0, "delta": {"content": "b"}}]}"#, &[]);
        check(
            Unknown::chat,
            r#"{"new": 1, "choices": [{"message": {"mood": 1}, "odd": 1}, {"message": {"mood": 2}}], "usage": {"watts": 3}}"#,
            &["field new", "field choices[].odd", "field choices[].message.mood", "field usage.watts"],
        );
        check(Unknown::chat, "[DONE]", &[]);
        check(Unknown::chat, &format!("{{\"new\": \"{}\"}}", "x".repeat(MAX_LOOKED_THROUGH)), &[]);
        let long = "n".repeat(200);
        check(Unknown::chat, &format!("{{\"{long}\": 1}}"), &[&format!("field {}", &long[..100])]);
        check(
            Unknown::response,
            r#"{"type": "response.completed", "response": {"id": "a", "new": 1, "output": [{"type": "message"}, {"type": "dream"}]}}"#,
            &["field new", "value output[].type: dream"],
        );
        check(Unknown::response, r#"{"id": "a", "usage": {"watts": 1}}"#, &["field usage.watts"]);
        check(|unknown, _| unknown.event("response.mcp_call.completed"), "", &[]);
        check(|unknown, _| unknown.event("response.sung"), "", &["event response.sung"]);
        check(|unknown, _| unknown.answer(None, Some("default")), "", &[]);
        check(
            |unknown, _| unknown.answer(Some("bored"), Some("on_demand")),
            "",
            &["value finish_reason: bored", "value service_tier: on_demand"],
        );
    }

    #[test]
    fn answers_are_counted_up_to_a_limit() {
        let counters = Counters::default();
        for _ in 0..2 {
            let mut unknown = Unknown::default();
            unknown.event("new");
            unknown.event("new");
            counters.add(unknown);
        }
        let one = Absorbed { kind: AbsorbedKind::Event, name: "new".into(), count: 2 };
        assert_eq!(counters.list(), [one]);
        for number in 0..2 * MAX_NAMES {
            let mut unknown = Unknown::default();
            unknown.event(&format!("e{number}"));
            counters.add(unknown);
        }
        assert_eq!(counters.list().len(), MAX_NAMES);
    }
}
