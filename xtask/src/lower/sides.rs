//! R19, R20, R23: a schema that requests and responses share becomes two; responses are then read leniently.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::hints::{self, Hints};
use super::operations::{self, Operation};
use super::unions::Tags;
use super::{Component, Components, Tally, component, keywords, null, objects};
use crate::schema::{self, Map};

/// Who a schema belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What we send: strict.
    Request,
    /// What we are sent: lenient.
    Response,
}

/// What the request copy of a shared schema is called: `{Name}Param`, or `{Name}RequestParam` where the document has
/// another schema of that name (`FunctionTool`, `FunctionToolParam`).
fn request_copy(name: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let short = format!("{name}Param");
    if taken(&short) { format!("{name}RequestParam") } else { short }
}

/// R19: the components of each side; those of both become two, and the operations follow.
pub(super) fn split(
    closure: &Value,
    operations: &mut [Operation],
    hints: &mut Hints,
    tally: &mut Tally,
) -> Result<Components> {
    let mut sent = BTreeMap::new();
    let mut received = BTreeMap::new();
    let mut patches = BTreeMap::new();
    let mut roots = Vec::new();
    for (name, schema) in
        closure.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
    {
        let mut schema = schema.clone();
        keywords::name_recursion(&mut schema, name, tally)?;
        hints.mark(&mut schema, &schema::component_path(name))?;
        if schema.as_object_mut().and_then(|object| hints.take(object, hints::ROOT)).is_some() {
            roots.push(name.clone());
        }
        let mut request = schema.clone();
        hints::drop_response_patches(&mut request)?;
        patches.insert(name.clone(), hints::apply_response_patches(&mut schema)?);
        hints.mark(&mut schema, &schema::component_path(name))?;
        sent.insert(name.clone(), request);
        received.insert(name.clone(), schema);
    }
    for operation in operations.iter_mut() {
        operation.responses.extend(roots.iter().cloned());
    }
    let requests = operations.iter().flat_map(|operation| operation.requests.iter().cloned());
    let requests = schema::reachable(requests, |name| sent.get(name));
    let responses = operations.iter().flat_map(|operation| operation.responses.iter().cloned());
    let responses = schema::reachable(responses, |name| received.get(name));
    let shared: BTreeSet<&String> = requests.intersection(&responses).collect();
    tally.add("R19", shared.len());

    let taken = |name: &str| requests.contains(name) || responses.contains(name);
    let copies: BTreeMap<&str, String> =
        shared.into_iter().map(|name| (name.as_str(), request_copy(name, &taken))).collect();
    let rename = |name: &str| copies.get(name).cloned().unwrap_or_else(|| name.to_owned());
    let mut components = Components::new();
    for name in &responses {
        hints.consume(patches.remove(name).unwrap_or_default());
        let schema = received.remove(name).unwrap_or_default();
        components.insert(name.clone(), component(name, schema, Side::Response));
    }
    for name in &requests {
        let mut item = component(name, sent.remove(name).unwrap_or_default(), Side::Request);
        rename_targets(&mut item, &rename)?;
        let taken = components.insert(rename(name), item);
        ensure!(
            taken.is_none(),
            "the request copy of {name} would be called {}, which exists already",
            rename(name)
        );
    }
    operations::request_names(operations, rename);
    Ok(components)
}

fn rename_targets(component: &mut Component, rename: &dyn Fn(&str) -> String) -> Result<()> {
    let place = schema::Place { path: &component.path, branch: false };
    schema::bottom_up(&mut component.schema, place, &mut |schema, _| {
        let renamed = schema::target(schema).map(|name| schema::reference(&rename(name)));
        if let (Some(Value::Object(renamed)), Some(object)) = (renamed, schema.as_object_mut()) {
            object.extend(renamed);
        }
        Ok(())
    })
}

/// R20: responses are read leniently. `tags` names the property by which each union distinguishes its members.
pub(super) fn relax(
    components: &mut Components,
    tags: &Tags,
    hints: &mut Hints,
    tally: &mut Tally,
) -> Result<()> {
    let closed = tags.closed_enums(components);
    let mut known = Vec::new();
    for (name, item) in components.iter_mut().filter(|(_, item)| item.side == Side::Response) {
        let Some(object) = item.schema.as_object_mut() else { continue };
        let times = if object.contains_key("properties") {
            let required = required(object, tags.of_member(name), hints, &item.path)?;
            optional(object, &required)
        } else if let Some(branches) = object.get_mut("oneOf").and_then(Value::as_array_mut) {
            branches.push(json!({ "title": "Unknown" }));
            1
        } else if !closed.contains(name) {
            open_enum(name, object, &mut known)
        } else {
            0
        };
        tally.add("R20", times);
    }
    for (name, schema) in known {
        let taken = components.insert(name.clone(), component(&name, schema, Side::Response));
        ensure!(taken.is_none(), "the closed half of an enum would be called {name}, which exists already");
    }
    objects::inline_aliases(components, tally)?;
    Ok(())
}

/// The required properties of an object in a response: those of the overlay, and the tags of unions.
fn required(
    object: &mut Map,
    tags: impl Iterator<Item = String>,
    hints: &mut Hints,
    path: &str,
) -> Result<BTreeSet<String>> {
    let mut required: BTreeSet<String> = hints.take_list(object, hints::REQUIRED).into_iter().collect();
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else {
        return Ok(required);
    };
    for name in &required {
        ensure!(
            properties.contains_key(name),
            "{path}: {} names {name}, which is not a property",
            hints::REQUIRED
        );
    }
    for tag in tags {
        // A tag that is null distinguishes nothing.
        properties.get_mut(&tag).and_then(Value::as_object_mut).map(|property| property.remove("nullable"));
        required.insert(tag);
    }
    Ok(required)
}

/// R20: an enum takes further values: its closed half becomes a type of its own; one of a single value is just a string.
fn open_enum(name: &str, object: &mut Map, known: &mut Vec<(String, Value)>) -> usize {
    match object.get("enum").and_then(Value::as_array).map_or(0, Vec::len) {
        0 => 0,
        1 => usize::from(object.remove("enum").is_some()),
        _ => {
            let closed = format!("{name}Known");
            let open = json!([
                { "title": "Known", "allOf": [schema::reference(&closed)] },
                { "title": "Other", "type": "string" },
            ]);
            known.push((closed, Value::Object(std::mem::take(object))));
            object.insert("oneOf".into(), open);
            1
        }
    }
}

/// R20: everything but `required` may be missing or null. Returns how many properties that concerns.
fn optional(object: &mut Map, required: &BTreeSet<String>) -> usize {
    let mut changed = 0;
    for (name, property) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
    {
        // An empty schema includes null.
        let property =
            property.as_object_mut().filter(|schema| !schema.is_empty() && !required.contains(name));
        if let Some(schema) = property {
            null::set_nullable(schema);
            changed += 1;
        }
    }
    object.remove("required");
    if !required.is_empty() {
        object.insert("required".into(), json!(required));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::tests::{lowered, object, reference, refused};

    #[test]
    fn r19_what_both_sides_use_becomes_two() {
        let both = object(json!({ "it": reference("Shared") }));
        let mut shared = object(json!({ "a": { "type": "string" } }));
        shared["required"] = json!(["a"]);
        let found = lowered(json!({ "Question": both, "Answer": both, "Shared": shared }));
        assert_eq!(found["Question"]["properties"]["it"], reference("SharedParam"));
        assert_eq!(found["SharedParam"], shared, "requests stay strict");
        let lenient = json!({ "allOf": [reference("Shared")], "nullable": true });
        assert_eq!(found["Answer"]["properties"]["it"], lenient);
        assert_eq!(found["Shared"], object(json!({ "a": { "type": "string", "nullable": true } })));
    }

    #[test]
    fn r19_a_request_copy_gives_way_to_a_name_that_is_taken() {
        let tool = object(json!({ "a": { "type": "string" } }));
        let found = lowered(json!({
            "Question": object(json!({ "it": reference("Tool"), "other": reference("ToolParam") })),
            "Answer": object(json!({ "it": reference("Tool") })),
            "Tool": tool,
            "ToolParam": tool,
        }));
        assert_eq!(found["Question"]["properties"]["it"], reference("ToolRequestParam"));
        assert_eq!(found["Question"]["properties"]["other"], reference("ToolParam"));
    }

    #[test]
    fn r19_a_schema_of_one_side_keeps_its_name() {
        let mine = object(json!({ "a": { "type": "string" } }));
        let found = lowered(json!({ "Question": object(json!({ "it": reference("Mine") })), "Mine": mine }));
        assert_eq!(found["Mine"], mine);
        assert_eq!(found.get("MineParam"), None);
    }

    #[test]
    fn r20_every_field_of_an_answer_may_be_missing_or_null() {
        let list = |nullable: Value| json!({ "type": "array", "items": {}, "nullable": nullable });
        let mut response = object(json!({ "a": list(json!(false)), "b": { "type": "string" }, "c": {} }));
        response["properties"]["a"].as_object_mut().unwrap().remove("nullable");
        response["required"] = json!(["a", "b"]);
        let lenient = json!({ "a": list(json!(true)), "b": { "type": "string", "nullable": true }, "c": {} });
        assert_eq!(lowered(json!({ "Answer": response }))["Answer"], object(lenient));
    }

    #[test]
    fn r20_the_overlay_says_what_stays_required() {
        let response = |required: &str| {
            let mut response = object(json!({ "id": { "type": "string" } }));
            response["x-codex-required"] = json!([required]);
            json!({ "Answer": response })
        };
        let mut expected = object(json!({ "id": { "type": "string" } }));
        expected["required"] = json!(["id"]);
        assert_eq!(lowered(response("id"))["Answer"], expected);
        let why = "$.components.schemas.Answer: x-codex-required names ID, which is not a property";
        assert_eq!(refused(response("ID")), why);
    }

    #[test]
    fn r20_enums_of_answers_take_further_values() {
        let closed = |values: &[&str]| json!({ "type": "string", "enum": values });
        let response = object(json!({ "tier": closed(&["a", "b"]), "object": closed(&["x"]) }));
        let found = lowered(json!({ "Answer": response }));
        assert_eq!(
            found["AnswerTier"],
            json!({ "oneOf": [
                { "title": "Known", "allOf": [reference("AnswerTierKnown")] },
                { "title": "Other", "type": "string" },
            ] })
        );
        assert_eq!(found["AnswerTierKnown"], closed(&["a", "b"]));
        assert_eq!(found["Answer"]["properties"]["object"], json!({ "type": "string", "nullable": true }));
    }

    #[test]
    fn r20_unions_of_answers_end_in_unknown_and_their_tags_stay_closed() {
        // Upstream neither requires the tags nor keeps null from them.
        let member = |values: &[&str]| {
            let tag = json!({ "anyOf": [{ "type": "string", "enum": values }, { "type": "null" }] });
            object(json!({ "type": tag, "x": { "type": "string" } }))
        };
        let found = lowered(json!({
            "Answer": object(json!({ "it": { "oneOf": [reference("A"), reference("B")] } })),
            "A": member(&["a"]),
            "B": member(&["b", "c"]),
        }));
        assert_eq!(found["AnswerIt"]["oneOf"][2], json!({ "title": "Unknown" }));
        for name in ["A", "B"] {
            assert_eq!(found[name]["required"], json!(["type"]));
            assert_eq!(found[name]["properties"]["type"], reference(&format!("{name}Type")));
        }
        assert_eq!(found["AType"], json!({ "type": "string", "enum": ["a"] }));
        assert_eq!(found["BType"], json!({ "type": "string", "enum": ["b", "c"] }));
    }
}
