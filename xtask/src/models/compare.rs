//! Compares the table with a list, fact by fact.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use super::known::Known;
use super::listing::{Facts, Form, Listing, TableRow};

/// What a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// A model that the table does not have.
    MissingHere,
    /// A row, of a model that has not been shut down, that the list does not have.
    MissingThere,
    Limits,
    Prices,
    Capabilities,
    /// The day of a shutdown.
    Dates,
}

impl Class {
    pub(crate) const ALL: [Self; 6] =
        [Self::MissingHere, Self::MissingThere, Self::Limits, Self::Prices, Self::Capabilities, Self::Dates];

    /// Of a fact.
    fn of(fact: &str) -> Self {
        match fact {
            "context_window" | "max_input_tokens" | "max_output_tokens" => Self::Limits,
            "shutdown" | "deprecated" => Self::Dates,
            fact if fact.starts_with("price") => Self::Prices,
            _ => Self::Capabilities,
        }
    }
}

/// One difference.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    pub(crate) model: String,
    /// The name of the fact; absent where the model is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fact: Option<String>,
    /// The value of the table; null where it is unknown.
    pub(crate) here: Value,
    /// The value of the list.
    pub(crate) there: Value,
}

/// The differences between the table and a list, sorted by class, model and fact.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) form: Form,
    /// How many models the list has.
    pub(crate) models: usize,
    /// How many rows the table has.
    pub(crate) rows: usize,
    pub(crate) findings: Vec<Finding>,
    /// How many differences are known, with a reason.
    pub(crate) known: usize,
}

impl Report {
    pub(crate) fn exit_code(&self) -> u8 {
        u8::from(!self.findings.is_empty())
    }
}

/// Compares; a row of a model that was shut down on this day or before may be missing in the list.
pub(crate) fn compare(table: &[TableRow], listing: &Listing, known: &Known, on: Date) -> Report {
    let by_name: BTreeMap<&str, &TableRow> =
        table.iter().flat_map(|row| row.names.iter().map(move |name| (name.as_str(), row))).collect();
    let mut findings = Vec::new();
    let mut listed: BTreeSet<&str> = BTreeSet::new();
    let missing = |class, model: &str| Finding {
        class,
        model: model.to_owned(),
        fact: None,
        here: Value::Null,
        there: Value::Null,
    };
    for (id, there) in &listing.models {
        match by_name.get(id.as_str()) {
            Some(row) => {
                listed.insert(&row.id);
                findings.extend(differences(id, &row.facts, there, listing.form));
            }
            None => findings.push(missing(Class::MissingHere, id)),
        }
    }
    let is_served = |row: &&TableRow| {
        let shutdown = row.facts.get("shutdown").and_then(Value::as_str);
        shutdown.and_then(|day| day.parse::<Date>().ok()).is_none_or(|day| day > on)
    };
    let absent = table.iter().filter(is_served).filter(|row| !listed.contains(row.id.as_str()));
    findings.extend(absent.map(|row| missing(Class::MissingThere, &row.id)));
    let all = findings.len();
    findings.retain(|finding| !known.has(listing.form, finding));
    let order = |finding: &Finding| (finding.class, finding.model.clone(), finding.fact.clone());
    findings.sort_by_key(order);
    Report {
        form: listing.form,
        models: listing.models.len(),
        rows: table.len(),
        known: all - findings.len(),
        findings,
    }
}

fn differences(id: &str, here: &Facts, there: &Facts, form: Form) -> Vec<Finding> {
    let differs = |(fact, there): (&String, &Value)| {
        let class = Class::of(fact);
        let row = here.get(fact);
        let is_equal = match (row, fact.as_str()) {
            (_, "deprecated") => here.contains_key("shutdown"),
            (Some(row), _) => is_same(row, there),
            // What the table leaves open is open on purpose.
            (None, _) => class == Class::Capabilities,
        };
        // LiteLLM has the whole window there for some models.
        let is_window = form == Form::LiteLlm
            && fact == "max_input_tokens"
            && here.get("context_window").is_some_and(|window| is_same(window, there));
        (!is_equal && !is_window).then(|| Finding {
            class,
            model: id.to_owned(),
            fact: Some(fact.clone()),
            here: row.cloned().unwrap_or_default(),
            there: there.clone(),
        })
    };
    there.iter().filter_map(differs).collect()
}

/// Numbers are the same up to the error of their representation.
fn is_same(here: &Value, there: &Value) -> bool {
    match (here.as_f64(), there.as_f64()) {
        (Some(here), Some(there)) => (here - there).abs() <= 1e-9 * here.abs().max(there.abs()).max(1e-3),
        _ => here == there,
    }
}
