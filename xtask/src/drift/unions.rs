//! Compares the forms that a value may have: which branch of a union became which, and what came and went.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Change, Fit};
use super::rename;
use super::view::{Form, Node, Object, View};
use super::walk::Walk;
use crate::schema::Map;

/// A form, and its component.
type Leaf<'a> = (Option<&'a str>, &'a Form);

/// Whether two branches are the same one.
type Rule<'a> = dyn Fn(&Leaf<'_>, &Leaf<'_>) -> bool + 'a;

/// All the text forms of a union as one.
struct Text {
    values: BTreeSet<String>,
    /// Whether any text will do.
    open: bool,
    limits: Map,
}

impl Text {
    fn of(leaves: &[Leaf<'_>]) -> Option<Self> {
        let mut text: Option<Self> = None;
        for (_, form) in leaves {
            let Form::Scalar { kind, values, limits } = form else { continue };
            if kind != "string" {
                continue;
            }
            let all =
                text.get_or_insert_with(|| Self { values: BTreeSet::new(), open: false, limits: Map::new() });
            all.open |= values.is_none();
            all.values.extend(values.iter().flatten().cloned());
            all.limits.extend(limits.clone());
        }
        text
    }
}

impl Walk<'_> {
    /// Compares what two nodes allow beside null.
    pub(super) fn forms(&mut self, site: &str, old: &Node, new: &Node, open: bool) {
        let open = open || (is_open(self.old, old) && is_open(self.new, new));
        let named = |node: &Node| -> BTreeSet<String> {
            node.forms
                .iter()
                .filter_map(|form| if let Form::Named(name) = form { Some(name.clone()) } else { None })
                .collect()
        };
        let common: BTreeSet<String> = &named(old) & &named(new);
        for name in &common {
            self.components(site, name, name, open);
        }
        let rest = |node: &Node| {
            let other = |form: &&Form| !matches!(form, Form::Named(name) if common.contains(name));
            Node { forms: node.forms.iter().filter(other).cloned().collect(), ..Node::default() }
        };
        let (old_rest, new_rest) = (rest(old), rest(new));
        let (a, b) = (self.old.leaves(&old_rest).0, self.new.leaves(&new_rest).0);
        self.leaves(site, a, b, (!common.is_empty(), open));
    }

    /// Compares the branches of two unions; `matched` is whether other branches of them are the same.
    fn leaves(&mut self, site: &str, a: Vec<Leaf<'_>>, b: Vec<Leaf<'_>>, (matched, open): (bool, bool)) {
        let before = (a.len(), b.len());
        let union = matched || a.len() > 1;
        let (mut gone, mut fresh): (Vec<Leaf<'_>>, Vec<Leaf<'_>>) = (Vec::new(), Vec::new());
        match (Text::of(&a), Text::of(&b)) {
            (Some(old), Some(new)) => self.texts(site, &old, &new, open),
            (Some(_), None) => gone.extend(a.iter().find(|leaf| is_text(leaf))),
            (None, Some(_)) => fresh.extend(b.iter().find(|leaf| is_text(leaf))),
            (None, None) => {}
        }
        let (mut old_plain, mut new_plain) = (others(&a, false), others(&b, false));
        for rule in [|old: &Form, new: &Form| old == new, same_kind] {
            while let Some((old, new)) = take_pair(&mut old_plain, &mut new_plain, |a, b| rule(a.1, b.1)) {
                self.plain(site, old.1, new.1);
            }
        }
        gone.extend(old_plain);
        fresh.extend(new_plain);
        let (mut old_objects, mut new_objects) = (others(&a, true), others(&b, true));
        let only = before == (1, 1) && !matched;
        let (old_view, new_view) = (self.old, self.new);
        let rules: [&Rule<'_>; 5] = [
            &|old, new| old.0.is_some() && old.0 == new.0,
            &|old, new| inline(old, new) && old.1 == new.1,
            &|old, new| renamed(old_view, new_view, old, new),
            &|old, new| !tags(old).is_empty() && tags(old) == tags(new),
            &|old, new| (only || inline(old, new)) && !conflict(&tags(old), &tags(new)),
        ];
        for rule in rules {
            while let Some((old, new)) = take_pair(&mut old_objects, &mut new_objects, rule) {
                self.object_leaves(site, old, new, union);
            }
        }
        gone.extend(old_objects);
        fresh.extend(new_objects);
        if let ([old], [new], true) = (gone.as_slice(), fresh.as_slice(), only) {
            let (old_text, new_text) = (self.old.leaf_text(*old), self.new.leaf_text(*new));
            self.changes.push(Change::retyped(site, &old_text, &new_text, fit(old.1, new.1)));
            return;
        }
        for leaf in gone {
            self.changes.push(Change::branch_removed(site, &self.old.leaf_text(leaf)));
        }
        for leaf in fresh {
            let object = matches!(leaf.1, Form::Object(_));
            self.changes.push(Change::branch_added(site, &self.new.leaf_text(leaf), union, object));
        }
    }

    fn object_leaves(&mut self, site: &str, old: Leaf<'_>, new: Leaf<'_>, union: bool) {
        match (old, new) {
            ((Some(from), _), (Some(to), _)) if union || from == to => self.components(site, from, to, false),
            ((_, Form::Object(a)), (_, Form::Object(b))) => {
                let label = union.then(|| label(a)).flatten();
                let site = label.map_or_else(|| site.to_owned(), |label| format!("{site}<{label}>"));
                self.objects(&site, a, b);
            }
            _ => {}
        }
    }

    fn texts(&mut self, site: &str, old: &Text, new: &Text, open: bool) {
        self.limits(site, &old.limits, &new.limits);
        if old.open != new.open && !open {
            self.changes.push(Change::opened(site, new.open));
        }
        let open = open || old.open || new.open;
        for value in new.values.difference(&old.values) {
            self.changes.push(Change::value_added(site, value, open));
        }
        for value in old.values.difference(&new.values) {
            self.changes.push(Change::value_removed(site, value, open));
        }
    }

    /// Compares two forms of one kind, neither text nor object.
    fn plain(&mut self, site: &str, old: &Form, new: &Form) {
        match (old, new) {
            (Form::List { items, limits }, Form::List { items: new_items, limits: new_limits }) => {
                self.limits(site, limits, new_limits);
                self.nodes(&format!("{site}[]"), items, new_items, false);
            }
            (
                Form::Scalar { values, limits, .. },
                Form::Scalar { values: new_values, limits: new_limits, .. },
            ) => {
                let text = |values: &Option<BTreeSet<String>>| Text {
                    open: values.is_none(),
                    values: values.clone().unwrap_or_default(),
                    limits: Map::new(),
                };
                self.limits(site, limits, new_limits);
                self.texts(site, &text(values), &text(new_values), false);
            }
            (Form::Anything(old), Form::Anything(new)) => self.limits(site, old, new),
            _ => {}
        }
    }
}

impl View {
    /// A node in a few words: `string or null`.
    pub(crate) fn describe(&self, node: &Node) -> String {
        let mut words: Vec<String> = node.forms.iter().map(|form| self.leaf_text((None, form))).collect();
        words.dedup();
        if words.len() > 4 {
            words = vec![format!("one of {} forms", words.len())];
        }
        words.extend(node.nullable.then(|| "null".to_owned()));
        words.join(" or ")
    }

    fn leaf_text(&self, (name, form): Leaf<'_>) -> String {
        match (name, form) {
            (Some(name), Form::Object(_)) => name.to_owned(),
            (_, Form::Named(name)) => name.clone(),
            (_, Form::Anything(_)) => "anything".to_owned(),
            (_, Form::List { items, .. }) => format!("list of {}", self.describe(items)),
            (_, Form::Object(object)) => {
                label(object).map_or_else(|| "object".to_owned(), |tag| format!("object {tag}"))
            }
            (_, Form::Scalar { values: Some(values), .. }) if values.len() <= 3 => {
                values.iter().cloned().collect::<Vec<_>>().join("|")
            }
            (_, Form::Scalar { kind, values: Some(values), .. }) => {
                format!("{kind} of {} values", values.len())
            }
            (_, Form::Scalar { kind, .. }) => kind.clone(),
        }
    }
}

/// What distinguishes an object: the value of its first tag.
fn label(object: &Object) -> Option<String> {
    let tags = object.tags();
    let tag = tags.get("type").or_else(|| tags.values().next())?;
    Some(tag.trim_matches('"').to_owned())
}

fn tags<'a>(leaf: &Leaf<'a>) -> BTreeMap<&'a str, String> {
    if let Form::Object(object) = leaf.1 { object.tags() } else { BTreeMap::new() }
}

/// Whether two objects have a tag in common whose value differs.
fn conflict(a: &BTreeMap<&str, String>, b: &BTreeMap<&str, String>) -> bool {
    a.iter().any(|(name, value)| b.get(name).is_some_and(|other| other != value))
}

/// Whether a name cannot distinguish two branches.
fn inline(old: &Leaf<'_>, new: &Leaf<'_>) -> bool {
    old.0.is_none() || new.0.is_none()
}

fn renamed(old_view: &View, new_view: &View, old: &Leaf<'_>, new: &Leaf<'_>) -> bool {
    let (Some(from), Some(to)) = (old.0, new.0) else { return false };
    rename::place(old_view, new_view, from, to).is_some()
}

fn is_open(view: &View, node: &Node) -> bool {
    view.leaves(node)
        .0
        .iter()
        .any(|leaf| matches!(leaf.1, Form::Scalar { kind, values: None, .. } if kind == "string"))
}

fn is_text(leaf: &Leaf<'_>) -> bool {
    matches!(leaf.1, Form::Scalar { kind, .. } if kind == "string")
}

/// The branches that are not texts: the objects, or all else.
fn others<'a>(leaves: &[Leaf<'a>], objects: bool) -> Vec<Leaf<'a>> {
    let wanted = |leaf: &&Leaf<'_>| !is_text(leaf) && matches!(leaf.1, Form::Object(_)) == objects;
    leaves.iter().filter(wanted).copied().collect()
}

fn same_kind(a: &Form, b: &Form) -> bool {
    match (a, b) {
        (Form::Scalar { kind, .. }, Form::Scalar { kind: other, .. }) => kind == other,
        (Form::List { .. }, Form::List { .. }) | (Form::Anything(_), Form::Anything(_)) => true,
        _ => false,
    }
}

/// How a plain type that is gone relates to the one in its place.
fn fit(old: &Form, new: &Form) -> Fit {
    let kind = |form: &Form| if let Form::Scalar { kind, .. } = form { kind.clone() } else { String::new() };
    match (old, new) {
        (_, Form::Anything(_)) => Fit::Wider,
        (Form::Anything(_), _) => Fit::Narrower,
        _ if (kind(old).as_str(), kind(new).as_str()) == ("integer", "number") => Fit::Wider,
        _ if (kind(old).as_str(), kind(new).as_str()) == ("number", "integer") => Fit::Narrower,
        _ => Fit::Other,
    }
}

/// Takes the first two out that `rule` calls the same.
fn take_pair<'a, 'b>(
    a: &mut Vec<Leaf<'a>>,
    b: &mut Vec<Leaf<'b>>,
    rule: impl Fn(&Leaf<'_>, &Leaf<'_>) -> bool,
) -> Option<(Leaf<'a>, Leaf<'b>)> {
    let (i, j) =
        a.iter().enumerate().find_map(|(i, old)| Some((i, b.iter().position(|new| rule(old, new))?)))?;
    Some((a.remove(i), b.remove(j)))
}
