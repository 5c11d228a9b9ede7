//! The drift report: one change at a time, and the worked example of two real documents.
//!
//! The fixtures are the closures, as `prune` makes them, of openai/openai-openapi at 535f5dc and dc708bb.

use std::collections::BTreeMap;

use serde_json::json;

use super::crate_side::Row;
use super::*;

const CHAT: &str = "createChatCompletion";
const ALL: [&str; 3] = [CHAT, "createResponse", "listModels"];

fn fixture(date: &str, operations: &[&str]) -> Document {
    let path = files::root().join(format!("xtask/fixtures/openai-{date}.json.gz"));
    let wanted: Vec<String> = operations.iter().map(|id| (*id).to_owned()).collect();
    read(path.to_str().unwrap(), &wanted).unwrap()
}

fn old(operations: &[&str]) -> Document {
    fixture("2026-07-15", operations)
}

fn new(operations: &[&str]) -> Document {
    fixture("2026-08-05", operations)
}

fn here() -> Crate {
    let row = |names: &[&str], shutdown: Option<&str>| Row {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        shutdown: shutdown.map(|day| day.parse().unwrap()),
    };
    let table = vec![
        row(&["gpt-5.5", "gpt-5.5-2026-04-23"], Some("2027-02-20")),
        row(&["gpt-4o", "chat-latest", "omni"], Some("2026-11-22")),
        row(&["gpt-4"], Some("2026-11-21")),
        row(&["gpt-4.1"], Some("2027-02-21")),
        row(&["o3"], None),
    ];
    let adapter = "use crate::openai::types::{CreateChatCompletionRequest, ServiceTierParam};";
    let other = "use reqwest::Response;";
    let sources = [("src/chat/request.rs", adapter), ("src/transport.rs", other)];
    Crate::new(table, sources.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec())
}

fn compared(old: &Document, new: &Document) -> Report {
    report(old, new, &here(), "2026-11-22".parse().unwrap()).unwrap()
}

#[test]
fn the_worked_example() {
    let report = compared(&old(&ALL), &new(&ALL));
    insta::assert_snapshot!("worked_example", report.render(Format::Text, false).unwrap());
    insta::assert_snapshot!("worked_example_markdown", report.render(Format::Markdown, false).unwrap());
    assert_eq!(report.exit_code(), 2);
    let again = compared(&old(&ALL), &new(&ALL));
    assert_eq!(again.render(Format::Json, false).unwrap(), report.render(Format::Json, false).unwrap());
}

#[test]
fn only_what_touches_the_chosen_operations() {
    let report = compared(&old(&[CHAT]), &new(&[CHAT]));
    let sites: Vec<&str> = report.findings.iter().map(|finding| &*finding.site).collect();
    assert_eq!(
        sites,
        [
            "ServiceTier",
            "CreateChatCompletionRequest.prompt_cache_key",
            "CreateChatCompletionRequest.safety_identifier",
            "ModelIdsShared"
        ]
    );
}

#[test]
fn a_document_has_no_drift_against_itself() {
    for document in [old(&ALL), new(&ALL)] {
        let report = compared(&document, &document);
        assert_eq!((report.findings.len(), report.exit_code()), (0, 0));
        assert!(report.render(Format::Text, false).unwrap().contains("Nothing changed in these operations."));
    }
}

#[test]
fn swapped_documents_differ_at_the_same_places() {
    let key = |finding: &Finding| (finding.site.clone(), finding.aspect.clone());
    let there = compared(&old(&ALL), &new(&ALL));
    let back = compared(&new(&ALL), &old(&ALL));
    let there: BTreeMap<_, _> =
        there.findings.iter().map(|one| (key(one), (one.old.clone(), one.new.clone()))).collect();
    let back: BTreeMap<_, _> =
        back.findings.iter().map(|one| (key(one), (one.new.clone(), one.old.clone()))).collect();
    assert_eq!(there, back);
    assert_eq!(there.len(), 18);
}

#[test]
fn the_model_table_is_compared_with_the_documents() {
    let report = compared(&old(&ALL), &new(&ALL));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!((report.models.new, report.models.gone), (names(&["gpt-5.5"]), names(&[])));
    assert_eq!(report.models.not_in_document, names(&["chat-latest", "gpt-5.5-2026-04-23", "omni"]));
    assert!(
        report.models.not_in_table.contains("gpt-5.4") && !report.models.not_in_table.contains("gpt-5.5")
    );
    let days: Vec<_> = report
        .shutdowns
        .iter()
        .map(|one| (one.day.to_string(), one.days_left, one.models.concat()))
        .collect();
    assert_eq!(
        days,
        [
            ("2026-11-22".to_owned(), 0, "gpt-4o".to_owned()),
            ("2027-02-20".to_owned(), 90, "gpt-5.5".to_owned())
        ]
    );
    assert!(
        Crate::read()
            .is_ok_and(|here| here.models(&View::default(), &View::default()).not_in_document.len() > 100)
    );
}

/// A document with one operation, which sends `Question` and is answered `Answer`.
fn document(schemas: &Value) -> Document {
    let media = |name: &str| json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } });
    let mut whole = json!({
        "openapi": "3.1.0",
        "paths": { "/ask": { "post": {
            "operationId": "ask",
            "requestBody": { "content": media("Question") },
            "responses": { "200": { "content": media("Answer") } },
        } } },
        "components": { "schemas": { "Question": {}, "Answer": {}, "ErrorResponse": {} } },
    });
    whole["components"]["schemas"].as_object_mut().unwrap().extend(schemas.as_object().unwrap().clone());
    let text = whole.to_string();
    let upstream = Upstream::new("test".to_owned(), None, String::new(), &whole, &text);
    let closure = prune::prune(&whole, &["ask".to_owned()]).unwrap();
    Document { upstream, whole, closure }
}

fn lines(old: &Value, new: &Value) -> Vec<String> {
    let report = compared(&document(old), &document(new));
    let line = |finding: &Finding| {
        format!(
            "{} {} {}: {}",
            finding.class.title(),
            finding.direction.title(),
            finding.site,
            finding.what()
        )
    };
    report.findings.iter().map(line).collect()
}

/// A schema that changes from `old` to `new` is found, in a request and in a response.
#[track_caller]
fn check(old: Value, new: Value, request: &str, response: &str) {
    let holder =
        |name: &str, schema: &Value| json!({ name: { "type": "object", "properties": { "x": schema } } });
    let found = |name: &str| lines(&holder(name, &old), &holder(name, &new)).join("\n");
    let expected = |text: &str, direction: &str, name: &str| {
        let lines = text.lines().filter_map(|line| line.trim().split_once(": "));
        let lines = lines.map(|(class, what)| match class.split_once('@') {
            Some((class, site)) => format!("{class} {direction} {site}: {what}"),
            None => format!("{class} {direction} {name}.x: {what}"),
        });
        lines.collect::<Vec<String>>().join("\n")
    };
    assert_eq!(found("Question"), expected(request, "request", "Question"));
    assert_eq!(found("Answer"), expected(response, "response", "Answer"));
}

#[test]
fn values_and_types() {
    let text = || json!({ "type": "string" });
    let nothing = json!({ "type": "null" });
    check(
        text(),
        json!({ "type": ["string", "null"] }),
        "CODE CHANGE: not null -> nullable",
        "BREAKS RESPONSES: not null -> nullable",
    );
    check(
        json!({ "anyOf": [text(), nothing] }),
        text(),
        "BREAKS REQUESTS: nullable -> not null",
        "STRICTER RESPONSE: nullable -> not null",
    );
    check(
        json!({ "enum": ["a"] }),
        json!({ "enum": ["a", "b"] }),
        "ADDITIVE: value added: \"b\"",
        "BREAKS RESPONSES: value added: \"b\"",
    );
    check(
        json!({ "enum": ["a", "b"] }),
        json!({ "const": "a" }),
        "BREAKS REQUESTS: value removed: \"b\"",
        "CODE CHANGE: value removed: \"b\"",
    );
    check(
        json!({ "enum": ["a"] }),
        json!({ "anyOf": [text(), { "enum": ["a"] }] }),
        "CODE CHANGE: listed values only -> any text",
        "BREAKS RESPONSES: listed values only -> any text",
    );
    check(
        json!({ "anyOf": [text(), { "enum": ["a"] }] }),
        json!({ "oneOf": [text(), { "enum": ["b"] }] }),
        "REVIEW: value removed: \"a\"\nADDITIVE: value added: \"b\"",
        "REVIEW: value removed: \"a\"\nADDITIVE: value added: \"b\"",
    );
    check(
        text(),
        json!({ "type": "integer" }),
        "BREAKS REQUESTS: type: string -> integer",
        "BREAKS RESPONSES: type: string -> integer",
    );
    check(
        json!({ "type": "integer" }),
        json!({ "type": "number" }),
        "CODE CHANGE: type: integer -> number",
        "BREAKS RESPONSES: type: integer -> number",
    );
    check(
        json!({ "type": "number" }),
        json!({ "type": "integer" }),
        "BREAKS REQUESTS: type: number -> integer",
        "CODE CHANGE: type: number -> integer",
    );
    check(
        text(),
        json!({}),
        "CODE CHANGE: type: string -> anything",
        "BREAKS RESPONSES: type: string -> anything",
    );
    check(
        text(),
        json!({ "oneOf": [text(), { "type": "array", "items": text() }] }),
        "CODE CHANGE: branch added: list of string",
        "BREAKS RESPONSES: branch added: list of string",
    );
    check(
        json!({ "type": "array", "items": text(), "maxItems": 1 }),
        json!({ "type": "array", "items": { "type": "boolean" }, "maxItems": 2 }),
        "BREAKS REQUESTS@Question.x[]: type: string -> boolean\nREVIEW: maxItems: 1 -> 2",
        "BREAKS RESPONSES@Answer.x[]: type: string -> boolean\nREVIEW: maxItems: 1 -> 2",
    );
    check(
        text(),
        json!({ "type": "string", "format": "uri", "default": "a" }),
        "REVIEW: default added: \"a\"\nREVIEW: format added: \"uri\"",
        "REVIEW: default added: \"a\"\nREVIEW: format added: \"uri\"",
    );
}

#[test]
fn fields_and_branches() {
    let object = |fields: Value, required: &[&str]| json!({ "type": "object", "properties": fields, "required": required });
    let text = || json!({ "type": "string" });
    check(
        object(json!({}), &[]),
        object(json!({ "a": text() }), &[]),
        "ADDITIVE@Question.x.a: added: optional string",
        "ADDITIVE@Answer.x.a: added: optional string",
    );
    check(
        object(json!({}), &[]),
        object(json!({ "a": text() }), &["a"]),
        "BREAKS REQUESTS@Question.x.a: added: required string",
        "STRICTER RESPONSE@Answer.x.a: added: required string",
    );
    check(
        object(json!({ "a": text() }), &[]),
        object(json!({ "a": text() }), &["a"]),
        "BREAKS REQUESTS@Question.x.a: optional -> required",
        "STRICTER RESPONSE@Answer.x.a: optional -> required",
    );
    check(
        object(json!({ "a": text() }), &["a"]),
        object(json!({ "a": text() }), &[]),
        "CODE CHANGE@Question.x.a: required -> optional",
        "BREAKS RESPONSES@Answer.x.a: required -> optional",
    );
    check(
        object(json!({ "a": text() }), &["a"]),
        object(json!({}), &[]),
        "BREAKS REQUESTS@Question.x.a: removed: required string",
        "BREAKS RESPONSES@Answer.x.a: removed: required string",
    );
    let tagged = |tag: &str| object(json!({ "type": { "const": tag }, "a": text() }), &["type"]);
    check(
        json!({ "oneOf": [tagged("one")] }),
        json!({ "anyOf": [tagged("two"), tagged("one")] }),
        "CODE CHANGE: branch added: object two",
        "BREAKS RESPONSES: branch added: object two",
    );
    check(
        json!({ "oneOf": [tagged("one"), tagged("two")] }),
        json!({ "anyOf": [tagged("two"), tagged("three")] }),
        "BREAKS REQUESTS: branch removed: object one\nADDITIVE: branch added: object three",
        "BREAKS RESPONSES: branch added: object three\nCODE CHANGE: branch removed: object one",
    );
    check(
        json!({ "additionalProperties": text() }),
        json!({ "additionalProperties": { "type": "integer" } }),
        "BREAKS REQUESTS@Question.x.*: type: string -> integer",
        "BREAKS RESPONSES@Answer.x.*: type: string -> integer",
    );
}

#[test]
fn names() {
    let text = || json!({ "type": "string" });
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let tagged = |tag: &str, more: &str| json!({ "type": "object", "properties": { "type": { "const": tag }, more: text(), "id": text() } });
    let response = |name: &str, schema: Value| json!({ "Answer": { "properties": { "x": reference(name) } }, name: schema });
    let union = |name: &str, schema: Value| json!({ "Answer": { "anyOf": [reference(name), reference("Stays")] }, name: schema, "Stays": tagged("stays", "a") });
    #[track_caller]
    fn check(old: Value, new: Value, expected: &[&str]) {
        assert_eq!(lines(&old, &new), expected);
    }
    let renamed = ["CODE CHANGE response Answer.x: type renamed: Old -> New"];
    check(response("Old", tagged("t", "a")), response("New", tagged("t", "a")), &renamed);
    check(
        response("Old", json!({ "enum": ["a", "b"] })),
        response("New", json!({ "enum": ["a", "b"] })),
        &renamed,
    );
    // A rename that also changes is both.
    check(
        response("Old", tagged("t", "a")),
        response("New", tagged("t", "b")),
        &[
            "CODE CHANGE response Answer.x: type renamed: Old -> New",
            "CODE CHANGE response New.a: removed: optional string",
            "ADDITIVE response New.b: added: optional string",
        ],
    );
    check(
        union("Old", tagged("t", "a")),
        union("New", tagged("t", "a")),
        &["CODE CHANGE response Answer: type renamed: Old -> New"],
    );
    // Alike, but with another tag: as `Drag` and `ApplyPatchDeleteFileOperation`, `Type` and `SummaryTextContent` once were.
    check(
        union("Drag", tagged("drag", "path")),
        union("DeleteFile", tagged("delete_file", "path")),
        &[
            "BREAKS RESPONSES response Answer: branch added: DeleteFile",
            "CODE CHANGE response Answer: branch removed: Drag",
        ],
    );
    // The same places do not refer to them.
    let twice = |first: &str, second: &str, schemas: &[&str]| {
        let mut all =
            json!({ "Answer": { "properties": { "x": reference(first), "y": reference(second) } } });
        schemas.iter().for_each(|name| all[*name] = tagged("t", "a"));
        all
    };
    check(
        twice("Old", "Old", &["Old"]),
        twice("Old", "New", &["Old", "New"]),
        &["CODE CHANGE response Answer.y: refers to: Old -> New"],
    );
    // A name has no meaning: inline or not, the schema is the same.
    check(
        response("Old", tagged("t", "a")),
        json!({ "Answer": { "properties": { "x": tagged("t", "a") } } }),
        &[],
    );
}

#[test]
fn operations_come_and_go() {
    let mut gone = document(&json!({}));
    gone.closure["paths"] = json!({});
    let mut moved = document(&json!({}));
    moved.closure["paths"] = json!({ "/v2/ask": moved.closure["paths"]["/ask"] });
    let here = || document(&json!({}));
    let check = |old: &Document, new: &Document, class: Class, what: &str| {
        let report = compared(old, new);
        let found: Vec<_> =
            report.findings.iter().map(|one| (one.class, one.site.as_str(), one.what())).collect();
        assert_eq!(found, [(class, "ask", what.to_owned())]);
    };
    check(&here(), &gone, Class::BreaksRequests, "operation removed: POST /ask");
    check(&gone, &here(), Class::Additive, "operation added: POST /ask");
    check(&here(), &moved, Class::BreaksRequests, "moved: POST /ask -> POST /v2/ask");
}
