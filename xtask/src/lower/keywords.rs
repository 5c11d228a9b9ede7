//! R3, R5, R11, R14: keywords that the generator must not see, and other spellings of those that it may.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Components, Tally, hints};
use crate::schema::{self, Map, Place};

/// Keywords that a rule reads.
const STRUCTURE: [&str; 13] = [
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "discriminator", "enum", "items", "oneOf",
    "properties", "required", "title", "type",
];
/// R5: what typify would turn into further crates, newtypes or narrower numbers.
const CONSTRAINTS: [&str; 21] = [
    "$recursiveAnchor", "contentEncoding", "contentMediaType", "deprecated", "exclusiveMaximum",
    "exclusiveMinimum", "format", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
    "minLength", "minProperties", "minimum", "multipleOf", "not", "pattern", "propertyNames", "readOnly",
    "uniqueItems",
];
/// R11: prose, should the overlay have brought some.
const PROSE: [&str; 6] = ["description", "example", "examples", "externalDocs", "summary", "writeOnly"];

/// Refuses every keyword that no rule knows, with the path of each.
pub(super) fn check(components: &Components) -> Result<()> {
    let mut unknown = Vec::new();
    for component in components.values() {
        schema::walk(
            &component.schema,
            Place { path: &component.path, branch: false },
            &mut |schema, place| {
                let alien = |key: &&String| {
                    let key = key.as_str();
                    !(STRUCTURE.contains(&key)
                        || CONSTRAINTS.contains(&key)
                        || PROSE.contains(&key)
                        || key == "default"
                        || key.starts_with(hints::PREFIX))
                };
                unknown.extend(
                    schema.keys().filter(alien).map(|key| format!("{}{}", place.path, schema::step(key))),
                );
            },
        );
    }
    unknown.sort();
    unknown.dedup();
    if !unknown.is_empty() {
        bail!(
            "the lowering does not know these keywords; give xtask a rule for them, or remove them in openapi/overlay.yaml:\n{}",
            unknown.join("\n")
        );
    }
    Ok(())
}

/// The rules that look at one schema alone.
pub(super) fn normalise(schema: &mut Value, place: Place<'_>, tally: &mut Tally) {
    let Some(object) = schema.as_object_mut() else { return };
    tally.add("R14", plain_reference(object) + single_value(object) + missing_type(object));
    tally.add("R3", usize::from(object.remove("default").is_some()));
    tally.add("R5", remove_all(object, &CONSTRAINTS) + open_scalar(object));
    tally.add(
        "R11",
        remove_all(object, &PROSE) + usize::from(!place.branch && object.remove("title").is_some()),
    );
}

/// R11: the titles and discriminators of former unions.
pub(super) fn drop_orphans(schema: &mut Value, place: Place<'_>, tally: &mut Tally) {
    let Some(object) = schema.as_object_mut() else { return };
    let title = !place.branch && object.remove("title").is_some();
    let discriminator = !object.contains_key("oneOf") && object.remove("discriminator").is_some();
    tally.add("R11", usize::from(title) + usize::from(discriminator));
}

fn remove_all(schema: &mut Map, keywords: &[&str]) -> usize {
    keywords.iter().filter(|keyword| schema.remove(**keyword).is_some()).count()
}

/// R14: `$recursiveRef: '#'` refers to the component that it stands in.
pub(super) fn name_recursion(schema: &mut Value, component: &str, tally: &mut Tally) -> Result<()> {
    schema::bottom_up(schema, Place { path: "", branch: false }, &mut |schema, _| {
        if schema.get("$recursiveRef").is_some() {
            *schema = schema::reference(component);
            tally.add("R14", 1);
        }
        Ok(())
    })
}

/// R14: a reference stands alone, but for hints.
fn plain_reference(schema: &mut Map) -> usize {
    let before = schema.len();
    if schema.contains_key("$ref") {
        schema.retain(|key, _| key == "$ref" || key.starts_with(hints::PREFIX));
    }
    before - schema.len()
}

/// R14: `const` is an enum of one.
fn single_value(schema: &mut Map) -> usize {
    schema.remove("const").map(|value| schema.insert("enum".into(), json!([value]))).map_or(0, |_| 1)
}

/// R14: properties make an object, items an array, strings in an enum a string.
fn missing_type(schema: &mut Map) -> usize {
    if schema.contains_key("type") {
        return 0;
    }
    let kind = if schema.contains_key("properties") || schema.contains_key("additionalProperties") {
        "object"
    } else if schema.contains_key("items") {
        "array"
    } else if schema.get("enum").is_some_and(is_closed) {
        "string"
    } else {
        return 0;
    };
    schema.insert("type".into(), json!(kind));
    1
}

/// R5: an enum of anything but strings (and null) is just its type.
fn open_scalar(schema: &mut Map) -> usize {
    let open = schema.get("enum").is_some_and(|values| !is_closed(values));
    usize::from(open && schema.remove("enum").is_some())
}

fn is_closed(values: &Value) -> bool {
    values.as_array().is_some_and(|list| {
        list.iter().all(|value| value.is_string() || value.is_null()) && list.iter().any(Value::is_string)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::Side;
    use crate::lower::tests::components;

    const PLACE: Place<'_> = Place { path: "$", branch: false };

    fn check_normalised(place: Place<'_>, mut schema: Value, expected: Value) {
        normalise(&mut schema, place, &mut Tally::default());
        assert_eq!(schema, expected);
    }

    #[test]
    fn unknown_keywords_are_refused_with_their_paths() {
        let given = components(
            Side::Request,
            json!({ "A": { "properties": { "b-c": { "items": { "optional": true } } }, "if": {} }, "B": { "type": "string" } }),
        );
        let error = check(&given).unwrap_err().to_string();
        let paths: Vec<&str> = error.lines().skip(1).collect();
        assert_eq!(
            paths,
            ["$.components.schemas.A.if", "$.components.schemas.A.properties['b-c'].items.optional"]
        );
    }

    #[test]
    fn a_property_may_be_called_like_anything() {
        let given = json!({ "A": { "properties": { "optional": { "type": "string" } } } });
        check(&components(Side::Request, given)).unwrap();
    }

    #[test]
    fn r14_references_stand_alone_but_for_hints() {
        check_normalised(
            PLACE,
            json!({ "$ref": "#/x", "deprecated": true, "type": "object", "x-codex-name": "N" }),
            json!({ "$ref": "#/x", "x-codex-name": "N" }),
        );
    }

    #[test]
    fn r14_types_are_spelt_out() {
        check_normalised(PLACE, json!({ "const": "a" }), json!({ "enum": ["a"], "type": "string" }));
        check_normalised(PLACE, json!({ "properties": {} }), json!({ "properties": {}, "type": "object" }));
        check_normalised(PLACE, json!({ "items": {} }), json!({ "items": {}, "type": "array" }));
        check_normalised(PLACE, json!({}), json!({}));
    }

    #[test]
    fn r14_recursion_names_its_component() {
        let mut schema = json!({ "items": { "$recursiveRef": "#" } });
        name_recursion(&mut schema, "Filter", &mut Tally::default()).unwrap();
        assert_eq!(schema, json!({ "items": { "$ref": "#/components/schemas/Filter" } }));
    }

    #[test]
    fn r3_and_r5_defaults_formats_and_constraints_go() {
        check_normalised(
            PLACE,
            json!({ "type": "string", "default": "a", "format": "date", "pattern": "^a", "maxLength": 3 }),
            json!({ "type": "string" }),
        );
        check_normalised(
            PLACE,
            json!({ "type": "integer", "enum": [1, 2], "minimum": 1 }),
            json!({ "type": "integer" }),
        );
        check_normalised(PLACE, json!({ "enum": ["a", 1] }), json!({}));
    }

    #[test]
    fn r11_what_a_union_leaves_behind_goes() {
        let mut schema = json!({ "type": "array", "title": "T", "discriminator": {} });
        drop_orphans(&mut schema, PLACE, &mut Tally::default());
        assert_eq!(schema, json!({ "type": "array" }));
        let mut union = json!({ "oneOf": [], "title": "T", "discriminator": {} });
        let kept = union.clone();
        drop_orphans(&mut union, Place { branch: true, ..PLACE }, &mut Tally::default());
        assert_eq!(union, kept);
    }

    #[test]
    fn r11_a_title_stays_only_on_a_branch() {
        let titled = json!({ "title": "T", "type": "string", "description": "d" });
        check_normalised(PLACE, titled.clone(), json!({ "type": "string" }));
        check_normalised(Place { branch: true, ..PLACE }, titled, json!({ "title": "T", "type": "string" }));
    }
}
