//! Their schemas, as schemars writes them.

use serde_json::{Map, Value, json};

use super::{Definition, Field, Payload, Presence, Tagging, Type, Types};

impl Types {
    pub(in super::super) fn schema(&self) -> Value {
        let mut root = self.definition(0);
        let definitions: Map<String, Value> =
            (1..self.0.len()).map(|position| (format!("T{position}"), self.definition(position))).collect();
        root["$defs"] = Value::Object(definitions);
        root
    }

    fn definition(&self, position: usize) -> Value {
        match &self.0[position] {
            Definition::Struct { fields, deny_unknown_fields } => self.object(fields, *deny_unknown_fields),
            Definition::Newtype(kind) => self.kind(kind),
            Definition::Enum { tagging, variants, deny_unknown_fields } => {
                self.enumeration(tagging, variants, *deny_unknown_fields)
            }
        }
    }

    fn kind(&self, kind: &Type) -> Value {
        match kind {
            Type::Bool => json!({ "type": "boolean" }),
            Type::Integer => json!({ "type": "integer", "format": "int32" }),
            Type::Number => json!({ "type": "number", "format": "double" }),
            Type::Text => json!({ "type": "string" }),
            Type::Unit => json!({ "type": "null" }),
            Type::List(items) => json!({ "type": "array", "items": self.kind(items) }),
            Type::Named(0) => json!({ "$ref": "#" }),
            Type::Named(position) => json!({ "$ref": format!("#/$defs/T{position}") }),
            Type::Optional(inner) => match self.kind(inner) {
                Value::Object(mut schema) if schema.contains_key("type") => {
                    let kind = schema["type"].clone();
                    schema.insert("type".to_owned(), json!([kind, "null"]));
                    Value::Object(schema)
                }
                schema => json!({ "anyOf": [schema, { "type": "null" }] }),
            },
        }
    }

    fn object(&self, fields: &[Field], is_closed: bool) -> Value {
        let mut schema = json!({ "type": "object" });
        if is_closed {
            schema["additionalProperties"] = json!(false);
        }
        for field in fields {
            if field.presence == Presence::Flattened {
                let Type::Named(position) = &field.kind else { panic!("{field:?}") };
                flatten(&mut schema, self.definition(*position));
                continue;
            }
            let mut property = self.kind(&field.kind);
            if field.is_described {
                property["description"] = json!("What it is");
            }
            if field.presence == Presence::Default {
                property["default"] = json!(0);
            } else if !matches!(field.kind, Type::Optional(_)) {
                push(&mut schema, "required", json!(field.name));
            }
            schema.as_object_mut().unwrap().entry("properties").or_insert_with(|| json!({}))[&field.name] =
                property;
        }
        schema
    }

    fn enumeration(&self, tagging: &Tagging, variants: &[(String, Payload)], is_closed: bool) -> Value {
        let constant = |name: &str| json!({ "type": "string", "const": name });
        let payload = |payload: &Payload| match payload {
            Payload::Unit => json!({ "type": "null" }),
            Payload::Newtype(kind) => self.kind(kind),
            Payload::Struct(fields) => self.object(fields, is_closed),
        };
        let branch = |(name, variant): &(String, Payload)| match (tagging, variant) {
            (Tagging::Untagged, variant) => payload(variant),
            (Tagging::External, Payload::Unit) => json!({ "type": "string", "enum": [name] }),
            (Tagging::External, variant) => json!({
                "type": "object", "properties": { name: payload(variant) }, "required": [name],
                "additionalProperties": false,
            }),
            (Tagging::Adjacent { tag, content }, variant) => {
                let mut schema =
                    json!({ "type": "object", "properties": { tag: constant(name) }, "required": [tag] });
                if !matches!(variant, Payload::Unit) {
                    schema["properties"][content] = payload(variant);
                    push(&mut schema, "required", json!(content));
                }
                schema
            }
            (Tagging::Internal { tag }, variant) => {
                let mut schema =
                    json!({ "type": "object", "properties": { tag: constant(name) }, "required": [tag] });
                match variant {
                    Payload::Newtype(kind) => schema["$ref"] = self.kind(kind)["$ref"].clone(),
                    Payload::Struct(fields) => flatten(&mut schema, self.object(fields, is_closed)),
                    Payload::Unit if is_closed => schema["additionalProperties"] = json!(false),
                    Payload::Unit => {}
                }
                schema
            }
        };
        let branches: Vec<Value> = variants.iter().map(branch).collect();
        if matches!(tagging, Tagging::Untagged) {
            json!({ "anyOf": branches })
        } else {
            json!({ "oneOf": branches })
        }
    }
}

fn push(schema: &mut Value, keyword: &str, value: Value) {
    let list = schema.as_object_mut().unwrap().entry(keyword).or_insert_with(|| json!([]));
    list.as_array_mut().unwrap().push(value);
}

/// Puts the fields of a schema into another.
fn flatten(schema: &mut Value, other: Value) {
    let Value::Object(other) = other else { panic!("{other}") };
    for (keyword, value) in other {
        let schema = schema.as_object_mut().unwrap();
        match (keyword.as_str(), schema.get_mut(&keyword), value) {
            (_, None, value) => _ = schema.insert(keyword, value),
            ("properties", Some(Value::Object(held)), Value::Object(further)) => held.extend(further),
            ("required", Some(Value::Array(held)), Value::Array(further)) => held.extend(further),
            ("oneOf", Some(held), value) => {
                let held = held.take();
                schema.remove("oneOf");
                schema.insert("allOf".to_owned(), json!([{ "oneOf": held }, { "oneOf": value }]));
            }
            _ => {}
        }
    }
}
