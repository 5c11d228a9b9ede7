//! R2, R4: null is a flag (`nullable`) at the place of use, never a type and never part of a component.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Components, Tally, rewrite};
use crate::schema::{self, Map, Place, UNIONS};

const NULLABLE: &str = "nullable";

pub(super) fn is_nullable(schema: &Value) -> bool {
    schema.get(NULLABLE) == Some(&Value::Bool(true))
}

pub(super) fn set_nullable(schema: &mut Map) {
    schema.insert(NULLABLE.into(), Value::Bool(true));
}

/// R2: takes null out of unions, type lists and enums; a union with a nullable branch is nullable itself.
pub(super) fn collapse(schema: &mut Value, place: Place<'_>, tally: &mut Tally) {
    let Some(object) = schema.as_object_mut() else { return };
    if !place.branch && object.get("type") == Some(&json!("null")) {
        // Only null: Rust has no such type, and every type includes it.
        object.remove("type");
        return tally.add("R2", 1);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::Side;
    use crate::lower::tests::{components, schemas};

    #[test]
    fn r2_null_becomes_a_flag() {
        let check = |mut schema: Value, expected: Value| {
            collapse(&mut schema, Place { path: "$", branch: false }, &mut Tally::default());
            assert_eq!(schema, expected);
        };
        let text = json!({ "type": "string" });
        let nothing = json!({ "type": "null" });
        check(json!({ "anyOf": [text, nothing] }), json!({ "anyOf": [text], "nullable": true }));
        check(json!({ "oneOf": [nothing] }), json!({ "oneOf": [], "nullable": true }));
        check(
            json!({ "oneOf": [{ "type": "string", "nullable": true }] }),
            json!({ "oneOf": [text], "nullable": true }),
        );
        check(json!({ "type": ["string", "null"] }), json!({ "type": "string", "nullable": true }));
        check(json!({ "type": ["string", "integer"] }), json!({ "oneOf": [text, { "type": "integer" }] }));
        check(json!({ "enum": ["a", null] }), json!({ "enum": ["a"], "nullable": true }));
        check(nothing, json!({}));
        check(text.clone(), text);
    }

    #[test]
    fn r4_use_sites_are_nullable_in_the_place_of_components() {
        let mut given = components(
            Side::Request,
            json!({
                "Tier": { "enum": ["a"], "nullable": true, "type": "string" },
                "Object": { "properties": { "tier": { "$ref": "#/components/schemas/Tier" } }, "type": "object" },
                "Union": { "oneOf": [{ "$ref": "#/components/schemas/Tier" }, { "type": "integer" }] },
            }),
        );
        let mut rounds = 0;
        while push_to_use_sites(&mut given, &mut Tally::default()).unwrap() > 0 {
            rounds += 1;
        }
        assert_eq!(rounds, 2, "the union is nullable only once its branch is");
        assert_eq!(
            schemas(&given),
            json!({
                "Tier": { "enum": ["a"], "type": "string" },
                "Object": { "properties": { "tier": { "$ref": "#/components/schemas/Tier", "nullable": true } }, "type": "object" },
                "Union": { "oneOf": [{ "$ref": "#/components/schemas/Tier" }, { "type": "integer" }] },
            })
        );
    }

    #[test]
    fn a_nullable_reference_is_wrapped() {
        let mut given = components(
            Side::Request,
            json!({ "A": { "items": { "$ref": "#/components/schemas/B", "nullable": true } } }),
        );
        wrap_references(&mut given).unwrap();
        let wrapped = json!({ "allOf": [{ "$ref": "#/components/schemas/B" }], "nullable": true });
        assert_eq!(schemas(&given), json!({ "A": { "items": wrapped } }));
    }
}
