//! Walks the old and the new view side by side, from the operations down, and notes what differs where.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Aspect, Change, Class, Direction, Finding};
use super::rename;
use super::view::{Node, Object, View};
use crate::schema::Map;

/// One walk down one side of one operation.
pub(super) struct Walk<'a> {
    pub(super) old: &'a View,
    pub(super) new: &'a View,
    /// The pairs of components that have been compared, with the openness of the union around them.
    seen: BTreeSet<(String, String, bool)>,
    pub(super) changes: Vec<Change>,
    /// Sites where a type got a name of its own, or lost it.
    inlined: BTreeSet<String>,
}

/// What changed, and what only looks different.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) findings: Vec<Finding>,
    /// Sites where a type got a name of its own, or lost it, and is otherwise the same.
    pub(crate) inlined: BTreeSet<String>,
}

/// Compares two views in full.
pub(crate) fn compare(old: &View, new: &View) -> Changes {
    let mut all: BTreeMap<(String, Aspect, Option<String>, Option<String>), Merged> = BTreeMap::new();
    let mut inlined = BTreeSet::new();
    let ids: BTreeSet<&String> = old.operations.keys().chain(new.operations.keys()).collect();
    for id in ids {
        for direction in [Direction::Request, Direction::Response] {
            let mut walk =
                Walk { old, new, seen: BTreeSet::new(), changes: Vec::new(), inlined: BTreeSet::new() };
            walk.operation(id, direction);
            inlined.append(&mut walk.inlined);
            for change in walk.changes {
                let class = if direction == Direction::Request { change.classes.0 } else { change.classes.1 };
                let key = (change.site, change.aspect, change.old, change.new);
                let merged = all.entry(key).or_default();
                merged.class = Some(merged.class.map_or(class, |before| before.min(class)));
                merged.operations.insert(id.clone());
                merged.directions.insert(direction);
                let read_as = change.read_as.filter(|_| class == Class::BreaksResponses);
                merged.read_as = merged.read_as.or(read_as);
            }
        }
    }
    let findings = all.into_iter().filter_map(|((site, aspect, old, new), merged)| {
        let Merged { class, operations, directions, read_as } = merged;
        let only = directions.first().copied().filter(|_| directions.len() == 1);
        Some(Finding {
            class: class?,
            direction: only.unwrap_or(Direction::Both),
            site,
            aspect,
            old,
            new,
            operations,
            declared_in: None,
            read_as,
            touches: BTreeMap::new(),
        })
    });
    let mut findings: Vec<Finding> = findings.collect();
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.class, finding.operations.clone(), finding.site.clone());
        key(a).cmp(&key(b))
    });
    Changes { findings, inlined }
}

/// One change, from all the ways that lead to it.
#[derive(Default)]
struct Merged {
    class: Option<Class>,
    operations: BTreeSet<String>,
    directions: BTreeSet<Direction>,
    read_as: Option<&'static str>,
}

impl<'a> Walk<'a> {
    fn operation(&mut self, id: &str, direction: Direction) {
        let (old, new) = (self.old.operations.get(id), self.new.operations.get(id));
        let side = |operation: &'a super::view::Operation| match direction {
            Direction::Request => &operation.request,
            _ => &operation.response,
        };
        let place = |operation: Option<&'a super::view::Operation>| operation.map(|one| one.place.as_str());
        if place(old) != place(new) {
            self.changes.push(Change::operation(id, place(old), place(new)));
        }
        if let (Some(old), Some(new)) = (old, new) {
            self.nodes(id, side(old), side(new), false);
        }
    }

    /// Compares two values at `site`; `open` is whether a union around them takes any text.
    pub(super) fn nodes(&mut self, site: &str, old: &Node, new: &Node, open: bool) {
        let (from, old_body) = self.old.resolve(old);
        let (to, new_body) = self.new.resolve(new);
        let null = (self.old.allows_null(old), self.new.allows_null(new));
        let notes = (self.old.notes(old), self.new.notes(new));
        // If the component itself changed, it is reported there alone.
        let component = |same: bool| from.filter(|_| from == to && same).unwrap_or(site);
        if null.0 != null.1 {
            let inner = (self.old.allows_null(old_body), self.new.allows_null(new_body));
            self.changes.push(Change::null(component(inner == null), null.1));
        }
        let inner = old_body.notes == notes.0 && new_body.notes == notes.1;
        self.limits(component(inner), &notes.0, &notes.1);
        match (from, to) {
            (Some(from), Some(to)) => self.components(site, from, to, open),
            (from, to) => {
                if from.is_some() || to.is_some() {
                    self.inlined.insert(site.to_owned());
                }
                self.forms(site, old_body, new_body, open);
            }
        }
    }

    /// Compares two components that `site` refers to.
    pub(super) fn components(&mut self, site: &str, from: &str, to: &str, open: bool) {
        let (Some(old), Some(new)) = (self.old.schemas.get(from), self.new.schemas.get(to)) else { return };
        let first = self.seen.insert((from.to_owned(), to.to_owned(), open));
        if from == to {
            if first {
                self.forms(to, old, new, open);
            }
            return;
        }
        if let Some(place) = rename::place(self.old, self.new, from, to) {
            self.changes.push(Change::renamed(&place, from, to));
            if first {
                self.forms(to, old, new, open);
            }
            return;
        }
        let before = self.changes.len();
        if first {
            self.forms(site, old, new, open);
        }
        // A retyped value names both types already.
        let whole = self
            .changes
            .iter()
            .skip(before)
            .any(|change| change.aspect == Aspect::Type && change.site == site);
        if !whole {
            self.changes.push(Change::reference(site, from, to));
        }
    }

    pub(super) fn objects(&mut self, site: &str, old: &Object, new: &Object) {
        self.limits(site, &old.limits, &new.limits);
        let names: BTreeSet<&String> = old.fields.keys().chain(new.fields.keys()).collect();
        for name in names {
            let site = format!("{site}.{name}");
            let required = (old.required.contains(name), new.required.contains(name));
            match (old.fields.get(name), new.fields.get(name)) {
                (Some(old), Some(new)) => {
                    if required.0 != required.1 {
                        self.changes.push(Change::required(&site, required.1));
                    }
                    self.nodes(&site, old, new, false);
                }
                (Some(old), None) => {
                    self.changes.push(Change::field_removed(&site, required.0, &self.old.describe(old)));
                }
                (None, Some(new)) => {
                    self.changes.push(Change::field_added(&site, required.1, &self.new.describe(new)));
                }
                (None, None) => {}
            }
        }
        match (&old.rest, &new.rest) {
            (Some(old), Some(new)) => self.nodes(&format!("{site}.*"), old, new, false),
            (None, None) => {}
            (old, new) => {
                let old = old.as_ref().map(|node| self.old.describe(node));
                let new = new.as_ref().map(|node| self.new.describe(node));
                self.changes.push(Change::limit(
                    site,
                    "additionalProperties",
                    old.as_deref(),
                    new.as_deref(),
                ));
            }
        }
    }

    pub(super) fn limits(&mut self, site: &str, old: &Map, new: &Map) {
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let (old, new) = (old.get(key), new.get(key));
            if old != new {
                let text = |value: Option<&serde_json::Value>| value.map(ToString::to_string);
                self.changes.push(Change::limit(site, key, text(old).as_deref(), text(new).as_deref()));
            }
        }
    }
}
