//! R12, R13, R15, R21: objects. Parents merged, aliases inlined, maps and extra fields told from structs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::hints::{self, Hints};
use super::{Components, Side, Tally, null, rewrite, unions};
use crate::schema::{self, Map, Place};

type Schemas = BTreeMap<String, Value>;

/// R13: merges `allOf`, following references.
pub(super) fn merge_all_of(components: &mut Components, tally: &mut Tally) -> Result<()> {
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

/// One schema that says what both say; the later word counts where both describe a property.
fn merge(one: Value, two: Value) -> Result<Value> {
    let (Value::Object(mut one), Value::Object(two)) = (one, two) else { bail!("a part is no schema") };
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

/// Whether a schema has no name of its own in Rust: a scalar, an array, a map, anything, or just another's name.
pub(super) fn is_alias(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    let has = |key: &str| schema.get(key).is_some();
    match kind {
        Some("object") => !has("properties"),
        Some("string") => !has("enum"),
        Some(_) => true,
        None => !has("oneOf") && !has("enum") && !has("properties"),
    }
}

/// R12: puts aliases in the place of references to them. Returns how many.
pub(super) fn inline_aliases(components: &mut Components, tally: &mut Tally) -> Result<usize> {
    let aliases: Schemas = components
        .iter()
        .filter(|(_, item)| is_alias(&item.schema))
        .map(|(name, item)| (name.clone(), item.schema.clone()))
        .collect();
    // An array of itself has to keep its name.
    let endless = |name: &String| {
        let inside = aliases.get(name).map(schema::targets).unwrap_or_default();
        schema::reachable(inside, |inner| aliases.get(inner)).contains(name)
    };
    let aliases: Schemas =
        aliases.iter().filter(|(name, _)| !endless(name)).map(|(n, s)| (n.clone(), s.clone())).collect();
    let mut inlined = 0;
    rewrite(components, &mut |schema, _, _| {
        let Some(alias) = schema::target(schema).and_then(|name| aliases.get(name)) else { return Ok(()) };
        let mut alias = alias.clone();
        if let (Some(alias), Some(beside)) = (alias.as_object_mut(), schema.as_object_mut()) {
            beside.remove("$ref");
            alias.extend(std::mem::take(beside));
        }
        *schema = alias;
        inlined += 1;
        Ok(())
    })?;
    tally.add("R12", inlined);
    Ok(inlined)
}

/// R15, R21, R23: what the fields of an object are, and whether it takes others.
pub(super) fn settle(
    schema: &mut Value,
    side: Side,
    place: Place<'_>,
    hints: &mut Hints,
    tally: &mut Tally,
) -> Result<()> {
    let Some(object) = schema.as_object_mut() else { return Ok(()) };
    if side == Side::Response && object.get("type") == Some(&json!("integer")) {
        object.insert("type".into(), json!("number"));
        tally.add("R23", 1);
    }
    if object.get("type") != Some(&json!("object")) {
        return Ok(());
    }
    tally.add("R15", further_fields(object) + declared_only(object));
    if side == Side::Request {
        tally.add("R15", optional_collections(object));
        if hints.take(object, hints::EXTRA) == Some(json!(true)) {
            ensure!(
                object.contains_key("properties"),
                "{}: {} needs an object with properties",
                place.path,
                hints::EXTRA
            );
            object.insert("additionalProperties".into(), json!({}));
            tally.add("R21", 1);
        }
    }
    Ok(())
}

/// R15: an object is either a struct or a map.
fn further_fields(object: &mut Map) -> usize {
    let fields = object.get("properties").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    if fields {
        return usize::from(object.remove("additionalProperties").is_some());
    }
    object.remove("properties");
    let any =
        object.get("additionalProperties").is_none_or(|value| value.is_boolean() || *value == json!({}));
    if any {
        object.insert("additionalProperties".into(), json!(true));
    }
    usize::from(any)
}

/// R15: only declared properties are required.
fn declared_only(object: &mut Map) -> usize {
    let declared: BTreeSet<String> = object
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    let Some(Value::Array(required)) = object.get_mut("required") else { return 0 };
    let before = required.len();
    required.retain(|name| name.as_str().is_some_and(|name| declared.contains(name)));
    let dropped = before - required.len();
    if required.is_empty() {
        object.remove("required");
    }
    dropped
}

/// R15: an optional list or map is nullable, or an empty one could not be told from none and would not be sent.
fn optional_collections(object: &mut Map) -> usize {
    let required = object.get("required").cloned().unwrap_or_default();
    let required =
        |name: &String| required.as_array().is_some_and(|list| list.iter().any(|item| item == name));
    let mut changed = 0;
    for (name, property) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
    {
        let collection = property.get("type").is_some_and(|kind| kind == "array")
            || (property.get("type").is_some_and(|kind| kind == "object")
                && property.get("properties").is_none());
        if let Some(property) = property.as_object_mut().filter(|_| collection && !required(name)) {
            null::set_nullable(property);
            changed += 1;
        }
    }
    changed
}
