//! Objects among the branches of `anyOf` must be distinguishable by their first key, which the model writes first.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::node::Node;
use super::rules::{Check, resolve};

/// Refuses branches that begin with the same key, unless its constants differ in all of them.
pub(super) fn check(root: &Node, schema: &Node) -> Check {
    let mut seen: HashMap<&str, Option<HashSet<String>>> = HashMap::new();
    for object in objects(root, schema) {
        let Some((name, property)) = object.get("properties").and_then(|fields| fields.entries().first())
        else {
            continue;
        };
        let constants = constants(root, property);
        let Some(others) = seen.get_mut(name.as_str()) else {
            seen.insert(name, constants);
            continue;
        };
        match (others, constants) {
            (Some(others), Some(constants)) if others.is_disjoint(&constants) => others.extend(constants),
            _ => {
                return Err("Objects provided via 'anyOf' must not share identical first keys. Consider adding a \
                            discriminator key or rearranging the properties to ensure the first key is unique."
                    .to_owned());
            }
        }
    }
    Ok(())
}

/// The objects among the branches, through references and further unions.
fn objects<'a>(root: &'a Node, schema: &'a Node) -> Vec<&'a Node> {
    let mut open: Vec<&Node> = branches(schema).collect();
    let mut unions: Vec<&Node> = vec![schema];
    let mut objects = Vec::new();
    while let Some(branch) = open.pop() {
        let Some(branch) = target(root, branch) else { continue };
        if branch.get("anyOf").is_some() {
            // A union that contains itself adds no branches.
            if !unions.iter().any(|union| ptr::eq(*union, branch)) {
                unions.push(branch);
                open.extend(branches(branch));
            }
        } else {
            objects.push(branch);
        }
    }
    objects
}

fn branches(schema: &Node) -> impl Iterator<Item = &Node> {
    schema.get("anyOf").map(Node::items).unwrap_or_default().iter()
}

/// The values of a property as JSON text, if all of them are listed.
fn constants(root: &Node, property: &Node) -> Option<HashSet<String>> {
    let property = target(root, property)?;
    let values =
        property.get("const").map(std::slice::from_ref).or_else(|| property.get("enum").map(Node::items));
    values.map(|values| values.iter().map(Node::to_string).collect())
}

/// The schema itself, or the one that it refers to.
fn target<'a>(root: &'a Node, schema: &'a Node) -> Option<&'a Node> {
    match schema.get("$ref").and_then(Node::as_str) {
        Some(reference) => resolve(root, reference).ok(),
        None => Some(schema),
    }
}
