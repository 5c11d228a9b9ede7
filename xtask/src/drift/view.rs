//! The effective view of a closure: what its schemas mean, whichever way they spell it.
//!
//! `allOf` is merged, `oneOf` and `anyOf` are one kind of union, every spelling of null is one flag, a constant is a set of
//! one value. References stay names, so that the view of a recursive schema is finite.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::merge;
use crate::prune::ERROR_ROOT;
use crate::schema::{Map, SCHEMAS, UNIONS};

/// What a value may be: one of several forms, or null.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    pub(crate) nullable: bool,
    /// Empty where nothing but null is allowed.
    pub(crate) forms: Vec<Form>,
    /// Notes on the value that do not concern its shape: `default`, `deprecated`.
    pub(crate) notes: Map,
}

/// One form of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// The content of the component of that name.
    Named(String),
    Anything(Map),
    /// A string, number, integer or boolean; one of `values`, as JSON texts, where there is a list.
    Scalar {
        kind: String,
        values: Option<BTreeSet<String>>,
        limits: Map,
    },
    List {
        items: Box<Node>,
        limits: Map,
    },
    Object(Object),
}

/// An object with known fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object {
    pub(crate) fields: BTreeMap<String, Node>,
    pub(crate) required: BTreeSet<String>,
    /// The schema of further fields, if the document has one.
    pub(crate) rest: Option<Box<Node>>,
    pub(crate) limits: Map,
}

impl Object {
    /// The fields that can have one value only, which distinguish this object from others.
    pub(crate) fn tags(&self) -> BTreeMap<&str, String> {
        let constant = |node: &Node| match node.forms.as_slice() {
            [Form::Scalar { values: Some(values), .. }] if values.len() == 1 => values.first().cloned(),
            _ => None,
        };
        let tags = self.fields.iter().filter_map(|(name, node)| Some((name.as_str(), constant(node)?)));
        tags.collect()
    }
}

/// One operation: where it is, and everything that is sent and answered, as if these were two objects.
#[derive(Debug)]
pub(crate) struct Operation {
    /// `POST /chat/completions`.
    pub(crate) place: String,
    pub(crate) request: Node,
    pub(crate) response: Node,
}

/// A whole closure.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) schemas: BTreeMap<String, Node>,
    pub(crate) operations: BTreeMap<String, Operation>,
    /// Where each component is referred to, as `Schema.field`.
    pub(crate) sites: BTreeMap<String, BTreeSet<String>>,
}

impl View {
    /// Reads a closure, as [`crate::prune::prune`] makes it.
    pub(crate) fn of(closure: &Value) -> Self {
        let nothing = Map::new();
        let section = |pointer| closure.pointer(pointer).and_then(Value::as_object).unwrap_or(&nothing);
        let reader = Reader { document: closure, schemas: section("/components/schemas") };
        let schemas: BTreeMap<String, Node> = reader
            .schemas
            .iter()
            .map(|(name, schema)| (name.clone(), reader.read(schema, &mut vec![name.clone()])))
            .collect();
        let mut operations = BTreeMap::new();
        for (path, item) in section("/paths") {
            let shared = item.get("parameters");
            for (method, operation) in item.as_object().into_iter().flatten() {
                if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
                    let place = format!("{} {path}", method.to_uppercase());
                    operations.insert(id.to_owned(), reader.operation(operation, shared, place));
                }
            }
        }
        let mut sites = BTreeMap::new();
        schemas.iter().for_each(|(name, node)| mark_sites(name, node, &mut sites));
        for (id, operation) in &operations {
            mark_sites(id, &operation.request, &mut sites);
            mark_sites(id, &operation.response, &mut sites);
        }
        Self { schemas, operations, sites }
    }

    /// What `node` comes to where it is nothing but a reference, and the name of that component.
    pub(crate) fn resolve<'a>(&'a self, mut node: &'a Node) -> (Option<&'a str>, &'a Node) {
        let mut name = None;
        let mut seen = BTreeSet::new();
        while let [Form::Named(to)] = node.forms.as_slice()
            && seen.insert(to)
            && let Some(next) = self.schemas.get(to)
        {
            (name, node) = (Some(to.as_str()), next);
        }
        (name, node)
    }

    /// The notes on `node` itself, or else on what it refers to.
    pub(crate) fn notes(&self, node: &Node) -> Map {
        let (mut notes, mut seen, mut node) = (Map::new(), BTreeSet::new(), node);
        loop {
            for (key, value) in &node.notes {
                notes.entry(key.clone()).or_insert_with(|| value.clone());
            }
            match node.forms.as_slice() {
                [Form::Named(to)] if seen.insert(to) => match self.schemas.get(to) {
                    Some(next) => node = next,
                    None => return notes,
                },
                _ => return notes,
            }
        }
    }

    /// Whether `node` may be null, directly or through what it refers to.
    pub(crate) fn allows_null(&self, node: &Node) -> bool {
        self.leaves(node).1
    }

    /// The forms of a union, unions inside it included, each with its component; and whether it may be null.
    pub(crate) fn leaves<'a>(&'a self, node: &'a Node) -> (Vec<(Option<&'a str>, &'a Form)>, bool) {
        let (mut found, mut nullable, mut seen) = (Vec::new(), false, BTreeSet::new());
        let mut open = vec![(None, node)];
        while let Some((name, node)) = open.pop() {
            nullable |= node.nullable;
            // A name does not distinguish a branch of a union from the others.
            let name = name.filter(|_| node.forms.len() == 1);
            for form in &node.forms {
                match form {
                    Form::Named(to) => {
                        if let (true, Some(next)) = (seen.insert(to), self.schemas.get(to)) {
                            open.push((Some(to.as_str()), next));
                        }
                    }
                    other => found.push((name, other)),
                }
            }
        }
        (found, nullable)
    }
}

/// Turns schemas into nodes.
pub(super) struct Reader<'a> {
    document: &'a Value,
    pub(super) schemas: &'a Map,
}

impl Reader<'_> {
    fn operation(&self, operation: &Value, shared: Option<&Value>, place: String) -> Operation {
        let listed = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let mut request = (Map::new(), Vec::new());
        for parameter in listed(shared).iter().chain(&listed(operation.get("parameters"))) {
            let parameter = self.follow(parameter);
            let text = |key| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
            let name = format!("{}({})", text("name"), text("in"));
            if parameter.get("required") == Some(&json!(true)) {
                request.1.push(name.clone());
            }
            request.0.insert(name, parameter.get("schema").cloned().unwrap_or_default());
        }
        let body = operation.get("requestBody").map(|body| self.follow(body));
        for (media, schema) in body.map(contents).unwrap_or_default() {
            let name = format!("body({media})");
            if body.and_then(|body| body.get("required")) == Some(&json!(true)) {
                request.1.push(name.clone());
            }
            request.0.insert(name, schema);
        }
        let mut response = Map::new();
        for (status, entry) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
            let entry = self.follow(entry);
            response.insert(status.clone(), json!({}));
            response.extend(
                contents(entry).into_iter().map(|(media, schema)| (format!("{status}({media})"), schema)),
            );
        }
        response.insert("error".to_owned(), json!({ "$ref": format!("{SCHEMAS}{ERROR_ROOT}") }));
        let object = |fields: Map, required: Vec<String>| {
            self.read(
                &json!({ "type": "object", "properties": fields, "required": required }),
                &mut Vec::new(),
            )
        };
        Operation { place, request: object(request.0, request.1), response: object(response, Vec::new()) }
    }

    fn follow<'a>(&'a self, value: &'a Value) -> &'a Value {
        let to = value.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
        to.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }

    /// What `schema` means; `inside` are the components that are being merged on the way to it, the first its owner.
    pub(super) fn read(&self, schema: &Value, inside: &mut Vec<String>) -> Node {
        let Some(object) = schema.as_object() else { return anything() };
        let mut rest = object.clone();
        let mut notes = Map::new();
        for key in ["default", "deprecated"] {
            let note = rest.remove(key).filter(|value| !value.is_null() && *value != json!(false));
            notes.extend(note.map(|value| (key.to_owned(), value)));
        }
        for silent in ["title", "discriminator", "$recursiveAnchor", "nullable"] {
            rest.remove(silent);
        }
        let mut parts = Vec::new();
        if let Some(Value::String(to)) = rest.remove("$ref") {
            parts.push(named(to.strip_prefix(SCHEMAS).unwrap_or(&to)));
        }
        if let (Some(_), Some(owner)) = (rest.remove("$recursiveRef"), inside.first()) {
            parts.push(named(owner));
        }
        if let Some(Value::Array(all)) = rest.remove("allOf") {
            parts.extend(all.iter().map(|part| self.read(part, inside)));
        }
        for keyword in UNIONS {
            if let Some(Value::Array(branches)) = rest.remove(keyword) {
                if branches.iter().all(is_demand) {
                    rest.insert("either".to_owned(), Value::Array(branches));
                } else {
                    parts.push(self.union(&branches, inside));
                }
            }
        }
        // `type: object` beside a reference or a union of objects adds nothing.
        let bare = !parts.is_empty() && rest.len() == 1 && rest.get("type") == Some(&json!("object"));
        if !rest.is_empty() && !bare {
            parts.push(self.plain(rest, inside));
        }
        let mut parts = parts.into_iter();
        let first = parts.next().unwrap_or_else(anything);
        let mut node = parts.fold(first, |all, part| merge::both(self, all, part, inside));
        node.notes.extend(notes);
        node
    }

    fn union(&self, branches: &[Value], inside: &mut Vec<String>) -> Node {
        let branches: Vec<Node> = branches.iter().map(|branch| self.read(branch, inside)).collect();
        // Notes on a branch apply to the value, if all other branches are null.
        let alone = branches.iter().filter(|branch| !branch.forms.is_empty()).count() == 1;
        let mut union = Node::default();
        for branch in branches {
            union.nullable |= branch.nullable;
            if alone {
                union.notes.extend(branch.notes);
            }
            for form in branch.forms {
                if !union.forms.contains(&form) {
                    union.forms.push(form);
                }
            }
        }
        union
    }

    /// A schema without references and compositions.
    fn plain(&self, mut schema: Map, inside: &mut Vec<String>) -> Node {
        let mut values: Option<BTreeSet<String>> = None;
        let mut nullable = false;
        let listed = schema.remove("enum").and_then(|list| list.as_array().cloned());
        for value in listed.into_iter().flatten().chain(schema.remove("const")) {
            let values = values.get_or_insert_default();
            match value {
                Value::Null => nullable = true,
                value => _ = values.insert(value.to_string()),
            }
        }
        let mut kinds: Vec<String> = match schema.remove("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => vec![guess(&schema, values.as_ref()).to_owned()],
        };
        nullable |= kinds.iter().any(|kind| kind == "null");
        kinds.retain(|kind| kind != "null");
        let forms =
            kinds.into_iter().map(|kind| self.form(kind, schema.clone(), values.clone(), inside)).collect();
        Node { nullable, forms, notes: Map::new() }
    }

    fn form(
        &self,
        kind: String,
        mut schema: Map,
        values: Option<BTreeSet<String>>,
        inside: &mut Vec<String>,
    ) -> Form {
        match kind.as_str() {
            "object" => {
                let fields = schema.remove("properties");
                let fields = fields.as_ref().and_then(Value::as_object).into_iter().flatten();
                let fields = fields.map(|(name, field)| (name.clone(), self.read(field, inside))).collect();
                let required = schema.remove("required");
                let required = required.as_ref().and_then(Value::as_array).into_iter().flatten();
                let required = required.filter_map(Value::as_str).map(str::to_owned).collect();
                let rest = match schema.remove("additionalProperties") {
                    Some(more @ Value::Object(_)) => Some(Box::new(self.read(&more, inside))),
                    Some(Value::Bool(false)) => {
                        schema.insert("additionalProperties".to_owned(), json!(false));
                        None
                    }
                    _ => None,
                };
                Form::Object(Object { fields, required, rest, limits: schema })
            }
            "array" => {
                let items = schema.remove("items");
                let items = items.map_or_else(anything, |items| self.read(&items, inside));
                Form::List { items: Box::new(items), limits: schema }
            }
            "" => Form::Anything(schema),
            _ => Form::Scalar { kind, values, limits: schema },
        }
    }
}

fn contents(holder: &Value) -> Vec<(String, Value)> {
    let content = holder.get("content").and_then(Value::as_object).into_iter().flatten();
    content
        .map(|(media, item)| (media.clone(), item.get("schema").cloned().unwrap_or_else(|| json!({}))))
        .collect()
}

fn anything() -> Node {
    Node { forms: vec![Form::Anything(Map::new())], ..Node::default() }
}

fn named(to: &str) -> Node {
    Node { forms: vec![Form::Named(to.to_owned())], ..Node::default() }
}

/// Whether a branch only demands fields that are declared beside the union.
fn is_demand(branch: &Value) -> bool {
    branch.as_object().is_some_and(|branch| branch.keys().eq(["required"]))
}

/// The type that a schema without one has by its other keywords.
fn guess(schema: &Map, values: Option<&BTreeSet<String>>) -> &'static str {
    let has = |key: &str| schema.contains_key(key);
    if let Some(first) = values.and_then(BTreeSet::first) {
        match first.chars().next() {
            Some('"') => "string",
            Some('t' | 'f') => "boolean",
            _ => "number",
        }
    } else if has("properties") || has("required") || has("additionalProperties") || has("either") {
        "object"
    } else if has("items") {
        "array"
    } else {
        ""
    }
}

/// Notes every reference in `node` under `site`.
fn mark_sites(site: &str, node: &Node, sites: &mut BTreeMap<String, BTreeSet<String>>) {
    for form in &node.forms {
        match form {
            Form::Named(to) => _ = sites.entry(to.clone()).or_default().insert(site.to_owned()),
            Form::List { items, .. } => mark_sites(&format!("{site}[]"), items, sites),
            Form::Object(object) => {
                let fields = object.fields.iter();
                fields.for_each(|(name, field)| mark_sites(&format!("{site}.{name}"), field, sites));
                object.rest.iter().for_each(|rest| mark_sites(&format!("{site}.*"), rest, sites));
            }
            Form::Anything(_) | Form::Scalar { .. } => {}
        }
    }
}
