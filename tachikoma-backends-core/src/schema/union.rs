//! Unions whose branches can be told apart: by OpenAI, which wants them to begin with different properties, and by serde, which
//! takes the first branch that fits.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::overlap::hidden_branch;
use super::{SchemaChange, keywords, ordered_properties, pointer};

/// The facts of a schema before it was made strict, by place in the strict form.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// Objects that allowed no further properties.
    pub(super) closed: BTreeSet<String>,
    /// Properties that could be left out.
    pub(super) optional: BTreeSet<String>,
}

/// How many choices of first properties are tried.
const MAX_ATTEMPTS: usize = 10_000;
/// How often definitions may be written out within others.
const MAX_PASSES: usize = 8;

/// Puts the property that tells it apart at the beginning of each branch of every union. A branch that is a `$ref` is written out
/// where that needs another order than its definition has.
pub(super) fn separate_branches(
    document: &mut Value,
    changes: &mut Vec<SchemaChange>,
    mut origins: Origins,
    problems: &mut Vec<String>,
) {
    // What is written out may hold unions of its own.
    for _ in 0..MAX_PASSES {
        let places = unions(document);
        let mut is_changed = false;
        for place in places {
            match separate(document, &place, changes, &mut origins) {
                Ok(is_written_out) => is_changed |= is_written_out,
                Err(problem) => problems.push(problem),
            }
        }
        if !is_changed || !problems.is_empty() {
            break;
        }
    }
}

/// Orders the branches of one union. Whether definitions were written out.
fn separate(
    document: &mut Value,
    place: &str,
    changes: &mut Vec<SchemaChange>,
    origins: &mut Origins,
) -> Result<bool, String> {
    let leaves = leaves(document, place);
    if let Some((one, other)) = hidden_branch(document, &leaves, origins) {
        let which = if one == other {
            format!("branch {one} has alternatives of which one can be read as another")
        } else {
            format!("branch {other} can be read as branch {one}")
        };
        return Err(format!(
            "{place} is a union whose {which}: put the one with more fields first, or give it a tag, for example \
             #[serde(tag = \"type\")]"
        ));
    }
    let Some(first) = first_properties(&leaves) else {
        return Err(format!(
            "{place} is a union whose branches cannot be told apart by their first properties; give it a tag, for example \
             #[serde(tag = \"type\")]"
        ));
    };
    let mut inlined: BTreeSet<usize> = BTreeSet::new();
    for (leaf, first) in leaves.iter().zip(first) {
        let Some(first) = first.filter(|first| *first > 0).and_then(|first| leaf.order.get(first)) else {
            continue;
        };
        if leaf.is_referenced && inlined.insert(leaf.branch) {
            inline_branch(document, place, leaf.branch, &leaves, changes, origins);
        }
        let path = if leaf.is_referenced { inlined_path(place, leaf, &leaves) } else { leaf.path.clone() };
        if let Some(schema) = document.pointer_mut(&path).and_then(Value::as_object_mut) {
            move_first(schema, first);
        }
    }
    Ok(!inlined.is_empty())
}

/// The places of all unions, those that others refer to before these.
fn unions(document: &Value) -> Vec<String> {
    let (mut places, mut ordered) = (Vec::new(), Vec::new());
    collect_unions(document, "", &mut places);
    for place in &places {
        add_union(document, place, &places, &mut BTreeSet::new(), &mut ordered);
    }
    ordered
}

fn add_union(
    document: &Value,
    place: &String,
    places: &[String],
    open: &mut BTreeSet<String>,
    ordered: &mut Vec<String>,
) {
    if ordered.contains(place) || !open.insert(place.clone()) {
        return;
    }
    let branches = document.pointer(place).and_then(|union| union.get("anyOf")).and_then(Value::as_array);
    for target in branches.into_iter().flatten().filter_map(|branch| branch.get("$ref")?.as_str()) {
        let target = target.trim_start_matches('#');
        for inner in places.iter().filter(|place| *place == target) {
            add_union(document, inner, places, open, ordered);
        }
    }
    ordered.push(place.clone());
}

/// The places of all unions, those within others first.
fn collect_unions(schema: &Value, at: &str, places: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return };
    for keyword in ["$defs", "definitions", "properties"] {
        let named = keywords.get(keyword).and_then(Value::as_object);
        for (name, schema) in named.into_iter().flatten() {
            collect_unions(schema, &pointer(&format!("{at}/{keyword}"), name), places);
        }
    }
    if let Some(items) = keywords.get("items") {
        collect_unions(items, &format!("{at}/items"), places);
    }
    if let Some(branches) = keywords.get("anyOf").and_then(Value::as_array) {
        for (index, branch) in branches.iter().enumerate() {
            let count = places.len();
            let place = format!("{at}/anyOf/{index}");
            collect_unions(branch, &place, places);
            // A union that is a branch of another is a part of that.
            if places.len() > count && places.last() == Some(&place) {
                places.pop();
            }
        }
        places.push(at.to_owned());
    }
}

/// One of the schemas of which a value has to fit one, without a `$ref` or a union.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Where it is.
    pub(super) path: String,
    /// The branch of the union that leads to it.
    pub(super) branch: usize,
    /// Whether a `$ref` leads to it, so that others may share it.
    pub(super) is_referenced: bool,
    pub(super) schema: Map<String, Value>,
    /// The properties of an object, in order.
    pub(super) order: Vec<String>,
}

impl Leaf {
    pub(super) fn property(&self, name: &str) -> Option<&Value> {
        self.schema.get("properties")?.get(name)
    }

    pub(super) fn is_object(&self) -> bool {
        keywords::types(&self.schema).contains(&"object")
    }
}

fn leaves(document: &Value, place: &str) -> Vec<Leaf> {
    let branches = document.pointer(place).and_then(|union| union.get("anyOf")).and_then(Value::as_array);
    let mut found = Vec::new();
    for branch in 0..branches.map_or(0, Vec::len) {
        let mut visited = BTreeSet::new();
        collect_leaves(document, &format!("{place}/anyOf/{branch}"), branch, false, &mut visited, &mut found);
    }
    found
}

fn collect_leaves(
    document: &Value,
    path: &str,
    branch: usize,
    is_referenced: bool,
    visited: &mut BTreeSet<String>,
    found: &mut Vec<Leaf>,
) {
    let Some(schema) = document.pointer(path).and_then(Value::as_object) else { return };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.trim_start_matches('#');
        if visited.insert(target.to_owned()) {
            collect_leaves(document, target, branch, true, visited, found);
        }
    } else if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        for index in 0..branches.len() {
            collect_leaves(document, &format!("{path}/anyOf/{index}"), branch, is_referenced, visited, found);
        }
    } else {
        let order = ordered_properties(schema).into_iter().map(|(name, _)| name.clone()).collect();
        let mut schema = schema.clone();
        schema.retain(|keyword, _| keyword != "$defs" && keyword != "definitions");
        found.push(Leaf { path: path.to_owned(), branch, is_referenced, schema, order });
    }
}

/// Chooses a first property for each branch so that no two are alike, by its position; `None` for branches that are not objects.
fn first_properties(leaves: &[Leaf]) -> Option<Vec<Option<usize>>> {
    let candidates: Vec<Vec<usize>> = leaves.iter().map(candidates).collect();
    let mut chosen: Vec<Option<usize>> = vec![None; leaves.len()];
    let mut attempts = 0;
    choose(leaves, &candidates, 0, &mut chosen, &mut attempts).then_some(chosen)
}

/// The properties that may come first, the likeliest before the others: constants, which are tags; but what several places share
/// stays unchanged.
fn candidates(leaf: &Leaf) -> Vec<usize> {
    if !leaf.is_object() || leaf.order.is_empty() {
        return Vec::new();
    }
    let is_constant = |position: &usize| {
        let property = leaf.order.get(*position).and_then(|name| leaf.property(name));
        property.is_some_and(|property| constants(property).is_some())
    };
    let mut positions: Vec<usize> = (0..leaf.order.len()).collect();
    if !leaf.is_referenced {
        positions.sort_by_key(|position| !is_constant(position));
    } else if positions.len() > 1 {
        positions
            .get_mut(1..)
            .into_iter()
            .for_each(|rest| rest.sort_by_key(|position| !is_constant(position)));
    }
    positions
}

fn choose(
    leaves: &[Leaf],
    candidates: &[Vec<usize>],
    at: usize,
    chosen: &mut Vec<Option<usize>>,
    attempts: &mut usize,
) -> bool {
    let Some(options) = candidates.get(at) else { return true };
    if options.is_empty() {
        return choose(leaves, candidates, at + 1, chosen, attempts);
    }
    for option in options {
        *attempts += 1;
        if *attempts > MAX_ATTEMPTS {
            return false;
        }
        let clashes = (0..at).any(|earlier| {
            let earlier_first = leaves.get(earlier).zip(chosen.get(earlier).copied().flatten());
            earlier_first.is_some_and(|(one, first)| {
                leaves.get(at).is_some_and(|other| begin_alike(one, first, other, *option))
            })
        });
        if clashes {
            continue;
        }
        if let Some(slot) = chosen.get_mut(at) {
            *slot = Some(*option);
        }
        if choose(leaves, candidates, at + 1, chosen, attempts) {
            return true;
        }
    }
    if let Some(slot) = chosen.get_mut(at) {
        *slot = None;
    }
    false
}

/// Whether OpenAI would take these beginnings for the same: one name, unless different constants follow.
fn begin_alike(one: &Leaf, first: usize, other: &Leaf, second: usize) -> bool {
    let (Some(name), Some(other_name)) = (one.order.get(first), other.order.get(second)) else {
        return false;
    };
    name == other_name
        && match (one.property(name).and_then(constants), other.property(name).and_then(constants)) {
            (Some(one), Some(other)) => one.iter().any(|value| other.contains(value)),
            _ => true,
        }
}

/// The only values of a schema, where it lists them.
pub(super) fn constants(schema: &Value) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
        (Some(only), _) => Some(vec![only]),
        (None, Some(values)) => Some(values.iter().collect()),
        (None, None) => None,
    }
}

/// Puts a property first.
fn move_first(schema: &mut Map<String, Value>, first: &str) {
    let mut order: Vec<String> =
        ordered_properties(schema).into_iter().map(|(name, _)| name.clone()).collect();
    order.sort_by_key(|name| name != first);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let mut sorted = Map::new();
        for name in &order {
            if let Some((name, property)) = properties.remove_entry(name) {
                sorted.insert(name, property);
            }
        }
        *properties = sorted;
    }
    schema.insert("required".to_owned(), order.into());
}

/// Writes the schemas that a branch refers to in its place.
fn inline_branch(
    document: &mut Value,
    place: &str,
    branch: usize,
    leaves: &[Leaf],
    changes: &mut Vec<SchemaChange>,
    origins: &mut Origins,
) {
    let of_branch: Vec<&Leaf> = leaves.iter().filter(|leaf| leaf.branch == branch).collect();
    let mut schemas: Vec<Value> = of_branch.iter().map(|leaf| Value::Object(leaf.schema.clone())).collect();
    for leaf in &of_branch {
        let new = inlined_path(place, leaf, leaves);
        let moved = |pointer: &str| {
            let rest = pointer.strip_prefix(leaf.path.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{new}{rest}"))
        };
        let copies: Vec<SchemaChange> = changes
            .iter()
            .filter_map(|change| {
                Some(match change {
                    SchemaChange::NullAdded { pointer } => {
                        SchemaChange::NullAdded { pointer: moved(pointer)? }
                    }
                    SchemaChange::KeywordRemoved { pointer, value } => {
                        SchemaChange::KeywordRemoved { pointer: moved(pointer)?, value: value.clone() }
                    }
                })
            })
            .collect();
        changes.extend(copies);
        for places in [&mut origins.closed, &mut origins.optional] {
            let copies: Vec<String> = places.iter().filter_map(|place| moved(place)).collect();
            places.extend(copies);
        }
    }
    let schema = if schemas.len() == 1 { schemas.pop() } else { Some(json!({ "anyOf": schemas })) };
    let slot = document.pointer_mut(&format!("{place}/anyOf/{branch}"));
    if let (Some(slot), Some(schema)) = (slot, schema) {
        *slot = schema;
    }
}

/// Where a leaf is once its branch is written out.
fn inlined_path(place: &str, leaf: &Leaf, leaves: &[Leaf]) -> String {
    let mut of_branch = leaves.iter().filter(|other| other.branch == leaf.branch);
    let count = of_branch.clone().count();
    let position = of_branch.position(|other| other.path == leaf.path).unwrap_or_default();
    let branch = format!("{place}/anyOf/{}", leaf.branch);
    if count == 1 { branch } else { format!("{branch}/anyOf/{position}") }
}
