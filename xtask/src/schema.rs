//! Walking JSON Schemas inside an OpenAPI document: where schemas hold schemas, how references are spelt, how a
//! place is named. Knows nothing of the rules that use it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A JSON object.
pub(crate) type Map = serde_json::Map<String, Value>;

/// What every reference to a schema component starts with.
pub(crate) const SCHEMAS: &str = "#/components/schemas/";

/// Keywords whose value maps names to schemas.
const NAMED: [&str; 2] = ["properties", "patternProperties"];
/// Keywords whose value is a list of schemas.
const LISTED: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is one schema (where it is an object).
const SINGLE: [&str; 4] = ["additionalProperties", "items", "not", "propertyNames"];

/// The keywords that make a union.
pub(crate) const UNIONS: [&str; 2] = ["anyOf", "oneOf"];

/// Where a schema stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The JSONPath of the schema, as an overlay target would spell it.
    pub(crate) path: &'a str,
    /// Whether it is one branch of a union.
    pub(crate) branch: bool,
}

/// One step of a JSONPath: `.name`, or `['name']` where the name is not an identifier.
pub(crate) fn step(name: &str) -> String {
    if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        format!(".{name}")
    } else {
        format!("['{name}']")
    }
}

/// The JSONPath of a schema component.
pub(crate) fn component_path(name: &str) -> String {
    format!("$.components.schemas{}", step(name))
}

/// The schemas directly under `schema`, each with the keyword it stands under and the path that leads to it.
pub(crate) fn children(schema: &Value) -> Vec<(&str, String, &Value)> {
    let mut found = Vec::new();
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        let keyword = keyword.as_str();
        if NAMED.contains(&keyword) {
            let named = value.as_object().into_iter().flatten();
            found.extend(named.map(|(name, child)| (keyword, format!(".{keyword}{}", step(name)), child)));
        } else if LISTED.contains(&keyword) {
            let listed = value.as_array().into_iter().flatten().enumerate();
            found.extend(listed.map(|(index, child)| (keyword, format!(".{keyword}[{index}]"), child)));
        } else if SINGLE.contains(&keyword) && value.is_object() {
            found.push((keyword, format!(".{keyword}"), value));
        }
    }
    found
}

/// [`children`], to be changed in place.
pub(crate) fn children_mut(schema: &mut Value) -> Vec<(&str, String, &mut Value)> {
    let mut found = Vec::new();
    for (keyword, value) in schema.as_object_mut().into_iter().flatten() {
        let keyword = keyword.as_str();
        if NAMED.contains(&keyword) {
            let named = value.as_object_mut().into_iter().flatten();
            found.extend(named.map(|(name, child)| (keyword, format!(".{keyword}{}", step(name)), child)));
        } else if LISTED.contains(&keyword) {
            let listed = value.as_array_mut().into_iter().flatten().enumerate();
            found.extend(listed.map(|(index, child)| (keyword, format!(".{keyword}[{index}]"), child)));
        } else if SINGLE.contains(&keyword) && value.is_object() {
            found.push((keyword, format!(".{keyword}"), value));
        }
    }
    found
}

/// Calls `visit` for `schema` and every schema under it, parents first.
pub(crate) fn walk(schema: &Value, place: Place<'_>, visit: &mut dyn FnMut(&Map, Place<'_>)) {
    if let Some(object) = schema.as_object() {
        visit(object, place);
    }
    for (keyword, suffix, child) in children(schema) {
        let path = format!("{}{suffix}", place.path);
        walk(child, Place { path: &path, branch: UNIONS.contains(&keyword) }, visit);
    }
}

/// Calls `visit` for every schema under `schema` and then for itself, so that a rule finds its children done.
pub(crate) fn bottom_up(
    schema: &mut Value,
    place: Place<'_>,
    visit: &mut dyn FnMut(&mut Value, Place<'_>) -> Result<()>,
) -> Result<()> {
    for (keyword, suffix, child) in children_mut(schema) {
        let path = format!("{}{suffix}", place.path);
        bottom_up(child, Place { path: &path, branch: UNIONS.contains(&keyword) }, visit)?;
    }
    visit(schema, place)
}

/// What stands at a local `$ref` of `document`.
pub(crate) fn resolve<'a>(document: &'a Value, reference: &str) -> Result<&'a Value> {
    let pointer =
        reference.strip_prefix('#').with_context(|| format!("$ref {reference} leads out of the document"))?;
    document.pointer(pointer).with_context(|| format!("nothing stands at $ref {reference}"))
}

/// The component that a `$ref` schema points at.
pub(crate) fn target(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(SCHEMAS)
}

/// A schema that refers to the component `name`.
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{SCHEMAS}{name}") })
}

/// The components that `schema` refers to, anywhere inside.
pub(crate) fn targets(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(schema, Place { path: "", branch: false }, &mut |object, _| {
        let name = object.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(SCHEMAS));
        found.extend(name.map(str::to_owned));
    });
    found
}

/// The components that can be reached from `roots`, themselves included; `schema_of` looks a name up.
pub(crate) fn reachable<'a>(
    roots: impl IntoIterator<Item = String>,
    schema_of: impl Fn(&str) -> Option<&'a Value>,
) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some(schema) = schema_of(&name).filter(|_| !seen.contains(&name)) {
            open.extend(targets(schema));
            seen.insert(name);
        }
    }
    seen
}

/// The values of a closed set of strings.
pub(crate) fn enum_values(schema: &Value) -> Option<Vec<&str>> {
    schema.get("enum")?.as_array()?.iter().map(Value::as_str).collect()
}

/// The branches of a lowered union.
pub(crate) fn branches(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf")?.as_array()
}

/// The same value, the keys of every object in order, whichever map type serde_json was built with.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<String, Value> =
                map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_visited_with_its_path() {
        let mut schema = json!({
            "properties": { "a-b": { "items": {} }, "enum": { "enum": [{}] } },
            "oneOf": [{ "additionalProperties": { "not": {} } }],
            "additionalProperties": true,
            "default": { "properties": { "no": {} } },
        });
        let root = Place { path: "$", branch: false };
        let expected = BTreeSet::from([
            ("$".to_owned(), false),
            ("$.oneOf[0]".to_owned(), true),
            ("$.oneOf[0].additionalProperties".to_owned(), false),
            ("$.oneOf[0].additionalProperties.not".to_owned(), false),
            ("$.properties.enum".to_owned(), false),
            ("$.properties['a-b']".to_owned(), false),
            ("$.properties['a-b'].items".to_owned(), false),
        ]);
        let mut down = Vec::new();
        walk(&schema, root, &mut |_, place| down.push((place.path.to_owned(), place.branch)));
        assert_eq!(down.first(), Some(&("$".to_owned(), false)), "parents first");
        let mut up = Vec::new();
        bottom_up(&mut schema, root, &mut |_, place| {
            up.push((place.path.to_owned(), place.branch));
            Ok(())
        })
        .unwrap();
        assert_eq!(up.last(), Some(&("$".to_owned(), false)), "children first");
        assert_eq!(BTreeSet::from_iter(down), expected);
        assert_eq!(BTreeSet::from_iter(up), expected);
    }

    #[test]
    fn paths_can_be_pasted_into_an_overlay() {
        let schemas = json!({ "components": { "schemas": { "Error-2": 1, "Error_2": 2 } } });
        for (name, value) in [("Error-2", 1), ("Error_2", 2)] {
            let path = serde_json_path::JsonPath::parse(&component_path(name)).unwrap();
            assert_eq!(path.query(&schemas).exactly_one().unwrap(), &json!(value));
        }
    }

    #[test]
    fn reachability_survives_cycles_and_dangling_references() {
        let schemas: BTreeMap<&str, Value> = BTreeMap::from([
            ("A", json!({ "items": reference("B") })),
            ("B", json!({ "oneOf": [reference("A"), reference("Gone")] })),
            ("C", json!({})),
        ]);
        let found = reachable(["A".to_owned()], |name| schemas.get(name));
        assert_eq!(found, BTreeSet::from(["A".to_owned(), "B".to_owned()]));
    }
}
