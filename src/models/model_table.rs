//! [`ModelTable`]: the models of the settings, and how a row is made of all sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::facts::stated_by;
use super::lookup::{family, lookup};
use super::{Lookup, Match, ModelFacts, ModelSpec};
use crate::CodexError;

/// Facts of models by their ids, in addition to the table of this crate, or in place of its facts.
///
/// An id is that of a request; it also holds for the dated snapshots that OpenAI names in responses (`ID-2027-03-05`).
///
/// ```
/// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
/// use tachikoma_backend_codex::models::ModelTable;
///
/// let table = ModelTable::parse(
///     r#"{
///         "my-model": { "context_window": 32768, "tools": false },
///         "my-deployment": { "base_model": "gpt-5.6-terra" }
///     }"#,
/// )?;
/// let backend = CodexBackend::new(CodexBackendConfig::new("sk-...").with_models(table))?;
/// assert_eq!(backend.model_info("my-deployment").spec.context_window, Some(1_050_000));
/// # Ok::<(), tachikoma_backend_codex::CodexError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ModelTable(BTreeMap<String, ModelFacts>);

impl ModelTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads JSON: an object of models, each an object of [facts](ModelFacts). `serde` reads it from other formats.
    ///
    /// # Errors
    /// It is not such JSON. The message names the model and the fact.
    pub fn parse(json: &str) -> Result<Self, CodexError> {
        let mut input = serde_json::Deserializer::from_str(json);
        let table = serde_path_to_error::deserialize(&mut input).map_err(|error| {
            let path = error.path().to_string();
            let reason = error.into_inner();
            CodexError::configuration(format!("the model table is not valid at {path}: {reason}"))
                .with_source(reason)
        })?;
        input.end().map_err(|reason| {
            CodexError::configuration(format!("the model table is not valid: {reason}")).with_source(reason)
        })?;
        Ok(table)
    }

    /// Reads a file of JSON, as [`parse`](Self::parse) does.
    ///
    /// # Errors
    /// The file cannot be read, or as [`parse`](Self::parse).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, CodexError> {
        let path = path.as_ref();
        let json = fs::read_to_string(path).map_err(|error| {
            CodexError::configuration(format!("cannot read the model table {}: {error}", path.display()))
                .with_source(error)
        })?;
        // As Windows' editors write at the start.
        let json = json.trim_start_matches('\u{feff}');
        Self::parse(json).map_err(|error| {
            CodexError::configuration(format!("{}: {}", path.display(), error.message())).with_source(error)
        })
    }

    /// Adds a model, or replaces its facts.
    #[must_use]
    pub fn with_model(mut self, id: impl Into<String>, facts: ModelFacts) -> Self {
        self.0.insert(id.into(), facts);
        self
    }

    /// The facts of the model with this id.
    pub fn get(&self, id: &str) -> Option<&ModelFacts> {
        self.0.get(id)
    }

    /// The models, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModelFacts)> {
        self.0.iter().map(|(id, facts)| (id.as_str(), facts))
    }

    /// Whether it has no models.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The facts of a model or of the one that it is a dated snapshot of.
    fn find(&self, id: &str) -> Option<&ModelFacts> {
        self.get(id).or_else(|| self.get(without_date(id)?))
    }

    pub(crate) fn check(&self) -> Result<(), CodexError> {
        self.iter().try_for_each(|(id, facts)| facts.check(id))
    }
}

impl Extend<(String, ModelFacts)> for ModelTable {
    fn extend<I: IntoIterator<Item = (String, ModelFacts)>>(&mut self, models: I) {
        self.0.extend(models);
    }
}

impl FromIterator<(String, ModelFacts)> for ModelTable {
    fn from_iter<I: IntoIterator<Item = (String, ModelFacts)>>(models: I) -> Self {
        Self(models.into_iter().collect())
    }
}

impl IntoIterator for ModelTable {
    type Item = (String, ModelFacts);
    type IntoIter = std::collections::btree_map::IntoIter<String, ModelFacts>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The id in front of a whole date. Shorter numbers are a part of other makers' names.
fn without_date(id: &str) -> Option<&str> {
    super::lookup::split_date(id).filter(|(_, date)| date.contains('-')).map(|(base, _)| base)
}

/// Where a fact of a model comes from, the last one that states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FactSource {
    /// The family of models in the table of this crate that the id begins like.
    Family,
    /// The model's row in the table of this crate.
    Table,
    /// The server's list of models.
    Server,
    /// The settings.
    Settings,
}

/// What is known of a model, by all sources, with the source of each fact.
///
/// ```
/// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
/// use tachikoma_backend_codex::models::{FactSource, ModelFacts};
///
/// let facts = ModelFacts::new().with_max_input_tokens(200_000);
/// let config = CodexBackendConfig::new("sk-...").with_model_facts("gpt-5.6-terra", facts);
/// let model = CodexBackend::new(config)?.model_info("gpt-5.6-terra");
/// assert_eq!(model.spec.max_input_tokens, Some(200_000));
/// assert_eq!(model.source("max_input_tokens"), Some(FactSource::Settings));
/// assert_eq!(model.source("max_output_tokens"), Some(FactSource::Table));
/// # Ok::<(), tachikoma_backend_codex::CodexError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The id as the server or the caller spells it.
    pub id: String,
    /// The facts of all sources. Its `id` is that of the row or family of the table.
    pub spec: ModelSpec,
    /// How the table has the model.
    pub by: Match,
    sources: BTreeMap<&'static str, FactSource>,
}

impl ModelInfo {
    /// The source of a fact by its name in [`ModelSpec`]; `None` where nothing states it.
    pub fn source(&self, fact: &str) -> Option<FactSource> {
        self.sources.get(fact).copied()
    }

    /// The facts that are stated, by name, with their sources.
    pub fn sources(&self) -> impl Iterator<Item = (&'static str, FactSource)> {
        self.sources.iter().map(|(fact, source)| (*fact, *source))
    }
}

/// The sources beside the table of this crate, of which the later takes precedence.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) server: &'a ModelTable,
    pub(crate) settings: &'a ModelTable,
}

impl Sources<'_> {
    /// The row of a model.
    pub(crate) fn lookup(&self, id: &str) -> Lookup {
        let (server, settings) = (self.server.get(id), self.settings.find(id));
        let base = settings.and_then(|facts| facts.base_model.as_deref());
        let mut found = lookup(base.unwrap_or(id));
        let stated = || server.into_iter().chain(settings);
        if !found.has_own_limits && stated().any(ModelFacts::has_input_limit) {
            // The family's limits are only likely, and the stated ones replace them as a whole.
            found.spec = ModelSpec { context_window: None, max_input_tokens: None, ..found.spec };
            found.has_own_limits = true;
        }
        stated().for_each(|facts| facts.apply(&mut found.spec));
        found
    }

    /// As [`lookup`](Self::lookup), with the source of each fact.
    pub(crate) fn info(&self, id: &str) -> ModelInfo {
        let Lookup { spec, by, .. } = self.lookup(id);
        let (server, settings) = (self.server.get(id), self.settings.find(id));
        let table = match by {
            Match::Unknown => None,
            Match::Family => Some(FactSource::Family),
            _ => Some(FactSource::Table),
        };
        let of = |source, facts: Option<&ModelFacts>| -> Vec<_> {
            facts.iter().flat_map(|facts| facts.stated()).map(|fact| (fact, source)).collect()
        };
        let table = stated_by(&spec).filter_map(|fact| Some((fact, table?)));
        let sources =
            table.chain(of(FactSource::Server, server)).chain(of(FactSource::Settings, settings)).collect();
        ModelInfo { id: id.to_owned(), spec, by, sources }
    }

    /// What a model can do.
    pub(crate) fn capabilities(&self, id: &str) -> tachikoma_backends_core::BackendCapabilities {
        let base = self.settings.find(id).and_then(|facts| facts.base_model.as_deref());
        self.lookup(id).spec.capabilities(family(base.unwrap_or(id)).as_ref())
    }
}

#[cfg(test)]
mod tests;
