//! Differences between two documents that are not findings: prose, spelling, and everything outside the closure.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::Document;
use super::walk::Changes;
use crate::schema::Map;

/// How much differs without being a finding.
#[derive(Debug, Serialize)]
pub(crate) struct Silent {
    /// Schemas of the closure of which only the prose changed; nothing where no whole documents are at hand.
    pub(crate) prose: Option<usize>,
    /// Schemas of the closure with the same meaning in another spelling: other keywords, other parts of `allOf`, another order.
    pub(crate) spelling: BTreeSet<String>,
    /// Places whose type got a name of its own, or lost it.
    pub(crate) inlined: BTreeSet<String>,
    /// Schemas outside both closures that were added, removed or changed; nothing where no whole documents are at hand.
    pub(crate) outside: Option<usize>,
}

impl Silent {
    pub(super) fn between(old: &Document, new: &Document, changes: &Changes) -> Self {
        let owners: BTreeSet<&str> = changes.findings.iter().map(|finding| owner(&finding.site)).collect();
        let (mut prose, mut spelling) = (0, BTreeSet::new());
        let (old_closure, new_closure) = (schemas(&old.closure), schemas(&new.closure));
        let (old_whole, new_whole) = (schemas(&old.whole), schemas(&new.whole));
        for (name, schema) in &old_closure {
            let Some(now) = new_closure.get(name) else { continue };
            if schema == now {
                prose += usize::from(old_whole.get(name) != new_whole.get(name));
            } else if !owners.contains(name.as_str()) {
                spelling.insert(name.clone());
            }
        }
        let whole = |document: &Document| document.whole.pointer("/info/x-generated-by").is_none();
        let whole = whole(old) && whole(new);
        let outside = whole.then(|| {
            let names: BTreeSet<&String> = old_whole.keys().chain(new_whole.keys()).collect();
            let outside = names
                .into_iter()
                .filter(|name| !old_closure.contains_key(*name) && !new_closure.contains_key(*name));
            outside.filter(|name| old_whole.get(*name) != new_whole.get(*name)).count()
        });
        Self { prose: whole.then_some(prose), spelling, inlined: changes.inlined.clone(), outside }
    }
}

fn schemas(document: &Value) -> Map {
    document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The schema or operation that a site is in.
pub(super) fn owner(site: &str) -> &str {
    site.split(['.', '[', '<']).next().unwrap_or_default()
}
