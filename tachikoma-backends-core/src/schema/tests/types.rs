//! Types as serde and schemars know them, made at random.

use fastrand::Rng;

mod schema;
mod value;

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

    /// Branches that differ in a field of their own, or by their JSON type; some begin with the same field.
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
