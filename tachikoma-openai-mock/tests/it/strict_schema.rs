//! Schemas by OpenAI's rules for `strict: true`.

use tachikoma_openai_mock::check_strict_schema;

pub(crate) const STRING: &str = r#"{"type": "string"}"#;

/// A closed object with these properties, in this order.
pub(crate) fn object(properties: &[(&str, &str)]) -> String {
    let fields: Vec<String> =
        properties.iter().map(|(name, schema)| format!(r#""{name}": {schema}"#)).collect();
    let names: Vec<String> = properties.iter().map(|(name, _)| format!(r#""{name}""#)).collect();
    format!(
        r#"{{"type": "object", "properties": {{{}}}, "required": [{}], "additionalProperties": false}}"#,
        fields.join(", "),
        names.join(", ")
    )
}

/// The root with more keywords, for instance definitions.
pub(crate) fn with(schema: &str, keywords: &str) -> String {
    format!("{}, {keywords}}}", schema.strip_suffix('}').unwrap())
}

pub(crate) fn union(branches: &[&str]) -> String {
    format!(r#"{{"anyOf": [{}]}}"#, branches.join(", "))
}

#[track_caller]
pub(crate) fn passes(schema: &str) {
    assert_eq!(check_strict_schema(schema), Ok(()), "{schema}");
}

#[track_caller]
pub(crate) fn refused(schema: &str, expected: &str) {
    assert_eq!(check_strict_schema(schema), Err(expected.to_owned()), "{schema}");
}

/// The schema is that of the property `a` of an otherwise good root.
#[track_caller]
pub(crate) fn property_passes(schema: &str) {
    passes(&object(&[("a", schema)]));
}

/// The schema is that of the property `a`, which the message has to name.
#[track_caller]
fn property_refused(schema: &str, expected: &str) {
    refused(&object(&[("a", schema)]), &format!("In context=('properties', 'a'), {expected}"));
}

#[test]
fn the_root_is_an_object() {
    let wrong_type =
        |got: &str| format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {got}'.");
    refused("{}", &wrong_type(r#""None""#));
    refused(r#"{"anyOf": []}"#, &wrong_type(r#""None""#));
    refused(r##"{"$ref": "#/$defs/A"}"##, &wrong_type(r#""None""#));
    refused(r#"{"type": "null"}"#, &wrong_type(r#""null""#));
    refused(r#"{"type": "array", "items": {}}"#, &wrong_type(r#""array""#));
    refused(r#"{"type": ["object"]}"#, &wrong_type(r#"["object"]"#));
    refused("true", &wrong_type(r#""None""#));
    for keyword in ["anyOf", "oneOf", "allOf", "enum", "not"] {
        refused(
            &with(&object(&[]), &format!(r#""{keyword}": []"#)),
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.",
        );
    }
}

#[test]
fn a_schema_is_json_with_each_key_once() {
    refused("{", "schema is not valid JSON: EOF while parsing an object at line 1 column 1.");
    let twice = r#"{"type": "object", "properties": {"a": {}, "b": {}, "a": {}}}"#;
    refused(twice, "schema is not valid JSON: duplicate key 'a' at line 1 column 60.");
}

#[test]
fn objects_are_closed_and_complete_at_every_depth() {
    const OPEN: &str = "'additionalProperties' is required to be supplied and to be false.";
    const REQUIRED: &str =
        "'required' is required to be supplied and to be an array including every key in properties.";
    passes(&object(&[]));
    passes(&object(&[("a", STRING), ("b", &object(&[("c", STRING)]))]));
    passes(r#"{"type": "object", "properties": {}, "additionalProperties": false}"#);
    refused(
        r#"{"type": "object", "additionalProperties": false}"#,
        "In context=(), object schema missing properties.",
    );
    let object_with = |keywords: &str| format!(r#"{{"type": "object", {keywords}}}"#);
    let closed = |keywords: &str| object_with(&format!(r#""additionalProperties": false, {keywords}"#));
    property_refused(&object_with(r#""properties": {}"#), OPEN);
    property_refused(&object_with(r#""properties": {}, "additionalProperties": true"#), OPEN);
    property_refused(&object_with(r#""properties": {}, "additionalProperties": {}"#), OPEN);
    property_refused(&closed(r#""properties": []"#), "object schema missing properties.");
    let b = r#""properties": {"b": {"type": "string"}}"#;
    property_refused(&closed(b), &format!("{REQUIRED} Missing 'b'."));
    property_refused(&closed(&format!(r#"{b}, "required": []"#)), &format!("{REQUIRED} Missing 'b'."));
    property_refused(&closed(&format!(r#"{b}, "required": "b""#)), REQUIRED);
    let extra = |name: &str| format!("{REQUIRED} Extra required key '{name}' supplied.");
    property_refused(&closed(&format!(r#"{b}, "required": ["b", "c"]"#)), &extra("c"));
    property_refused(&closed(&format!(r#"{b}, "required": ["c", "b"]"#)), &extra("c"));
    property_refused(&closed(&format!(r#"{b}, "required": ["c"]"#)), &format!("{REQUIRED} Missing 'b'."));
    property_refused(&closed(&format!(r#"{b}, "required": ["b", "b"]"#)), &extra("b"));
    property_refused(&closed(&format!(r#"{b}, "required": ["b", 1]"#)), &extra("1"));

    let open = r#"{"type": "object", "properties": {}}"#;
    let inside = |schema: &str, path: &str| refused(schema, &format!("In context=({path}), {OPEN}"));
    inside(open, "");
    inside(
        &object(&[("a", &format!(r#"{{"type": "array", "items": {open}}}"#))]),
        "'properties', 'a', 'items'",
    );
    inside(&object(&[("a", &union(&[r#"{"type": "null"}"#, open]))]), "'properties', 'a', 'anyOf', '1'");
    inside(&with(&object(&[]), &format!(r#""$defs": {{"X": {open}}}"#)), "'$defs', 'X'");
    inside(&with(&object(&[]), &format!(r#""definitions": {{"X": {open}}}"#)), "'definitions', 'X'");
    inside(
        &object(&[("a", r#"{"type": ["null", "object"], "properties": {}}"#)]),
        "'properties', 'a', 'type', '1'",
    );
}

#[test]
fn every_schema_says_what_it_is() {
    const NO_TYPE: &str = "schema must have a 'type' key.";
    property_passes(r#"{"type": "boolean"}"#);
    property_passes(r#"{"type": ["integer", "null"], "description": "d", "title": "t"}"#);
    property_passes(r##"{"$ref": "#"}"##);
    property_passes(&union(&[STRING, r#"{"type": "null"}"#]));
    property_refused("{}", NO_TYPE);
    property_refused("true", NO_TYPE);
    property_refused(r#"{"description": "anything"}"#, NO_TYPE);
    property_refused(r#"{"enum": ["x"]}"#, NO_TYPE);
    property_refused(r#"{"const": "x"}"#, NO_TYPE);
    property_refused(r#"{"type": "any"}"#, "'any' is not valid under any of the given schemas.");
    property_refused(r#"{"type": []}"#, "'[]' is not valid under any of the given schemas.");
    property_refused(r#"{"anyOf": []}"#, "[] should be a non-empty array.");
    property_refused(r#"{"anyOf": {}}"#, "{} should be a non-empty array.");
    property_refused(r#"{"type": "string", "enum": []}"#, "[] should be a non-empty array.");
}

#[test]
fn arrays_describe_their_items() {
    property_passes(r#"{"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}"#);
    property_passes(r#"{"type": ["array", "null"], "items": {"type": "string"}}"#);
    property_refused(r#"{"type": "array"}"#, "array schema missing items.");
    refused(
        &object(&[("a", r#"{"type": ["array", "null"]}"#)]),
        "In context=('properties', 'a', 'type', '0'), array schema missing items.",
    );
    refused(
        &object(&[("a", r#"{"type": "array", "items": {}}"#)]),
        "In context=('properties', 'a', 'items'), schema must have a 'type' key.",
    );
}

#[test]
fn only_some_keywords_are_permitted() {
    property_passes(r#"{"type": "string", "pattern": "^a$"}"#);
    property_passes(
        r#"{"type": "number", "minimum": 0, "exclusiveMinimum": 0, "maximum": 1, "exclusiveMaximum": 1, "multipleOf": 0.1}"#,
    );
    passes(&with(&object(&[]), r#""$schema": "http://json-schema.org/draft-07/schema#", "$id": "x""#));
    let refused_keywords = [
        "$comment", "$schema", "allOf", "contains", "default", "dependentRequired", "deprecated", "else",
        "examples", "if", "maxLength", "maxProperties", "minLength", "minProperties", "not", "nullable",
        "oneOf", "patternProperties", "prefixItems", "propertyNames", "readOnly", "then",
        "unevaluatedProperties", "uniqueItems",
    ];
    for keyword in refused_keywords {
        let schema = format!(r#"{{"type": "string", "{keyword}": 1}}"#);
        property_refused(&schema, &format!("'{keyword}' is not permitted."));
    }
    // A property may be called like a keyword.
    passes(&object(&[("default", STRING), ("allOf", STRING), ("items", STRING), ("$ref", STRING)]));
}

#[test]
fn formats_are_known() {
    for format in ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"] {
        property_passes(&format!(r#"{{"type": "string", "format": "{format}"}}"#));
    }
    property_refused(r#"{"type": "string", "format": "uri"}"#, "'uri' is not a valid format.");
    refused(
        &object(&[("a", r#"{"type": ["null", "string"], "format": "uri"}"#)]),
        "In context=('properties', 'a', 'type', '1'), 'uri' is not a valid format.",
    );
}

#[test]
fn constants_have_the_type_of_their_schema() {
    property_passes(r#"{"type": "string", "enum": ["a", "b"]}"#);
    property_passes(r#"{"type": ["string", "null"], "enum": ["a", null]}"#);
    property_passes(r#"{"type": "integer", "const": 1}"#);
    property_passes(r#"{"type": "integer", "const": 1.0}"#);
    property_passes(r#"{"type": "number", "enum": [1, 1.5]}"#);
    let check = |schema: &str, expected: &str| {
        let expected = format!("context=('properties', 'a'), enum value {expected}.");
        refused(&object(&[("a", schema)]), &expected);
    };
    check(r#"{"type": "string", "enum": ["a", null]}"#, "null does not validate against {'type': 'string'}");
    check(r#"{"type": "integer", "const": 1.5}"#, "1.5 does not validate against {'type': 'integer'}");
    check(
        r#"{"type": ["integer", "null"], "const": "x"}"#,
        "x does not validate against {'type': ['integer', 'null']}",
    );
}

#[test]
fn references_stand_alone_and_lead_to_a_definition() {
    let check = |reference: &str, definitions: &str, expected: Result<(), &str>| {
        let schema = with(&object(&[("a", reference)]), definitions);
        let expected = expected.map_err(str::to_owned);
        assert_eq!(check_strict_schema(&schema), expected, "{schema}");
    };
    let defs = r#""$defs": {"X": {"type": "string"}, "a/b~c": {"type": "string"}}"#;
    check(r##"{"$ref": "#/$defs/X"}"##, defs, Ok(()));
    check(r##"{"$ref": "#/$defs/a~1b~0c"}"##, defs, Ok(()));
    check(r##"{"$ref": "#/definitions/X"}"##, r#""definitions": {"X": {"type": "string"}}"#, Ok(()));
    check(r##"{"$ref": "#/$defs/Y"}"##, r##""$defs": {"Y": {"$ref": "#"}}"##, Ok(()));
    check(
        r##"{"$ref": "#/$defs/X", "description": "d"}"##,
        defs,
        Err("context=('properties', 'a'), $ref cannot have keywords {'description'}."),
    );
    let missing = |name: &str| {
        format!(
            "In context=('properties', 'a'), reference to component '{name}' which was not found in the schema."
        )
    };
    check(r##"{"$ref": "#/$defs/Y"}"##, defs, Err(&missing("#/$defs/Y")));
    check(r##"{"$ref": "#/definitions/X"}"##, defs, Err(&missing("#/definitions/X")));
    check(r#"{"$ref": "https://example.com"}"#, defs, Err(&missing("https://example.com")));
    for elsewhere in ["#/properties/a", "#/$defs/X/items"] {
        check(
            &format!(r#"{{"$ref": "{elsewhere}"}}"#),
            defs,
            Err(
                "In context=('properties', 'a'), reference can only point to definitions defined at the top level of \
                 the schema.",
            ),
        );
    }
    check(
        r##"{"$ref": "#/$defs/X"}"##,
        r##""$defs": {"X": {"$ref": "#/$defs/Y"}, "Y": {"$ref": "#/$defs/X"}}"##,
        Err(
            "In context=('properties', 'a'), reference to component '#/$defs/X' which refers to nothing but itself.",
        ),
    );
}

#[test]
fn the_objects_of_a_union_begin_with_different_keys() {
    let first = |name: &str, schema: &str| object(&[(name, schema), ("z", STRING)]);
    let tag = |values: &str| first("tag", &format!(r#"{{"type": "string", {values}}}"#));
    let (a, b) = (tag(r#""const": "a""#), tag(r#""const": "b""#));
    let definitions = format!(
        r##""$defs": {{"A": {a}, "B": {b}, "One": {{"type": "string", "const": "a"}}, "Same": {{"$ref": "#/$defs/A"}},
            "Loop": {{"anyOf": [{{"$ref": "#/$defs/Loop"}}, {{"$ref": "#/$defs/A"}}]}}}}"##
    );
    let check = |branches: &[&str], is_taken: bool| {
        let schema = with(&object(&[("u", &union(branches))]), &definitions);
        let expected = "Objects provided via 'anyOf' must not share identical first keys. Consider adding a \
                        discriminator key or rearranging the properties to ensure the first key is unique.";
        let expected = if is_taken { Ok(()) } else { Err(expected.to_owned()) };
        assert_eq!(check_strict_schema(&schema), expected, "{schema}");
    };
    let x = first("x", STRING);
    let of = |name: &str| format!(r##"{{"$ref": "#/$defs/{name}"}}"##);

    check(&[&x, &first("y", STRING)], true);
    check(&[&x, &x], false);
    check(&[&x, STRING, &x], false);
    // The order counts: the second key of one may be the first of the other.
    check(&[&object(&[("x", STRING), ("y", STRING)]), &object(&[("y", STRING), ("x", STRING)])], true);
    check(&[&object(&[("y", STRING), ("x", STRING)]), &object(&[("y", STRING), ("z", STRING)])], false);
    check(&[&object(&[]), &object(&[])], true);

    check(&[&a, &b], true);
    check(&[&a, &a], false);
    check(&[&a, &first("tag", STRING)], false);
    check(&[&first("tag", STRING), &a], false);
    check(&[&a, &tag(r#""enum": ["b", "c"]"#)], true);
    check(&[&a, &tag(r#""enum": ["b", "a"]"#)], false);
    check(&[&a, &b, &tag(r#""enum": ["c", "b"]"#)], false);
    check(&[&tag(r#""enum": ["a", "a"]"#), &b], true);
    check(&[&a, &first("tag", r#"{"type": "integer", "const": 1}"#)], true);

    check(&[&of("A"), &of("B")], true);
    check(&[&of("A"), &a], false);
    check(&[&of("A"), &of("Same")], false);
    check(&[&b, &first("tag", &of("One"))], true);
    check(&[&a, &first("tag", &of("One"))], false);
    check(&[&of("B"), &union(&[&of("A"), STRING])], true);
    check(&[&of("A"), &union(&[&of("A"), STRING])], false);
    check(&[&of("B"), &of("Loop")], true);
    check(&[&of("A"), &of("Loop")], false);
}
