//! R2, R4: null is a flag (`nullable`) at the place of use, never a type and never part of a component.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Components, Tally, rewrite};
use crate::schema::{self, Map, UNIONS};

const NULLABLE: &str = "nullable";

pub(super) fn is_nullable(schema: &Value) -> bool {
    schema.get(NULLABLE) == Some(&Value::Bool(true))
}

pub(super) fn set_nullable(schema: &mut Map) {
    schema.insert(NULLABLE.into(), Value::Bool(true));
}

/// R2: takes null out of unions, type lists and enums; a union with a nullable branch is nullable itself.
pub(super) fn collapse(schema: &mut Value, tally: &mut Tally) {
    let Some(object) = schema.as_object_mut() else { return };
    let found = null_branch(object) + null_type(object) + null_value(object);
    if found > 0 {
        set_nullable(object);
        tally.add("R2", found);
    }
}

fn null_branch(schema: &mut Map) -> usize {
    let mut found = 0;
    for keyword in UNIONS {
        let Some(branches) = schema.get_mut(keyword).and_then(Value::as_array_mut) else { continue };
        let before = branches.len();
        branches.retain(|branch| branch.get("type") != Some(&json!("null")));
        found += before - branches.len();
        for branch in branches.iter_mut().filter_map(Value::as_object_mut) {
            found += usize::from(branch.remove(NULLABLE).is_some());
        }
    }
    found
}

/// `[X, null]` is a nullable X; more types are a union.
fn null_type(schema: &mut Map) -> usize {
    let Some(Value::Array(kinds)) = schema.get("type") else { return 0 };
    let rest: Vec<Value> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
    let found = kinds.len() - rest.len();
    match rest.as_slice() {
        [kind] => {
            schema.insert("type".into(), kind.clone());
        }
        kinds => {
            let branches: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
            schema.remove("type");
            schema.insert("oneOf".into(), json!(branches));
        }
    }
    found
}

fn null_value(schema: &mut Map) -> usize {
    let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) else { return 0 };
    let before = values.len();
    values.retain(|value| !value.is_null());
    before - values.len()
}

/// R4: a component is never nullable; who refers to it is. Returns how many places changed.
pub(super) fn push_to_use_sites(components: &mut Components, tally: &mut Tally) -> Result<usize> {
    let mut nullable = Vec::new();
    for (name, component) in components.iter_mut() {
        let flag = component.schema.as_object_mut().and_then(|schema| schema.remove(NULLABLE));
        nullable.extend(flag.map(|_| name.clone()));
    }
    let mut changed = nullable.len();
    rewrite(components, &mut |schema, _, _| {
        let points = schema::target(schema).is_some_and(|name| nullable.iter().any(|known| known == name));
        if let Some(object) = schema.as_object_mut() {
            if points {
                set_nullable(object);
            }
            let lifted = null_branch(object);
            if lifted > 0 {
                set_nullable(object);
            }
            changed += lifted;
        }
        Ok(())
    })?;
    tally.add("R4", nullable.len());
    Ok(changed)
}

/// A nullable reference becomes `allOf` of it, for 3.0 drops what stands beside `$ref`.
pub(super) fn wrap_references(components: &mut Components) -> Result<()> {
    rewrite(components, &mut |schema, _, _| {
        if is_nullable(schema)
            && let Some(name) = schema::target(schema)
        {
            *schema = json!({ "allOf": [schema::reference(name)], NULLABLE: true });
        }
        Ok(())
    })
}
