//! The rules for a single schema: keywords, types, objects, arrays and references.

use std::collections::HashSet;
use std::fmt::Display;

use super::node::Node;

/// The keywords of strict schemas.
const PERMITTED: [&str; 22] = [
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "definitions", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
];

/// Keywords that OpenAI's own libraries put at the root.
const ROOT_ONLY: [&str; 2] = ["$id", "$schema"];

const FORMATS: [&str; 9] =
    ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"];

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Keywords that the root must not have, strict or not.
const NOT_AT_THE_ROOT: [&str; 5] = ["oneOf", "anyOf", "allOf", "enum", "not"];

pub(super) type Check = Result<(), String>;

/// Refuses a root that is not a plain object.
pub(super) fn check_root(root: &Node) -> Check {
    let kind = root.get("type");
    if kind.and_then(Node::as_str) != Some("object") {
        let kind = kind.map_or("\"None\"".to_owned(), Node::to_string);
        return Err(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {kind}'."));
    }
    if NOT_AT_THE_ROOT.iter().any(|keyword| root.get(keyword).is_some()) {
        return Err(
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the \
                    top level."
                .to_owned(),
        );
    }
    Ok(())
}

/// Refuses an object without `properties`, which may be empty.
pub(super) fn check_properties(schema: &Node, path: &[String]) -> Check {
    match schema.get("properties") {
        Some(Node::Object(_)) => Ok(()),
        _ => Err(in_context(path, "object schema missing properties.")),
    }
}

/// Refuses an array that does not describe its items.
pub(super) fn check_items(schema: &Node, path: &[String]) -> Check {
    for (kind, path) in types(schema, path)? {
        if kind == "array" && schema.get("items").is_none() {
            return Err(in_context(&path, "array schema missing items."));
        }
    }
    Ok(())
}

/// Refuses a schema that is not strict, its subschemas aside.
pub(super) fn check_strict(root: &Node, schema: &Node, path: &[String]) -> Check {
    if let Some(target) = schema.get("$ref") {
        return check_reference(root, schema, target, path);
    }
    let is_permitted =
        |keyword: &&str| PERMITTED.contains(keyword) || (path.is_empty() && ROOT_ONLY.contains(keyword));
    let mut keywords = schema.entries().iter().map(|(keyword, _)| keyword.as_str());
    if let Some(keyword) = keywords.find(|keyword| !is_permitted(keyword)) {
        return Err(in_context(path, format!("'{keyword}' is not permitted.")));
    }
    for list in ["anyOf", "enum"].into_iter().filter_map(|keyword| schema.get(keyword)) {
        if list.items().is_empty() {
            return Err(in_context(path, format!("{list} should be a non-empty array.")));
        }
    }
    let kinds = types(schema, path)?;
    if kinds.is_empty() && schema.get("anyOf").is_none() {
        return Err(in_context(path, "schema must have a 'type' key."));
    }
    for (kind, path) in &kinds {
        match *kind {
            "object" => check_object(schema, path)?,
            "string" => check_format(schema, path)?,
            _ => {}
        }
    }
    check_items(schema, path)?;
    check_values(schema, &kinds, path)
}

/// The types of a schema, each with its path: in a list of several, its index is a step.
fn types<'a>(schema: &'a Node, path: &[String]) -> Result<Vec<(&'a str, Vec<String>)>, String> {
    let Some(kind) = schema.get("type") else { return Ok(Vec::new()) };
    let named = |kind: &'a Node, path: Vec<String>| match kind.as_str() {
        Some(name) if TYPES.contains(&name) => Ok((name, path)),
        _ => {
            Err(in_context(&path, format!("'{}' is not valid under any of the given schemas.", kind.text())))
        }
    };
    match kind {
        Node::Array(kinds) if !kinds.is_empty() => {
            let step =
                |index: usize| path.iter().cloned().chain(["type".to_owned(), index.to_string()]).collect();
            kinds.iter().enumerate().map(|(index, kind)| named(kind, step(index))).collect()
        }
        kind => Ok(vec![named(kind, path.to_vec())?]),
    }
}

fn check_object(schema: &Node, path: &[String]) -> Check {
    if schema.get("additionalProperties") != Some(&Node::Bool(false)) {
        let why = "'additionalProperties' is required to be supplied and to be false.";
        return Err(in_context(path, why));
    }
    check_properties(schema, path)?;
    let refuse = |why: String| {
        Err(in_context(
            path,
            format!(
                "'required' is required to be supplied and to be an array including every key in \
                 properties.{why}"
            ),
        ))
    };
    let properties = schema.get("properties").map(Node::entries).unwrap_or_default();
    let properties: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
    let mut missing: HashSet<&str> = properties.iter().copied().collect();
    let required = match schema.get("required") {
        None => &[],
        Some(Node::Array(required)) => required.as_slice(),
        Some(_) => return refuse(String::new()),
    };
    // Each name is taken out once, so that one given twice is too many as well.
    let is_extra = |name: &&Node| !name.as_str().is_some_and(|name| missing.remove(name));
    let extra: Vec<&Node> = required.iter().filter(is_extra).collect();
    if let Some(name) = properties.iter().find(|name| missing.contains(*name)) {
        return refuse(format!(" Missing '{name}'."));
    }
    extra.first().map_or(Ok(()), |extra| refuse(format!(" Extra required key '{}' supplied.", extra.text())))
}

fn check_format(schema: &Node, path: &[String]) -> Check {
    match schema.get("format") {
        Some(format) if !format.as_str().is_some_and(|name| FORMATS.contains(&name)) => {
            Err(in_context(path, format!("'{}' is not a valid format.", format.text())))
        }
        _ => Ok(()),
    }
}

/// Refuses a value of `enum` or `const` that has none of the types.
fn check_values(schema: &Node, kinds: &[(&str, Vec<String>)], path: &[String]) -> Check {
    let values = schema.get("enum").map(Node::items).unwrap_or_default().iter().chain(schema.get("const"));
    for value in values {
        if !kinds.is_empty() && !kinds.iter().any(|(kind, _)| has_type(value, kind)) {
            let kinds: Vec<String> = kinds.iter().map(|(kind, _)| format!("'{kind}'")).collect();
            let kinds = kinds.join(", ");
            let kinds =
                if let Some(Node::Array(_)) = schema.get("type") { format!("[{kinds}]") } else { kinds };
            return Err(format!(
                "{}, enum value {} does not validate against {{'type': {kinds}}}.",
                context(path),
                value.text()
            ));
        }
    }
    Ok(())
}

fn has_type(value: &Node, kind: &str) -> bool {
    match (value, kind) {
        (Node::Null, "null")
        | (Node::Bool(_), "boolean")
        | (Node::Number(_), "number")
        | (Node::String(_), "string")
        | (Node::Array(_), "array")
        | (Node::Object(_), "object") => true,
        (Node::Number(number), "integer") => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn check_reference(root: &Node, schema: &Node, target: &Node, path: &[String]) -> Check {
    let siblings = schema.entries().iter().filter(|(keyword, _)| keyword != "$ref");
    let siblings: Vec<String> = siblings.map(|(keyword, _)| format!("'{keyword}'")).collect();
    if !siblings.is_empty() {
        return Err(format!("{}, $ref cannot have keywords {{{}}}.", context(path), siblings.join(", ")));
    }
    let target = target.as_str().unwrap_or_default();
    match resolve(root, target) {
        Ok(_) => Ok(()),
        Err(Unresolved::Elsewhere) => {
            let why = "reference can only point to definitions defined at the top level of the schema.";
            Err(in_context(path, why))
        }
        Err(Unresolved::Missing) => Err(in_context(
            path,
            format!("reference to component '{target}' which was not found in the schema."),
        )),
        Err(Unresolved::Circular) => Err(in_context(
            path,
            format!("reference to component '{target}' which refers to nothing but itself."),
        )),
    }
}

/// Why a reference cannot be resolved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unresolved {
    Elsewhere,
    Missing,
    Circular,
}

/// The schema that a reference leads to, through further references.
pub(super) fn resolve<'a>(root: &'a Node, target: &str) -> Result<&'a Node, Unresolved> {
    let mut seen = HashSet::new();
    let mut target = target;
    while seen.insert(target) {
        let schema = find(root, target)?;
        match schema.get("$ref").and_then(Node::as_str) {
            Some(next) => target = next,
            None => return Ok(schema),
        }
    }
    Err(Unresolved::Circular)
}

fn find<'a>(root: &'a Node, target: &str) -> Result<&'a Node, Unresolved> {
    if target == "#" {
        return Ok(root);
    }
    for keyword in ["$defs", "definitions"] {
        let name = target.strip_prefix("#/").and_then(|rest| rest.strip_prefix(keyword)?.strip_prefix('/'));
        if let Some(name) = name.filter(|name| !name.contains('/')) {
            let name = name.replace("~1", "/").replace("~0", "~");
            return root.at(&[keyword, &name]).ok_or(Unresolved::Missing);
        }
    }
    Err(if target.starts_with("#/") { Unresolved::Elsewhere } else { Unresolved::Missing })
}

fn in_context(path: &[String], why: impl Display) -> String {
    format!("In {}, {why}", context(path))
}

fn context(path: &[String]) -> String {
    let steps: Vec<String> = path.iter().map(|step| format!("'{step}'")).collect();
    format!("context=({})", steps.join(", "))
}
