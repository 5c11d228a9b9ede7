//! Damage to JSON documents, a field at a time, as servers do it.

use fastrand::Rng;
use serde_json::{Value, json};

/// The damage of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// It is left out.
    Removed,
    /// It is null.
    Null,
    /// It is an unknown word; only text is replaced by one.
    UnknownWord,
    /// It is of another type, and not empty.
    WrongType,
    /// It is of another type, and falsy in JavaScript and Python.
    Falsy,
    /// Its object has one more, unknown field.
    UnknownField,
}

impl Damage {
    pub(super) const ALL: [Self; 6] =
        [Self::Removed, Self::Null, Self::UnknownWord, Self::WrongType, Self::Falsy, Self::UnknownField];

    /// Damages a random field of the document. Returns its path, with `*` for indices of lists, as in `/choices/*/index`, or
    /// `None` if the damage fits no field.
    pub(super) fn apply(self, document: &mut Value, random: &mut Rng) -> Option<String> {
        let mut found = Vec::new();
        fields(document, String::new(), &mut found);
        found.retain(|(pointer, name)| {
            let field = &document.pointer(pointer).unwrap()[name];
            self != Self::UnknownWord || field.is_string()
        });
        let (parent, name) = random.choice(found)?;
        let object = document.pointer_mut(&parent).and_then(Value::as_object_mut).unwrap();
        let field = &mut object[&name];
        match self {
            Self::Removed => drop(object.remove(&name)),
            Self::Null => *field = Value::Null,
            Self::UnknownWord => *field = json!("brand_new"),
            Self::WrongType => *field = another(field, random, truthy()),
            Self::Falsy => *field = another(field, random, falsy()),
            Self::UnknownField => drop(object.insert("x_new".to_owned(), json!({"a": [1, null]}))),
        }
        let steps = parent.split('/').map(|step| if step.parse::<usize>().is_ok() { "*" } else { step });
        Some(format!("{}/{name}", steps.collect::<Vec<_>>().join("/")))
    }
}

/// Every field of every object: the pointer to its object, and its name. Names here need no escaping in a pointer.
fn fields(value: &Value, pointer: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (name, field) in object {
                found.push((pointer.clone(), name.clone()));
                fields(field, format!("{pointer}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                fields(item, format!("{pointer}/{at}"), found);
            }
        }
        _ => {}
    }
}

/// A value of another type than the field's, out of these.
fn another(value: &Value, random: &mut Rng, values: Vec<Value>) -> Value {
    let is_another = |other: &Value| std::mem::discriminant(other) != std::mem::discriminant(value);
    random.choice(values.into_iter().filter(is_another).collect::<Vec<_>>()).unwrap()
}

fn truthy() -> Vec<Value> {
    vec![json!(true), json!(7), json!(-1.5), json!("text"), json!(["a", 1]), json!({"a": 1})]
}

fn falsy() -> Vec<Value> {
    vec![json!(false), json!(0), json!(""), json!([]), json!({})]
}
