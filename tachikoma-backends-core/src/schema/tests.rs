//! Types and schemas, and what becomes of them.

use std::collections::{BTreeMap, HashSet};

mod hostile;
mod property;
mod real;
mod types;

use serde_json::json;

use super::*;
use crate::ToolDefinition;

/// A person
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct Person {
    /// What they are called
    #[schemars(rename = "fullName")]
    name: String,
    age: Option<u8>,
    mood: Option<Mood>,
    #[schemars(length(min = 1))]
    pets: Vec<Pet>,
    /// Where the person lives
    home: Home,
    boss: Option<Box<Person>>,
    #[schemars(default)]
    visits: u32,
    tags: HashSet<String>,
    at: [f64; 2],
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is asked for")]
enum Mood {
    Happy,
    /// Not happy
    VerySad,
}

#[derive(JsonSchema)]
#[schemars(tag = "kind")]
#[expect(dead_code, reason = "only its schema is asked for")]
enum Pet {
    Cat { lives: u8 },
    Dog { name: String },
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct Home {
    street: String,
}

#[test]
fn a_type_becomes_a_strict_schema() {
    let StrictSchema { schema, changes } = strict_schema_of::<Person>().unwrap();
    let mut changed: Vec<String> = changes.iter().map(ToString::to_string).collect();
    changed.sort();
    // `serde_json` may keep the order of keys or sort them.
    let mut sorted = schema.clone();
    sorted["required"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_json_snapshot!(sorted);
        insta::assert_snapshot!(changed.join("\n"));
    });
    let again = strict_schema(schema.clone()).unwrap();
    assert_eq!(again, StrictSchema { schema, changes: vec![] }, "what is strict stays unchanged");
}

#[test]
fn a_response_format_has_the_types_name() {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    struct Of<T> {
        it: T,
    }
    let ResponseFormat::JsonSchema { name, description, schema, strict } =
        ResponseFormat::json_schema::<Person>().unwrap()
    else {
        panic!("no schema")
    };
    assert_eq!((name.as_str(), description.as_deref(), strict), ("Person", Some("A person"), Some(true)));
    assert_eq!(schema["description"], json!(null));
    let ResponseFormat::JsonSchema { name, .. } = ResponseFormat::json_schema::<Of<Vec<u8>>>().unwrap()
    else {
        panic!("no schema")
    };
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
    assert_eq!(schema_name("Ünits::of<T>"), "_nits__of_T_");
    assert_eq!(schema_name(""), "response");
}

#[test]
fn schemas_are_made_strict() {
    /// A property of an object, which is optional or not.
    #[track_caller]
    fn check(optional: bool, property: Value, expected: Value) {
        let required = if optional { json!([]) } else { json!(["a"]) };
        let schema = json!({ "type": "object", "properties": { "a": property }, "required": required,
            "$defs": { "T": { "type": "string" } } });
        let found = strict_schema(schema).unwrap().schema;
        assert_eq!(found["properties"]["a"], expected);
        assert_eq!(found["required"], json!(["a"]));
        assert_eq!(found["additionalProperties"], json!(false));
    }
    let text = json!({ "type": "string" });
    let nothing = json!({ "type": "null" });
    let to = json!({ "$ref": "#/$defs/T" });
    check(false, text.clone(), text.clone());
    check(true, text.clone(), json!({ "type": ["string", "null"] }));
    check(true, json!({ "type": ["string", "null"] }), json!({ "type": ["string", "null"] }));
    check(
        true,
        json!({ "type": "string", "enum": ["b"] }),
        json!({ "type": ["string", "null"], "enum": ["b", null] }),
    );
    check(
        true,
        json!({ "enum": ["b", 1] }),
        json!({ "type": ["string", "integer", "null"], "enum": ["b", 1, null] }),
    );
    check(
        true,
        json!({ "type": "string", "const": "b" }),
        json!({ "anyOf": [{ "type": "string", "const": "b" }, nothing] }),
    );
    check(false, to.clone(), to.clone());
    check(true, to.clone(), json!({ "anyOf": [to, nothing] }));
    check(
        false,
        json!({ "$ref": "#/$defs/T", "description": "d" }),
        json!({ "anyOf": [to], "description": "d" }),
    );
    check(
        true,
        json!({ "$ref": "#/$defs/T", "description": "d" }),
        json!({ "anyOf": [to, nothing], "description": "d" }),
    );
    check(false, json!({ "allOf": [to] }), to.clone());
    check(false, json!({ "oneOf": [text, nothing] }), json!({ "anyOf": [text, nothing] }));
    check(true, json!({ "anyOf": [text, nothing] }), json!({ "anyOf": [text, nothing] }));
    check(
        false,
        json!({ "type": "string", "format": "date-time", "minLength": 1, "pattern": "^a" }),
        json!({ "type": "string", "format": "date-time", "pattern": "^a" }),
    );
    check(
        false,
        json!({ "type": "array", "items": text, "minItems": 1, "uniqueItems": true }),
        json!({ "type": "array", "items": text, "minItems": 1 }),
    );
    let empty = json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false });
    check(false, json!({ "type": "object", "additionalProperties": false }), empty);
    let object = |name: &str| json!({ "type": "object", "properties": { name: text }, "required": [name] });
    check(
        false,
        json!({ "allOf": [object("x"), object("y")] }),
        json!({ "type": "object", "properties": { "x": text, "y": text }, "required": ["x", "y"],
            "additionalProperties": false }),
    );
    let tagged = |kind: &str| json!({ "properties": { "kind": { "const": kind }, (kind): text }, "required": ["kind", kind] });
    // A constant leaves one of the branches.
    check(
        false,
        json!({ "type": "object", "properties": { "kind": { "const": "x" } }, "oneOf": [tagged("x"), tagged("y")] }),
        json!({ "type": "object", "properties": { "kind": { "type": "string", "const": "x" }, "x": text },
            "required": ["kind", "x"], "additionalProperties": false }),
    );
    check(false, json!({ "type": "string", "nullable": true }), json!({ "anyOf": [text, nothing] }));
    check(false, json!({ "$ref": "#/$defs/T", "nullable": true }), json!({ "anyOf": [to, nothing] }));
    check(false, json!({ "const": 7 }), json!({ "const": 7, "type": "integer" }));
    check(false, json!({ "type": "string", "properties": {} }), text.clone());
    check(
        true,
        json!({ "type": ["array", "string"], "items": text, "maxLength": 7, "description": "d" }),
        json!({ "anyOf": [{ "type": "array", "items": text }, text, nothing], "description": "d" }),
    );
    check(true, json!({ "$ref": "#" }), json!({ "anyOf": [{ "$ref": "#" }, nothing] }));
}

#[test]
fn what_cannot_be_made_strict_is_named_with_its_place() {
    #[track_caller]
    fn check(schema: Value, expected: &[&str]) {
        let error = strict_schema(schema).unwrap_err();
        let expected = format!("the schema cannot be made strict: {}", expected.join("; "));
        assert_eq!(error.to_string(), format!("invalid request: {expected}"));
    }
    let with = |property: Value| json!({ "type": "object", "properties": { "a/b": property } });
    check(json!(7), &["its root is not a JSON object"]);
    check(json!({ "type": "string" }), &["its root is not an object; wrap it in a struct with one field"]);
    check(json!({ "anyOf": [] }), &["its root is a union; wrap it in a struct with one field"]);
    let any = "/properties/a~1b accepts any value; give it a type";
    check(with(json!(true)), &[any]);
    check(with(json!({})), &[any]);
    check(with(json!({ "description": "d" })), &[any]);
    let map = "/properties/a~1b is a map, which a strict schema cannot express; use a list of structs with a key and a value";
    check(with(json!({ "type": "object", "additionalProperties": { "type": "string" } })), &[map]);
    check(with(json!({ "type": "object", "patternProperties": {} })), &[map]);
    check(
        with(json!({ "type": "array", "prefixItems": [] })),
        &["/properties/a~1b is a tuple, which a strict schema cannot express; use a struct"],
    );
    check(
        with(json!({ "type": "array" })),
        &["/properties/a~1b is a list of anything; give its items a type"],
    );
    check(
        with(json!({ "type": "array", "items": {} })),
        &["/properties/a~1b/anyOf/0/items accepts any value; give it a type"],
    );
    let no_properties = "has no properties, so that only {} would fit; give it some, or allow no others: \
                         additionalProperties false, which is #[serde(deny_unknown_fields)]";
    let empty = format!("/properties/a~1b {no_properties}");
    check(with(json!({ "type": "object" })), &[&empty]);
    check(with(json!({ "type": "object", "properties": {} })), &[&empty]);
    check(with(json!({ "allOf": [{ "type": "object" }, { "type": "object" }] })), &[&empty]);
    check(json!({ "type": "object" }), &[&format!("its root {no_properties}")]);
    let nothing_fits = "is not a schema that a value can fit";
    check(with(json!({ "anyOf": [] })), &[&format!("/properties/a~1b {nothing_fits}")]);
    check(with(json!(false)), &[&format!("/properties/a~1b {nothing_fits}")]);
    check(
        with(json!({ "allOf": [{ "type": "string" }, { "type": "integer" }] })),
        &[&format!("/properties/a~1b {nothing_fits}: its parts contradict each other")],
    );
    check(
        with(json!({ "type": "array", "items": [{ "type": "string" }] })),
        &["/properties/a~1b is a tuple, which a strict schema cannot express; use a struct"],
    );
    check(
        json!({ "type": "object", "properties": {}, "required": ["x"] }),
        &["its root requires \"x\", which is not among its properties"],
    );
    check(
        json!({ "type": "object", "properties": { "a": { "allOf": [{ "$ref": "#/$defs/A" }, { "type": "object" }] } },
            "$defs": { "A": { "allOf": [{ "$ref": "#/$defs/A" }, { "type": "object" }] } } }),
        &["/properties/a includes #/$defs/A, which includes itself"],
    );
    check(
        with(json!({ "$ref": "#/$defs/T" })),
        &["/properties/a~1b refers to \"#/$defs/T\", which is not in the schema"],
    );
    let deep = (0..12).fold(
        json!({ "type": "string" }),
        |inner, _| json!({ "type": "object", "properties": { "a": inner }, "required": ["a"] }),
    );
    check(
        deep,
        &[&format!("{} is nested deeper than the 10 levels that OpenAI accepts", "/properties/a".repeat(10))],
    );
    let values: Vec<String> = (0..1000).map(|value| value.to_string()).collect();
    // Null is one more.
    check(with(json!({ "enum": values })), &["its root has 1001 enum values; OpenAI accepts 1000"]);
    let values: Vec<String> = (0..250).map(|value| format!("{value:0100}")).collect();
    check(
        with(json!({ "enum": values })),
        &[
            "/properties/a~1b lists 251 values of 25000 characters; of more than 250 values OpenAI accepts 15000 characters",
        ],
    );
    let properties: Map<String, Value> =
        (0..5_001).map(|n| (format!("{n:025}"), json!({ "type": "string" }))).collect();
    check(
        json!({ "type": "object", "properties": properties }),
        &[
            "its root has 5001 properties; OpenAI accepts 5000",
            "its root has 125025 characters in its names and enum values; OpenAI accepts 120000",
        ],
    );
}

#[test]
fn types_that_cannot_be_strict() {
    #[track_caller]
    fn check<T: JsonSchema>(expected: &str) {
        let error = strict_schema_of::<T>().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    struct Holds<T> {
        it: T,
    }
    check::<Vec<String>>("its root is not an object");
    check::<Pet>("its root is a union");
    check::<Holds<BTreeMap<String, u8>>>("/properties/it is a map");
    check::<Holds<Value>>("/properties/it accepts any value");
    check::<Holds<Vec<Value>>>("/properties/it/items accepts any value");
    check::<Holds<(u8, String)>>("/properties/it is a tuple");
}

#[test]
fn a_strict_tool() {
    let tool = ToolDefinition::from_type::<Home>("move_to", "Moves").into_strict().unwrap();
    assert_eq!(tool.strict, Some(true));
    assert_eq!(tool.parameters.to_json_schema()["additionalProperties"], json!(false));
    let error = ToolDefinition::from_type::<BTreeMap<String, u8>>("f", "").into_strict().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("invalid request: tool \"f\": the schema cannot be made strict: its root is a map"),
        "{error}"
    );
}

#[test]
fn unions_that_cannot_be_told_apart_are_refused_with_their_place() {
    #[track_caller]
    fn check<T: JsonSchema>(expected: &str) {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is asked for")]
        struct Holds<T> {
            it: T,
        }
        let error = strict_schema_of::<Holds<T>>().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    enum Same {
        A { x: u8 },
        B { x: u8 },
    }
    check::<Same>("/$defs/Same is a union whose branch 1 can be read as branch 0");
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    enum Hidden {
        Short { x: u8 },
        Long { x: u8, y: u8 },
    }
    check::<Hidden>(
        "/$defs/Hidden is a union whose branch 1 can be read as branch 0: put the one with more fields first",
    );
    // Serde takes a missing `x` for none, and `y` for unknown.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    enum AllOptional {
        Any { x: Option<u8> },
        Other { y: u8 },
    }
    check::<AllOptional>("/$defs/AllOptional is a union whose branch 1 can be read as branch 0");
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    enum Texts {
        Any(String),
        Known(Word),
    }
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    enum Word {
        Yes,
        No,
    }
    check::<Texts>("/$defs/Texts is a union whose branch 1 can be read as branch 0");
}
