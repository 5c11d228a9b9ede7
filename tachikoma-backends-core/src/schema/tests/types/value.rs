//! Their values.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::{Definition, Field, Payload, Presence, Tagging, Type, Types};

/// How deep values go.
const MAX_DEPTH: usize = 6;

/// A value, as a model writes it by the strict schema and as serde writes it.
pub(in super::super) struct Written {
    pub(in super::super) strict: Value,
    pub(in super::super) plain: Value,
}

impl Written {
    fn same(value: Value) -> Self {
        Self { strict: value.clone(), plain: value }
    }

    fn map(self, change: impl Fn(Value) -> Value) -> Self {
        Self { strict: change(self.strict), plain: change(self.plain) }
    }
}

impl Types {
    pub(in super::super) fn value(&self, rng: &mut Rng) -> Written {
        self.definition_value(0, rng, 0)
    }

    fn definition_value(&self, position: usize, rng: &mut Rng, depth: usize) -> Written {
        match &self.0[position] {
            Definition::Struct { fields, .. } => self.object_value(fields, rng, depth),
            Definition::Newtype(kind) => self.kind_value(kind, rng, depth),
            Definition::Enum { tagging, variants, .. } => {
                let (name, payload) = rng.choice(variants).unwrap();
                self.variant_value(tagging, name, payload, rng, depth)
            }
        }
    }

    fn kind_value(&self, kind: &Type, rng: &mut Rng, depth: usize) -> Written {
        match kind {
            Type::Bool => Written::same(json!(rng.bool())),
            Type::Integer => Written::same(json!(rng.i32(-9..99))),
            Type::Number => Written::same(json!(f64::from(rng.i32(-9..99)) + 0.5)),
            Type::Text => Written::same(json!(rng.choice(["", "a", "null", "é \"x\""]).unwrap())),
            Type::Unit => Written::same(Value::Null),
            Type::Optional(_) if depth > MAX_DEPTH || rng.bool() => Written::same(Value::Null),
            Type::Optional(inner) => self.kind_value(inner, rng, depth),
            Type::List(items) => {
                let count = if depth > MAX_DEPTH { 0 } else { rng.usize(0..3) };
                let items: Vec<Written> =
                    (0..count).map(|_| self.kind_value(items, rng, depth + 1)).collect();
                let (strict, plain): (Vec<Value>, Vec<Value>) =
                    items.into_iter().map(|item| (item.strict, item.plain)).unzip();
                Written { strict: json!(strict), plain: json!(plain) }
            }
            Type::Named(position) => self.definition_value(*position, rng, depth + 1),
        }
    }

    fn object_value(&self, fields: &[Field], rng: &mut Rng, depth: usize) -> Written {
        let (mut strict, mut plain) = (Map::new(), Map::new());
        for field in fields {
            let is_left_out =
                field.presence == Presence::Default && !self.takes_null(&field.kind) && rng.bool();
            if is_left_out {
                strict.insert(field.name.clone(), Value::Null);
                continue;
            }
            let Written { strict: in_strict, plain: in_plain } = self.kind_value(&field.kind, rng, depth);
            match (field.presence, in_strict, in_plain) {
                (Presence::Flattened, Value::Object(in_strict), Value::Object(in_plain)) => {
                    strict.extend(in_strict);
                    plain.extend(in_plain);
                }
                (_, in_strict, in_plain) => {
                    strict.insert(field.name.clone(), in_strict);
                    plain.insert(field.name.clone(), in_plain);
                }
            }
        }
        Written { strict: Value::Object(strict), plain: Value::Object(plain) }
    }

    fn variant_value(
        &self,
        tagging: &Tagging,
        name: &str,
        payload: &Payload,
        rng: &mut Rng,
        depth: usize,
    ) -> Written {
        let is_unit = matches!(payload, Payload::Unit);
        let inner = match payload {
            Payload::Unit => Written::same(Value::Null),
            Payload::Newtype(kind) => self.kind_value(kind, rng, depth + 1),
            Payload::Struct(fields) => self.object_value(fields, rng, depth + 1),
        };
        inner.map(|inner| match tagging {
            Tagging::Untagged => inner,
            Tagging::External if is_unit => json!(name),
            Tagging::External => json!({ name: inner }),
            Tagging::Adjacent { tag, .. } if is_unit => json!({ tag: name }),
            Tagging::Adjacent { tag, content } => json!({ tag: name, content: inner }),
            Tagging::Internal { tag } => {
                let mut fields = inner.as_object().cloned().unwrap_or_default();
                fields.insert(tag.clone(), json!(name));
                Value::Object(fields)
            }
        })
    }

    /// Whether null is a value of this type.
    fn takes_null(&self, kind: &Type) -> bool {
        match kind {
            Type::Optional(_) | Type::Unit => true,
            Type::Named(position) => match &self.0[*position] {
                Definition::Newtype(kind) => self.takes_null(kind),
                Definition::Enum { tagging: Tagging::Untagged, variants, .. } => {
                    variants.iter().any(|(_, payload)| match payload {
                        Payload::Newtype(kind) => self.takes_null(kind),
                        Payload::Unit => true,
                        Payload::Struct(_) => false,
                    })
                }
                _ => false,
            },
            _ => false,
        }
    }
}
