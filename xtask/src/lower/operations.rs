//! R1, R16, R17, R18: the operations, each with one JSON body, one success and no typed errors.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Components, Tally, objects};
use crate::prune::ERROR_ROOT;
use crate::schema::{self, Map};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const BYTES: &str = "application/octet-stream";

/// One operation, its schemas named as components.
#[derive(Debug)]
pub(super) struct Operation {
    path: String,
    method: String,
    id: String,
    parameters: Vec<Parameter>,
    body: Option<String>,
    status: String,
    /// What the success carries on the wire: a JSON type, or bytes (R17), or nothing.
    success: Success,
    /// Components that the request is made of.
    pub(super) requests: Vec<String>,
    /// Components that answers are decoded into.
    pub(super) answers: Vec<String>,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    place: String,
    required: bool,
    schema: String,
}

#[derive(Debug)]
enum Success {
    Json(String),
    Bytes,
    Empty,
}

/// Reads the operations; schemas that stand inline in one become components of `document`.
pub(super) fn read(document: &mut Value, tally: &mut Tally) -> Result<Vec<Operation>> {
    let paths = document.get("paths").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (path, item) in &paths {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Some(id) = operation.get("operationId").and_then(Value::as_str) else { continue };
            let mut reader = Reader { document, id };
            let shared = item.get("parameters");
            let read = reader.operation(path, method, shared, operation, tally);
            found.push(read.with_context(|| format!("operation {id} ({method} {path})"))?);
        }
    }
    Ok(found)
}

struct Reader<'a> {
    document: &'a mut Value,
    id: &'a str,
}

impl Reader<'_> {
    fn operation(
        &mut self,
        path: &str,
        method: &str,
        shared: Option<&Value>,
        operation: &Value,
        tally: &mut Tally,
    ) -> Result<Operation> {
        let listed = |list: Option<&Value>| list.and_then(Value::as_array).cloned().unwrap_or_default();
        let mut parameters = Vec::new();
        for parameter in listed(shared).into_iter().chain(listed(operation.get("parameters"))) {
            parameters.push(self.parameter(&parameter)?);
        }
        let body = match operation.get("requestBody") {
            Some(body) => {
                let content = self.content(body)?;
                let Some(media) = content.get(JSON) else {
                    let offered: Vec<&String> = content.keys().collect();
                    bail!(
                        "its body is {offered:?}, only {JSON} can be generated: take it out of openapi/operations.txt"
                    );
                };
                tally.add("R18", content.len() - 1);
                Some(self.component(media, "Request")?)
            }
            None => None,
        };
        let responses =
            operation.get("responses").and_then(Value::as_object).context("it has no `responses`")?;
        let (status, success) = responses
            .iter()
            .find(|(code, _)| code.starts_with('2'))
            .context("it declares no success (2xx)")?;
        tally.add("R16", responses.len() - 1);
        let content = self.content(success)?;
        let json = content.get(JSON).map(|media| self.component(media, "Response")).transpose()?;
        let events = content.get(EVENTS).map(|media| self.component(media, "Event")).transpose()?;
        let success = match &json {
            _ if content.is_empty() => Success::Empty,
            Some(json) if method != "post" => Success::Json(json.clone()),
            _ => {
                tally.add("R17", 1);
                Success::Bytes
            }
        };
        let requests =
            parameters.iter().map(|parameter| parameter.schema.clone()).chain(body.clone()).collect();
        let answers = json.into_iter().chain(events).chain([ERROR_ROOT.to_owned()]).collect();
        Ok(Operation {
            path: path.to_owned(),
            method: method.to_owned(),
            id: self.id.to_owned(),
            parameters,
            body,
            status: status.clone(),
            success,
            requests,
            answers,
        })
    }

    fn parameter(&mut self, parameter: &Value) -> Result<Parameter> {
        let parameter = self.resolve(parameter)?;
        let text = |key: &str| parameter.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").context("a parameter has no `name`")?;
        Ok(Parameter {
            place: text("in").with_context(|| format!("the parameter {name} has no `in`"))?,
            required: parameter.get("required").and_then(Value::as_bool).unwrap_or_default(),
            schema: self.component(&parameter, &super::names::pascal(&name))?,
            name,
        })
    }

    /// The media types of a request body or response.
    fn content(&self, holder: &Value) -> Result<Map> {
        Ok(self.resolve(holder)?.get("content").and_then(Value::as_object).cloned().unwrap_or_default())
    }

    fn resolve(&self, value: &Value) -> Result<Value> {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value.clone()) };
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        self.document.pointer(pointer).cloned().with_context(|| format!("nothing stands at $ref {reference}"))
    }

    /// The component that `holder.schema` refers to; an inline schema is made one, `{OperationId}{what}`.
    fn component(&mut self, holder: &Value, what: &str) -> Result<String> {
        let schema = holder.get("schema").with_context(|| format!("its {what} has no schema"))?;
        if let Some(name) = schema::target(schema) {
            return Ok(name.to_owned());
        }
        let name = format!("{}{what}", super::names::pascal(self.id));
        let schemas = self.document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
        schemas.context("the document has no schemas")?.insert(name.clone(), schema.clone());
        Ok(name)
    }
}

/// Renames what requests refer to.
pub(super) fn request_names(operations: &mut [Operation], rename: impl Fn(&str) -> String) {
    for operation in operations {
        let slots = operation.parameters.iter_mut().map(|parameter| &mut parameter.schema);
        for slot in slots.chain(&mut operation.body).chain(&mut operation.requests) {
            *slot = rename(slot);
        }
    }
}

/// The `paths` of the lowered document.
pub(super) fn write(operations: &[Operation], components: &Components) -> Value {
    let mut paths: BTreeMap<&str, Map> = BTreeMap::new();
    for operation in operations {
        let mut written = json!({
            "operationId": operation.id,
            "responses": { &operation.status: response(&operation.success, components) },
        });
        if let Some(object) = written.as_object_mut() {
            if let Some(body) = &operation.body {
                let content = json!({ JSON: { "schema": slot(body, components) } });
                object.insert("requestBody".into(), json!({ "content": content, "required": true }));
            }
            if !operation.parameters.is_empty() {
                let list = operation.parameters.iter().map(|parameter| {
                    let Parameter { name, place, required, schema } = parameter;
                    json!({ "in": place, "name": name, "required": required, "schema": slot(schema, components) })
                });
                object.insert("parameters".into(), list.collect());
            }
        }
        paths.entry(&operation.path).or_default().insert(operation.method.clone(), written);
    }
    json!(paths)
}

/// A component where an operation uses it: one without a name in Rust is written out.
fn slot(name: &str, components: &Components) -> Value {
    let schema = components.get(name).map(|component| &component.schema);
    schema.filter(|schema| objects::is_alias(schema)).cloned().unwrap_or_else(|| schema::reference(name))
}

fn response(success: &Success, components: &Components) -> Value {
    match success {
        Success::Json(name) => {
            json!({ "content": { JSON: { "schema": slot(name, components) } }, "description": "The answer" })
        }
        Success::Bytes => json!({ "content": { BYTES: {} }, "description": "The body as it arrives" }),
        Success::Empty => json!({ "description": "No body" }),
    }
}
