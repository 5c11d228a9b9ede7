//! The items of a response: what was scripted, or what an answer consists of, with all that the document requires.

use serde_json::Value;

use super::kinds::{self, CallId};
use super::reasoning;
use crate::answer::Answer;
use crate::hash;
use crate::output::OutputItem;

/// The item before its first delta.
pub(super) fn in_progress(item: &OutputItem) -> OutputItem {
    let mut fields = Value::Object(item.fields.clone());
    for (place, value) in kinds::kind(&item.kind).start {
        match (value, fields.pointer_mut(place)) {
            (Some(value), Some(field)) => *field = constant(value),
            (None, Some(_)) => {
                fields.as_object_mut().map(|fields| fields.remove(place.trim_start_matches('/')));
            }
            (_, None) => {}
        }
    }
    let fields = fields.as_object().cloned().unwrap_or_default();
    OutputItem { kind: item.kind.clone(), fields, partial_images: Vec::new() }
}

/// A value of the table of types.
fn constant(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

/// Builds the items of a response: it decides their ids, and whether the last one is incomplete.
pub(super) struct ItemBuilder<'a> {
    pub(super) response: &'a str,
    pub(super) stored: bool,
    pub(super) encrypted: bool,
    /// A limit has cut the last item.
    pub(super) cut: bool,
}

impl ItemBuilder<'_> {
    pub(super) fn items(&self, answer: &Answer) -> Vec<OutputItem> {
        let mut items = Vec::new();
        for item in answer.output() {
            // A limit may leave a text empty; then it has no item.
            if self.cut && ["message", "reasoning"].contains(&item.kind.as_str()) && item.bytes() == 0 {
                continue;
            }
            items.push(self.item(item, &items));
        }
        if let (true, Some(last)) = (self.cut, items.last_mut())
            && ["message", "function_call"].contains(&last.kind.as_str())
        {
            last.fields.insert("status".to_owned(), "incomplete".into());
        }
        items
    }

    fn item(&self, mut item: OutputItem, before: &[OutputItem]) -> OutputItem {
        let kind = kinds::kind(&item.kind);
        if kind.has_error_field && item.has_failed() {
            item.fields.entry("status").or_insert("failed".into());
        }
        for (field, value) in kind.defaults {
            item.fields.entry(*field).or_insert_with(|| constant(value));
        }
        let hash = self.hash(&item, before);
        let call_id = match kind.call_id {
            CallId::Absent => None,
            CallId::Own => Some(format!("call_{hash}")),
            CallId::Last => {
                let last = before.iter().rev().map(|item| item.text("call_id")).find(|id| !id.is_empty());
                Some(last.unwrap_or("call_mock").to_owned())
            }
        };
        if let Some(call_id) = call_id {
            item.fields.entry("call_id").or_insert(call_id.into());
        }
        let mut id = format!("{}{hash}", kind.prefix);
        if item.kind == "reasoning" {
            let summary = item.summary();
            // It comes back without anything else that the mock could know it by.
            id = reasoning::id(&summary, self.stored);
            if self.encrypted {
                let content = reasoning::encrypted(&summary).into();
                item.fields.entry("encrypted_content").or_insert(content);
            }
        }
        item.fields.entry("id").or_insert(id.into());
        item
    }

    /// What the ids of an item follow from: its number among the items of its type.
    fn hash(&self, item: &OutputItem, before: &[OutputItem]) -> String {
        let number = before.iter().filter(|other| other.kind == item.kind).count();
        let response = self.response.as_bytes();
        match (item.kind.as_str(), number) {
            ("message", 0) => hash::id("", &[response]),
            ("function_call", _) => hash::id("", &[response, &number.to_le_bytes()]),
            (kind, _) => hash::id("", &[response, &number.to_le_bytes(), kind.as_bytes()]),
        }
    }
}
