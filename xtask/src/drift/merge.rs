//! `allOf`: the one shape of a value that several parts describe.

use std::collections::BTreeSet;

use super::view::{Form, Node, Object, Reader};
use crate::schema::Map;

/// The combination of both nodes.
pub(super) fn both(reader: &Reader<'_>, a: Node, b: Node, inside: &mut Vec<String>) -> Node {
    if says_nothing(&b) {
        return annotated(a, b.notes);
    }
    if says_nothing(&a) {
        return annotated(b, a.notes);
    }
    let nullable = allows_null(&a) && allows_null(&b);
    let notes = a.notes.clone().into_iter().chain(b.notes.clone()).collect();
    let (a, b) = (opened(reader, a, inside), opened(reader, b, inside));
    let nullable = nullable || (allows_null(&a) && allows_null(&b));
    let mut forms = Vec::new();
    for left in &a.forms {
        forms.extend(b.forms.iter().filter_map(|right| one(reader, left, right, inside)));
    }
    // A contradiction: the first part stands for what was meant.
    let forms = if forms.is_empty() { a.forms } else { forms };
    Node { nullable, forms, notes }
}

fn says_nothing(node: &Node) -> bool {
    matches!(node.forms.as_slice(), [Form::Anything(limits)] if limits.is_empty())
}

fn allows_null(node: &Node) -> bool {
    node.nullable || matches!(node.forms.as_slice(), [Form::Anything(_)])
}

fn annotated(mut node: Node, notes: Map) -> Node {
    node.notes.extend(notes);
    node
}

/// `node` with what its references lead to in their place; those of components that are being merged stay.
fn opened(reader: &Reader<'_>, node: Node, inside: &mut Vec<String>) -> Node {
    let mut open = Node { forms: Vec::new(), ..node.clone() };
    for form in node.forms {
        match form {
            Form::Named(name) if !inside.contains(&name) => {
                let Some(schema) = reader.schemas.get(&name) else { continue };
                inside.push(name);
                let inner = reader.read(schema, inside);
                let inner = opened(reader, inner, inside);
                inside.pop();
                open.nullable |= inner.nullable;
                open.forms.extend(inner.forms);
                inner.notes.into_iter().for_each(|(key, value)| _ = open.notes.entry(key).or_insert(value));
            }
            other => open.forms.push(other),
        }
    }
    open
}

/// The combination of two forms, if a value can have both.
fn one(reader: &Reader<'_>, a: &Form, b: &Form, inside: &mut Vec<String>) -> Option<Form> {
    let limits = |a: &Map, b: &Map| -> Map { a.clone().into_iter().chain(b.clone()).collect() };
    Some(match (a, b) {
        (Form::Anything(more), other) | (other, Form::Anything(more)) => match other.clone() {
            Form::Anything(own) => Form::Anything(limits(&own, more)),
            Form::Scalar { kind, values, limits: own } => {
                Form::Scalar { kind, values, limits: limits(&own, more) }
            }
            Form::List { items, limits: own } => Form::List { items, limits: limits(&own, more) },
            Form::Object(object) => Form::Object(Object { limits: limits(&object.limits, more), ..object }),
            Form::Named(name) => Form::Named(name),
        },
        (
            Form::Scalar { kind, values, limits: own },
            Form::Scalar { kind: other, values: others, limits: more },
        ) if kind == other => {
            let values = match (values, others) {
                (Some(a), Some(b)) => Some(a & b),
                (a, b) => a.as_ref().or(b.as_ref()).cloned(),
            };
            Form::Scalar { kind: kind.clone(), values, limits: limits(own, more) }
        }
        (Form::List { items, limits: own }, Form::List { items: others, limits: more }) => {
            let items = both(reader, (**items).clone(), (**others).clone(), inside);
            Form::List { items: Box::new(items), limits: limits(own, more) }
        }
        (Form::Object(a), Form::Object(b)) => {
            let mut fields = a.fields.clone();
            for (name, field) in &b.fields {
                let field = match fields.remove(name) {
                    Some(present) if present != *field => both(reader, present, field.clone(), inside),
                    _ => field.clone(),
                };
                fields.insert(name.clone(), field);
            }
            let required: BTreeSet<String> = &a.required | &b.required;
            let rest = a.rest.clone().or_else(|| b.rest.clone());
            Form::Object(Object { fields, required, rest, limits: limits(&a.limits, &b.limits) })
        }
        (a, b) if a == b => a.clone(),
        _ => return None,
    })
}
