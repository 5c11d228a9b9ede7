//! Types as serde and schemars know them, made at random: their schemas by schemars' rules, and values of them.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// How deep values go.
const MAX_DEPTH: usize = 6;

#[derive(Clone, Debug)]
pub(super) enum Type {
    Bool,
    Integer,
    Number,
    Text,
    Unit,
    Optional(Box<Type>),
    List(Box<Type>),
    Named(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Presence {
    Required,
    /// `#[serde(default)]`
    Default,
    /// `#[serde(flatten)]`
    Flattened,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    kind: Type,
    presence: Presence,
    is_described: bool,
}

#[derive(Clone, Debug)]
enum Tagging {
    External,
    Internal { tag: String },
    Adjacent { tag: String, content: String },
    Untagged,
}

#[derive(Clone, Debug)]
enum Payload {
    Unit,
    Newtype(Type),
    Struct(Vec<Field>),
}

#[derive(Clone, Debug)]
enum Definition {
    Struct { fields: Vec<Field>, deny_unknown_fields: bool },
    Newtype(Type),
    Enum { tagging: Tagging, variants: Vec<(String, Payload)>, deny_unknown_fields: bool },
}

/// A type, and those that it consists of. The first is the whole, a struct.
#[derive(Debug)]
pub(super) struct Types(Vec<Definition>);

/// A value, as a model writes it by the strict schema and as serde writes it.
pub(super) struct Written {
    pub(super) strict: Value,
    pub(super) plain: Value,
}

impl Written {
    fn same(value: Value) -> Self {
        Self { strict: value.clone(), plain: value }
    }

    fn map(self, change: impl Fn(Value) -> Value) -> Self {
        Self { strict: change(self.strict), plain: change(self.plain) }
    }
}

// Making types

pub(super) struct Maker<'a> {
    rng: &'a mut Rng,
    names: usize,
    count: usize,
    made: Vec<Option<Definition>>,
}

impl Types {
    pub(super) fn random(rng: &mut Rng) -> Self {
        let count = rng.usize(1..6);
        let mut maker = Maker { rng, names: 0, count, made: vec![None; count] };
        // The last first: a definition looks at those that it is made of.
        for position in (0..count).rev() {
            let definition = if position == 0 { maker.whole() } else { maker.definition(position) };
            maker.made[position] = Some(definition);
        }
        Self(maker.made.into_iter().flatten().collect())
    }
}

impl Maker<'_> {
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        // Some sort before and some after any tag.
        let letter = self.rng.choice(["a", "k", "z"]).unwrap();
        format!("{letter}_{prefix}{}", self.names)
    }

    fn whole(&mut self) -> Definition {
        let mut fields = self.fields(0, 5, false);
        fields.retain(|field| field.presence != Presence::Flattened || self.is_plain_struct(&field.kind));
        let name = self.name("whole");
        fields.push(Field { name, kind: Type::Integer, presence: Presence::Required, is_described: false });
        let deny_unknown_fields = self.may_deny(&fields);
        Definition::Struct { fields, deny_unknown_fields }
    }

    fn is_plain_struct(&self, kind: &Type) -> bool {
        let Type::Named(position) = kind else { return false };
        match self.made[*position].as_ref().unwrap() {
            Definition::Struct { fields, .. } => {
                fields.iter().all(|field| field.presence != Presence::Flattened)
            }
            _ => false,
        }
    }

    fn may_deny(&mut self, fields: &[Field]) -> bool {
        fields.iter().all(|field| field.presence != Presence::Flattened) && self.rng.u8(0..4) == 0
    }

    /// A struct with a required field of a name of its own.
    fn struct_fields(&mut self, position: usize) -> Vec<Field> {
        let mut fields = self.fields(position, 4, true);
        let name = self.name("own");
        let kind = self.simple();
        let at = self.rng.usize(0..=fields.len());
        fields.insert(at, Field { name, kind, presence: Presence::Required, is_described: false });
        fields
    }

    fn definition(&mut self, position: usize) -> Definition {
        match self.rng.u8(0..8) {
            0..=2 => {
                let fields = self.struct_fields(position);
                let deny_unknown_fields = self.may_deny(&fields);
                Definition::Struct { fields, deny_unknown_fields }
            }
            3 => Definition::Newtype(self.kind(position, 2)),
            4 => self.tagged(position, Tagging::External),
            5 => {
                let tag = self.name("tag");
                self.tagged(position, Tagging::Internal { tag })
            }
            6 => {
                let (tag, content) = (self.name("tag"), self.name("content"));
                self.tagged(position, Tagging::Adjacent { tag, content })
            }
            _ => self.untagged(position),
        }
    }

    fn tagged(&mut self, position: usize, tagging: Tagging) -> Definition {
        let count = self.rng.usize(2..5);
        let mut variants = Vec::new();
        for number in 0..count {
            let payload = match (self.rng.u8(0..3), &tagging) {
                (0, _) => Payload::Unit,
                // Two tags of which neither alone tells the branches apart cannot be strict.
                (1, Tagging::Internal { .. }) => match self.mergeable(position) {
                    Some(inner) if !variants.iter().any(|(_, payload)| is_of(payload, inner)) => {
                        Payload::Newtype(Type::Named(inner))
                    }
                    _ => Payload::Struct(self.struct_fields(position)),
                },
                (1, _) => Payload::Newtype(self.kind(position, 2)),
                _ => Payload::Struct(self.struct_fields(position)),
            };
            variants.push((format!("V{position}{number}"), payload));
        }
        let deny_unknown_fields = variants.iter().all(|(_, payload)| match payload {
            Payload::Struct(fields) => fields.iter().all(|field| field.presence != Presence::Flattened),
            Payload::Newtype(_) => !matches!(tagging, Tagging::Internal { .. }),
            Payload::Unit => true,
        }) && self.rng.u8(0..4) == 0;
        Definition::Enum { tagging, variants, deny_unknown_fields }
    }

    /// Branches that are told apart by a field of their own, or by their JSON type; some begin with the same field.
    fn untagged(&mut self, position: usize) -> Definition {
        let shared = self.name("shared");
        let mut variants = Vec::new();
        for number in 0..self.rng.usize(1..4) {
            let payload = match (self.rng.u8(0..3), self.mergeable_struct(position)) {
                (0, Some(inner)) if !variants.iter().any(|(_, payload)| is_of(payload, inner)) => {
                    Payload::Newtype(Type::Named(inner))
                }
                _ => {
                    let mut fields = self.struct_fields(position);
                    fields.retain(|field| field.presence != Presence::Flattened);
                    if self.rng.bool() {
                        let field = Field {
                            name: shared.clone(),
                            kind: Type::Text,
                            presence: Presence::Required,
                            is_described: false,
                        };
                        fields.insert(0, field);
                    }
                    Payload::Struct(fields)
                }
            };
            variants.push((format!("V{number}"), payload));
        }
        let simple = [Type::Text, Type::Integer, Type::Bool, Type::List(Box::new(Type::Number)), Type::Unit];
        for kind in simple {
            if self.rng.u8(0..4) == 0 {
                variants.push(("S".to_owned(), Payload::Newtype(kind)));
            }
        }
        self.rng.shuffle(&mut variants);
        Definition::Enum { tagging: Tagging::Untagged, variants, deny_unknown_fields: false }
    }

    /// A later definition that can be within another object: a struct, or an internally tagged enum.
    fn mergeable(&mut self, position: usize) -> Option<usize> {
        let is_mergeable = |made: &Option<Definition>| {
            let Some(made) = made else { return false };
            matches!(
                made,
                Definition::Struct { .. } | Definition::Enum { tagging: Tagging::Internal { .. }, .. }
            )
        };
        let later: Vec<usize> =
            (position + 1..self.count).filter(|later| is_mergeable(&self.made[*later])).collect();
        self.rng.choice(later)
    }

    fn mergeable_struct(&mut self, position: usize) -> Option<usize> {
        self.mergeable(position).filter(|inner| matches!(self.made[*inner], Some(Definition::Struct { .. })))
    }

    fn fields(&mut self, position: usize, most: usize, may_flatten: bool) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        for _ in 0..self.rng.usize(0..most) {
            let (kind, presence) = match self.rng.u8(0..8) {
                0..=4 => (self.kind(position, 2), Presence::Required),
                5 | 6 => (self.kind(position, 2), Presence::Default),
                _ => match self.mergeable(position).filter(|inner| self.may_flatten(*inner, &fields)) {
                    Some(inner) if may_flatten || self.is_plain_struct(&Type::Named(inner)) => {
                        (Type::Named(inner), Presence::Flattened)
                    }
                    _ => (self.kind(position, 2), Presence::Required),
                },
            };
            let name = self.name("f");
            fields.push(Field { name, kind, presence, is_described: self.rng.bool() });
        }
        fields
    }

    fn may_flatten(&self, inner: usize, fields: &[Field]) -> bool {
        let is_open = match self.made[inner].as_ref().unwrap() {
            Definition::Struct { deny_unknown_fields, .. } | Definition::Enum { deny_unknown_fields, .. } => {
                !deny_unknown_fields
            }
            Definition::Newtype(_) => false,
        };
        // The same fields twice in one object are not a type that serde can read.
        is_open && fields.iter().all(|field| field.presence != Presence::Flattened)
    }

    fn simple(&mut self) -> Type {
        self.rng.choice([Type::Bool, Type::Integer, Type::Number, Type::Text]).unwrap()
    }

    fn kind(&mut self, position: usize, depth: usize) -> Type {
        let depth = depth.saturating_sub(1);
        match self.rng.u8(0..9) {
            0 if depth > 0 => {
                let inner = match self.rng.bool() {
                    true => Type::Named(self.rng.usize(0..self.count)),
                    false => self.kind(position, depth),
                };
                if is_optional(&inner) { inner } else { Type::Optional(Box::new(inner)) }
            }
            1 if depth > 0 => match self.rng.bool() {
                true => Type::List(Box::new(Type::Named(self.rng.usize(0..self.count)))),
                false => Type::List(Box::new(self.kind(position, depth))),
            },
            2..=4 if position + 1 < self.count => Type::Named(self.rng.usize(position + 1..self.count)),
            5 => Type::Unit,
            _ => self.simple(),
        }
    }
}

fn is_optional(kind: &Type) -> bool {
    matches!(kind, Type::Optional(_) | Type::Unit)
}

fn is_of(payload: &Payload, inner: usize) -> bool {
    matches!(payload, Payload::Newtype(Type::Named(position)) if *position == inner)
}

// Their schemas, as schemars writes them

impl Types {
    pub(super) fn schema(&self) -> Value {
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

// Their values

impl Types {
    pub(super) fn value(&self, rng: &mut Rng) -> Written {
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
