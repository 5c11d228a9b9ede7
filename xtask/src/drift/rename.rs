//! Whether a component that is gone and one that is new are the same thing under another name.

use std::collections::BTreeSet;

use super::view::{Form, View};

/// The first place that refers to it, where `to` is the new name of `from`: each name is in one document only, the same
/// places refer to them, their tags are the same, and so is most of what they hold.
pub(super) fn place(old: &View, new: &View, from: &str, to: &str) -> Option<String> {
    if from == to || new.schemas.contains_key(from) || old.schemas.contains_key(to) {
        return None;
    }
    let before = sites(old, new, from);
    let place = before.first().cloned()?;
    (before == sites(new, old, to) && alike(old, new, from, to)).then_some(place)
}

/// Where `name` is referred to, leaving out what the other document does not have and the component itself.
fn sites(view: &View, other: &View, name: &str) -> BTreeSet<String> {
    let known = |site: &&String| {
        let owner = site.split(['.', '[']).next().unwrap_or_default();
        owner != name && (other.schemas.contains_key(owner) || other.operations.contains_key(owner))
    };
    view.sites.get(name).into_iter().flatten().filter(known).cloned().collect()
}

/// Whether two components have the same tags and at least half of their fields or values in common.
pub(super) fn alike(old: &View, new: &View, from: &str, to: &str) -> bool {
    let (Some(old_node), Some(new_node)) = (old.schemas.get(from), new.schemas.get(to)) else { return false };
    let (old_forms, new_forms) = (old.leaves(old_node).0, new.leaves(new_node).0);
    match (old_forms.as_slice(), new_forms.as_slice()) {
        ([(_, Form::Object(a))], [(_, Form::Object(b))]) => {
            a.tags() == b.tags() && mostly(&a.fields.keys().collect(), &b.fields.keys().collect())
        }
        (
            [(_, Form::Scalar { kind, values, .. })],
            [(_, Form::Scalar { kind: other, values: others, .. })],
        ) => {
            kind == other
                && match (values, others) {
                    (Some(a), Some(b)) => mostly(&a.iter().collect(), &b.iter().collect()),
                    (None, None) => true,
                    _ => false,
                }
        }
        (a, b) if a.len() > 1 && b.len() > 1 => {
            let names = |forms: &[(Option<&str>, &Form)]| -> BTreeSet<String> {
                forms
                    .iter()
                    .map(|(name, form)| name.map_or_else(|| format!("{form:?}"), str::to_owned))
                    .collect()
            };
            mostly(&names(a), &names(b))
        }
        ([(_, a)], [(_, b)]) => a == b,
        _ => false,
    }
}

fn mostly<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> bool {
    2 * a.intersection(b).count() >= a.union(b).count()
}
