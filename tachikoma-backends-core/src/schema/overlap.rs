//! Branches of a union that serde, which takes the first one that fits, would never read or read as another.

use serde_json::{Map, Value};

use super::merge::resolve;
use super::union::{Leaf, Origins, constants};
use super::{keywords, pointer};

/// How deep values are compared.
const MAX_DEPTH: usize = 8;

/// A branch whose values serde may read as an earlier one.
pub(super) fn hidden_branch(document: &Value, leaves: &[Leaf], origins: &Origins) -> Option<(usize, usize)> {
    for (position, other) in leaves.iter().enumerate() {
        for one in leaves.iter().take(position).filter(|one| one.branch != other.branch || !one.is_referenced)
        {
            let hides = match (one.is_object(), other.is_object()) {
                (true, true) => reads_object(document, one, other, origins),
                (false, false) => reads_all(&one.schema, &other.schema),
                _ => false,
            };
            if hides {
                return Some((one.branch, other.branch));
            }
        }
    }
    None
}

/// Whether some value of the other object is read as the first: what it requires is there, and the rest fits or is unknown to it.
fn reads_object(document: &Value, one: &Leaf, other: &Leaf, origins: &Origins) -> bool {
    let is_optional =
        |name: &str| origins.optional.contains(&pointer(&format!("{}/properties", one.path), name));
    let has_all = one.order.iter().all(|name| match (one.property(name), other.property(name)) {
        (Some(property), Some(known)) => overlap(document, property, known, MAX_DEPTH),
        _ => is_optional(name),
    });
    let is_closed = origins.closed.contains(&one.path);
    has_all && (!is_closed || other.order.iter().all(|name| one.order.contains(name)))
}

/// Whether all values of the second schema fit the first, neither of them of objects.
fn reads_all(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let bare = |schema: &Map<String, Value>| -> Map<String, Value> {
        schema
            .iter()
            .filter(|(keyword, _)| !keywords::is_annotation(keyword))
            .map(|(keyword, value)| (keyword.clone(), value.clone()))
            .collect()
    };
    let (one, other) = (bare(one), bare(other));
    if keywords::types(&other) == ["null"] {
        return false;
    }
    let is_free = one.len() == 1;
    let has = |kind: &&str| {
        keywords::types(&one).contains(kind)
            || (*kind == "integer" && keywords::types(&one).contains(&"number"))
    };
    one == other || is_free && keywords::types(&other).iter().all(has)
}

/// Whether a value may fit both schemas.
fn overlap(document: &Value, one: &Value, other: &Value, depth: usize) -> bool {
    let (Some(depth), Some(one), Some(other)) = (depth.checked_sub(1), one.as_object(), other.as_object())
    else {
        return true;
    };
    let target = |schema: &Map<String, Value>| resolve(document, schema.get("$ref").and_then(Value::as_str)?);
    let branches = |schema: &Map<String, Value>| schema.get("anyOf").and_then(Value::as_array).cloned();
    let whole = |schema: &Map<String, Value>| Value::Object(schema.clone());
    if let Some(target) = target(one) {
        return overlap(document, target, &whole(other), depth);
    }
    if let Some(target) = target(other) {
        return overlap(document, &whole(one), target, depth);
    }
    if let Some(branches) = branches(one) {
        return branches.iter().any(|branch| overlap(document, branch, &whole(other), depth));
    }
    if let Some(branches) = branches(other) {
        return branches.iter().any(|branch| overlap(document, &whole(one), branch, depth));
    }
    if let (Some(values), Some(others)) = (constants(&whole(one)), constants(&whole(other))) {
        return values.iter().any(|value| others.contains(value));
    }
    let kinds = keywords::types(other);
    let is_number = |kind: &str| kind == "integer" || kind == "number";
    keywords::types(one)
        .iter()
        .any(|kind| kinds.contains(kind) || (is_number(kind) && kinds.iter().any(|other| is_number(other))))
}
