//! R1, R16, R17, R18, R26: the operations, each with one JSON body, which goes out as bytes, one success and no typed errors.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
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
    /// Whether it has a body, which goes out as bytes (R26).
    has_body: bool,
    status: String,
    /// What the success carries on the wire: a JSON type, or bytes (R17), or nothing.
    success: Success,
    /// Components that the request is made of.
    pub(super) requests: Vec<String>,
    /// Components that responses are decoded into.
    pub(super) responses: Vec<String>,
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
                tally.add("R26", 1);
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
            // What may be a stream has no one type.
            Some(json) if method != "post" && events.is_none() => Success::Json(json.clone()),
            _ => {
                tally.add("R17", 1);
                Success::Bytes
            }
        };
        let requests =
            parameters.iter().map(|parameter| parameter.schema.clone()).chain(body.iter().cloned()).collect();
        let responses = json.into_iter().chain(events).chain([ERROR_ROOT.to_owned()]).collect();
        Ok(Operation {
            path: path.to_owned(),
            method: method.to_owned(),
            id: self.id.to_owned(),
            parameters,
            has_body: body.is_some(),
            status: status.clone(),
            success,
            requests,
            responses,
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
        schema::resolve(self.document, reference).cloned()
    }

    /// The component that `holder.schema` refers to; an inline schema is made one, `{OperationId}{what}`.
    fn component(&mut self, holder: &Value, what: &str) -> Result<String> {
        let schema = holder.get("schema").with_context(|| format!("its {what} has no schema"))?;
        if let Some(name) = schema::target(schema) {
            return Ok(name.to_owned());
        }
        let name = format!("{}{what}", super::names::pascal(self.id));
        let schemas = self.document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
        let taken = schemas.context("the document has no schemas")?.insert(name.clone(), schema.clone());
        ensure!(taken.is_none(), "its {what} would be called {name}, which exists already");
        Ok(name)
    }
}

/// Renames what requests refer to.
pub(super) fn request_names(operations: &mut [Operation], rename: impl Fn(&str) -> String) {
    for operation in operations {
        let slots = operation.parameters.iter_mut().map(|parameter| &mut parameter.schema);
        for slot in slots.chain(&mut operation.requests) {
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
            if operation.has_body {
                let content = json!({ BYTES: { "schema": { "type": "string", "format": "binary" } } });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::lower;
    use crate::lower::tests::{document, object, reference};

    /// The lowered operation in the place of [`document`]'s own.
    fn operation(method: &str, operation: Value) -> Result<Value> {
        let mut document = document(json!({}));
        document["paths"] = json!({ "/ask/{id}": { method: operation } });
        Ok(lower(&document)?.document["paths"]["/ask/{id}"][method].clone())
    }

    fn content(media: &[&str], name: &str) -> Value {
        let schemas = media.iter().map(|media| ((*media).to_owned(), json!({ "schema": reference(name) })));
        json!({ "content": schemas.collect::<Map>() })
    }

    #[test]
    fn r1_only_what_the_generator_reads_is_left() {
        let mut given = document(json!({}));
        given["webhooks"] = json!({});
        given["jsonSchemaDialect"] = json!("x");
        let mut lowered = lower(&given).unwrap().document;
        assert!(lowered["components"].take()["schemas"].is_object() && lowered["paths"].take().is_object());
        let info = json!({ "title": "T", "version": "1", "x-generated-by": "cargo xtask regen" });
        assert_eq!(lowered, json!({ "components": null, "info": info, "openapi": "3.0.3", "paths": null }));
    }

    #[test]
    fn r16_r17_r26_a_post_sends_and_answers_bytes_and_only_its_success_is_declared() {
        let given = json!({
            "operationId": "ask",
            "requestBody": content(&[JSON, "multipart/form-data"], "Question"),
            "responses": { "200": content(&[JSON, EVENTS], "Answer"), "429": content(&[JSON], "ErrorResponse"), "default": {} },
        });
        assert_eq!(
            operation("post", given).unwrap(),
            json!({
                "operationId": "ask",
                "requestBody": {
                    "content": { BYTES: { "schema": { "type": "string", "format": "binary" } } },
                    "required": true,
                },
                "responses": { "200": { "content": { BYTES: {} }, "description": "The body as it arrives" } },
            })
        );
    }

    #[test]
    fn r17_a_get_keeps_its_json_and_its_parameters() {
        let parameters = |id: Value, order: Value| {
            json!([
                { "in": "path", "name": "id", "required": true, "schema": id },
                { "in": "query", "name": "order", "required": false, "schema": order },
            ])
        };
        let given = json!({
            "operationId": "ask",
            "parameters": parameters(
                json!({ "type": "string", "maxLength": 9 }),
                json!({ "type": "string", "enum": ["asc", "desc"] }),
            ),
            "responses": { "200": content(&[JSON], "Answer") },
        });
        let mut response = content(&[JSON], "Answer");
        response["description"] = json!("The answer");
        assert_eq!(
            operation("get", given).unwrap(),
            json!({
                "operationId": "ask",
                "parameters": parameters(json!({ "type": "string" }), reference("AskOrder")),
                "responses": { "200": response },
            })
        );
    }

    #[test]
    fn r17_a_get_that_may_stream_answers_bytes() {
        let given =
            json!({ "operationId": "ask", "responses": { "200": content(&[JSON, EVENTS], "Answer") } });
        let expected =
            json!({ "200": { "content": { BYTES: {} }, "description": "The body as it arrives" } });
        assert_eq!(operation("get", given).unwrap()["responses"], expected);
    }

    #[test]
    fn an_answer_without_a_body_stays_so() {
        let given = json!({ "operationId": "ask", "responses": { "204": { "description": "" } } });
        let expected = json!({ "204": { "description": "No body" } });
        assert_eq!(operation("delete", given).unwrap()["responses"], expected);
    }

    #[test]
    fn what_bodies_are_made_of_and_answers_decoded_into_is_kept_though_nothing_refers_to_it() {
        let mut given = document(json!({ "Event": object(json!({ "a": { "type": "string" } })) }));
        let media = json!({ "schema": reference("Event") });
        given["paths"]["/ask"]["post"]["responses"]["200"]["content"][EVENTS] = media;
        let schemas = lower(&given).unwrap().document["components"]["schemas"].clone();
        for name in ["Answer", "ErrorResponse", "Event", "Question"] {
            assert!(schemas.get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn inline_schemas_of_an_operation_are_named_after_it() {
        let inline = json!({ "content": { JSON: { "schema": object(json!({ "a": {} })) } } });
        let mut given = document(json!({}));
        let operation =
            json!({ "operationId": "ask", "requestBody": inline, "responses": { "200": inline } });
        given["paths"]["/ask"]["post"] = operation;
        let schemas = lower(&given).unwrap().document["components"]["schemas"].clone();
        assert!(schemas["AskRequest"].is_object() && schemas["AskResponse"].is_object(), "{schemas}");
        let mut clash = document(json!({ "AskRequest": object(json!({ "a": {} })) }));
        clash["paths"]["/ask"]["post"]["requestBody"] = inline;
        let error = lower(&clash).err().map(|error| format!("{error:#}"));
        let why = "operation ask (post /ask): its Request would be called AskRequest, which exists already";
        assert_eq!(error.as_deref(), Some(why));
    }

    #[test]
    fn r18_an_operation_that_cannot_be_generated_is_refused() {
        let check = |given: Value, why: &str| {
            let error = format!("{:#}", operation("post", given).unwrap_err());
            assert!(error.starts_with("operation ask (post /ask/{id}): ") && error.contains(why), "{error}");
        };
        let form = content(&["multipart/form-data"], "Question");
        check(
            json!({ "operationId": "ask", "requestBody": form, "responses": { "200": {} } }),
            "its body is [\"multipart/form-data\"], only application/json can be generated",
        );
        check(
            json!({ "operationId": "ask", "responses": { "default": {} } }),
            "it declares no success (2xx)",
        );
        check(
            json!({ "operationId": "ask", "responses": { "200": { "$ref": "#/components/responses/No" } } }),
            "nothing stands at $ref #/components/responses/No",
        );
    }
}
