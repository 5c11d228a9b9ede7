//! Differences that are known, with the reason why the table keeps its value.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::compare::{Class, Finding};
use super::listing::Form;

const FILE: &str = include_str!("known.json");

/// All known differences.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Known(Vec<Difference>);

/// A difference in one fact of some models. It is known as long as the list has the same value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The forms of lists that have it; all, if it is absent.
    form: Option<Form>,
    /// The models, by the names of the list.
    models: Vec<String>,
    /// The name of the fact; absent where the models are missing.
    fact: Option<String>,
    /// The value of the list; absent where it does not matter.
    there: Option<Value>,
    /// Why the table keeps its value.
    #[allow(dead_code, reason = "it is for the reader of the file; a difference without it is an error")]
    reason: String,
}

impl Known {
    /// # Errors
    /// The file is not valid.
    pub(crate) fn read() -> Result<Self> {
        serde_json::from_str(FILE).context("xtask/src/models/known.json is not valid")
    }

    /// Whether this difference is known.
    pub(crate) fn has(&self, form: Form, finding: &Finding) -> bool {
        let is_missing = matches!(finding.class, Class::MissingHere | Class::MissingThere);
        self.0.iter().any(|known| {
            known.form.is_none_or(|known| known == form)
                && known.models.contains(&finding.model)
                && known.fact == finding.fact
                && (is_missing || known.there.as_ref().is_none_or(|there| *there == finding.there))
        })
    }
}
