//! The schema that `tachikoma-openai-mock` holds requests to, made from `closure.json` and kept inside that package.
//!
//! It is the document's request schemas, rewritten so that an error names the field that is wrong: objects are closed,
//! `allOf` is merged, and a union is decided by the JSON type and then by the tag (`role`, `type`) before anything inside
//! is looked at. `oneOf` is read as `anyOf`.

mod edits;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::files;
use crate::prune::GENERATED_BY;
use crate::schema::{self, Map, UNIONS};

/// The file's name in [`folder`].
pub(crate) const FILE: &str = "openai.json";

/// What the mock checks.
const ROOTS: [&str; 3] = ["CreateChatCompletionRequest", "CreateEmbeddingRequest", "CreateResponse"];

/// Keywords that are kept unchanged.
const KEPT: [&str; 12] = [
    "enum", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minimum",
    "pattern", "propertyNames", "required", "type",
];

/// Keywords that refuse nothing.
const DROPPED: [&str; 6] = ["$recursiveAnchor", "default", "deprecated", "discriminator", "format", "title"];

/// Where the file is.
pub(crate) fn folder() -> PathBuf {
    files::root().join("tachikoma-openai-mock/schema")
}

/// The file's text.
pub(crate) fn text(closure: &Value) -> Result<String> {
    files::canonical(made(closure, &ROOTS, &edits::EDITS)?)
}

/// The schemas that the roots need, rewritten.
fn made(closure: &Value, roots: &[&str], edits: &[(&str, &str)]) -> Result<Value> {
    let schemas = closure.pointer("/components/schemas").and_then(Value::as_object);
    let schemas = schemas.context("the document has no schemas")?;
    let mut merged = schemas.iter().map(|(name, schema)| (name.clone(), merged(schemas, schema))).collect();
    for (place, value) in edits {
        edits::apply(&mut merged, place, value).with_context(|| format!("the edit of {place}"))?;
    }
    let merged = merged.as_object().context("the schemas are not an object")?;
    let document = Document(merged);
    let mut open: Vec<String> = roots.iter().map(|name| (*name).to_owned()).collect();
    let mut rewritten = Map::new();
    while let Some(name) = open.pop() {
        if rewritten.contains_key(&name) {
            continue;
        }
        let schema = document.rewrite(document.named(&name)?).with_context(|| format!("in {name}"))?;
        references(&schema, &mut open);
        rewritten.insert(name, schema);
    }
    Ok(json!({
        "$comment": format!("The requests of OpenAI's document, made by `{GENERATED_BY}`."),
        "components": { "schemas": rewritten },
    }))
}

/// Every schema that is referred to, under `then` too.
fn references(value: &Value, found: &mut Vec<String>) {
    found.extend(schema::target(value).map(str::to_owned));
    value.as_object().into_iter().flatten().for_each(|(_, child)| references(child, found));
    value.as_array().into_iter().flatten().for_each(|child| references(child, found));
}

/// The schema without `allOf`. Where two parts declare the same property, the later one counts: it is the outer one,
/// and the one that allows null.
fn merged(schemas: &Map, schema: &Value) -> Value {
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else { return schema.clone() };
    let mut whole = Map::new();
    for part in parts {
        let part = schema::target(part).and_then(|name| schemas.get(name)).unwrap_or(part);
        let part = merged(schemas, part);
        for (keyword, value) in part.as_object().into_iter().flatten() {
            match (whole.get_mut(keyword), value) {
                (Some(Value::Object(present)), Value::Object(more)) => present.extend(more.clone()),
                (Some(Value::Array(present)), Value::Array(more)) => present.extend(more.iter().cloned()),
                _ => _ = whole.insert(keyword.clone(), value.clone()),
            }
        }
    }
    Value::Object(whole)
}

/// The document's schemas by name, without `allOf`.
struct Document<'a>(&'a Map);

impl<'a> Document<'a> {
    fn named(&self, name: &str) -> Result<&'a Value> {
        self.0.get(name).with_context(|| format!("the document has no schema {name}"))
    }

    /// The schema itself, or the one that it refers to.
    fn resolve(&self, schema: &'a Value) -> Result<&'a Value> {
        schema::target(schema).map_or(Ok(schema), |name| self.resolve(self.named(name)?))
    }

    fn rewrite(&self, schema: &'a Value) -> Result<Value> {
        match self.alternatives(schema)?.as_slice() {
            [only] => self.plain(only),
            several => self.union(several),
        }
    }

    /// The schemas of which one has to fit: unions within unions are taken apart, and each schema counts once.
    fn alternatives(&self, schema: &'a Value) -> Result<Vec<&'a Value>> {
        let resolved = self.resolve(schema)?;
        match UNIONS.iter().find_map(|union| resolved.get(union)?.as_array()) {
            None => Ok(vec![schema]),
            Some(branches) => {
                let branches = branches.iter().map(|branch| self.alternatives(branch));
                let mut different: Vec<&Value> = Vec::new();
                for branch in branches.collect::<Result<Vec<_>>>()?.concat() {
                    let schema = self.resolve(branch)?;
                    let mut before = different.iter().map(|other| self.resolve(other));
                    if !before.any(|other| other.is_ok_and(|other| std::ptr::eq(other, schema))) {
                        different.push(branch);
                    }
                }
                Ok(different)
            }
        }
    }

    /// A schema that is not a union.
    fn plain(&self, schema: &'a Value) -> Result<Value> {
        if schema::target(schema).is_some() {
            return Ok(schema.clone());
        }
        let mut rewritten = Map::new();
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            let value = match (keyword.as_str(), value) {
                ("properties", Value::Object(fields)) => {
                    let fields = fields.iter().map(|(name, field)| Ok((name.clone(), self.rewrite(field)?)));
                    Value::Object(fields.collect::<Result<_>>()?)
                }
                ("items" | "additionalProperties", Value::Object(_)) => self.rewrite(value)?,
                (kept, _) if kept == "additionalProperties" || KEPT.contains(&kept) => value.clone(),
                (dropped, _) if DROPPED.contains(&dropped) => continue,
                (unknown, _) => bail!("mock_schema.rs does not know what `{unknown}` means here: {schema}"),
            };
            rewritten.insert(keyword.clone(), value);
        }
        let fields = rewritten.get("properties").and_then(Value::as_object);
        // An object without declared fields is any object; in all others a misspelt field is a mistake.
        if fields.is_some_and(|fields| !fields.is_empty()) {
            rewritten.entry("additionalProperties").or_insert(Value::Bool(false));
        }
        Ok(Value::Object(rewritten))
    }

    /// Each branch is looked at only by values of its JSON type.
    fn union(&self, branches: &[&'a Value]) -> Result<Value> {
        let mut by_type: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for branch in branches {
            let kind = self.resolve(branch)?.get("type").and_then(Value::as_str);
            by_type.entry(kind.with_context(|| format!("no type in {branch}"))?).or_default().push(branch);
        }
        let kinds: Vec<&str> = by_type.keys().copied().collect();
        let mut rules = Vec::new();
        for (kind, branches) in &by_type {
            let rule = self.of_one_type(kind, branches)?;
            if by_type.len() == 1 {
                return Ok(rule);
            }
            if rule != json!({ "type": kind }) {
                rules.push(json!({ "if": { "type": kind }, "then": rule }));
            }
        }
        Ok(if rules.is_empty() { json!({ "type": kinds }) } else { json!({ "type": kinds, "allOf": rules }) })
    }

    fn of_one_type(&self, kind: &str, branches: &[&'a Value]) -> Result<Value> {
        let rules = branches.iter().map(|branch| self.plain(branch)).collect::<Result<Vec<_>>>()?;
        let open = json!({ "type": kind });
        match rules.as_slice() {
            [only] => Ok(only.clone()),
            several if several.contains(&open) => Ok(open),
            several => Ok(self.tagged(branches)?.unwrap_or_else(|| json!({ "anyOf": several }))),
        }
    }

    /// A union that the value of a property decides, and within one value another property.
    fn tagged(&self, branches: &[&'a Value]) -> Result<Option<Value>> {
        for tag in ["role", "type"] {
            let mut by_tag: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
            let mut optional = BTreeSet::new();
            let mut tagged = 0;
            for branch in branches {
                let resolved = self.resolve(branch)?;
                let values = resolved.pointer(&format!("/properties/{tag}")).and_then(schema::enum_values);
                tagged += usize::from(values.is_some());
                for value in values.into_iter().flatten() {
                    by_tag.entry(value).or_default().push(branch);
                    if !requires(resolved, tag) {
                        optional.insert(value);
                    }
                }
            }
            // Where it decides nothing, another tag may.
            if tagged < branches.len() || by_tag.values().any(|chosen| chosen.len() == branches.len()) {
                continue;
            }
            // A value without the tag can be meant for one kind of branch only.
            let default = optional.first().filter(|_| optional.len() == 1);
            let mut rules = Vec::new();
            for (value, chosen) in &by_tag {
                let mut condition = json!({ "properties": { tag: { "const": value } }, "required": [tag] });
                if let (Some(fields), true) = (condition.as_object_mut(), default == Some(value)) {
                    fields.remove("required");
                }
                rules.push(json!({ "if": condition, "then": self.of_one_type("object", chosen)? }));
            }
            let mut union = json!({
                "type": "object",
                "properties": { tag: { "enum": by_tag.keys().collect::<Vec<_>>() } },
                "allOf": rules,
            });
            if let (Some(union), None) = (union.as_object_mut(), default) {
                union.insert("required".to_owned(), json!([tag]));
            }
            return Ok(Some(union));
        }
        Ok(None)
    }
}

fn requires(schema: &Value, field: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|name| name == field))
}

#[cfg(test)]
mod tests;
