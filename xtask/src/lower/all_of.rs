//! R13: an object and its parents are one object.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Components, Tally, hints, null, rewrite, unions};
use crate::schema::{self, Map, Place};

type Schemas = BTreeMap<String, Value>;

/// R13: merges `allOf`, following references.
pub(super) fn merge_all(components: &mut Components, tally: &mut Tally) -> Result<()> {
    let schemas: Schemas =
        components.iter().map(|(name, item)| (name.clone(), item.schema.clone())).collect();
    rewrite(components, &mut |schema, _, place| merged(schema, place, &schemas, &mut Vec::new(), tally))
}

fn merged(
    schema: &mut Value,
    place: Place<'_>,
    schemas: &Schemas,
    open: &mut Vec<String>,
    tally: &mut Tally,
) -> Result<()> {
    let Some(object) = schema.as_object_mut() else { return Ok(()) };
    let Some(Value::Array(mut parts)) = object.remove("allOf") else { return Ok(()) };
    tally.add("R13", 1);
    let outside: Map = take_all(object, |key| key == "nullable" || key.starts_with(hints::PREFIX));
    parts.push(Value::Object(std::mem::take(object)));
    parts.retain(|part| part.as_object().is_some_and(|part| !part.is_empty()));
    if parts.len() > 1 {
        for part in &mut parts {
            resolve(part, place, schemas, open, tally)?;
        }
    }
    let nullable = !parts.is_empty() && parts.iter().all(null::is_nullable);
    let mut all = parts.into_iter();
    let mut whole = all.next().unwrap_or_else(|| json!({}));
    for part in all {
        whole = merge(whole, part).with_context(|| format!("{}: cannot merge its allOf", place.path))?;
    }
    if let Some(whole) = whole.as_object_mut() {
        whole.remove("nullable");
        whole.extend(outside);
        if nullable {
            null::set_nullable(whole);
        }
    }
    *schema = whole;
    unions::one_of(schema, place, tally)
}

fn take_all(object: &mut Map, wanted: impl Fn(&str) -> bool) -> Map {
    let keys: Vec<String> = object.keys().filter(|key| wanted(key)).cloned().collect();
    keys.into_iter().filter_map(|key| object.remove(&key).map(|value| (key, value))).collect()
}

/// Puts a referenced component in the place of the reference, its own `allOf` merged.
fn resolve(
    part: &mut Value,
    place: Place<'_>,
    schemas: &Schemas,
    open: &mut Vec<String>,
    tally: &mut Tally,
) -> Result<()> {
    let Some(name) = schema::target(part).map(str::to_owned) else { return Ok(()) };
    ensure!(!open.contains(&name), "{}: {name} is made of itself: {}", place.path, open.join(" -> "));
    let mut found =
        schemas.get(&name).with_context(|| format!("{}: no component {name}", place.path))?.clone();
    open.push(name);
    schema::bottom_up(&mut found, place, &mut |schema, place| merged(schema, place, schemas, open, tally))?;
    open.pop();
    if schema::target(&found).is_some() {
        resolve(&mut found, place, schemas, open, tally)?;
    }
    *part = found;
    Ok(())
}

/// One schema with the rules of both; the later one wins if both describe a property.
fn merge(one: Value, two: Value) -> Result<Value> {
    let (Value::Object(mut one), Value::Object(two)) = (one, two) else { bail!("a part is not a schema") };
    ensure!(!(one.contains_key("oneOf") && two.contains_key("oneOf")), "two unions meet");
    for (key, value) in two {
        match (key.as_str(), one.get_mut(&key)) {
            ("properties", Some(Value::Object(present))) => {
                present.extend(value.as_object().cloned().unwrap_or_default());
            }
            ("required", Some(Value::Array(present))) => {
                let more = value.as_array().into_iter().flatten();
                let all: BTreeSet<&str> = present.iter().chain(more).filter_map(Value::as_str).collect();
                *present = all.into_iter().map(Value::from).collect();
            }
            ("type", Some(present)) if *present != value => bail!("{present} meets {value}"),
            ("enum", Some(Value::Array(present))) => {
                present.retain(|item| value.as_array().is_some_and(|list| list.contains(item)));
            }
            _ => {
                one.insert(key, value);
            }
        }
    }
    Ok(Value::Object(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::Side;
    use crate::lower::tests::{components, reference, schemas};

    fn check_merged(given: Value, expected: Value) {
        let mut given = components(Side::Request, given);
        merge_all(&mut given, &mut Tally::default()).unwrap();
        assert_eq!(schemas(&given).get("It"), Some(&expected));
    }

    #[test]
    fn r13_parents_are_merged_into_their_child() {
        check_merged(
            json!({
                "Base": { "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "string" } }, "required": ["b"] },
                "Mid": { "allOf": [reference("Base"), {}] },
                "It": { "allOf": [
                    reference("Mid"),
                    { "type": "object", "properties": { "b": { "type": "integer" } }, "required": ["a"] },
                ] },
            }),
            json!({
                "type": "object",
                "properties": { "a": { "type": "string" }, "b": { "type": "integer" } },
                "required": ["a", "b"],
            }),
        );
    }

    #[test]
    fn r13_one_part_is_that_part() {
        check_merged(
            json!({ "It": { "allOf": [reference("A"), {}], "nullable": true, "x-codex-name": "N" } }),
            json!({ "$ref": "#/components/schemas/A", "nullable": true, "x-codex-name": "N" }),
        );
        check_merged(json!({ "It": { "allOf": [] } }), json!({}));
    }

    #[test]
    fn r13_null_has_to_fit_every_part() {
        let text = |nullable: bool| json!({ "type": "string", "nullable": nullable });
        check_merged(json!({ "It": { "allOf": [text(true), text(true)] } }), text(true));
        check_merged(json!({ "It": { "allOf": [text(true), text(false)] } }), json!({ "type": "string" }));
    }

    #[test]
    fn r13_what_cannot_be_merged_is_refused_with_its_path() {
        let check = |given: Value, why: &str| {
            let error = merge_all(&mut components(Side::Request, given), &mut Tally::default()).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.starts_with("$.components.schemas.It") && error.contains(why), "{error}");
        };
        check(
            json!({ "It": { "allOf": [{ "type": "string" }, { "type": "object" }] } }),
            "\"string\" meets \"object\"",
        );
        check(json!({ "It": { "allOf": [{ "oneOf": [] }, { "oneOf": [] }] } }), "two unions meet");
        check(
            json!({ "It": { "allOf": [{ "oneOf": [{}] }, { "properties": { "a": {} } }] } }),
            "has properties beside a union",
        );
        check(json!({ "It": { "allOf": [reference("It"), { "type": "object" }] } }), "It is made of itself");
        check(json!({ "It": { "allOf": [reference("No"), { "type": "object" }] } }), "no component No");
    }
}
