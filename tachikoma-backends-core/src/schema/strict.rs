//! The walk through a schema that makes it strict.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::merge::{self, Expansion, Shape};
use super::nulls::takes_null;
use super::union::Origins;
use super::{SchemaChange, StrictSchema, definitions, keywords, limits, ordered_properties, pointer, union};

/// The strict form of a schema.
///
/// # Errors
/// What cannot be made strict, each with its place.
pub(super) fn make_strict(schema: &Value) -> Result<StrictSchema, Vec<String>> {
    if !limits::is_walkable(schema) {
        return Err(vec![format!("it is nested deeper than {} levels", limits::MAX_LEVELS)]);
    }
    let mut transform = Transform::new(schema);
    let mut strict = match schema {
        Value::Object(root) => transform.root(root.clone()),
        _ => transform.problem("", "is not a JSON object"),
    };
    transform.definitions(&mut strict);
    let Transform { mut changes, mut problems, origins, .. } = transform;
    if problems.is_empty() {
        union::separate_branches(&mut strict, &mut changes, origins, &mut problems);
        definitions::remove_unused(&mut strict, &mut changes);
        limits::check(&strict, &mut problems);
    }
    if problems.is_empty() { Ok(StrictSchema { schema: strict, changes }) } else { Err(problems) }
}

struct Transform<'a> {
    /// The schema as it was given, to which every `$ref` leads.
    document: &'a Value,
    expansion: Expansion<'a>,
    /// The definitions to write, in the order in which they were first referred to.
    needed: Vec<String>,
    origins: Origins,
    changes: Vec<SchemaChange>,
    problems: Vec<String>,
}

impl<'a> Transform<'a> {
    fn new(document: &'a Value) -> Self {
        Self {
            document,
            expansion: Expansion::new(document),
            needed: Vec::new(),
            origins: Origins::default(),
            changes: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, at: &str, what: &str) -> Value {
        let at = if at.is_empty() { "its root" } else { at };
        self.problems.push(format!("{at} {what}"));
        Value::Null
    }

    fn root(&mut self, mut root: Map<String, Value>) -> Value {
        for keyword in ["$schema", "$defs", "definitions"] {
            root.remove(keyword);
        }
        let mut seen = BTreeSet::new();
        loop {
            match merge::shape(root, &mut self.expansion) {
                // OpenAI wants an object at the root, not a reference to one.
                Ok(Shape::Reference { target, annotations }) => {
                    let schema = merge::resolve(self.document, &target).and_then(Value::as_object);
                    let Some(schema) = schema.filter(|_| seen.insert(target.clone())) else {
                        return self
                            .problem("", &format!("refers to \"{target}\", which is not in the schema"));
                    };
                    root = schema.clone();
                    root.remove("$defs");
                    root.extend(annotations);
                }
                Ok(Shape::Union { .. }) => {
                    return self.problem("", "is a union; wrap it in a struct with one field");
                }
                Ok(Shape::Plain(schema)) if keywords::types(&schema) == ["object"] => {
                    return self.plain(schema, "", None);
                }
                Ok(Shape::Plain(_)) => {
                    return self.problem("", "is not an object; wrap it in a struct with one field");
                }
                Err(what) => return self.problem("", &what),
            }
        }
    }

    /// Adds the definitions that are referred to, and those that these refer to.
    fn definitions(&mut self, root: &mut Value) {
        let mut position = 0;
        while let Some(place) = self.needed.get(position).cloned() {
            position += 1;
            let Some(schema) = self.document.pointer(&place).cloned() else { continue };
            let strict = self.schema(schema, &place, false);
            let mut steps = place.splitn(3, '/').skip(1);
            let (Some(keyword), Some(name)) = (steps.next(), steps.next()) else { continue };
            let name = name.replace("~1", "/").replace("~0", "~");
            if let Some(Value::Object(definitions)) =
                root.as_object_mut().map(|root| root.entry(keyword).or_insert_with(|| json!({})))
            {
                definitions.insert(name, strict);
            }
        }
    }

    /// A schema at a place, which also accepts null if `add_null`.
    fn schema(&mut self, schema: Value, at: &str, add_null: bool) -> Value {
        let schema = match schema {
            Value::Object(keywords) if !keywords.is_empty() => keywords,
            Value::Object(_) | Value::Bool(true) => {
                return self.problem(at, "accepts any value; give it a type");
            }
            _ => return self.problem(at, "is not a schema that a value can fit"),
        };
        match merge::shape(schema, &mut self.expansion) {
            Ok(Shape::Plain(schema)) => self.plain(schema, at, Some(add_null)),
            Ok(Shape::Union { branches, .. }) if branches.is_empty() => {
                self.problem(at, "is not a schema that a value can fit")
            }
            Ok(Shape::Union { branches, annotations }) => {
                let branches = branches.into_iter().enumerate();
                let branches =
                    branches.map(|(i, branch)| self.schema(branch, &format!("{at}/anyOf/{i}"), false));
                let mut branches: Vec<Value> = branches.collect();
                branches.extend(add_null.then(|| json!({ "type": "null" })));
                self.with_annotations(json!({ "anyOf": branches }), annotations, at)
            }
            Ok(Shape::Reference { target, annotations }) => {
                if merge::resolve(self.document, &target).is_none() {
                    return self.problem(at, &format!("refers to \"{target}\", which is not in the schema"));
                }
                let place = target.trim_start_matches('#').to_owned();
                if !place.is_empty() && !self.needed.contains(&place) {
                    self.needed.push(place);
                }
                let reference = json!({ "$ref": target });
                let is_described = annotations.keys().any(|keyword| keywords::is_kept(keyword, &Value::Null));
                // OpenAI accepts nothing beside a `$ref`.
                let schema = match (add_null, is_described) {
                    (true, _) => json!({ "anyOf": [reference, { "type": "null" }] }),
                    (false, true) => json!({ "anyOf": [reference] }),
                    (false, false) => reference,
                };
                self.with_annotations(schema, annotations, at)
            }
            Err(what) => self.problem(at, &what),
        }
    }

    fn with_annotations(&mut self, mut schema: Value, annotations: Map<String, Value>, at: &str) -> Value {
        let annotations = self.kept(annotations, at);
        if let Some(schema) = schema.as_object_mut() {
            schema.extend(annotations);
        }
        schema
    }

    /// The keywords that OpenAI accepts; the others are recorded.
    fn kept(&mut self, schema: Map<String, Value>, at: &str) -> Map<String, Value> {
        let mut kept = Map::new();
        for (keyword, value) in schema {
            if keywords::is_kept(&keyword, &value) {
                kept.insert(keyword, value);
            } else {
                self.changes.push(SchemaChange::KeywordRemoved { pointer: pointer(at, &keyword), value });
            }
        }
        kept
    }

    /// Keywords without a `$ref` or a union. `add_null` is `None` at the root.
    fn plain(&mut self, mut schema: Map<String, Value>, at: &str, add_null: Option<bool>) -> Value {
        name_type(&mut schema);
        if let Some(further) = schema.remove("unevaluatedProperties") {
            schema.entry("additionalProperties").or_insert(further);
        }
        if let Some(what) = refusal(&schema, add_null.is_none()) {
            return self.problem(at, what);
        }
        let kinds: Vec<String> = keywords::types(&schema).into_iter().map(str::to_owned).collect();
        schema.retain(|keyword, _| keywords::concerns_any(keyword, &kinds));
        let kinds = keywords::types(&schema);
        let is_scalar = !kinds.iter().any(|kind| *kind == "object" || *kind == "array");
        if add_null == Some(true) && (!is_scalar || schema.contains_key("const")) {
            let (annotations, schema): (Map<_, _>, Map<_, _>) =
                schema.into_iter().partition(|(keyword, _)| keywords::is_annotation(keyword));
            let inner = self.plain(schema, &format!("{at}/anyOf/0"), Some(false));
            return self.with_annotations(json!({ "anyOf": [inner, { "type": "null" }] }), annotations, at);
        }
        let is_object = kinds.contains(&"object");
        let is_array = kinds.contains(&"array");
        let mut schema = self.kept(schema, at);
        if schema.contains_key("enum") || schema.contains_key("const") {
            // The values are the whole schema.
        } else if is_object {
            return self.object(schema, at);
        } else if is_array {
            // A list that is always empty has no items to describe; OpenAI wants them all the same.
            let items = schema.remove("items").unwrap_or_else(|| json!({ "type": "null" }));
            let items = self.schema(items, &format!("{at}/items"), false);
            schema.insert("items".to_owned(), items);
        }
        if add_null == Some(true) {
            accept_null(&mut schema);
        }
        Value::Object(schema)
    }

    fn object(&mut self, mut schema: Map<String, Value>, at: &str) -> Value {
        if schema.remove("additionalProperties").is_some() {
            self.origins.closed.insert(at.to_owned());
        }
        let order: Vec<String> =
            ordered_properties(&schema).into_iter().map(|(name, _)| name.clone()).collect();
        let mut properties = match schema.remove("properties") {
            Some(Value::Object(properties)) => properties,
            _ => Map::new(),
        };
        let required = match schema.remove("required") {
            Some(Value::Array(required)) => required,
            _ => Vec::new(),
        };
        if let Some(missing) =
            required.iter().filter_map(Value::as_str).find(|name| !properties.contains_key(*name))
        {
            return self.problem(at, &format!("requires {missing:?}, which is not among its properties"));
        }
        let mut strict = Map::new();
        for name in &order {
            let Some(property) = properties.remove(name) else { continue };
            let place = pointer(&format!("{at}/properties"), name);
            let is_optional = !required.iter().any(|required| required == name);
            if is_optional {
                self.origins.optional.insert(place.clone());
            }
            let add_null = is_optional && !takes_null(&property, self.document);
            if add_null {
                self.changes.push(SchemaChange::NullAdded { pointer: place.clone() });
            }
            strict.insert(name.clone(), self.schema(property, &place, add_null));
        }
        schema.insert("properties".to_owned(), Value::Object(strict));
        schema.insert("required".to_owned(), order.into());
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        Value::Object(schema)
    }
}

/// Why a schema cannot be made strict, whatever is within it.
fn refusal(schema: &Map<String, Value>, is_root: bool) -> Option<&'static str> {
    let refused = keywords::REFUSED.iter().find(|(keyword, _)| schema.contains_key(*keyword));
    if let Some((_, what)) = refused {
        return Some(what);
    }
    let kinds = keywords::types(schema);
    let has_values = schema.contains_key("enum") || schema.contains_key("const");
    let is_empty = schema.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
    let is_always_empty = || schema.get("maxItems").is_some_and(|most| *most == 0);
    let further = schema.get("additionalProperties");
    if kinds.is_empty() {
        Some("accepts any value; give it a type")
    } else if has_values {
        None
    } else if schema.get("items").is_some_and(Value::is_array) {
        Some("is a tuple, which a strict schema cannot express; use a struct")
    } else if kinds.contains(&"array") && !schema.contains_key("items") && !is_always_empty() {
        Some("is a list of anything; give its items a type")
    } else if !kinds.contains(&"object") {
        None
    } else if further.is_some_and(|further| *further != Value::Bool(false)) {
        Some("is a map, which a strict schema cannot express; use a list of structs with a key and a value")
    } else if is_empty && further.is_none() && !(is_root && schema.contains_key("properties")) {
        Some(
            "has no properties, so that only {} would fit; give it some, or allow no others: additionalProperties false, \
             which is #[serde(deny_unknown_fields)]",
        )
    } else {
        None
    }
}

/// Names the type that a schema leaves to its other keywords: OpenAI wants it.
fn name_type(schema: &mut Map<String, Value>) {
    if schema.contains_key("type") {
        return;
    }
    let values =
        schema.get("enum").and_then(Value::as_array).into_iter().flatten().chain(schema.get("const"));
    let mut kinds: Vec<&str> = Vec::new();
    for kind in values.map(keywords::type_of) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let kind = match kinds.as_slice() {
        [] if schema.contains_key("properties") => json!("object"),
        [] if schema.contains_key("items") => json!("array"),
        [] => return,
        [only] => json!(only),
        several => json!(several),
    };
    schema.insert("type".to_owned(), kind);
}

/// Adds null to the types of a schema of simple values, and to the values that it lists.
fn accept_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    let mut kinds = keywords::types(schema);
    if !kinds.contains(&"null") {
        kinds.push("null");
        let kinds = json!(kinds);
        schema.insert("type".to_owned(), kinds);
    }
}
