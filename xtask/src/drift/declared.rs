//! Which component a field comes from, where its owner has it through `allOf`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::silent::owner;
use crate::schema::target;

/// The component that declares the field of `site`, if it is another than the owner.
pub(super) fn declared_in(closure: &Value, site: &str) -> Option<String> {
    let owner = owner(site);
    let field = site.strip_prefix(owner)?.strip_prefix('.')?;
    let field = field.split(['.', '[', '<']).next()?;
    let mut seen = BTreeSet::new();
    let mut open = vec![owner];
    while let Some(name) = open.pop() {
        let Some(schema) = closure.get("components")?.get("schemas")?.get(name).filter(|_| seen.insert(name))
        else {
            continue;
        };
        let mut parts = vec![schema];
        while let Some(part) = parts.pop() {
            if part.get("properties").is_some_and(|fields| fields.get(field).is_some()) {
                return Some(name.to_owned()).filter(|name| name != owner);
            }
            open.extend(target(part));
            parts.extend(part.get("allOf").and_then(Value::as_array).into_iter().flatten());
        }
    }
    None
}
