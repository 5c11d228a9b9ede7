//! The order of properties, which `serde_json` sorts unless its feature `preserve_order` is on.

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// A JSON Schema that is serialized with its properties in the order in which a model should write them.
///
/// `serde_json` keeps the order of keys only with its feature `preserve_order`. Without it, the order of `required` is the only one
/// that a schema has: properties are written in that order, and those that are not required after them. OpenAI generates values in
/// the order of the properties, and tells the branches of a union apart by the first one.
///
/// ```
/// # use serde_json::json;
/// # use tachikoma_backends_core::OrderedSchema;
/// let schema = json!({"type": "object", "properties": {"a": {}, "kind": {}}, "required": ["kind", "a"]});
/// let text = serde_json::to_string(&OrderedSchema(&schema)).unwrap();
/// # if serde_json::to_string(&json!({"b": 1, "a": 1})).unwrap() == r#"{"a":1,"b":1}"# {
/// assert!(text.contains(r#""properties":{"kind":{},"a":{}}"#));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OrderedSchema<'a>(pub &'a Value);

impl Serialize for OrderedSchema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(schema) = self.0.as_object() else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(schema.len()))?;
        for (keyword, value) in schema {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(_)) => {
                    map.serialize_entry(keyword, &Named(ordered_properties(schema)))?;
                }
                ("$defs" | "definitions", Value::Object(schemas)) => {
                    map.serialize_entry(keyword, &Named(schemas.iter().collect()))?;
                }
                ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                    let schemas: Vec<OrderedSchema<'_>> = schemas.iter().map(OrderedSchema).collect();
                    map.serialize_entry(keyword, &schemas)?;
                }
                ("items" | "additionalProperties", schema) => {
                    map.serialize_entry(keyword, &OrderedSchema(schema))?;
                }
                (_, value) => map.serialize_entry(keyword, value)?,
            }
        }
        map.end()
    }
}

/// Schemas by name.
struct Named<'a>(Vec<(&'a String, &'a Value)>);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, schema)| (name, OrderedSchema(schema))))
    }
}

/// The properties of an object's schema in their order.
pub(super) fn ordered_properties(schema: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    if keeps_order() {
        return properties.iter().collect();
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let mut ordered: Vec<(&String, &Value)> = Vec::with_capacity(properties.len());
    let mut seen = BTreeSet::new();
    for name in required.filter_map(Value::as_str) {
        if let Some(property) = properties.get_key_value(name).filter(|_| seen.insert(name)) {
            ordered.push(property);
        }
    }
    ordered.extend(properties.iter().filter(|(name, _)| !seen.contains(name.as_str())));
    ordered
}

/// Whether `serde_json` keeps the order of keys in this build.
fn keeps_order() -> bool {
    let keys: Map<String, Value> = ["b", "a"].map(|key| (key.to_owned(), Value::Null)).into_iter().collect();
    keys.keys().next().is_some_and(|first| first == "b")
}
