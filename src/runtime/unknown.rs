//! Events, fields and values that are unknown to this release: they are ignored, and counted, so that operators see API changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::Redactor;

/// The number of different names that are counted: a server could invent any number of them.
const MAX_NAMES: usize = 1_000;
/// The length to which names are truncated, in characters.
const MAX_NAME_CHARS: usize = 100;
/// Documents longer than this, in bytes, are not searched for unknown fields.
const MAX_DOCUMENT_BYTES: usize = 16 << 10;

/// The kind of an unknown element of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum UnknownFieldKind {
    /// An event of a stream, by its type.
    Event,
    /// A field, by its path: `choices[].message.mood`.
    Field,
    /// An unknown value of an enumeration, with its field: `service_tier: leisurely`.
    Value,
}

impl UnknownFieldKind {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Field => "field",
            Self::Value => "value",
        }
    }
}

impl fmt::Display for UnknownFieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event, field or value in responses that is unknown to this release, and how often it occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownField {
    /// Whether it is an event, a field or a value.
    pub kind: UnknownFieldKind,
    /// Its name.
    pub name: String,
    /// The number of responses that contained it.
    pub count: u64,
}

/// Which fields are known, by the place of their object, such as `choices[].message`.
/// Names are separated by spaces.
pub(crate) type KnownFields = &'static [(&'static str, &'static str)];

/// Whether a name is in a list, which separates names by spaces. Every field of a response is looked up, so that the list is searched
/// as a whole and not name by name.
pub(crate) fn is_listed(list: &str, name: &str) -> bool {
    let (list, name) = (list.as_bytes(), name.as_bytes());
    let is_separator = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == b' ');
    memchr::memchr(b' ', name).is_none()
        && memchr::memmem::find_iter(list, name).any(|start| {
            let before = start.checked_sub(1).and_then(|before| list.get(before));
            is_separator(before) && is_separator(list.get(start + name.len()))
        })
}

/// The unknown elements of one response.
#[derive(Debug, Default)]
pub(crate) struct UnknownFields(Vec<(UnknownFieldKind, String)>);

impl UnknownFields {
    fn insert(&mut self, kind: UnknownFieldKind, name: impl fmt::Display) {
        let name: String = name.to_string().chars().take(MAX_NAME_CHARS).collect();
        if self.0.len() < MAX_NAMES
            && !self.0.iter().any(|(other_kind, other)| *other_kind == kind && *other == name)
        {
            self.0.push((kind, name));
        }
    }

    /// Adds an ignored event, by its type.
    pub(crate) fn add_event(&mut self, kind: &str) {
        self.insert(UnknownFieldKind::Event, kind);
    }

    /// Adds an unknown value of an enumeration.
    pub(crate) fn add_value(&mut self, path: &str, value: &str) {
        self.insert(UnknownFieldKind::Value, format_args!("{path}: {value}"));
    }

    /// Adds the fields of a document that are not among the known ones.
    pub(crate) fn add_fields(&mut self, document: &Value, known: KnownFields) {
        for (path, known) in known {
            for object in values_at(document, path).into_iter().filter_map(Value::as_object) {
                let dot = if path.is_empty() { "" } else { "." };
                for name in object.keys().filter(|name| !is_listed(known, name)) {
                    self.insert(UnknownFieldKind::Field, format_args!("{path}{dot}{name}"));
                }
            }
        }
    }

    /// The entries, as text.
    #[cfg(test)]
    pub(crate) fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(|(kind, name)| format!("{kind} {name}")).collect()
    }
}

/// Parses a document of a response, unless it is so long that searching it would cost more than decoding it.
pub(crate) fn parse_document(bytes: &[u8]) -> Option<Value> {
    if bytes.len() > MAX_DOCUMENT_BYTES { None } else { serde_json::from_slice(bytes).ok() }
}

/// The values at a path such as `choices[].message`.
fn values_at<'v>(document: &'v Value, path: &str) -> Vec<&'v Value> {
    path.split('.').filter(|step| !step.is_empty()).fold(vec![document], |found, step| {
        let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        let found = found.into_iter().filter_map(|value| value.get(name));
        if is_list { found.filter_map(Value::as_array).flatten().collect() } else { found.collect() }
    })
}

/// The unknown elements of all responses to one backend.
#[derive(Debug, Default)]
pub(crate) struct UnknownFieldCounts {
    counts: Mutex<BTreeMap<(UnknownFieldKind, String), u64>>,
    redactor: Arc<Redactor>,
}

impl UnknownFieldCounts {
    pub(crate) fn new(redactor: Arc<Redactor>) -> Self {
        Self { counts: Mutex::default(), redactor }
    }

    pub(crate) fn add(&self, unknown: UnknownFields) {
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
                tracing::debug!(kind = kind.as_str(), name, "ignored an unknown element of a response");
            }
            *counts.entry((kind, name)).or_default() += 1;
        }
    }

    pub(crate) fn list(&self) -> Vec<UnknownField> {
        let Ok(counts) = self.counts.lock() else { return Vec::new() };
        counts
            .iter()
            .map(|((kind, name), count)| UnknownField { kind: *kind, name: name.clone(), count: *count })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_are_listed() {
        let list = "usage user user_id id_user object";
        for name in list.split(' ') {
            assert!(is_listed(list, name), "{name}");
        }
        for name in ["", " ", "us", "user_", "ser", "_id", "id", "object ", "user user_id", "objects"] {
            assert!(!is_listed(list, name), "{name}");
        }
    }

    #[test]
    fn responses_are_counted_up_to_a_limit() {
        let counts = UnknownFieldCounts::default();
        for _ in 0..2 {
            let mut unknown = UnknownFields::default();
            unknown.add_event("new");
            unknown.add_event("new");
            counts.add(unknown);
        }
        let one = UnknownField { kind: UnknownFieldKind::Event, name: "new".into(), count: 2 };
        assert_eq!(counts.list(), [one]);
        for number in 0..2 * MAX_NAMES {
            let mut unknown = UnknownFields::default();
            unknown.add_event(&format!("e{number}"));
            counts.add(unknown);
        }
        assert_eq!(counts.list().len(), MAX_NAMES);
    }
}
