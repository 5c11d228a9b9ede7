//! What a change means in this crate: the generated types and files it touches, the models of the table, their shutdowns.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;

use super::silent::owner;
use super::view::{Form, View};
use crate::{files, model_table};

/// How many days ahead a shutdown is reported.
const NOTICE_DAYS: i64 = 90;

/// A row of the model table.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// The id, its aliases and its dated snapshots.
    pub(crate) names: Vec<String>,
    pub(crate) shutdown: Option<Date>,
}

/// The models that the documents and the table name.
#[derive(Debug, Serialize)]
pub(crate) struct Models {
    /// In the new document and not in the old.
    pub(crate) new: BTreeSet<String>,
    /// In the old document and not in the new.
    pub(crate) gone: BTreeSet<String>,
    /// In the new document and not in the table: rows to add.
    pub(crate) not_in_table: BTreeSet<String>,
    /// In the table and not in the new document.
    pub(crate) not_in_document: BTreeSet<String>,
}

/// A day on which models end.
#[derive(Debug, Serialize)]
pub(crate) struct Shutdown {
    pub(crate) day: Date,
    pub(crate) days_left: i32,
    pub(crate) models: Vec<String>,
}

/// The models that a document lists.
fn ids(view: &View) -> BTreeSet<String> {
    let lists = view.schemas.iter().filter(|(name, _)| name.starts_with("ModelIds"));
    let forms = lists.flat_map(|(_, node)| view.leaves(node).0);
    let values = forms.filter_map(|(_, form)| match form {
        Form::Scalar { values, .. } => values.as_ref(),
        _ => None,
    });
    values.flatten().map(|value| value.trim_matches('"').to_owned()).collect()
}

/// What this crate has of its own: the model table, and the generated types that the adapter names.
pub(crate) struct Crate {
    table: Vec<Row>,
    /// By type, the files that name it.
    used: BTreeMap<String, BTreeSet<String>>,
}

impl Crate {
    /// Reads the adapter's source as words, so that it can be read while the crate does not build.
    pub(crate) fn read() -> Result<Self> {
        Ok(Self::new(model_table::rows()?, sources(&files::root().join("src"))?))
    }

    /// From the rows of the table, and the names and texts of source files.
    pub(super) fn new(table: Vec<Row>, sources: Vec<(String, String)>) -> Self {
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        // Elsewhere a `Response` is another one.
        for (file, text) in sources.iter().filter(|(_, text)| text.contains("crate::openai::types")) {
            for word in words(text) {
                used.entry(word.to_owned()).or_default().insert(file.clone());
            }
        }
        Self { table, used }
    }

    pub(super) fn models(&self, old: &View, new: &View) -> Models {
        let (old, new) = (ids(old), ids(new));
        let table: BTreeSet<String> = self.table.iter().flat_map(|row| row.names.iter().cloned()).collect();
        Models {
            new: &new - &old,
            gone: &old - &new,
            not_in_table: &new - &table,
            not_in_document: &table - &new,
        }
    }

    /// The shutdowns from `on` to 90 days later.
    pub(super) fn shutdowns(&self, on: Date) -> Result<Vec<Shutdown>> {
        let end = on.checked_add(NOTICE_DAYS.days())?;
        let mut days: BTreeMap<Date, Vec<String>> = BTreeMap::new();
        for row in &self.table {
            if let (Some(day), Some(id)) =
                (row.shutdown.filter(|day| (on..=end).contains(day)), row.names.first())
            {
                days.entry(day).or_default().push(id.clone());
            }
        }
        days.into_iter()
            .map(|(day, models)| Ok(Shutdown { day, days_left: on.until(day)?.get_days(), models }))
            .collect()
    }

    /// The generated types that a site concerns, as far as the adapter names them, and the files that do.
    pub(super) fn touched(&self, site: &str) -> BTreeMap<String, BTreeSet<String>> {
        let names = generated(site).into_iter();
        names.filter_map(|name| Some((name.clone(), self.used.get(&name)?.clone()))).collect()
    }
}

/// The names that the types of a site can have: that of its schema, of its field's own type, and of their request copies.
fn generated(site: &str) -> Vec<String> {
    let schema = pascal(owner(site));
    let steps = site.split(['.', '[', '<']).skip(1).map(|step| match step {
        "]" => "Item".to_owned(),
        step => pascal(step),
    });
    let mut names = vec![schema.clone()];
    let mut longer = schema;
    for step in steps {
        longer.push_str(&step);
        names.push(longer.clone());
    }
    names
        .iter()
        .flat_map(|name| [name.clone(), format!("{name}Param"), format!("{name}RequestParam")])
        .collect()
}

fn pascal(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_alphanumeric());
    parts
        .map(|part| {
            let mut letters = part.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        })
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with(|c: char| c.is_uppercase()))
}

/// The Rust files under `folder` with their names from the repository's root.
fn sources(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(files::root()).unwrap_or(&path).to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path)?));
        }
    }
    found.sort();
    Ok(found)
}
