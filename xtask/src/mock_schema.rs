//! The schema that `openai-mock` holds requests to, made from `closure.json` and kept inside that package.
//!
//! It is the document's request schemas, rewritten so that an error names the field that is wrong: objects are closed,
//! `allOf` is merged, and a union is decided by the JSON type and then by the tag (`role`, `type`) before anything inside
//! is looked at. `oneOf` is read as `anyOf`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::files;
use crate::prune::GENERATED_BY;
use crate::schema::{self, Map, UNIONS};

/// The file's name in [`folder`].
pub(crate) const FILE: &str = "openai.json";

/// What the mock checks.
const ROOTS: [&str; 2] = ["CreateChatCompletionRequest", "CreateEmbeddingRequest"];

/// An answer may be sent back as it came, with fields that the document lists for answers alone, or not at all.
const ACCEPTED: [(&str, &str); 2] = [
    ("ChatCompletionRequestAssistantMessage", "annotations"),
    ("ChatCompletionRequestAssistantMessage", "reasoning_content"),
];

/// Keywords that are kept as they are.
const KEPT: [&str; 10] = [
    "enum",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "required",
    "type",
];

/// Keywords that refuse nothing.
const DROPPED: [&str; 5] = ["default", "deprecated", "discriminator", "format", "title"];

/// Where the file is.
pub(crate) fn folder() -> PathBuf {
    files::root().join("openai-mock/schema")
}

/// The file's text.
pub(crate) fn text(closure: &Value) -> Result<String> {
    let schemas = closure.pointer("/components/schemas").and_then(Value::as_object);
    let schemas = schemas.context("the document has no schemas")?;
    let merged = schemas.iter().map(|(name, schema)| (name.clone(), merged(schemas, schema))).collect();
    let document = Document(&merged);
    let mut open = ROOTS.map(str::to_owned).to_vec();
    let mut rewritten = Map::new();
    while let Some(name) = open.pop() {
        if rewritten.contains_key(&name) {
            continue;
        }
        let mut schema = document.rewrite(document.named(&name)?).with_context(|| format!("in {name}"))?;
        for (_, field) in ACCEPTED.iter().filter(|(owner, _)| *owner == name) {
            let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
            let fields = fields.with_context(|| format!("{name} has no properties"))?;
            fields.insert((*field).to_owned(), json!({}));
        }
        references(&schema, &mut open);
        rewritten.insert(name, schema);
    }
    files::canonical(json!({
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
                (Some(Value::Object(held)), Value::Object(more)) => held.extend(more.clone()),
                (Some(Value::Array(held)), Value::Array(more)) => held.extend(more.iter().cloned()),
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

    /// The schemas of which one has to fit: unions within unions are taken apart.
    fn alternatives(&self, schema: &'a Value) -> Result<Vec<&'a Value>> {
        let resolved = self.resolve(schema)?;
        match UNIONS.iter().find_map(|union| resolved.get(union)?.as_array()) {
            None => Ok(vec![schema]),
            Some(branches) => {
                let branches = branches.iter().map(|branch| self.alternatives(branch));
                Ok(branches.collect::<Result<Vec<_>>>()?.concat())
            }
        }
    }

    /// A schema that is no union.
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
        if rewritten.contains_key("properties") {
            // A misspelt field is a mistake.
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

    /// A union whose branches have one value each for the same property: it chooses the branch.
    fn tagged(&self, branches: &[&'a Value]) -> Result<Option<Value>> {
        for tag in ["role", "type"] {
            let mut by_tag = BTreeMap::new();
            for branch in branches {
                let values = self.resolve(branch)?.pointer(&format!("/properties/{tag}/enum"));
                if let Some([value]) = values.and_then(Value::as_array).map(Vec::as_slice) {
                    by_tag.insert(value.as_str().unwrap_or_default(), self.plain(branch)?);
                }
            }
            if by_tag.len() == branches.len() {
                let rules = by_tag.iter().map(|(value, rule)| {
                    let chosen = json!({ "properties": { tag: { "const": value } }, "required": [tag] });
                    json!({ "if": chosen, "then": rule })
                });
                return Ok(Some(json!({
                    "type": "object",
                    "required": [tag],
                    "properties": { tag: { "enum": by_tag.keys().collect::<Vec<_>>() } },
                    "allOf": rules.collect::<Vec<_>>(),
                })));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rewrites the schema `X` of a document, whose schema `P` has one property.
    fn check(schema: Value, expected: Value) {
        let schemas = json!({ "X": schema, "P": { "type": "object", "properties": { "p": {} } } });
        let schemas = schemas.as_object().unwrap();
        let merged = schemas.iter().map(|(name, schema)| (name.clone(), merged(schemas, schema))).collect();
        let document = Document(&merged);
        let found = document.named("X").and_then(|schema| document.rewrite(schema));
        assert_eq!(found.unwrap_or_else(|error| json!(error.to_string())), expected);
    }

    #[test]
    fn an_object_is_closed_unless_it_says_otherwise() {
        let field = || json!({ "a": { "type": "string", "format": "uri" } });
        let plain = json!({ "a": { "type": "string" } });
        check(
            json!({ "type": "object", "properties": field(), "title": "T" }),
            json!({ "type": "object", "properties": plain, "additionalProperties": false }),
        );
        check(
            json!({ "properties": field(), "additionalProperties": true }),
            json!({ "properties": plain, "additionalProperties": true }),
        );
        check(json!({ "type": "object" }), json!({ "type": "object" }));
    }

    #[test]
    fn all_of_becomes_one_object_and_its_last_part_counts() {
        let part = json!({ "type": "object", "properties": { "p": { "type": "null" } }, "required": ["p"] });
        check(
            json!({ "allOf": [{ "$ref": "#/components/schemas/P" }, part] }),
            json!({
                "type": "object",
                "properties": { "p": { "type": "null" } },
                "required": ["p"],
                "additionalProperties": false,
            }),
        );
    }

    #[test]
    fn the_type_decides_a_union() {
        let number = json!({ "type": "number", "minimum": 0 });
        check(
            json!({ "anyOf": [{ "oneOf": [number, { "type": "string" }] }, { "type": "null" }] }),
            json!({ "type": ["null", "number", "string"], "allOf": [{ "if": { "type": "number" }, "then": number }] }),
        );
        check(
            json!({ "anyOf": [{ "type": "string" }, { "type": "string", "enum": ["a"] }] }),
            json!({ "type": "string" }),
        );
        check(
            json!({ "anyOf": [{ "type": "null" }, { "type": "boolean" }] }),
            json!({ "type": ["boolean", "null"] }),
        );
        let lists = json!([{ "type": "array", "maxItems": 1 }, { "type": "array", "minItems": 3 }]);
        check(json!({ "oneOf": lists }), json!({ "anyOf": lists }));
    }

    #[test]
    fn the_tag_decides_between_objects() {
        let branch = |tag: &str| json!({ "type": "object", "properties": { "type": { "enum": [tag] } } });
        let closed = |tag: &str| json!({ "type": "object", "properties": { "type": { "enum": [tag] } }, "additionalProperties": false });
        let rule = |tag: &str| {
            let chosen = json!({ "properties": { "type": { "const": tag } }, "required": ["type"] });
            json!({ "if": chosen, "then": closed(tag) })
        };
        check(
            json!({ "oneOf": [branch("b"), branch("a")] }),
            json!({
                "type": "object",
                "required": ["type"],
                "properties": { "type": { "enum": ["a", "b"] } },
                "allOf": [rule("a"), rule("b")],
            }),
        );
        let untagged = json!([branch("a"), { "$ref": "#/components/schemas/P" }]);
        check(
            json!({ "oneOf": untagged }),
            json!({ "anyOf": [closed("a"), { "$ref": "#/components/schemas/P" }] }),
        );
    }

    #[test]
    fn what_the_requests_refer_to_is_there_and_nothing_else() {
        let union = json!({ "anyOf": [{ "$ref": "#/components/schemas/A" }, { "type": "null" }] });
        let closure = json!({ "components": { "schemas": {
            "CreateChatCompletionRequest": { "properties": { "a": union } },
            "CreateEmbeddingRequest": { "type": "object" },
            "ChatCompletionRequestAssistantMessage": { "properties": {} },
            "A": { "items": { "$ref": "#/components/schemas/ChatCompletionRequestAssistantMessage" }, "type": "array" },
            "Answer": { "not": {} },
        } } });
        let made: Value = serde_json::from_str(&text(&closure).unwrap()).unwrap();
        let schemas = made["components"]["schemas"].as_object().unwrap();
        let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
        let turn = "ChatCompletionRequestAssistantMessage";
        assert_eq!(names, ["A", turn, "CreateChatCompletionRequest", "CreateEmbeddingRequest"]);
        assert_eq!(schemas[turn]["properties"], json!({ "annotations": {}, "reasoning_content": {} }));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        check(
            json!({ "type": "object", "not": {} }),
            json!(r#"mock_schema.rs does not know what `not` means here: {"not":{},"type":"object"}"#),
        );
        check(
            json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Q" }] }),
            json!("the document has no schema Q"),
        );
        check(json!({ "oneOf": [{ "type": "null" }, {}] }), json!("no type in {}"));
    }
}
