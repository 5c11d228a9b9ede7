//! A value that fits a JSON schema: always the same one, small but not empty.

use serde_json::{Map, Value, json};

/// An example has at most this many values and bytes of text; the rest becomes null.
const LARGEST: usize = 20_000;

/// From this depth on, the example of a recursive schema takes the first branch that ends it.
const DEEP: usize = 8;

/// The example of a schema. `$ref` is followed inside the schema; properties that are not required are
/// left out; `pattern`, `not` and conditions are ignored.
pub(crate) fn example(schema: &Value) -> Value {
    Examples { root: schema, left: LARGEST }.value(schema, 0)
}

struct Examples<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Examples<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        const DEEPEST: usize = 4 * DEEP;
        let exhausted = self.left == 0 || depth > DEEPEST;
        self.left = self.left.saturating_sub(1);
        if exhausted {
            return Value::Null;
        }
        let depth = depth + 1;
        if let Some(fixed) = schema.get("const").or_else(|| list(schema, "enum").first()) {
            return fixed.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, depth));
        }
        if schema.get("properties").is_none() {
            let unions = ["anyOf", "oneOf"].map(|keyword| list(schema, keyword));
            if let Some(branch) = unions.into_iter().find_map(|union| branch_of(union, depth)) {
                return self.value(branch, depth);
            }
            if let [only] = list(schema, "allOf") {
                return self.value(only, depth);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => {
                let text = string(schema);
                self.left = self.left.saturating_sub(text.len());
                text.into()
            }
            "integer" => json!(number(schema, 1.0).ceil() as i64),
            "number" => json!(number(schema, 1.5)),
            "boolean" => true.into(),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut fields = Map::new();
        for part in list(schema, "allOf") {
            if let Value::Object(more) = self.value(part, depth) {
                fields.extend(more);
            }
        }
        for name in list(schema, "required").iter().filter_map(Value::as_str) {
            let property = schema.get("properties").and_then(|properties| properties.get(name));
            if let Some(property) = property {
                fields.insert(name.to_owned(), self.value(property, depth));
            } else {
                fields.entry(name).or_insert_with(|| "example".into());
            }
        }
        fields.into()
    }

    fn array(&mut self, schema: &'a Value, depth: usize) -> Value {
        let bound = |name| schema.get(name).and_then(Value::as_u64);
        let most = bound("maxItems").unwrap_or(u64::MAX);
        let fixed = list(schema, "prefixItems");
        let number =
            bound("minItems").unwrap_or(0).max(fixed.len() as u64).max(u64::from(depth < DEEP)).min(most);
        let rest = schema.get("items");
        let mut items = Vec::new();
        for index in 0..usize::try_from(number).unwrap_or(usize::MAX) {
            let Some(item) = fixed.get(index).or(rest).filter(|_| self.left > 0) else { break };
            items.push(self.value(item, depth));
        }
        items.into()
    }
}

fn list<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The first branch of a union that is not null, or at a great depth the one that is.
fn branch_of(union: &[Value], depth: usize) -> Option<&Value> {
    union.iter().find(|branch| (kind(branch) == "null") == (depth > DEEP)).or(union.first())
}

/// The schema's type; of several, the first that is not null; of none, the type that its other keywords
/// imply.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null")
        }
        _ if schema.get("items").or(schema.get("prefixItems")).is_some() => "array",
        _ if schema == &json!({}) || schema == &Value::Bool(true) => "string",
        _ => "object",
    }
}

fn string(schema: &Value) -> String {
    let example = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => return "2025-01-01T00:00:00Z".to_owned(),
        Some("date") => return "2025-01-01".to_owned(),
        Some("time") => return "00:00:00Z".to_owned(),
        Some("duration") => return "PT1S".to_owned(),
        Some("email") => return "user@example.com".to_owned(),
        Some("hostname") => return "example.com".to_owned(),
        Some("ipv4") => return "192.0.2.1".to_owned(),
        Some("ipv6") => return "2001:db8::1".to_owned(),
        Some("uri" | "url") => return "https://example.com/".to_owned(),
        Some("uuid") => return "00000000-0000-4000-8000-000000000000".to_owned(),
        _ => "example",
    };
    let bound =
        |name| schema.get(name).and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
    let shortest = bound("minLength").unwrap_or(0).min(LARGEST);
    let longest = bound("maxLength").unwrap_or(usize::MAX);
    let length = example.len().max(shortest).min(longest);
    example.chars().cycle().take(length).collect()
}

/// The usual number, or one inside the schema's bounds.
fn number(schema: &Value, usual: f64) -> f64 {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    let least = bound("minimum").or(bound("exclusiveMinimum"));
    let most = bound("maximum").or(bound("exclusiveMaximum"));
    let number = match (least, most) {
        (Some(least), Some(most)) => f64::midpoint(least, most),
        (Some(least), None) => usual.max(least + 1.0),
        (None, Some(most)) => usual.min(most - 1.0),
        (None, None) => usual,
    };
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    step.map_or(number, |step| (number / step).ceil() * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example is this one, and a validator accepts it.
    fn check(schema: Value, expected: Value) {
        let example = example(&schema);
        assert_eq!(example, expected, "the example of {schema}");
        assert!(jsonschema::is_valid(&schema, &example), "{example} does not fit {schema}");
    }

    #[test]
    fn each_type_has_its_usual_value() {
        check(json!({"type": "string"}), json!("example"));
        check(json!({"type": "integer"}), json!(1));
        check(json!({"type": "number"}), json!(1.5));
        check(json!({"type": "boolean"}), json!(true));
        check(json!({"type": "null"}), json!(null));
        check(json!({"type": "array", "items": {"type": "integer"}}), json!([1]));
        check(json!({"type": "array"}), json!([]));
        check(json!({"type": "object"}), json!({}));
        check(json!({"type": ["null", "string"]}), json!("example"));
        check(json!({}), json!("example"));
        check(json!(true), json!("example"));
        check(json!({"enum": ["celsius", "fahrenheit"]}), json!("celsius"));
        check(json!({"const": 7}), json!(7));
        check(json!({"type": "string", "format": "date"}), json!("2025-01-01"));
    }

    #[test]
    fn objects_hold_what_is_required() {
        check(
            json!({
                "type": "object",
                "properties": {
                    "place": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                        "required": ["city"],
                    },
                    "days": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
                    "unit": {"type": "string"},
                },
                "required": ["place", "days"],
            }),
            json!({"place": {"city": "example"}, "days": [1, 1]}),
        );
        check(json!({"type": "object", "required": ["unknown"]}), json!({"unknown": "example"}));
        check(
            json!({"allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]},
            ]}),
            json!({"a": 1, "b": true}),
        );
    }

    #[test]
    fn bounds_are_kept() {
        check(json!({"type": "integer", "minimum": 5}), json!(6));
        check(json!({"type": "integer", "maximum": -5}), json!(-6));
        check(json!({"type": "integer", "minimum": 1, "maximum": 10}), json!(6));
        check(json!({"type": "integer", "multipleOf": 5}), json!(5));
        check(json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}), json!(0.5));
        check(json!({"type": "string", "minLength": 9}), json!("exampleex"));
        check(json!({"type": "string", "maxLength": 2}), json!("ex"));
        check(json!({"type": "array", "items": {"type": "string"}, "maxItems": 0}), json!([]));
        check(
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}]}),
            json!(["example", true]),
        );
    }

    #[test]
    fn references_and_unions_are_followed() {
        check(
            json!({
                "$defs": {"Unit": {"enum": ["c", "f"]}},
                "type": "object",
                "properties": {
                    "unit": {"$ref": "#/$defs/Unit"},
                    "described": {"allOf": [{"$ref": "#/$defs/Unit"}], "description": "the unit"},
                    "maybe": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
                },
                "required": ["unit", "described", "maybe"],
            }),
            json!({"unit": "c", "described": "c", "maybe": 1}),
        );
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let list = json!({
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
            "required": ["next"],
        });
        let tree = json!({
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
            "required": ["children"],
        });
        for schema in [list, tree] {
            let example = example(&schema);
            assert!(jsonschema::is_valid(&schema, &example), "{example} does not fit {schema}");
        }
    }

    #[test]
    fn a_hostile_schema_ends() {
        let check = |schema: Value| {
            let length = example(&schema).to_string().len();
            assert!(length < 10 * LARGEST, "{length} bytes for {schema}");
        };
        check(json!({"$ref": "#"}));
        check(json!({"$ref": "#/nowhere"}));
        check(json!({"type": "array", "minItems": u64::MAX, "items": {"type": "string", "minLength": 500}}));
        check(json!({"type": "array", "minItems": 1_000_000_000_u64, "items": {"$ref": "#"}}));
        check(json!({"type": "integer", "minimum": 1e300}));
        check(json!({"type": "string", "minLength": u64::MAX}));
        check(json!({"type": "number", "multipleOf": 1e-320}));
    }
}
