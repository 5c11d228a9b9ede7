//! R19, R20, R23: a schema that requests and answers share becomes two; answers are then read leniently.

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
    for (name, schema) in
        closure.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
    {
        let mut schema = schema.clone();
        keywords::name_recursion(&mut schema, name, tally)?;
        hints.mark(&mut schema, &schema::component_path(name))?;
        let mut request = schema.clone();
        hints::drop_response_patches(&mut request)?;
        hints.apply_response_patches(&mut schema)?;
        sent.insert(name.clone(), request);
        received.insert(name.clone(), schema);
    }
    let requests = operations.iter().flat_map(|operation| operation.requests.iter().cloned());
    let requests = schema::reachable(requests, |name| sent.get(name));
    let answers = operations.iter().flat_map(|operation| operation.answers.iter().cloned());
    let answers = schema::reachable(answers, |name| received.get(name));
    let shared: BTreeSet<&String> = requests.intersection(&answers).collect();
    tally.add("R19", shared.len());

    let taken = |name: &str| requests.contains(name) || answers.contains(name);
    let copies: BTreeMap<&str, String> =
        shared.into_iter().map(|name| (name.as_str(), request_copy(name, &taken))).collect();
    let rename = |name: &str| copies.get(name).cloned().unwrap_or_else(|| name.to_owned());
    let mut components = Components::new();
    for name in &answers {
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

/// R20: answers are read leniently. `tags` says by which property each union tells its members apart.
pub(super) fn relax(
    components: &mut Components,
    tags: &Tags,
    hints: &mut Hints,
    tally: &mut Tally,
) -> Result<()> {
    let closed = tags.closed_enums(components);
    let mut known = Vec::new();
    for (name, item) in components.iter_mut().filter(|(_, item)| item.side == Side::Response) {
        let values = schema::enum_values(&item.schema).map_or(0, |values| values.len());
        let Some(object) = item.schema.as_object_mut() else { continue };
        if object.contains_key("properties") {
            let mut required = hints.take_list(object, hints::REQUIRED);
            for tag in tags.of_member(name) {
                // The tag tells the members apart, so it is there and says something.
                if let Some(property) =
                    object.get_mut("properties").and_then(|map| map.get_mut(&tag)?.as_object_mut())
                {
                    property.remove("nullable");
                }
                required.push(tag);
            }
            tally.add("R20", optional(object, &required));
        } else if let Some(branches) = object.get_mut("oneOf").and_then(Value::as_array_mut) {
            branches.push(json!({ "title": "Unknown" }));
            tally.add("R20", 1);
        } else if closed.contains(name) {
        } else if values == 1 {
            object.remove("enum");
            tally.add("R20", 1);
        } else if values > 1 {
            let closed = format!("{name}Known");
            let open = json!({ "oneOf": [
                { "title": "Known", "allOf": [schema::reference(&closed)] },
                { "title": "Other", "type": "string" },
            ] });
            known.push((closed, std::mem::replace(&mut item.schema, open)));
            tally.add("R20", 1);
        }
    }
    for (name, schema) in known {
        let taken = components.insert(name.clone(), component(&name, schema, Side::Response));
        ensure!(taken.is_none(), "the closed half of an enum would be called {name}, which exists already");
    }
    objects::inline_aliases(components, tally)?;
    Ok(())
}

/// R20: everything but `required` may be missing or null. Returns how many properties that concerns.
fn optional(object: &mut Map, required: &[String]) -> usize {
    let mut changed = 0;
    for (name, property) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
    {
        // An empty schema takes null as it is.
        let property =
            property.as_object_mut().filter(|schema| !schema.is_empty() && !required.contains(name));
        if let Some(schema) = property {
            null::set_nullable(schema);
            changed += 1;
        }
    }
    let properties = object.get("properties").and_then(Value::as_object);
    let kept: BTreeSet<&String> =
        required.iter().filter(|name| properties.is_some_and(|map| map.contains_key(*name))).collect();
    let kept = json!(kept);
    object.remove("required");
    if kept.as_array().is_some_and(|list| !list.is_empty()) {
        object.insert("required".into(), kept);
    }
    changed
}
