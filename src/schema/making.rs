//! The walk through a schema that makes it strict.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::keywords::{self, MAX_DEPTH, MAX_ENUM_VALUES, MAX_NAME_CHARS, MAX_PROPERTIES};

/// Makes a schema strict in its place. Returns the pointers to the keywords that were removed.
///
/// # Errors
/// What cannot be made strict, each with its place.
pub(super) fn make_strict(schema: &mut Value) -> Result<Vec<String>, Vec<String>> {
    let mut making = Making { definitions: definitions(schema), ..Making::default() };
    match schema {
        Value::Object(root) => {
            inline_root(root);
            making.root(root);
        }
        _ => making.problem("", "is no JSON object"),
    }
    if making.problems.is_empty() { Ok(making.removed) } else { Err(making.problems) }
}

/// The names to which a `$ref` may lead.
fn definitions(schema: &Value) -> BTreeSet<String> {
    let under = |keyword: &'static str| {
        let names = schema.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        names.map(move |name| format!("#{}", pointer(&format!("/{keyword}"), name)))
    };
    under("$defs").chain(under("definitions")).chain(["#".to_owned()]).collect()
}

/// A root that only refers is written out: OpenAI wants an object there.
fn inline_root(root: &mut Map<String, Value>) {
    let target = root.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    let target = target.filter(|pointer| !pointer.is_empty());
    let whole = Value::Object(root.clone());
    if let Some(Value::Object(target)) = target.and_then(|pointer| whole.pointer(pointer)) {
        root.remove("$ref");
        for (keyword, value) in target {
            root.entry(keyword.clone()).or_insert_with(|| value.clone());
        }
    }
}

#[derive(Default)]
struct Making {
    definitions: BTreeSet<String>,
    removed: Vec<String>,
    problems: Vec<String>,
    properties: usize,
    enum_values: usize,
    name_chars: usize,
}

impl Making {
    fn problem(&mut self, at: &str, what: &str) {
        let at = if at.is_empty() { "its root" } else { at };
        self.problems.push(format!("{at} {what}"));
    }

    fn root(&mut self, root: &mut Map<String, Value>) {
        root.remove("$schema");
        if root.contains_key("anyOf") || root.contains_key("oneOf") {
            return self.problem("", "is a union; wrap it in a struct with one field");
        }
        if root.get("type").is_none_or(|kind| kind != "object") {
            return self.problem("", "is no object; wrap it in a struct with one field");
        }
        self.keywords(root, "", 1);
        for (count, limit, what) in [
            (self.properties, MAX_PROPERTIES, "properties"),
            (self.enum_values, MAX_ENUM_VALUES, "enum values"),
            (self.name_chars, MAX_NAME_CHARS, "characters in its names and enum values"),
        ] {
            if count > limit {
                self.problem("", &format!("has {count} {what}; OpenAI takes {limit}"));
            }
        }
    }

    /// A schema at a place, so many objects deep.
    fn schema(&mut self, schema: &mut Value, at: &str, depth: usize) {
        match schema {
            Value::Object(keywords) if !keywords.is_empty() => self.keywords(keywords, at, depth),
            Value::Object(_) | Value::Bool(true) => self.problem(at, "takes any value; give it a type"),
            _ => self.problem(at, "is no schema that a value can fit"),
        }
    }

    fn keywords(&mut self, schema: &mut Map<String, Value>, at: &str, depth: usize) {
        if let Some((_, what)) = keywords::REFUSED.iter().find(|(keyword, _)| schema.contains_key(*keyword)) {
            return self.problem(at, what);
        }
        self.respell(schema, at);
        let removed = &mut self.removed;
        schema.retain(|keyword, value| {
            let kept = keywords::is_kept(keyword, value);
            if !kept {
                removed.push(pointer(at, keyword));
            }
            kept
        });
        self.reference(schema, at);
        for keyword in ["$defs", "definitions"] {
            let definitions = schema.get_mut(keyword).and_then(Value::as_object_mut);
            for (name, definition) in definitions.into_iter().flatten() {
                self.name_chars += name.chars().count();
                self.schema(definition, &pointer(&pointer(at, keyword), name), 1);
            }
        }
        let branches = schema.get_mut("anyOf").and_then(Value::as_array_mut);
        for (index, branch) in branches.into_iter().flatten().enumerate() {
            self.schema(branch, &format!("{at}/anyOf/{index}"), depth);
        }
        self.count_values(schema);
        let is_told =
            ["type", "anyOf", "enum", "const", "$ref"].iter().any(|keyword| schema.contains_key(*keyword));
        if is_of_type(schema, "object") || schema.contains_key("properties") {
            self.object(schema, at, depth);
        } else if is_of_type(schema, "array") {
            match schema.get_mut("items") {
                Some(items) => self.schema(items, &format!("{at}/items"), depth),
                None => self.problem(at, "is a list of anything; give its items a type"),
            }
        } else if !is_told {
            self.problem(at, "takes any value; give it a type");
        }
    }

    /// Writes what OpenAI does not take as what it takes, where that means the same.
    fn respell(&mut self, schema: &mut Map<String, Value>, at: &str) {
        match schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::Object(only)]) if only.keys().all(|keyword| !schema.contains_key(keyword)) => {
                let only = only.clone();
                schema.remove("allOf");
                schema.extend(only);
            }
            Some(_) => self.problem(at, "joins schemas by allOf; write them as one struct"),
            None => {}
        }
        if let Some(branches) = schema.remove("oneOf") {
            if schema.contains_key("anyOf") {
                self.problem(at, "has oneOf and anyOf; write them as one union");
            }
            schema.insert("anyOf".to_owned(), branches);
        }
        if schema.contains_key("anyOf") && schema.contains_key("properties") {
            self.problem(at, "has fields of its own beside a union; put the union into a field");
        }
    }

    /// OpenAI takes nothing beside a `$ref`.
    fn reference(&mut self, schema: &mut Map<String, Value>, at: &str) {
        let Some(target) = schema.get("$ref") else { return };
        if !target.as_str().is_some_and(|target| self.definitions.contains(target)) {
            self.problem(at, &format!("refers to {target}, which is not in the schema"));
        }
        if schema.len() > 1
            && let Some(target) = schema.remove("$ref")
        {
            schema.insert("anyOf".to_owned(), json!([{ "$ref": target }]));
        }
    }

    fn object(&mut self, schema: &mut Map<String, Value>, at: &str, depth: usize) {
        if schema.get("additionalProperties").is_some_and(|further| *further != Value::Bool(false)) {
            let what =
                "is a map, which a strict schema cannot say; use a list of structs with a key and a value";
            return self.problem(at, what);
        }
        if depth > MAX_DEPTH {
            return self
                .problem(at, &format!("is nested deeper than the {MAX_DEPTH} levels that OpenAI takes"));
        }
        let required = schema.remove("required");
        let mut required: Vec<Value> =
            required.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        for (name, property) in properties.as_object_mut().into_iter().flatten() {
            self.properties += 1;
            self.name_chars += name.chars().count();
            self.schema(property, &pointer(&format!("{at}/properties"), name), depth + 1);
            if !required.iter().any(|known| known == name) {
                required.push(Value::from(name.as_str()));
                make_nullable(property);
            }
        }
        schema.insert("required".to_owned(), Value::Array(required));
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }

    fn count_values(&mut self, schema: &Map<String, Value>) {
        let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        self.enum_values += values.clone().count();
        let texts = values.chain(schema.get("const")).filter_map(Value::as_str);
        self.name_chars += texts.map(|text| text.chars().count()).sum::<usize>();
    }
}

fn is_of_type(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        kind => kind.is_some_and(|kind| kind == name),
    }
}

fn takes_null(schema: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return false };
    let lists_null = |keyword: &str, is_null: fn(&Value) -> bool| {
        schema.get(keyword).and_then(Value::as_array).is_some_and(|list| list.iter().any(is_null))
    };
    // An enum narrows what the type says.
    if schema.contains_key("enum") {
        return lists_null("enum", Value::is_null);
    }
    is_of_type(schema, "null") || lists_null("anyOf", takes_null)
}

/// A field that could be left out can be null instead.
fn make_nullable(schema: &mut Value) {
    if takes_null(schema) {
        return;
    }
    let Some(keywords) = schema.as_object_mut() else { return };
    let nothing = json!({ "type": "null" });
    if let Some(Value::Array(branches)) = keywords.get_mut("anyOf") {
        branches.push(nothing);
        return;
    }
    let kinds = match keywords.get("type") {
        Some(Value::Array(kinds)) => kinds.clone(),
        Some(kind) => vec![kind.clone()],
        None => Vec::new(),
    };
    if kinds.is_empty() || keywords.contains_key("const") {
        let description = keywords.remove("description");
        let inner = Value::Object(std::mem::take(keywords));
        keywords.insert("anyOf".to_owned(), json!([inner, nothing]));
        keywords.extend(description.map(|description| ("description".to_owned(), description)));
        return;
    }
    if let Some(Value::Array(values)) = keywords.get_mut("enum") {
        values.push(Value::Null);
    }
    if !is_of_type(keywords, "null") {
        let kinds = kinds.into_iter().chain([json!("null")]).collect();
        keywords.insert("type".to_owned(), Value::Array(kinds));
    }
}

/// The pointer to a member of what stands at `at`.
fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
