//! Cuts the upstream document down to the chosen operations and what they refer to, without prose, in the 3.1 dialect.
//!
//! The result (`openapi/closure.json`) is what a person reviews when the API moves, and all that the lowering needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::schema::{self, Map, UNIONS};

/// What an error response is decoded into; no operation refers to it.
pub(crate) const ERROR_ROOT: &str = "ErrorResponse";

/// The command that a generated file names as its maker.
pub(crate) const GENERATED_BY: &str = "cargo xtask regen";

/// Parts of an operation that shape requests and responses; tags, security and callbacks do not.
const OPERATION_PARTS: [&str; 4] = ["operationId", "parameters", "requestBody", "responses"];

/// Keys whose value maps free names to things, so that a property called `description` is not taken for prose.
const NAME_MAPS: [&str; 8] = [
    "properties", "patternProperties", "schemas", "responses", "parameters", "requestBodies", "headers",
    "content",
];

/// Keys whose value is data, not schema.
const DATA: [&str; 5] = ["enum", "const", "default", "required", "operationId"];

const PROSE: [&str; 6] = ["description", "summary", "example", "examples", "externalDocs", "$comment"];

/// The operations of `upstream` that `wanted` lists, with everything they refer to.
pub(crate) fn prune(upstream: &Value, wanted: &[String]) -> Result<Value> {
    let paths = upstream.get("paths").and_then(Value::as_object).context("the document has no `paths`")?;
    let mut kept = Map::new();
    let mut found = BTreeSet::new();
    for (path, item) in paths {
        let mut operations = Map::new();
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Some(id) = operation.get("operationId").and_then(Value::as_str) else { continue };
            if wanted.iter().any(|name| name == id) && !path.contains('?') {
                ensure!(found.insert(id.to_owned()), "the operation {id} is declared twice");
                operations.insert(method.clone(), operation_parts(operation));
            }
        }
        if !operations.is_empty() {
            operations.extend(item.get("parameters").map(|shared| ("parameters".to_owned(), shared.clone())));
            kept.insert(path.clone(), Value::Object(operations));
        }
    }
    let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|id| !found.contains(*id)).collect();
    if !missing.is_empty() {
        bail!(
            "the document has no operation {} (or only one with a query in its path); correct openapi/operations.txt",
            missing.join(", ")
        );
    }
    let paths = clean(&Value::Object(kept), Position::Names);
    let components = components(upstream, &paths)?;
    let info = upstream.get("info");
    let text = |key: &str| info.and_then(|info| info.get(key)).and_then(Value::as_str).unwrap_or_default();
    Ok(json!({
        "openapi": "3.1.0",
        "info": { "title": text("title"), "version": text("version"), "x-generated-by": GENERATED_BY },
        "paths": paths,
        "components": components,
    }))
}

/// The operationIds of a document, sorted.
pub(crate) fn operation_ids(document: &Value) -> Vec<String> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = paths.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    let ids = operations.filter_map(|(_, operation)| operation.get("operationId")?.as_str());
    ids.map(str::to_owned).collect::<BTreeSet<String>>().into_iter().collect()
}

fn operation_parts(operation: &Value) -> Value {
    let parts = operation.as_object().into_iter().flatten();
    parts
        .filter(|(key, _)| OPERATION_PARTS.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// Every component that `paths` reaches, cleaned, by section.
fn components(upstream: &Value, paths: &Value) -> Result<Value> {
    let mut open = BTreeSet::from([format!("#/components/schemas/{ERROR_ROOT}")]);
    references(paths, &mut open);
    let mut sections = Map::new();
    let mut seen = BTreeSet::new();
    while let Some(reference) = open.pop_first() {
        if !seen.insert(reference.clone()) {
            continue;
        }
        let component = schema::resolve(upstream, &reference)?;
        let mut parts = reference.split('/').skip(2);
        let (Some(section), Some(name), None) = (parts.next(), parts.next(), parts.next()) else {
            bail!("$ref {reference} does not name a component");
        };
        let component = clean(component, Position::Keywords);
        references(&component, &mut open);
        let section = sections.entry(section).or_insert_with(|| json!({}));
        section
            .as_object_mut()
            .context("an entry of components is not a map")?
            .insert(name.to_owned(), component);
    }
    Ok(Value::Object(sections))
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|child| references(child, found));
        }
        Value::Array(list) => list.iter().for_each(|child| references(child, found)),
        _ => {}
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Position {
    /// An object whose keys are keywords.
    Keywords,
    /// The same, as a branch of a union: its title is structure, for it names the branch.
    Branch,
    /// An object whose keys are free names.
    Names,
}

/// `value` without prose, its schemas in the 3.1 dialect.
fn clean(value: &Value, position: Position) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|item| clean(item, position)).collect(),
        Value::Object(map) if position == Position::Names => {
            map.iter().map(|(name, item)| (name.clone(), clean(item, Position::Keywords))).collect()
        }
        Value::Object(map) => {
            let cleaned = map.iter().filter(|(key, _)| !is_prose(key, position)).map(|(key, item)| {
                let under = match key.as_str() {
                    data if DATA.contains(&data) => return (key.clone(), item.clone()),
                    names if NAME_MAPS.contains(&names) && item.is_object() => Position::Names,
                    union if UNIONS.contains(&union) => Position::Branch,
                    _ => Position::Keywords,
                };
                (key.clone(), clean(item, under))
            });
            modern(cleaned.collect())
        }
        scalar => scalar.clone(),
    }
}

fn is_prose(key: &str, position: Position) -> bool {
    PROSE.contains(&key) || key.starts_with("x-") || (key == "title" && position != Position::Branch)
}

/// A schema in the words of 3.1, if it uses those of 3.0: `nullable`, and the boolean bounds.
fn modern(mut schema: Map) -> Value {
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if let Some(&Value::Bool(exclusive)) = schema.get(flag) {
            schema.remove(flag);
            if let Some(limit) = schema.remove(bound) {
                schema.insert(if exclusive { flag } else { bound }.to_owned(), limit);
            }
        }
    }
    let nothing = json!({ "type": "null" });
    let stated = |union: &Value| union.as_array().is_some_and(|branches| branches.contains(&nothing));
    match schema.remove("nullable") {
        // With nothing beside it, 3.0 gives the flag no meaning.
        _ if schema.is_empty() => Value::Object(schema),
        Some(Value::Bool(true)) if !UNIONS.iter().any(|key| schema.get(*key).is_some_and(stated)) => {
            let outside: Map = ["default", "deprecated", "title"]
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), schema.remove(key)?)))
                .collect();
            let mut nullable = json!({ "anyOf": [schema, nothing] });
            if let Some(object) = nullable.as_object_mut() {
                object.extend(outside);
            }
            nullable
        }
        _ => Value::Object(schema),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(name: &str) -> Value {
        json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } })
    }

    /// What is kept of [`upstream`] for the operation `ask`.
    fn kept() -> Value {
        json!({
            "openapi": "3.1.0",
            "info": { "title": "T", "version": "1", "x-generated-by": "cargo xtask regen" },
            "paths": { "/ask": {
                "parameters": [{ "$ref": "#/components/parameters/Id" }],
                "post": {
                    "operationId": "ask",
                    "requestBody": { "content": media("Question") },
                    "responses": { "200": {}, "429": { "$ref": "#/components/responses/TooMany" } },
                },
            } },
            "components": {
                "parameters": { "Id": { "in": "query", "name": "id", "schema": { "type": "string" } } },
                "responses": { "TooMany": { "content": media("Error") } },
                "schemas": {
                    "Question": { "type": "object", "properties": { "description": { "type": "string" } } },
                    "Error": { "type": "string" },
                    "ErrorResponse": { "type": "object" },
                },
            },
        })
    }

    /// [`kept`], with what is not.
    fn upstream() -> Value {
        let mut document = kept();
        document["openapi"] = json!("3.0.0");
        document["info"]["description"] = json!("prose");
        document["security"] = json!([]);
        let ask = &mut document["paths"]["/ask"];
        ask["get"] = json!({ "operationId": "other", "responses": {} });
        ask["post"]["summary"] = json!("prose");
        ask["post"]["tags"] = json!(["t"]);
        ask["post"]["responses"]["200"]["description"] = json!("prose");
        document["paths"]["/ask?beta=true"] = json!({ "post": { "operationId": "beta", "responses": {} } });
        document["components"]["parameters"]["Unused"] = json!({});
        document["components"]["schemas"]["Unused"] = json!({});
        document["components"]["schemas"]["Question"]["properties"]["description"]["description"] =
            json!("prose");
        document
    }

    fn wanted(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn only_what_the_operations_reach_is_kept() {
        let closure = prune(&upstream(), &wanted(&["ask"])).unwrap();
        assert_eq!(closure, kept());
        assert_eq!(operation_ids(&closure), ["ask"]);
        assert_eq!(prune(&closure, &wanted(&["ask"])).unwrap(), kept(), "what is pruned does not change");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let check = |document: Value, ids: &[&str], why: &str| {
            let error = prune(&document, &wanted(ids)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        check(upstream(), &["ask", "ask2", "ask3"], "no operation ask2, ask3");
        check(upstream(), &["beta"], "no operation beta");
        check(json!({}), &[], "no `paths`");
        let mut dangling = upstream();
        dangling["components"]["schemas"].as_object_mut().unwrap().remove("Question");
        check(dangling, &["ask"], "nothing stands at $ref #/components/schemas/Question");
        let mut twice = upstream();
        twice["paths"]["/again"] = twice["paths"]["/ask"].clone();
        check(twice, &["ask"], "the operation ask is declared twice");
    }

    fn check_cleaned(schema: Value, expected: Value) {
        assert_eq!(clean(&schema, Position::Keywords), expected);
    }

    #[test]
    fn prose_goes_and_names_stay() {
        let data = json!({ "enum": ["description"], "default": { "description": "kept" } });
        let mut prose = data.clone();
        for key in ["title", "description", "summary", "example", "examples", "externalDocs", "x-oaiMeta"] {
            prose[key] = json!("prose");
        }
        check_cleaned(prose, data);
        check_cleaned(
            json!({ "properties": { "title": { "title": "T", "type": "string" }, "x-y": { "example": 1 } } }),
            json!({ "properties": { "title": { "type": "string" }, "x-y": {} } }),
        );
        let union = json!({ "oneOf": [{ "title": "Text", "type": "string", "description": "d" }] });
        check_cleaned(union, json!({ "oneOf": [{ "title": "Text", "type": "string" }] }));
    }

    #[test]
    fn what_3_0_said_otherwise_is_said_as_in_3_1() {
        let nothing = json!({ "type": "null" });
        check_cleaned(
            json!({ "type": "string", "nullable": true, "default": null }),
            json!({ "anyOf": [{ "type": "string" }, nothing], "default": null }),
        );
        check_cleaned(
            json!({ "$ref": "#/x", "nullable": true }),
            json!({ "anyOf": [{ "$ref": "#/x" }, nothing] }),
        );
        check_cleaned(json!({ "type": "string", "nullable": false }), json!({ "type": "string" }));
        let stated = json!({ "anyOf": [{}, nothing] });
        check_cleaned(json!({ "anyOf": [{}, nothing], "nullable": true }), stated);
        check_cleaned(json!({ "nullable": true }), json!({}));
        check_cleaned(json!({ "minimum": 0, "exclusiveMinimum": true }), json!({ "exclusiveMinimum": 0 }));
        check_cleaned(json!({ "maximum": 0, "exclusiveMaximum": false }), json!({ "maximum": 0 }));
        check_cleaned(json!({ "exclusiveMinimum": 0 }), json!({ "exclusiveMinimum": 0 }));
    }
}
