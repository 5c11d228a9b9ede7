//! Turns the pruned 3.1 document into the 3.0.3 document of which progenitor makes honest types.
//!
//! Nothing passes unseen: a keyword or a hint that no rule knows is an error with its path. The rules, by the numbers under
//! which `provenance.json` counts them:
//!
//! - R1 only version, title, paths and schemas are left (`operations`)
//! - R2 null is a flag at its place, R4 never one of a component (`null`)
//! - R3 no defaults: typify would check them, and send them in every request; R5 no formats and constraints, which it would
//!   turn into crates and newtypes; R11 no prose; R14 one spelling for references, constants and types (`keywords`)
//! - R6 `anyOf` is `oneOf`, for typify makes flattened structs of the former; R7 a string or an enum is a string;
//!   R8 unions are tidied (`unions`)
//! - R9 every inline type is a component with the name of its path; R10 every branch of a union has a variant name (`names`)
//! - R12 what has no type of its own in Rust is written out at its use; R15 an object is a struct or a map, and an
//!   empty list differs from none; R21 request roots carry further fields; R23 integers of responses are numbers (`objects`)
//! - R13 `allOf` is merged (`all_of`)
//! - R16 one success, no typed errors; R17 a POST, or a GET that may stream, returns bytes; R18 one JSON body; R26 which goes out
//!   as bytes, for the adapter encodes it once for all attempts (`operations`)
//! - R19 what requests and responses share becomes two; R20 responses are lenient: optional fields, open enums, unions that end
//!   in `Unknown` (`sides`)
//! - R24 hints of the overlay are consumed (`hints`)
//! - and the guard: no branch of a lenient union swallows another's values (`guard`)

mod all_of;
mod guard;
mod hints;
mod keywords;
mod names;
mod null;
mod objects;
mod operations;
mod sides;
#[cfg(test)]
mod tests;
mod unions;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::prune::GENERATED_BY;
use crate::schema::{self, Place, component_path, sorted};
use hints::Hints;
use operations::Operation;
use sides::Side;

/// A lowered document and what was done to it.
pub(crate) struct Lowered {
    /// The 3.0.3 document.
    pub(crate) document: Value,
    /// How often each rule changed something.
    pub(crate) rules: BTreeMap<String, usize>,
}

/// How often each rule changed something.
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn add(&mut self, rule: &str, times: usize) {
        if times > 0 {
            *self.0.entry(rule.to_owned()).or_default() += times;
        }
    }
}

/// One schema component on its way down.
#[derive(Clone, Debug)]
struct Component {
    schema: Value,
    side: Side,
    /// Its path in the closure, for errors.
    path: String,
}

type Components = BTreeMap<String, Component>;

/// Lowers a pruned document to which the overlay has been applied.
pub(crate) fn lower(closure: &Value) -> Result<Lowered> {
    let mut closure = sorted(closure.clone());
    let mut tally = Tally::default();
    let mut hints = Hints::default();
    let mut operations = operations::read(&mut closure, &mut tally)?;
    let mut components = sides::split(&closure, &mut operations, &mut hints, &mut tally)?;
    keywords::check(&components)?;

    rewrite(&mut components, &mut |schema, _, place| {
        keywords::normalise(schema, place, &mut tally);
        null::collapse(schema, place, &mut tally);
        unions::one_of(schema, place, &mut tally)
    })?;
    all_of::merge_all(&mut components, &mut tally)?;
    loop {
        let nulls = null::push_to_use_sites(&mut components, &mut tally)?;
        let unions = unions::simplify(&mut components, &mut tally)?;
        let aliases = objects::inline_aliases(&mut components, &mut tally)?;
        if nulls + unions + aliases == 0 {
            break;
        }
    }
    rewrite(&mut components, &mut |schema, component, place| {
        keywords::drop_orphans(schema, place, &mut tally);
        objects::settle(schema, component.side, place, &mut hints, &mut tally)
    })?;
    drop_unreachable(&mut components, &operations);
    let mut components = names::hoist(components, &mut hints, &mut tally)?;
    unions::flatten_responses(&mut components, &mut tally);
    let tags = unions::tags(&components);
    names::name_branches(&mut components, &tags, &mut hints, &mut tally)?;
    sides::relax(&mut components, &tags, &mut hints, &mut tally)?;
    let paths = operations::write(&operations, &components);
    drop_unreachable(&mut components, &operations);
    hints.finish(&mut components, &mut tally)?;
    null::wrap_references(&mut components)?;
    let roots = roots(&operations);
    components.retain(|name, item| !(roots.contains(name) && objects::is_alias(&item.schema)));

    let schemas: BTreeMap<&String, &Value> =
        components.iter().map(|(name, item)| (name, &item.schema)).collect();
    let info = |key: &str| closure.pointer(&format!("/info/{key}")).cloned().unwrap_or_default();
    let document = sorted(json!({
        "openapi": "3.0.3",
        "info": { "title": info("title"), "version": info("version"), "x-generated-by": GENERATED_BY },
        "paths": paths,
        "components": { "schemas": schemas },
    }));
    let swallowing: Vec<String> = guard::check(&document)
        .into_iter()
        .filter_map(|guard::Violation { union, branch }| {
            let path = &components.get(&union)?.path;
            Some(format!(
                "{path}: its branch {branch} has no required tag with closed values, so it would swallow what belongs to \
                 later branches; give it one in openapi/overlay.yaml, or remove it there"
            ))
        })
        .collect();
    ensure!(swallowing.is_empty(), "{}", swallowing.join("\n"));
    Ok(Lowered { document, rules: tally.0 })
}

/// Runs `rule` over every schema of every component, children first.
fn rewrite(
    components: &mut Components,
    rule: &mut dyn FnMut(&mut Value, &Component, Place<'_>) -> Result<()>,
) -> Result<()> {
    for component in components.values_mut() {
        let mut schema = component.schema.take();
        let place = Place { path: &component.path, branch: false };
        schema::bottom_up(&mut schema, place, &mut |schema, place| rule(schema, component, place))?;
        component.schema = schema;
    }
    Ok(())
}

fn roots(operations: &[Operation]) -> BTreeSet<String> {
    operations
        .iter()
        .flat_map(|operation| operation.requests.iter().chain(&operation.responses))
        .cloned()
        .collect()
}

fn drop_unreachable(components: &mut Components, operations: &[Operation]) {
    let kept =
        schema::reachable(roots(operations), |name| components.get(name).map(|component| &component.schema));
    components.retain(|name, _| kept.contains(name));
}

fn component(name: &str, schema: Value, side: Side) -> Component {
    Component { schema, side, path: component_path(name) }
}
