//! A value that fits a JSON schema: always the same one, and the smallest that says something.

use serde_json::{Map, Value, json};

/// No schema makes an example of more values than this; the rest becomes null.
const MOST_VALUES: usize = 10_000;

/// The example of a schema. `$ref` is followed inside the schema; properties that are not required are
/// left out; what the rules cannot honour (`pattern`, `not`, conditions) is ignored.
pub(crate) fn example(schema: &Value) -> Value {
    Examples { root: schema, left: MOST_VALUES }.value(schema, 0)
}

struct Examples<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Examples<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        const DEEPEST: usize = 32;
        if self.left == 0 || depth > DEEPEST {
            return Value::Null;
        }
        self.left -= 1;
        let depth = depth + 1;
        if let Some(known) =
            schema.get("const").or_else(|| schema.get("default")).or_else(|| first(schema, "enum"))
        {
            return known.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, depth));
        }
        if let Some(arm) = ["anyOf", "oneOf"].into_iter().find_map(|union| useful_arm(schema.get(union)?)) {
            return self.value(arm, depth);
        }
        if let ([only], None) = (list(schema, "allOf"), schema.get("properties")) {
            return self.value(only, depth);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => string(schema).into(),
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
        let number = bound("minItems").unwrap_or(0).max(fixed.len() as u64).max(1).min(most);
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

fn first<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    list(schema, name).first()
}

/// The first arm of a union that is not just null.
fn useful_arm(arms: &Value) -> Option<&Value> {
    let arms = arms.as_array()?;
    arms.iter().find(|arm| kind(arm) != "null").or(arms.first())
}

/// The schema's type; where it has several, the first that is not null; where it has none, what its
/// other words speak of.
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
    let shortest = bound("minLength").unwrap_or(0).min(MOST_VALUES);
    let longest = bound("maxLength").unwrap_or(usize::MAX);
    let length = example.len().max(shortest).min(longest);
    example.chars().cycle().take(length).collect()
}

/// The usual number where the schema does not say otherwise, else one inside its bounds.
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
