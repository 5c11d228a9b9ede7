//! R12, R15, R21, R23: objects. Aliases are inlined, maps and extra fields are separated from structs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::hints::{self, Hints};
use super::{Components, Side, Tally, null, rewrite};
use crate::schema::{self, Map, Place};

type Schemas = BTreeMap<String, Value>;

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
    stable_fields(object, side, place, hints)?;
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

/// R24: what the adapter writes as a literal keeps its fields, and of a response only what is read is parsed. What a request
/// requires stays, whether it is listed or not: that is a change that the adapter has to follow.
fn stable_fields(object: &mut Map, side: Side, place: Place<'_>, hints: &mut Hints) -> Result<()> {
    let kept = object.contains_key(hints::KEEP).then(|| hints.take_list(object, hints::KEEP));
    // Answers: `relax` sees to it.
    let enforced = if side == Side::Request { hints.take_list(object, hints::REQUIRED) } else { Vec::new() };
    let named = [(hints::KEEP, kept.as_deref().unwrap_or_default()), (hints::REQUIRED, enforced.as_slice())];
    for (hint, name) in named.into_iter().flat_map(|(hint, names)| names.iter().map(move |name| (hint, name)))
    {
        let declared = object.get("properties").is_some_and(|properties| properties.get(name).is_some());
        ensure!(declared, "{}: {hint} names {name}, which is not a property", place.path);
    }
    for property in &enforced {
        let property = object.get_mut("properties").and_then(|properties| properties.get_mut(property));
        property.and_then(Value::as_object_mut).map(|property| property.remove("nullable"));
    }
    if !enforced.is_empty() {
        let required = object.entry("required").or_insert_with(|| json!([])).as_array_mut();
        let required = required.with_context(|| format!("{}: required is not a list", place.path))?;
        let missing = enforced.into_iter().map(Value::from).filter(|name| !required.contains(name));
        let missing: Vec<Value> = missing.collect();
        required.extend(missing);
    }
    if let Some(kept) = kept {
        let required = object.get("required").cloned().unwrap_or_default();
        let is_required = |name: &str| {
            side == Side::Request
                && required.as_array().is_some_and(|list| list.iter().any(|item| item == name))
        };
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| is_required(name) || kept.contains(name));
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

/// R15: an optional list or map is nullable: otherwise an empty one would look like a missing one and would not be sent.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::tests::{components, reference, schemas};

    #[test]
    fn r12_aliases_are_written_out() {
        let mut given = components(
            Side::Request,
            json!({
                "List": { "type": "array", "items": reference("Name") },
                "Name": { "type": "string" },
                "Endless": { "type": "array", "items": reference("Endless") },
                "It": { "type": "object", "properties": {
                    "list": { "$ref": "#/components/schemas/List", "nullable": true },
                    "endless": reference("Endless"),
                    "object": reference("It"),
                } },
            }),
        );
        while inline_aliases(&mut given, &mut Tally::default()).unwrap() > 0 {}
        assert_eq!(
            schemas(&given).pointer("/It/properties"),
            Some(&json!({
                "list": { "type": "array", "items": { "type": "string" }, "nullable": true },
                "endless": reference("Endless"),
                "object": reference("It"),
            }))
        );
    }

    #[test]
    fn what_has_a_rust_type_of_its_own_is_no_alias() {
        for named in [
            json!({ "type": "object", "properties": { "a": {} } }),
            json!({ "type": "string", "enum": ["a"] }),
            json!({ "oneOf": [] }),
        ] {
            assert!(!is_alias(&named), "{named}");
        }
        for alias in [
            json!({}),
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            json!({ "type": "array", "items": {} }),
            json!({ "type": "boolean" }),
            reference("A"),
        ] {
            assert!(is_alias(&alias), "{alias}");
        }
    }

    fn check_settled(side: Side, mut schema: Value, expected: Value) {
        let place = Place { path: "$", branch: false };
        let mut hints = Hints::default();
        hints.mark(&mut schema, "$").unwrap();
        settle(&mut schema, side, place, &mut hints, &mut Tally::default()).unwrap();
        assert_eq!(schema, expected);
    }

    #[test]
    fn r15_an_object_is_a_struct_or_a_map() {
        let fields = json!({ "a": { "type": "string" } });
        let text = json!({ "type": "string" });
        let map = json!({ "type": "object", "additionalProperties": true });
        for further in [json!(false), json!(true), json!({}), text.clone()] {
            check_settled(
                Side::Request,
                json!({ "type": "object", "properties": fields, "additionalProperties": further }),
                json!({ "type": "object", "properties": fields }),
            );
        }
        check_settled(
            Side::Request,
            json!({ "type": "object", "properties": {}, "additionalProperties": false }),
            map.clone(),
        );
        check_settled(Side::Request, json!({ "type": "object", "additionalProperties": {} }), map);
        let typed = json!({ "type": "object", "additionalProperties": text });
        check_settled(Side::Request, typed.clone(), typed);
    }

    #[test]
    fn r15_only_declared_fields_are_required() {
        check_settled(
            Side::Request,
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a", "b"] }),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }),
        );
    }

    #[test]
    fn r15_optional_lists_and_maps_can_be_absent_and_can_be_empty() {
        let list = json!({ "type": "array", "items": {} });
        check_settled(
            Side::Request,
            json!({ "type": "object", "properties": { "a": list, "b": list }, "required": ["a"] }),
            json!({ "type": "object", "properties": {
                "a": list, "b": { "type": "array", "items": {}, "nullable": true }
            }, "required": ["a"] }),
        );
    }

    #[test]
    fn r21_extra_fields_of_the_caller() {
        let fields = json!({ "a": { "type": "string" } });
        check_settled(
            Side::Request,
            json!({ "type": "object", "properties": fields, "x-codex-extra": true }),
            json!({ "type": "object", "properties": fields, "additionalProperties": {} }),
        );
    }

    #[test]
    fn r24_what_the_adapter_writes_keeps_its_fields() {
        let text = json!({ "type": "string" });
        let open = json!({ "type": "string", "nullable": true });
        let fields = json!({ "a": text, "b": open, "new": text, "must": text });
        check_settled(
            Side::Request,
            json!({ "type": "object", "properties": fields, "required": ["must"],
                "x-codex-keep": ["a", "b"], "x-codex-required": ["b", "must"] }),
            json!({ "type": "object", "properties": { "a": text, "b": text, "must": text }, "required": ["must", "b"] }),
        );
        for hint in ["x-codex-keep", "x-codex-required"] {
            let mut question = crate::lower::tests::object(json!({ "a": text }));
            question[hint] = json!(["b"]);
            let why = format!("$.components.schemas.Question: {hint} names b, which is not a property");
            assert_eq!(crate::lower::tests::refused(json!({ "Question": question })), why);
        }
    }

    #[test]
    fn r23_integers_of_answers_are_numbers() {
        check_settled(Side::Response, json!({ "type": "integer" }), json!({ "type": "number" }));
        check_settled(Side::Request, json!({ "type": "integer" }), json!({ "type": "integer" }));
    }
}
