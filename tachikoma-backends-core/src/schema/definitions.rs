//! The definitions of a strict schema.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{SchemaChange, pointer};

/// Removes the definitions that nothing refers to since they were written out.
pub(super) fn remove_unused(document: &mut Value, changes: &mut Vec<SchemaChange>) {
    let mut used = BTreeSet::new();
    let mut waiting = Vec::new();
    let root = document.as_object().into_iter().flatten();
    for (_, value) in root.filter(|(keyword, _)| !matches!(keyword.as_str(), "$defs" | "definitions")) {
        collect_references(value, &mut waiting);
    }
    while let Some(place) = waiting.pop() {
        if let Some(definition) = document.pointer(&place).filter(|_| !place.is_empty())
            && used.insert(place)
        {
            collect_references(definition, &mut waiting);
        }
    }
    for keyword in ["$defs", "definitions"] {
        let at = format!("/{keyword}");
        let Some(Value::Object(definitions)) = document.get_mut(keyword) else { continue };
        definitions.retain(|name, _| {
            let place = pointer(&at, name);
            let is_used = used.contains(&place);
            if !is_used {
                changes.retain(|change| !is_within(change.pointer(), &place));
            }
            is_used
        });
        if definitions.is_empty()
            && let Some(document) = document.as_object_mut()
        {
            document.remove(keyword);
        }
    }
}

/// The places to which the references in a schema lead.
fn collect_references(schema: &Value, targets: &mut Vec<String>) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                match (keyword.as_str(), value) {
                    ("$ref", Value::String(target)) => {
                        targets.push(target.trim_start_matches('#').to_owned())
                    }
                    (_, value) => collect_references(value, targets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, targets)),
        _ => {}
    }
}

fn is_within(pointer: &str, place: &str) -> bool {
    pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
