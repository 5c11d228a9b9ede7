//! Schemas that hold at the same time, written as one: what `allOf`, keywords beside a `$ref` and properties beside a union mean.
//! serde's internally tagged newtype variants and flattened fields come so.

use serde_json::{Map, Value};

use super::keywords;

/// More alternatives than this are not written out.
const MAX_ALTERNATIVES: usize = 1_000;
/// More properties than this are not written out, in all alternatives together.
const MAX_PROPERTIES: usize = 20_000;
/// How many schemas are merged for one document: nested joins double with each level.
const MAX_EXPANSIONS: usize = 50_000;
/// How many references lead from one to the next.
const MAX_REFERENCES: usize = 64;

/// Merges schemas of one document.
pub(super) struct Expansion<'a> {
    pub(super) document: &'a Value,
    /// The references that are being followed.
    open: Vec<String>,
    left: usize,
}

impl<'a> Expansion<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        Self { document, open: Vec::new(), left: MAX_EXPANSIONS }
    }
}

/// What a schema is, once nothing is left to merge in it.
pub(super) enum Shape {
    /// A `$ref` alone.
    Reference { target: String, annotations: Map<String, Value> },
    /// One of several schemas.
    Union { branches: Vec<Value>, annotations: Map<String, Value> },
    /// Keywords without a `$ref` or a union.
    Plain(Map<String, Value>),
}

/// Merges what stands beside each other in a schema.
///
/// # Errors
/// What cannot be merged, as the text that follows the place.
pub(super) fn shape(mut schema: Map<String, Value>, expansion: &mut Expansion<'_>) -> Result<Shape, String> {
    let parts = Parts::take(&mut schema, expansion.document);
    let is_bare = schema.keys().all(|keyword| keywords::is_annotation(keyword));
    match parts {
        Parts { reference: Some(target), all, unions } if is_bare && all.is_empty() && unions.is_empty() => {
            Ok(Shape::Reference { target, annotations: schema })
        }
        Parts { reference: None, all, mut unions } if is_bare && all.is_empty() && unions.len() == 1 => {
            let branches = unions.pop().unwrap_or_default();
            Ok(Shape::Union { branches, annotations: schema })
        }
        Parts { reference: None, mut all, unions } if is_bare && unions.is_empty() && all.len() == 1 => {
            let Some(Value::Object(mut only)) = all.pop() else {
                return Ok(Shape::Plain(schema));
            };
            only.extend(schema);
            shape(only, expansion)
        }
        Parts { reference: None, all, unions } if all.is_empty() && unions.is_empty() => {
            Ok(split_types(schema))
        }
        parts => {
            let (annotations, keywords) =
                schema.into_iter().partition(|(keyword, _)| keywords::is_annotation(keyword));
            expansion.open.clear();
            let alternatives = parts.expand(keywords, expansion)?;
            let mut branches: Vec<Value> = alternatives.into_iter().map(Value::Object).collect();
            match (branches.len(), branches.pop()) {
                (1, Some(Value::Object(only))) => {
                    let mut merged = only;
                    merged.extend(annotations);
                    Ok(split_types(merged))
                }
                (_, Some(last)) => {
                    branches.push(last);
                    Ok(Shape::Union { branches, annotations })
                }
                (_, None) => {
                    Err("is not a schema that a value can fit: its parts contradict each other".to_owned())
                }
            }
        }
    }
}

/// Objects and arrays have keywords of their own, and OpenAI wants them apart from other types.
fn split_types(schema: Map<String, Value>) -> Shape {
    let kinds: Vec<String> = keywords::types(&schema).into_iter().map(str::to_owned).collect();
    let is_mixed = kinds.len() > 1 && kinds.iter().any(|kind| kind == "object" || kind == "array");
    if !is_mixed || schema.contains_key("enum") {
        return Shape::Plain(schema);
    }
    let (annotations, schema): (Map<_, _>, Map<_, _>) =
        schema.into_iter().partition(|(keyword, _)| keywords::is_annotation(keyword));
    let branches = kinds.into_iter().map(|kind| {
        let of_type = schema.iter().filter(|(keyword, _)| keywords::concerns(keyword, &kind));
        let mut branch: Map<String, Value> = of_type.map(|(k, value)| (k.clone(), value.clone())).collect();
        branch.insert("type".to_owned(), Value::String(kind));
        Value::Object(branch)
    });
    Shape::Union { branches: branches.collect(), annotations }
}

/// The schemas that hold beside the keywords of a schema.
struct Parts {
    reference: Option<String>,
    all: Vec<Value>,
    unions: Vec<Vec<Value>>,
}

impl Parts {
    fn take(schema: &mut Map<String, Value>, document: &Value) -> Self {
        let mut list = |keyword: &str| match schema.remove(keyword) {
            Some(Value::Array(schemas)) => Some(schemas),
            _ => None,
        };
        let all = list("allOf").unwrap_or_default();
        let unions = [list("anyOf"), list("oneOf")].into_iter().flatten().collect();
        let reference = match schema.remove("$ref") {
            Some(Value::String(target)) => Some(target),
            _ => None,
        };
        // As OpenAPI 3.0 has it.
        let mut parts = Self { reference, all, unions };
        if schema.remove("nullable") == Some(Value::Bool(true)) {
            parts.add_null(schema, document);
        }
        parts
    }

    /// Adds null to what the schema accepts.
    fn add_null(&mut self, schema: &mut Map<String, Value>, document: &Value) {
        let (annotations, keywords): (Map<_, _>, Map<_, _>) =
            std::mem::take(schema).into_iter().partition(|(keyword, _)| keywords::is_annotation(keyword));
        *schema = annotations;
        let mut whole = keywords;
        if let Some(target) = self.reference.take() {
            whole.insert("$ref".to_owned(), Value::String(target));
        }
        if !self.all.is_empty() {
            whole.insert("allOf".to_owned(), Value::Array(std::mem::take(&mut self.all)));
        }
        for (keyword, union) in ["anyOf", "oneOf"].into_iter().zip(std::mem::take(&mut self.unions)) {
            whole.insert(keyword.to_owned(), Value::Array(union));
        }
        let whole = Value::Object(whole);
        let mut branches = vec![whole];
        if !branches.first().is_some_and(|whole| super::nulls::takes_null(whole, document)) {
            branches.push(serde_json::json!({ "type": "null" }));
        }
        self.unions = vec![branches];
    }

    /// Everything that fits `keywords` and these parts, as schemas without parts of which one has to fit.
    fn expand(
        self,
        keywords: Map<String, Value>,
        expansion: &mut Expansion<'_>,
    ) -> Result<Vec<Map<String, Value>>, String> {
        let mut found = vec![keywords];
        if let Some(target) = self.reference {
            if expansion.open.contains(&target) {
                return Err(format!("includes {target}, which includes itself"));
            }
            if expansion.open.len() >= MAX_REFERENCES {
                return Err(format!(
                    "follows more than {MAX_REFERENCES} references; refer to {target} directly"
                ));
            }
            let schema = resolve(expansion.document, &target)
                .ok_or_else(|| format!("refers to \"{target}\", which is not in the schema"))?;
            expansion.open.push(target);
            found = product(found, expand(schema, expansion)?)?;
            expansion.open.pop();
        }
        for part in &self.all {
            found = product(found, expand(part, expansion)?)?;
        }
        for union in &self.unions {
            let mut branches = Vec::new();
            for branch in union {
                branches.extend(expand(branch, expansion)?);
            }
            found = product(found, branches)?;
        }
        Ok(found)
    }
}

fn expand(schema: &Value, expansion: &mut Expansion<'_>) -> Result<Vec<Map<String, Value>>, String> {
    expansion.left = expansion
        .left
        .checked_sub(1)
        .ok_or_else(|| format!("joins more than {MAX_EXPANSIONS} schemas; write it as one struct"))?;
    let mut keywords = match schema {
        Value::Object(keywords) => keywords.clone(),
        Value::Bool(true) => Map::new(),
        _ => return Ok(Vec::new()),
    };
    if let Some((_, what)) = keywords::REFUSED.iter().find(|(keyword, _)| keywords.contains_key(*keyword)) {
        return Err((*what).to_owned());
    }
    Parts::take(&mut keywords, expansion.document).expand(keywords, expansion)
}

/// The schema to which a `$ref` leads: the whole, or a definition.
pub(super) fn resolve<'a>(document: &'a Value, target: &str) -> Option<&'a Value> {
    let pointer = target.strip_prefix('#')?;
    let is_definition = ["/$defs/", "/definitions/"]
        .iter()
        .any(|prefix| pointer.strip_prefix(prefix).is_some_and(|name| !name.contains('/')));
    if pointer.is_empty() || is_definition { document.pointer(pointer) } else { None }
}

fn product(
    one: Vec<Map<String, Value>>,
    other: Vec<Map<String, Value>>,
) -> Result<Vec<Map<String, Value>>, String> {
    if one.len().saturating_mul(other.len()) > MAX_ALTERNATIVES {
        return Err(format!("has more than {MAX_ALTERNATIVES} alternatives; write it as one enum"));
    }
    let properties =
        |schema: &Map<String, Value>| schema.get("properties").and_then(Value::as_object).map_or(0, Map::len);
    let mut count = 0;
    let mut found = Vec::new();
    for one in &one {
        for other in &other {
            count += properties(one) + properties(other);
            if count > MAX_PROPERTIES {
                return Err(format!("has more than {MAX_PROPERTIES} properties in its alternatives"));
            }
            found.extend(merge(one.clone(), other.clone())?);
        }
    }
    Ok(found)
}

/// Both schemas in one; `None` where no value fits both.
fn merge(
    mut one: Map<String, Value>,
    other: Map<String, Value>,
) -> Result<Option<Map<String, Value>>, String> {
    for (keyword, value) in other {
        let Some(held) = one.get_mut(&keyword) else {
            one.insert(keyword, value);
            continue;
        };
        if *held == value || keywords::is_annotation(&keyword) {
            continue;
        }
        match (keyword.as_str(), held, value) {
            ("properties", Value::Object(held), Value::Object(further)) => {
                for (name, property) in further {
                    let Some(known) = held.get_mut(&name) else {
                        held.insert(name, property);
                        continue;
                    };
                    if *known == property {
                        continue;
                    }
                    if are_different_constants(known, &property) {
                        return Ok(None);
                    }
                    *known = serde_json::json!({ "allOf": [known.take(), property] });
                }
            }
            ("required", Value::Array(held), Value::Array(further)) => {
                let new: Vec<Value> = further.into_iter().filter(|name| !held.contains(name)).collect();
                held.extend(new);
            }
            // A closed struct within another object closes the whole: serde takes the tag off before it.
            ("additionalProperties" | "unevaluatedProperties", held, value) => {
                let is_closed = *held == Value::Bool(false) || value == Value::Bool(false);
                if !is_closed && *held != Value::Bool(true) {
                    return Err("joins two maps; write them as one".to_owned());
                }
                *held = if is_closed { Value::Bool(false) } else { value };
            }
            ("type", held, value) => {
                let Some(common) = common_types(held, &value) else { return Ok(None) };
                *held = common;
            }
            ("const", ..) => return Ok(None),
            (keyword, ..) => {
                return Err(format!("joins schemas whose {keyword:?} differ; write them as one"));
            }
        }
    }
    Ok(Some(one))
}

fn are_different_constants(one: &Value, other: &Value) -> bool {
    matches!((one.get("const"), other.get("const")), (Some(one), Some(other)) if one != other)
}

/// The types that both name.
fn common_types(one: &Value, other: &Value) -> Option<Value> {
    let list = |types: &Value| match types {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let (one, other) = (list(one), list(other));
    let has = |kinds: &[Value], kind: &Value| {
        kinds.contains(kind) || (kind == "integer" && kinds.iter().any(|kind| kind == "number"))
    };
    let mut common: Vec<Value> = one.iter().filter(|kind| has(&other, kind)).cloned().collect();
    common.extend(
        other.iter().filter(|kind| has(&one, kind) && !common.contains(kind)).cloned().collect::<Vec<_>>(),
    );
    match common.len() {
        0 => None,
        1 => common.pop(),
        _ => Some(Value::Array(common)),
    }
}
