//! Schemas before and after.

use super::*;

/// Rewrites the schema `X` of a document, whose schema `P` has one property.
fn check(schema: Value, expected: Value) {
    let schemas = json!({ "X": schema, "P": { "type": "object", "properties": { "p": {} } } });
    let schemas = schemas.as_object().unwrap();
    let merged = schemas.iter().map(|(name, schema)| (name.clone(), merged(schemas, schema))).collect();
    let document = Document(&merged);
    let found = document.named("X").and_then(|schema| document.rewrite(schema));
    assert_eq!(found.unwrap_or_else(|error| json!(error.to_string())), expected);
}

#[test]
fn an_object_is_closed_unless_it_says_otherwise() {
    let field = || json!({ "a": { "type": "string", "format": "uri" } });
    let plain = json!({ "a": { "type": "string" } });
    check(
        json!({ "type": "object", "properties": field(), "title": "T" }),
        json!({ "type": "object", "properties": plain, "additionalProperties": false }),
    );
    check(
        json!({ "properties": field(), "additionalProperties": true }),
        json!({ "properties": plain, "additionalProperties": true }),
    );
    check(json!({ "type": "object" }), json!({ "type": "object" }));
    let any = || json!({ "type": "object", "properties": {} });
    check(any(), any());
}

#[test]
fn a_schema_counts_once_in_a_union() {
    let reference = json!({ "$ref": "#/components/schemas/P" });
    check(json!({ "oneOf": [reference, { "anyOf": [reference] }] }), reference.clone());
}

#[test]
fn all_of_becomes_one_object_and_its_last_part_counts() {
    let part = json!({ "type": "object", "properties": { "p": { "type": "null" } }, "required": ["p"] });
    check(
        json!({ "allOf": [{ "$ref": "#/components/schemas/P" }, part] }),
        json!({
            "type": "object",
            "properties": { "p": { "type": "null" } },
            "required": ["p"],
            "additionalProperties": false,
        }),
    );
}

#[test]
fn the_type_decides_a_union() {
    let number = json!({ "type": "number", "minimum": 0 });
    check(
        json!({ "anyOf": [{ "oneOf": [number, { "type": "string" }] }, { "type": "null" }] }),
        json!({ "type": ["null", "number", "string"], "allOf": [{ "if": { "type": "number" }, "then": number }] }),
    );
    check(
        json!({ "anyOf": [{ "type": "string" }, { "type": "string", "enum": ["a"] }] }),
        json!({ "type": "string" }),
    );
    check(
        json!({ "anyOf": [{ "type": "null" }, { "type": "boolean" }] }),
        json!({ "type": ["boolean", "null"] }),
    );
    let lists = json!([{ "type": "array", "maxItems": 1 }, { "type": "array", "minItems": 3 }]);
    check(json!({ "oneOf": lists }), json!({ "anyOf": lists }));
}

#[test]
fn the_tag_decides_between_objects() {
    let branch = |tag: &str| json!({ "type": "object", "properties": { "type": { "enum": [tag] } } });
    let closed = |tag: &str| json!({ "type": "object", "properties": { "type": { "enum": [tag] } }, "additionalProperties": false });
    let rule = |tag: &str| {
        let chosen = json!({ "properties": { "type": { "const": tag } }, "required": ["type"] });
        json!({ "if": chosen, "then": closed(tag) })
    };
    check(
        json!({ "oneOf": [branch("b"), branch("a")] }),
        json!({
            "type": "object",
            "required": ["type"],
            "properties": { "type": { "enum": ["a", "b"] } },
            "allOf": [rule("a"), rule("b")],
        }),
    );
    let untagged = json!([branch("a"), { "$ref": "#/components/schemas/P" }]);
    check(
        json!({ "oneOf": untagged }),
        json!({ "anyOf": [closed("a"), { "$ref": "#/components/schemas/P" }] }),
    );
}

#[test]
fn a_tag_may_be_missing_where_only_one_kind_can_be_meant() {
    let message = |role: &str| json!({ "type": "object", "properties": { "role": { "enum": [role] }, "type": { "enum": ["message"] } } });
    let call = json!({ "type": "object", "properties": { "type": { "enum": ["call", "shout"] } }, "required": ["type"] });
    let closed = |schema: &Value| {
        let mut schema = schema.clone();
        schema["additionalProperties"] = json!(false);
        schema
    };
    let by = |tag: &str, value: &str, then: &Value| {
        let chosen = json!({ "properties": { tag: { "const": value } }, "required": [tag] });
        json!({ "if": chosen, "then": then })
    };
    let messages = json!({
        "type": "object",
        "required": ["role"],
        "properties": { "role": { "enum": ["robot", "user"] } },
        "allOf": [
            by("role", "robot", &closed(&message("robot"))),
            by("role", "user", &closed(&message("user"))),
        ],
    });
    check(
        json!({ "oneOf": [message("user"), message("robot"), call] }),
        json!({
            "type": "object",
            "properties": { "type": { "enum": ["call", "message", "shout"] } },
            "allOf": [
                by("type", "call", &closed(&call)),
                { "if": { "properties": { "type": { "const": "message" } } }, "then": messages },
                by("type", "shout", &closed(&call)),
            ],
        }),
    );
}

#[test]
fn what_the_requests_refer_to_is_there_and_nothing_else() {
    let union = json!({ "anyOf": [{ "$ref": "#/components/schemas/A" }, { "type": "null" }] });
    let closure = json!({ "components": { "schemas": {
        "CreateChatCompletionRequest": { "properties": { "a": union } },
        "CreateEmbeddingRequest": { "type": "object" },
        "Turn": { "properties": { "a": {} }, "required": ["a"] },
        "A": { "items": { "$ref": "#/components/schemas/Turn" }, "type": "array" },
        "Answer": { "not": {} },
    } } });
    let roots = ["CreateChatCompletionRequest", "CreateEmbeddingRequest"];
    let edits = [("/Turn/properties/b", r#"{"type": "null"}"#), ("/Turn/required", "[]")];
    let made = made(&closure, &roots, &edits).unwrap();
    let schemas = made["components"]["schemas"].as_object().unwrap();
    let names: BTreeSet<&str> = schemas.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["A", "Turn", roots[0], roots[1]]));
    assert_eq!(
        schemas["Turn"],
        json!({ "properties": { "a": {}, "b": { "type": "null" } }, "required": [], "additionalProperties": false }),
    );
}

#[test]
fn an_edit_needs_its_place() {
    let check = |place: &str, expected: &str| {
        let closure = json!({ "components": { "schemas": { "A": { "type": "object" } } } });
        let error = made(&closure, &["A"], &[(place, "{}")]).unwrap_err();
        assert_eq!(format!("{error:#}"), expected);
    };
    check("/B/properties/c", "the edit of /B/properties/c: the document has no such object");
    check("/A/type/c", "the edit of /A/type/c: the document has no such object");
    check("A", "the edit of A: it is not a JSON pointer");
}

#[test]
fn what_is_not_understood_is_an_error() {
    check(
        json!({ "type": "object", "not": {} }),
        json!(r#"mock_schema.rs does not know what `not` means here: {"not":{},"type":"object"}"#),
    );
    check(
        json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Q" }] }),
        json!("the document has no schema Q"),
    );
    check(json!({ "oneOf": [{ "type": "null" }, {}] }), json!("no type in {}"));
}
