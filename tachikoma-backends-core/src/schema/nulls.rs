//! Where null fits a schema, and where a strict schema has it for a property that is not there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{keywords, merge, pointer};

/// How many definitions are looked at for one property, so that a chain of them cannot overflow the stack.
const MAX_DEFINITIONS: usize = 256;
/// How many references are followed from one to the next.
const MAX_REFERENCES: usize = 32;

/// Whether a schema accepts null.
pub(super) fn takes_null(schema: &Value, document: &Value) -> bool {
    accepts_null(schema, document, &mut BTreeMap::new())
}

/// `known` holds the definitions that were looked at; one that leads back to itself accepts nothing by that.
fn accepts_null(schema: &Value, document: &Value, known: &mut BTreeMap<String, bool>) -> bool {
    let keywords = match schema {
        Value::Object(keywords) => keywords,
        other => return *other == Value::Bool(true),
    };
    if keywords.get("nullable") == Some(&Value::Bool(true)) {
        return true;
    }
    let kinds = keywords::types(keywords);
    if !kinds.is_empty() && !kinds.contains(&"null") {
        return false;
    }
    let list = |keyword: &str| keywords.get(keyword).and_then(Value::as_array);
    if !list("enum").is_none_or(|values| values.contains(&Value::Null))
        || !keywords.get("const").is_none_or(Value::is_null)
    {
        return false;
    }
    let mut accepts = |schema: &Value| accepts_null(schema, document, known);
    if !["anyOf", "oneOf"].iter().all(|keyword| list(keyword).is_none_or(|any| any.iter().any(&mut accepts)))
        || !list("allOf").is_none_or(|all| all.iter().all(&mut accepts))
    {
        return false;
    }
    let Some(target) = keywords.get("$ref").and_then(Value::as_str) else { return true };
    if let Some(known) = known.get(target) {
        return *known;
    }
    if known.len() > MAX_DEFINITIONS {
        return false;
    }
    known.insert(target.to_owned(), false);
    let found = merge::resolve(document, target).is_some_and(|schema| accepts_null(schema, document, known));
    known.insert(target.to_owned(), found);
    found
}

/// The properties of a strict schema for which null was added: there it means that the property is not there, and nowhere else.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AddedNulls(BTreeSet<String>);

impl AddedNulls {
    pub(super) fn new(pointers: BTreeSet<String>) -> Self {
        Self(pointers)
    }

    /// Removes those nulls from a value that was written by the schema.
    pub(crate) fn remove_from(&self, value: &mut Value, schema: &Value) {
        if !self.0.is_empty() {
            Removal { added: self, document: schema }.walk(value, schema, "", MAX_REFERENCES);
        }
    }
}

struct Removal<'a> {
    added: &'a AddedNulls,
    document: &'a Value,
}

impl<'a> Removal<'a> {
    fn walk(&self, value: &mut Value, schema: &'a Value, at: &str, references: usize) {
        let Some(keywords) = schema.as_object() else { return };
        if let Some((target, at)) = self.target(keywords) {
            if references > 0 {
                self.walk(value, target, at, references - 1);
            }
            return;
        }
        if let Some(branches) = keywords.get("anyOf").and_then(Value::as_array) {
            let branches =
                || branches.iter().enumerate().map(|(i, branch)| (branch, format!("{at}/anyOf/{i}")));
            let fitting = [Fit::Exact, Fit::Loose].into_iter().find_map(|fit| {
                branches().find(|(branch, at)| self.fits(value, branch, at, fit, references))
            });
            if let Some((branch, at)) = fitting {
                self.walk(value, branch, &at, references.saturating_sub(1));
            }
            return;
        }
        match value {
            Value::Object(fields) => {
                let properties = keywords.get("properties").and_then(Value::as_object);
                let place = |name: &str| pointer(&format!("{at}/properties"), name);
                fields.retain(|name, field| !(field.is_null() && self.added.0.contains(&place(name))));
                for (name, field) in fields {
                    if let Some(property) = properties.and_then(|properties| properties.get(name)) {
                        self.walk(field, property, &place(name), MAX_REFERENCES);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = keywords.get("items") {
                    let at = format!("{at}/items");
                    items.iter_mut().for_each(|item| self.walk(item, schema, &at, MAX_REFERENCES));
                }
            }
            _ => {}
        }
    }

    /// Where a `$ref` leads.
    fn target(&self, keywords: &'a Map<String, Value>) -> Option<(&'a Value, &'a str)> {
        let target = keywords.get("$ref").and_then(Value::as_str)?;
        Some((merge::resolve(self.document, target)?, target.trim_start_matches('#')))
    }

    /// Whether a value fits a strict schema, as far as it takes to tell the branches of a union apart.
    fn fits(&self, value: &Value, schema: &'a Value, at: &str, fit: Fit, references: usize) -> bool {
        let Some(keywords) = schema.as_object() else { return false };
        if let Some((target, at)) = self.target(keywords) {
            return references > 0 && self.fits(value, target, at, fit, references - 1);
        }
        if let Some(branches) = keywords.get("anyOf").and_then(Value::as_array) {
            return branches.iter().enumerate().any(|(i, branch)| {
                self.fits(value, branch, &format!("{at}/anyOf/{i}"), fit, references.saturating_sub(1))
            });
        }
        let kinds = keywords::types(keywords);
        let kind = keywords::type_of(value);
        let is_of_type = kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"));
        let is_listed = keywords.get("const").is_none_or(|only| only == value)
            && keywords.get("enum").and_then(Value::as_array).is_none_or(|values| values.contains(value));
        is_of_type
            && is_listed
            && match value {
                Value::Object(fields) => self.fields_fit(fields, keywords, at, fit),
                Value::Array(items) => keywords.get("items").is_some_and(|schema| {
                    let at = format!("{at}/items");
                    items.iter().all(|item| self.fits(item, schema, &at, fit, MAX_REFERENCES))
                }),
                _ => true,
            }
    }

    fn fields_fit(
        &self,
        fields: &Map<String, Value>,
        schema: &'a Map<String, Value>,
        at: &str,
        fit: Fit,
    ) -> bool {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return false };
        let place = |name: &str| pointer(&format!("{at}/properties"), name);
        let is_complete = properties.keys().all(|name| {
            fields.contains_key(name) || (fit == Fit::Loose && self.added.0.contains(&place(name)))
        });
        // Tags first: they tell the branches of most unions apart, without a look at what else is in them.
        let is_tag = |name: &str| {
            properties
                .get(name)
                .is_some_and(|property| property.get("const").is_some() || property.get("enum").is_some())
        };
        let (tags, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| is_tag(name));
        is_complete
            && tags.into_iter().chain(others).all(|(name, field)| match properties.get(name) {
                Some(property) => self.fits(field, property, &place(name), fit, MAX_REFERENCES),
                None => fit == Fit::Loose,
            })
    }
}

/// How close a value has to be to a schema.
#[derive(Clone, Copy, PartialEq)]
enum Fit {
    /// As a server that enforces the schema writes it.
    Exact,
    /// As a server that does not: properties that could be left out are not there, or others are.
    Loose,
}
