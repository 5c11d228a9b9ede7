//! Random edits of a real closure: one that means something is reported as what it was, one that means nothing is not.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::{Value, json};

use super::finding::Aspect;
use super::view::View;
use super::walk::compare;
use super::{files, source};
use crate::schema::{self, Map, UNIONS};

/// How many edits of each kind are tried.
const ROUNDS: u64 = 8;

fn closure(operations: &[&str]) -> Value {
    let path = files::root().join("xtask/fixtures/openai-2026-08-05.json.gz");
    let document = source::parse(&source::read(path.to_str().unwrap()).unwrap().text).unwrap();
    let wanted: Vec<String> = operations.iter().map(|id| (*id).to_owned()).collect();
    crate::prune::prune(&document, &wanted).unwrap()
}

fn schemas(closure: &mut Value) -> &mut Map {
    closure["components"]["schemas"].as_object_mut().unwrap()
}

/// Every object with fields of the closure that stands for itself, by its component.
fn objects(closure: &Value) -> Vec<String> {
    let all = closure["components"]["schemas"].as_object().unwrap();
    let parts: BTreeSet<String> = all
        .values()
        .flat_map(|schema| schema.get("allOf").and_then(Value::as_array).into_iter().flatten())
        .filter_map(|part| schema::target(part).map(str::to_owned))
        .collect();
    let plain = |name: &String, schema: &Value| {
        !parts.contains(name)
            && !schema
                .as_object()
                .unwrap()
                .keys()
                .any(|key| ["allOf", "anyOf", "oneOf"].contains(&key.as_str()))
            && schema.get("properties").and_then(Value::as_object).is_some_and(|fields| fields.len() > 1)
    };
    all.iter().filter(|(name, schema)| plain(name, schema)).map(|(name, _)| name.clone()).collect()
}

/// Sites and aspects of what is found between two closures.
fn found(old: &Value, new: &Value) -> Vec<(String, Aspect)> {
    let changes = compare(&View::of(old), &View::of(new));
    changes.findings.into_iter().map(|finding| (finding.site, finding.aspect)).collect()
}

/// Applies `edit` to random objects, each time to a fresh copy; the change that it reports must be found, and nothing else.
fn check(edit: impl Fn(&mut Rng, &str, &mut Value) -> Option<(String, Aspect)>) {
    let old = closure(&["createChatCompletion", "listModels"]);
    let objects = objects(&old);
    let mut edits = 0;
    for seed in 0..4 * ROUNDS {
        let mut random = Rng::with_seed(seed);
        let name = &objects[random.usize(..objects.len())];
        let mut new = old.clone();
        let Some(expected) = edit(&mut random, name, &mut schemas(&mut new)[name]) else { continue };
        assert_eq!(found(&old, &new), [expected], "seed {seed}, {name}: {}", schemas(&mut new)[name]);
        let back: Vec<_> = found(&new, &old).into_iter().map(|(site, _)| site).collect();
        let there: Vec<_> = found(&old, &new).into_iter().map(|(site, _)| site).collect();
        assert_eq!(back, there, "seed {seed}: back again is the same place");
        edits += 1;
        if edits == ROUNDS {
            return;
        }
    }
    assert!(edits > 2, "the edit fits nowhere: {edits}");
}

/// One field of an object, by chance.
fn any_field(random: &mut Rng, schema: &Value) -> String {
    let fields = schema["properties"].as_object().unwrap();
    fields.keys().nth(random.usize(..fields.len())).unwrap().clone()
}

#[test]
fn fields_that_come_go_or_become_required() {
    check(|random, name, schema| {
        let field = format!("fresh_{}", random.u8(..));
        schema["properties"][&field] = json!({ "type": "boolean" });
        Some((format!("{name}.{field}"), Aspect::Field))
    });
    check(|random, name, schema| {
        let field = any_field(random, schema);
        schema["properties"].as_object_mut().unwrap().remove(&field);
        let required = schema.get_mut("required").and_then(Value::as_array_mut);
        required.into_iter().for_each(|required| required.retain(|one| *one != json!(field)));
        Some((format!("{name}.{field}"), Aspect::Field))
    });
    check(|random, name, schema| {
        let field = any_field(random, schema);
        let object = schema.as_object_mut().unwrap();
        let required = object.entry("required").or_insert_with(|| json!([])).as_array_mut().unwrap();
        let before = required.len();
        required.retain(|one| *one != json!(field));
        if required.len() == before {
            required.push(json!(field));
        }
        Some((format!("{name}.{field}"), Aspect::Required))
    });
}

#[test]
fn values_that_become_null_or_get_another_type() {
    check(|random, name, schema| {
        let field = any_field(random, schema);
        let value = &mut schema["properties"][&field];
        let refers = value.to_string().contains("null") || value.get("$ref").is_some() || value == &json!({});
        *value = json!({ "anyOf": [value.clone(), { "type": "null" }] });
        (!refers).then(|| (format!("{name}.{field}"), Aspect::Null))
    });
    check(|random, name, schema| {
        let field = any_field(random, schema);
        let value = &mut schema["properties"][&field];
        let plain = value.get("type") == Some(&json!("string")) && value.get("enum").is_none();
        *value = json!({ "type": "integer" });
        plain.then(|| (format!("{name}.{field}"), Aspect::Type))
    });
    check(|random, name, schema| {
        let field = any_field(random, schema);
        let value = schema["properties"][&field].as_object_mut().unwrap();
        let plain = value.get("type") == Some(&json!("string")) && value.get("maxLength").is_none();
        value.insert("maxLength".to_owned(), json!(7));
        plain.then(|| (format!("{name}.{field}"), Aspect::Limit("maxLength".to_owned())))
    });
}

#[test]
fn enums_and_unions_that_grow() {
    check(|random, name, schema| {
        let field = any_field(random, schema);
        let values = schema["properties"][&field].get_mut("enum").and_then(Value::as_array_mut)?;
        values.push(json!("another"));
        Some((format!("{name}.{field}"), Aspect::Value))
    });
    check(|random, name, schema| {
        let field = any_field(random, schema);
        let value = schema["properties"].get_mut(&field)?;
        let union = UNIONS.iter().find(|key| value.get(**key).is_some())?;
        let branches = value[*union].as_array_mut().unwrap();
        // If one branch and null are left, the branch is reported at the component.
        let several = branches.len() > 2 || !branches.contains(&json!({ "type": "null" }));
        branches.push(json!({ "type": "object", "properties": { "type": { "const": "another" } } }));
        several.then(|| (format!("{name}.{field}"), Aspect::Branch))
    });
}

#[test]
fn components_that_are_renamed() {
    let old = closure(&["createChatCompletion", "listModels"]);
    let names: Vec<String> = objects(&old);
    for name in names.iter().filter(|name| *name != crate::prune::ERROR_ROOT) {
        let text = old.to_string();
        let new = text
            .replace(&format!("schemas/{name}\""), "schemas/Renamed\"")
            .replace(&format!("\"{name}\":{{"), "\"Renamed\":{");
        let new: Value = serde_json::from_str(&new).unwrap();
        let aspects: BTreeSet<Aspect> = found(&old, &new).into_iter().map(|(_, aspect)| aspect).collect();
        assert_eq!(aspects, BTreeSet::from([Aspect::Renamed]), "{name}");
    }
}

/// Applies `edit` to every schema, children first, by the toss of a coin; nothing must be found.
fn check_silent(edit: impl Fn(&mut Value)) {
    let old = closure(&["createChatCompletion", "createResponse", "listModels"]);
    for seed in 0..2 {
        let mut random = Rng::with_seed(seed);
        let mut new = old.clone();
        for (name, schema) in schemas(&mut new).iter_mut() {
            let path = schema::component_path(name);
            let place = schema::Place { path: &path, branch: false };
            schema::bottom_up(schema, place, &mut |schema, place| {
                // A rule for names is compared as text.
                if random.bool() && !place.path.contains("propertyNames") {
                    edit(schema);
                }
                Ok(())
            })
            .unwrap();
        }
        assert_ne!(old, new, "nothing was edited");
        assert_eq!(found(&old, &new), []);
        assert_eq!(found(&new, &old), []);
    }
}

#[test]
fn another_spelling_is_no_change() {
    check_silent(|schema| *schema = json!({ "allOf": [schema.clone()] }));
    check_silent(|schema| {
        for (from, to) in [("anyOf", "oneOf"), ("oneOf", "anyOf")] {
            let object = schema.as_object_mut().unwrap();
            if let Some(branches) = object.remove(from) {
                object.insert(to.to_owned(), branches);
                return;
            }
        }
    });
    // Null as a branch, and in the list of types.
    check_silent(|schema| {
        let Some(branches) = schema.get("anyOf").and_then(Value::as_array) else { return };
        let null = json!({ "type": "null" });
        if let [one, other] = branches.as_slice()
            && *other == null
            && let Some(kind) = one.get("type").filter(|_| one.get("enum").is_none()).cloned()
        {
            let mut flat = one.clone();
            flat["type"] = json!([kind, "null"]);
            let outside = schema.as_object().unwrap().iter().filter(|(key, _)| *key != "anyOf");
            flat.as_object_mut().unwrap().extend(outside.map(|(key, value)| (key.clone(), value.clone())));
            *schema = flat;
        }
    });
    // A field moves into a part of its own.
    check_silent(|schema| {
        let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
        if let Some((name, field)) = fields.clone().into_iter().next() {
            fields.remove(&name);
            *schema =
                json!({ "allOf": [schema.clone(), { "type": "object", "properties": { name: field } }] });
        }
    });
    check_silent(|schema| {
        for key in ["enum", "required", "anyOf", "oneOf"] {
            let list = schema.get_mut(key).and_then(Value::as_array_mut);
            list.into_iter().for_each(|list| list.reverse());
        }
    });
}

#[test]
fn inline_or_named_is_no_change() {
    let old = closure(&["createChatCompletion", "createResponse", "listModels"]);
    let all = old["components"]["schemas"].as_object().unwrap().clone();
    for seed in 0..2 {
        let mut random = Rng::with_seed(seed);
        let mut new = old.clone();
        for (owner, schema) in schemas(&mut new).iter_mut() {
            let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
            for (_, field) in fields.into_iter().flatten() {
                let target = schema::target(field).map(str::to_owned);
                if let Some(name) = target.filter(|name| name != owner && random.bool()) {
                    *field = all[&name].clone();
                }
            }
        }
        assert_ne!(old, new, "nothing was edited");
        assert_eq!(found(&old, &new), []);
        assert_eq!(found(&new, &old), []);
    }
}
