//! JSON Schemas as models read them.

use std::fmt::Write;

use serde_json::{Map, Value};
use tachikoma_backends_core::ToolDefinition;

/// How deep a schema is followed.
const MAX_DEPTH: usize = 32;

/// The type of what has no schema.
const ANY: &str = "any";

/// The definitions of tools, as a namespace of TypeScript.
pub(super) fn namespace(tools: &[&ToolDefinition]) -> String {
    let mut out = "namespace functions {\n\n".to_owned();
    for tool in tools {
        comment(&mut out, &tool.description, 0);
        let schema = tool.parameters.to_json_schema();
        let mut fields = String::new();
        write_fields(&mut fields, &schema, 0);
        for definitions in ["$defs", "definitions"] {
            let definitions = schema.get(definitions).and_then(Value::as_object);
            for (name, definition) in definitions.into_iter().flatten() {
                line(&mut out, 0, format_args!("type {name} = {};", kind(definition, 0)));
            }
        }
        if fields.is_empty() {
            line(&mut out, 0, format_args!("type {} = () => any;", tool.name));
        } else {
            line(&mut out, 0, format_args!("type {} = (_: {{", tool.name));
            out.push_str(&fields);
            line(&mut out, 0, format_args!("}}) => any;"));
        }
        out.push('\n');
    }
    out.push_str("} // namespace functions");
    out
}

/// A schema without the keywords that the strict form demands everywhere.
pub(super) fn terse(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| match name.as_str() {
                "additionalProperties" => !value.is_boolean(),
                "required" => !value.is_array(),
                _ => true,
            });
            Value::Object(kept.map(|(name, value)| (name.clone(), terse(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(terse).collect()),
        value => value.clone(),
    }
}

fn line(out: &mut String, depth: usize, text: std::fmt::Arguments<'_>) {
    out.extend(std::iter::repeat_n("  ", depth));
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

fn comment(out: &mut String, text: &str, depth: usize) {
    for text in text.lines() {
        line(out, depth, format_args!("// {text}"));
    }
}

fn write_fields(out: &mut String, schema: &Value, depth: usize) {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        comment(out, property.get("description").and_then(Value::as_str).unwrap_or_default(), depth);
        let mark = if is_required(name) { "" } else { "?" };
        line(out, depth, format_args!("{name}{mark}: {},", kind(property, depth)));
    }
}

fn kind(schema: &Value, depth: usize) -> String {
    let Value::Object(schema) = schema else { return ANY.to_owned() };
    if depth > MAX_DEPTH {
        return ANY.to_owned();
    }
    // Definitions stand in front of the tool, once each.
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return target.rsplit('/').next().unwrap_or(ANY).to_owned();
    }
    let union = |values: &[Value], kind: &dyn Fn(&Value) -> String| -> String {
        values.iter().map(kind).collect::<Vec<_>>().join(" | ")
    };
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
            return union(branches, &|branch| kind(branch, depth + 1));
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return union(values, &Value::to_string);
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    match schema.get("type") {
        Some(Value::String(name)) => named(name, schema, depth),
        Some(Value::Array(names)) => union(names, &|name| named(name.as_str().unwrap_or(ANY), schema, depth)),
        _ => ANY.to_owned(),
    }
}

fn named(name: &str, schema: &Map<String, Value>, depth: usize) -> String {
    match name {
        "integer" => "number".to_owned(),
        "array" => schema.get("items").map_or_else(|| ANY.to_owned(), |items| kind(items, depth + 1)) + "[]",
        "object" => {
            let mut fields = String::new();
            write_fields(&mut fields, &Value::Object(schema.clone()), depth + 1);
            if fields.is_empty() {
                return name.to_owned();
            }
            format!("{{\n{fields}{}}}", "  ".repeat(depth))
        }
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tachikoma_backends_core::ToolParameters;

    use super::*;

    fn tool(schema: Value) -> ToolDefinition {
        let parameters: ToolParameters = serde_json::from_value(schema).unwrap();
        ToolDefinition::new("find", "Finds.\nTwice.", parameters)
    }

    #[track_caller]
    fn check(schema: Value, expected: &str) {
        let expected = format!(
            "namespace functions {{\n\n// Finds.\n// Twice.\n{expected}\n\n}} // namespace functions"
        );
        assert_eq!(namespace(&[&tool(schema)]), expected);
    }

    #[test]
    fn tools_are_types() {
        check(json!({"type": "object", "properties": {}}), "type find = () => any;");
        check(
            json!({"type": "object", "required": ["a"], "properties": {
                "a": {"type": "string", "description": "What"},
                "b": {"type": ["integer", "null"]},
                "c": {"type": "array", "items": {"enum": ["x", 1]}},
                "d": {"anyOf": [{"const": "k"}, {"$ref": "#/$defs/t"}]},
                "e": {"type": "object", "properties": {"f": {"type": "boolean"}}},
                "g": {}, "h": true, "i": {"$ref": "elsewhere"},
            }, "$defs": {"t": {"type": "array"}}}),
            "type t = any[];\ntype find = (_: {\n// What\na: string,\nb?: number | null,\nc?: \"x\" | 1[],\nd?: \"k\" | t,\n\
             e?: {\n  f?: boolean,\n},\ng?: any,\nh?: any,\ni?: elsewhere,\n}) => any;",
        );
    }

    #[test]
    fn a_terse_schema_keeps_what_differs() {
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["required"],
            "properties": {"required": {"type": "string"}, "additionalProperties": {"type": "string"}}});
        let expected = json!({"type": "object", "properties": {
            "required": {"type": "string"}, "additionalProperties": {"type": "string"}}});
        assert_eq!(terse(&schema), expected);
    }
}
