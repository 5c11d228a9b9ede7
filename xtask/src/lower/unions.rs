//! R6, R7, R8: unions reduced to branches that a reader can distinguish, and the property by which it does.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Component, Components, Side, Tally, rewrite};
use crate::schema::{self, Map, Place, UNIONS};

/// R6, R8: `anyOf` is read as `oneOf`; a union that only lists which fields belong together is dropped.
pub(super) fn one_of(schema: &mut Value, place: Place<'_>, tally: &mut Tally) -> Result<()> {
    let Some(object) = schema.as_object_mut() else { return Ok(()) };
    for union in UNIONS {
        let required_only = |branch: &Value| {
            branch.as_object().is_some_and(|map| map.len() == 1 && map.contains_key("required"))
        };
        if object
            .get(union)
            .and_then(Value::as_array)
            .is_some_and(|branches| branches.iter().all(required_only))
        {
            object.remove(union);
            tally.add("R8", 1);
        }
    }
    if let Some(branches) = object.remove("anyOf") {
        if object.contains_key("oneOf") {
            bail!("{}: has both anyOf and oneOf; choose one in openapi/overlay.yaml", place.path);
        }
        object.insert("oneOf".into(), branches);
        tally.add("R6", 1);
    }
    if object.contains_key("oneOf") {
        tally.add("R8", usize::from(object.remove("type").is_some()));
        if let Some(key) = ["additionalProperties", "enum", "items", "properties"]
            .iter()
            .find(|key| object.contains_key(**key))
        {
            bail!("{}: has {key} beside a union; put that right in openapi/overlay.yaml", place.path);
        }
        object.remove("required");
    }
    Ok(())
}

/// R7, R8: simplifies every union once. Returns how many changed.
pub(super) fn simplify(components: &mut Components, tally: &mut Tally) -> Result<usize> {
    // Which references end in a string, and whether in an open one.
    let strings: BTreeMap<String, bool> = components
        .iter()
        .filter(|(_, item)| item.schema.get("type") == Some(&json!("string")))
        .map(|(name, item)| (name.clone(), item.schema.get("enum").is_none()))
        .collect();
    let mut changed = 0;
    rewrite(components, &mut |schema, _, _| {
        let Some(object) = schema.as_object_mut() else { return Ok(()) };
        let Some(Value::Array(branches)) = object.get_mut("oneOf") else { return Ok(()) };
        let opened = open_strings(branches, &strings);
        tally.add("R7", opened);
        let tidied = flatten(branches) + deduplicate(branches) + merge_enums(branches);
        let single = lone_branch(object);
        tally.add("R8", tidied + single);
        changed += opened + tidied + single;
        Ok(())
    })?;
    Ok(changed)
}

/// R7: beside an open string, closed ones add nothing.
fn open_strings(branches: &mut Vec<Value>, strings: &BTreeMap<String, bool>) -> usize {
    let openness = |branch: &Value| match schema::target(branch) {
        Some(name) => strings.get(name).copied(),
        None => (branch.get("type") == Some(&json!("string"))).then(|| branch.get("enum").is_none()),
    };
    if !branches.iter().any(|branch| openness(branch) == Some(true)) {
        return 0;
    }
    let before = branches.len();
    branches.retain(|branch| openness(branch) != Some(false));
    before - branches.len()
}

/// R8: a union inside a union.
fn flatten(branches: &mut Vec<Value>) -> usize {
    let nested = branches.iter().filter(|branch| schema::branches(branch).is_some()).count();
    if nested > 0 {
        let splice = |branch: Value| schema::branches(&branch).cloned().unwrap_or_else(|| vec![branch]);
        *branches = std::mem::take(branches).into_iter().flat_map(splice).collect();
    }
    nested
}

/// R8: in responses a union that is a branch of another is inlined there, or its `Unknown` would take all that comes
/// after it.
pub(super) fn flatten_responses(components: &mut Components, tally: &mut Tally) {
    let unions: BTreeMap<String, Vec<Value>> = components
        .iter()
        .filter(|(_, item)| item.side == Side::Response)
        .filter_map(|(name, item)| Some((name.clone(), schema::branches(&item.schema)?.clone())))
        .collect();
    for name in unions.keys() {
        let Some(item) = components.get_mut(name) else { continue };
        let Some(branches) = item.schema.get_mut("oneOf").and_then(Value::as_array_mut) else { continue };
        let mut seen = BTreeSet::from([name.clone()]);
        let nested = |branch: &Value| schema::target(branch).is_some_and(|to| unions.contains_key(to));
        while let Some(index) = branches.iter().position(nested) {
            let branch = branches.remove(index);
            let fresh = schema::target(&branch).filter(|to| seen.insert((*to).to_owned()));
            branches.splice(index..index, fresh.and_then(|to| unions.get(to)).into_iter().flatten().cloned());
            tally.add("R8", 1);
        }
        deduplicate(branches);
    }
}

/// R8: the same branch twice, whatever its title.
fn deduplicate(branches: &mut Vec<Value>) -> usize {
    let before = branches.len();
    let mut seen: Vec<Value> = Vec::new();
    branches.retain(|branch| {
        let mut untitled = branch.clone();
        if let Some(object) = untitled.as_object_mut() {
            object.remove("title");
        }
        let fresh = !seen.contains(&untitled);
        seen.push(untitled);
        fresh
    });
    before - branches.len()
}

/// R8: several inline enums are one.
fn merge_enums(branches: &mut Vec<Value>) -> usize {
    let before = branches.len();
    let mut values: Vec<Value> = Vec::new();
    for value in branches.iter().filter_map(|branch| branch.get("enum")?.as_array()).flatten() {
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
    branches.retain_mut(|branch| match branch.get_mut("enum") {
        Some(list) => {
            *list = Value::Array(std::mem::take(&mut values));
            list.as_array().is_some_and(|list| !list.is_empty())
        }
        None => true,
    });
    before - branches.len()
}

/// R8: a union of one is that one; a union of none is anything.
fn lone_branch(object: &mut Map) -> usize {
    let Some(Value::Array(branches)) = object.get("oneOf") else { return 0 };
    let branch = match branches.as_slice() {
        [] => Map::new(),
        [Value::Object(one)] => one.clone(),
        _ => return 0,
    };
    object.remove("oneOf");
    object.remove("discriminator");
    let outside = std::mem::replace(object, branch);
    object.extend(outside);
    1
}

/// The property by which each union distinguishes its object members.
#[derive(Debug, Default)]
pub(super) struct Tags {
    unions: BTreeMap<String, String>,
    members: BTreeMap<String, BTreeSet<String>>,
}

impl Tags {
    /// The tag of a union.
    pub(super) fn of_union(&self, name: &str) -> Option<&str> {
        self.unions.get(name).map(String::as_str)
    }

    /// The properties by which unions know this member.
    pub(super) fn of_member(&self, name: &str) -> impl Iterator<Item = String> {
        self.members.get(name).into_iter().flatten().cloned()
    }

    /// The enums that are some member's tag.
    pub(super) fn closed_enums(&self, components: &Components) -> BTreeSet<String> {
        let tags = self.members.iter().flat_map(|(name, tags)| tags.iter().map(move |tag| (name, tag)));
        tags.filter_map(|(name, tag)| Some(schema::target(property(components, name, tag)?)?.to_owned()))
            .collect()
    }
}

/// Finds the tag of every union: the discriminator where it holds, else the closed enum that most members have.
pub(super) fn tags(components: &Components) -> Tags {
    let mut tags = Tags::default();
    for (name, item) in components {
        let members: Vec<&str> = schema::branches(&item.schema)
            .into_iter()
            .flatten()
            .filter_map(schema::target)
            .filter(|name| components.get(*name).is_some_and(|item| item.schema.get("properties").is_some()))
            .collect();
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for property in members.iter().flat_map(|member| closed_properties(components, member)) {
            *votes.entry(property).or_default() += 1;
        }
        let stated = item.schema.pointer("/discriminator/propertyName").and_then(Value::as_str);
        let rank = |property: &str| (Some(property) == stated, property == "type");
        let best = votes.into_iter().max_by_key(|(property, votes)| (*votes, rank(property)));
        let Some((tag, _)) = best else { continue };
        tags.unions.insert(name.clone(), tag.to_owned());
        for member in members.into_iter().filter(|member| tag_values(components, member, tag).is_some()) {
            tags.members.entry(member.to_owned()).or_default().insert(tag.to_owned());
        }
    }
    tags
}

fn property<'a>(components: &'a Components, object: &str, name: &str) -> Option<&'a Value> {
    components.get(object)?.schema.get("properties")?.get(name)
}

/// The values of an object's property, where they are a closed set.
pub(super) fn tag_values<'a>(components: &'a Components, object: &str, name: &str) -> Option<Vec<&'a str>> {
    let target = schema::target(property(components, object, name)?)?;
    schema::enum_values(&components.get(target)?.schema)
}

fn closed_properties<'a>(components: &'a Components, object: &str) -> Vec<&'a str> {
    let properties =
        components.get(object).and_then(|item: &Component| item.schema.get("properties")?.as_object());
    let names = properties.into_iter().flatten().map(|(name, _)| name.as_str());
    names.filter(|name| tag_values(components, object, name).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::tests::{components, lowered, reference, schemas};

    const PLACE: Place<'_> = Place { path: "$.a", branch: false };

    #[test]
    fn r6_any_of_is_one_of() {
        let check = |mut schema: Value, expected: Value| {
            one_of(&mut schema, PLACE, &mut Tally::default()).unwrap();
            assert_eq!(schema, expected);
        };
        let text = json!({ "type": "string" });
        check(json!({ "anyOf": [text], "type": "object" }), json!({ "oneOf": [text] }));
        let fields = json!({ "type": "object", "properties": { "a": {}, "b": {} } });
        let mut either = fields.clone();
        either["anyOf"] = json!([{ "required": ["a"] }, { "required": ["b"] }]);
        check(either, fields);
    }

    #[test]
    fn r6_what_stands_beside_a_union_is_refused_with_its_path() {
        let check = |mut schema: Value, why: &str| {
            let error = one_of(&mut schema, PLACE, &mut Tally::default()).unwrap_err();
            assert_eq!(error.to_string(), format!("$.a: has {why} in openapi/overlay.yaml"));
        };
        check(json!({ "anyOf": [{}], "oneOf": [{}] }), "both anyOf and oneOf; choose one");
        for key in ["additionalProperties", "enum", "items", "properties"] {
            check(json!({ "oneOf": [{}], key: {} }), &format!("{key} beside a union; put that right"));
        }
    }

    /// Simplifies a union `It`, beside an enum `Closed` and an open string `Open`.
    fn check_simplified(branches: Value, expected: Value) {
        let mut given = components(
            Side::Request,
            json!({
                "Closed": { "type": "string", "enum": ["a"] },
                "Open": { "type": "string" },
                "It": { "oneOf": branches },
            }),
        );
        while simplify(&mut given, &mut Tally::default()).unwrap() > 0 {}
        assert_eq!(schemas(&given).get("It"), Some(&expected));
    }

    #[test]
    fn r7_beside_an_open_string_closed_ones_say_nothing() {
        let (open, closed) = (json!({ "type": "string" }), json!({ "type": "string", "enum": ["b"] }));
        check_simplified(json!([open, closed]), open.clone());
        check_simplified(json!([reference("Closed"), reference("Open")]), reference("Open"));
        let mixed = json!([{ "type": "integer" }, closed, open]);
        check_simplified(mixed, json!({ "oneOf": [{ "type": "integer" }, open] }));
        let both_closed = json!([{ "type": "integer" }, reference("Closed")]);
        check_simplified(both_closed.clone(), json!({ "oneOf": both_closed }));
    }

    #[test]
    fn r8_unions_are_tidied() {
        let (text, whole) = (json!({ "type": "string" }), json!({ "type": "integer" }));
        let list = json!({ "type": "array" });
        check_simplified(json!([{ "oneOf": [text, whole] }, list]), json!({ "oneOf": [text, whole, list] }));
        let titled = json!({ "type": "string", "title": "T" });
        check_simplified(json!([text, whole, titled]), json!({ "oneOf": [text, whole] }));
        check_simplified(json!([{ "oneOf": [text] }]), text);
        check_simplified(json!([]), json!({}));
        let closed = |values: Value| json!({ "type": "string", "enum": values });
        check_simplified(
            json!([closed(json!(["a"])), whole, closed(json!(["b", "a"]))]),
            json!({ "oneOf": [closed(json!(["a", "b"])), whole] }),
        );
    }

    #[test]
    fn r8_what_stands_beside_a_lone_branch_stays() {
        let mut given = components(
            Side::Request,
            json!({ "It": { "oneOf": [reference("A")], "nullable": true, "x-codex-name": "N" } }),
        );
        simplify(&mut given, &mut Tally::default()).unwrap();
        let expected = json!({ "$ref": "#/components/schemas/A", "nullable": true, "x-codex-name": "N" });
        assert_eq!(schemas(&given), json!({ "It": expected }));
    }

    #[test]
    fn r8_a_union_within_a_union_is_spelt_out_in_answers() {
        let shape = |branches: Value| json!({ "oneOf": branches });
        let given = json!({
            "Inner": shape(json!([reference("A"), reference("Outer")])),
            "Outer": shape(json!([reference("Inner"), reference("A"), reference("B")])),
        });
        let mut responses = components(Side::Response, given.clone());
        flatten_responses(&mut responses, &mut Tally::default());
        let flat = shape(json!([reference("A"), reference("B")]));
        assert_eq!(schemas(&responses).get("Outer"), Some(&flat));
        let mut requests = components(Side::Request, given.clone());
        flatten_responses(&mut requests, &mut Tally::default());
        assert_eq!(schemas(&requests), given);
    }

    #[test]
    fn a_union_knows_its_members_by_their_tag() {
        let check = |mut union: Value, members: [&Value; 2], expected: Option<&str>| {
            union["oneOf"] = json!([reference("A"), reference("B"), { "type": "string" }]);
            let [a, b] = members;
            let closed = json!({ "type": "string", "enum": ["x"] });
            let found =
                tags(&components(Side::Response, json!({ "A": a, "B": b, "Kind": closed, "It": union })));
            assert_eq!(found.of_union("It"), expected);
            assert_eq!(found.of_member("A").collect::<Vec<_>>(), Vec::from_iter(expected));
        };
        let member = |names: &[&str]| {
            let mut properties = json!({ "open": { "type": "string" } });
            names.iter().for_each(|name| properties[*name] = reference("Kind"));
            json!({ "type": "object", "properties": properties })
        };
        let none = json!({});
        check(none.clone(), [&member(&["role"]), &member(&["role"])], Some("role"));
        check(none.clone(), [&member(&["type"]), &member(&["role"])], Some("type"));
        check(none.clone(), [&member(&["a", "type"]), &member(&["a"])], Some("a"));
        check(none.clone(), [&member(&["a", "type", "z"]), &member(&["a", "type", "z"])], Some("type"));
        let stated = json!({ "discriminator": { "propertyName": "a" } });
        check(stated, [&member(&["a", "type"]), &member(&["a", "type"])], Some("a"));
        check(none, [&member(&[]), &member(&[])], None);
    }

    #[test]
    fn a_union_of_one_inline_enum_per_branch_is_one_enum() {
        let closed = |value: &str| json!({ "type": "string", "enum": [value] });
        let question =
            json!({ "type": "object", "properties": { "it": { "anyOf": [closed("a"), closed("b")] } } });
        let found = lowered(json!({ "Question": question }));
        assert_eq!(found.get("QuestionIt"), Some(&json!({ "type": "string", "enum": ["a", "b"] })));
    }
}
