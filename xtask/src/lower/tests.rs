//! The lowering as a whole, and what the tests of the single rules share.

use std::env;
use std::fs;

use serde_json::{Value, json};

use super::{Component, Components, Lowered, Side, component, lower};
use crate::{files, overlay::Overlay, prune, schema, source};

/// Components of one side.
pub(super) fn components(side: Side, schemas: Value) -> Components {
    let Value::Object(schemas) = schemas else { panic!("a map of schemas") };
    schemas.into_iter().map(|(name, schema)| (name.clone(), component(&name, schema, side))).collect()
}

/// Their schemas.
pub(super) fn schemas(components: &Components) -> Value {
    components.iter().map(|(name, item): (_, &Component)| (name.clone(), item.schema.clone())).collect()
}

pub(super) fn reference(name: &str) -> Value {
    schema::reference(name)
}

pub(super) fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

/// An object of the one kind `value`.
pub(super) fn tagged(value: &str) -> Value {
    object(json!({ "type": { "type": "string", "enum": [value] } }))
}

/// A document with one operation, which sends `Question` and is answered `Answer`.
pub(super) fn document(schemas: Value) -> Value {
    let content = |name| json!({ "content": { "application/json": { "schema": reference(name) } } });
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "T", "version": "1" },
        "paths": { "/ask": { "post": {
            "operationId": "ask", "requestBody": content("Question"), "responses": { "200": content("Answer") },
        } } },
        "components": { "schemas": {
            "ErrorResponse": object(json!({ "error": { "type": "string" } })),
            "Question": object(json!({ "text": { "type": "string" } })),
            "Answer": object(json!({ "text": { "type": "string" } })),
        } },
    });
    let Value::Object(schemas) = schemas else { panic!("a map of schemas") };
    document["components"]["schemas"].as_object_mut().unwrap().extend(schemas);
    document
}

/// The lowered schemas of [`document`].
pub(super) fn lowered(schemas: Value) -> Value {
    lower(&document(schemas)).unwrap().document["components"]["schemas"].clone()
}

/// Why [`document`] is refused.
pub(super) fn refused(schemas: Value) -> String {
    lower(&document(schemas)).err().map(|error| format!("{error:#}")).unwrap_or_default()
}

fn vendored() -> Value {
    serde_json::from_str(&files::read("closure.json").unwrap()).unwrap()
}

fn patched(mut closure: Value) -> Value {
    let overlay = Overlay::parse(&files::read("overlay.yaml").unwrap()).unwrap();
    overlay.apply(&mut closure).unwrap();
    closure
}

/// What must hold of every lowered document.
fn check_invariants(lowered: &Lowered) {
    let mut wrong = Vec::new();
    let schemas = lowered.document["components"]["schemas"].as_object().unwrap();
    let allowed = [
        "$ref", "additionalProperties", "allOf", "enum", "items", "nullable", "oneOf", "properties",
        "required", "title", "type", "x-codex-derive", "x-codex-type",
    ];
    for (name, root) in schemas {
        if root.get("nullable").is_some() || super::objects::is_alias(root) {
            wrong.push(format!("{name} has no type of its own"));
        }
        schema::walk(root, schema::Place { path: name, branch: false }, &mut |schema, place| {
            let alien = schema.keys().filter(|key| !allowed.contains(&key.as_str()));
            wrong.extend(alien.map(|key| format!("{}: {key}", place.path)));
            let named = schema.get("title").and_then(Value::as_str);
            if place.branch != named.is_some() || named.is_some_and(|name| name.starts_with("Variant")) {
                wrong.push(format!("{}: title {named:?}", place.path));
            }
            if schema.contains_key("$ref") && schema.len() > 1 {
                wrong.push(format!("{}: something beside $ref", place.path));
            }
            let inline = schema.contains_key("properties")
                || schema.contains_key("enum")
                || schema.contains_key("oneOf");
            if inline && place.path != name {
                wrong.push(format!("{}: an inline type", place.path));
            }
        });
        wrong.extend(
            schema::targets(root)
                .iter()
                .filter(|to| !schemas.contains_key(*to))
                .map(|to| format!("{name}: no {to}")),
        );
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn the_vendored_document_keeps_the_invariants() {
    check_invariants(&lower(&patched(vendored())).unwrap());
}

#[test]
fn the_order_of_keys_does_not_matter() {
    fn reversed(value: Value) -> Value {
        match value {
            Value::Object(map) => map.into_iter().rev().map(|(key, value)| (key, reversed(value))).collect(),
            Value::Array(list) => list.into_iter().map(reversed).collect(),
            other => other,
        }
    }
    let closure = patched(vendored());
    let text = |closure: &Value| files::canonical(lower(closure).unwrap().document).unwrap();
    assert_eq!(text(&reversed(closure.clone())), text(&closure));
}

#[test]
fn lowering_keeps_what_the_adapter_relies_on() {
    let lowered = lower(&patched(vendored())).unwrap().document;
    let at = |pointer: &str| {
        lowered.pointer(&format!("/components/schemas/{pointer}")).cloned().unwrap_or_default()
    };
    assert_eq!(at("CreateChatCompletionRequest/required"), json!(["model", "messages"]));
    assert_eq!(at("CreateChatCompletionRequest/additionalProperties"), json!({}));
    assert_eq!(at("CreateChatCompletionRequest/properties/model"), json!({ "type": "string" }));
    assert_eq!(at("CreateChatCompletionRequest/x-codex-derive"), json!(["Default"]));
    assert_eq!(at("CreateChatCompletionStreamResponse/required"), Value::Null);
    assert_eq!(at("Model/required"), json!(["id"]));
    let variants = |name: &str| -> Vec<String> {
        let branches = at(&format!("{name}/oneOf"));
        branches
            .as_array()
            .unwrap()
            .iter()
            .map(|branch| branch["title"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        variants("ChatCompletionRequestMessage"),
        ["Developer", "System", "User", "Assistant", "Tool", "Function"]
    );
    assert_eq!(variants("ChatCompletionToolChoiceOption"), ["Mode", "Allowed", "Function", "Custom"]);
    assert_eq!(
        variants("CreateEmbeddingRequestInput"),
        ["Text", "StringArray", "IntegerArray", "IntegerArrayArray"]
    );
    assert_eq!(variants("StopConfiguration"), ["Text", "Array"]);
}

/// Set `OPENAPI_DOCUMENTS` to upstream documents (paths, separated by `:`) to lower them with two operations more:
/// `createResponse`, whose unions are the hardest of all, and `getResponse`, which the overlay patches.
#[test]
fn whole_upstream_documents_are_lowered() {
    let Some(paths) = env::var_os("OPENAPI_DOCUMENTS") else {
        eprintln!("skipped: OPENAPI_DOCUMENTS names no upstream documents");
        return;
    };
    let operations: Vec<String> = [
        "createChatCompletion", "createEmbedding", "createResponse", "getResponse", "listModels",
        "retrieveModel",
    ]
    .map(str::to_owned)
    .to_vec();
    for path in env::split_paths(&paths) {
        assert!(fs::exists(&path).unwrap(), "{} is not there", path.display());
        let read = source::read(&path.to_string_lossy()).unwrap();
        let closure = prune::prune(&source::parse(&read.text).unwrap(), &operations).unwrap();
        let lowered = lower(&patched(closure)).unwrap();
        check_invariants(&lowered);
        assert_eq!(lowered.document["paths"].as_object().unwrap().len(), 5, "{}", path.display());
    }
}
