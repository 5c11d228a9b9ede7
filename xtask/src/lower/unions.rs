//! R6, R7, R8: unions cut down to branches that a reader can tell apart, and by what property it does.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Component, Components, Side, Tally, rewrite};
use crate::schema::{self, Map, Place, UNIONS};

/// R6, R8: `anyOf` is read as `oneOf`; a union that only says which fields go together is dropped.
pub(super) fn one_of(schema: &mut Value, place: Place<'_>, tally: &mut Tally) -> Result<()> {
    let Some(object) = schema.as_object_mut() else { return Ok(()) };
    for union in UNIONS {
        let required_only =
            |branch: &Value| branch.as_object().is_some_and(|map| map.keys().all(|key| key == "required"));
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

/// R7: beside an open string, closed ones say nothing.
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

/// R8: in answers a union that is a branch of another is spelt out there, or its `Unknown` would take all that comes
/// after it.
pub(super) fn flatten_answers(components: &mut Components, tally: &mut Tally) {
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

/// By which property each union tells its object members apart.
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
