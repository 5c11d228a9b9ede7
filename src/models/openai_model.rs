//! [`OpenAIModel`]: the id of a model.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tachikoma_backends_core::BackendCapabilities;

use super::lookup::{family, lookup};
use super::{Date, Lookup, ModelSpec};

/// The id of a model. Any id will do: one that the table does not know is passed on, and the server decides.
///
/// The constants are the known models that have not been shut down, without their dated snapshots.
///
/// ```
/// # use tachikoma_backend_codex::OpenAIModel;
/// let model = OpenAIModel::GPT_5_6_TERRA;
/// assert_eq!(model.context_window(), Some(1_050_000));
/// assert_eq!(OpenAIModel::from("gpt-5.6-terra"), model);
/// assert_eq!(OpenAIModel::new("my-deployment").context_window(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpenAIModel(Cow<'static, str>);

impl OpenAIModel {
    /// The model with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(Cow::Owned(id.into()))
    }

    pub(super) const fn known(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The id as the API spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The facts that the table has for this model, and how it found them: by id, alias, dated snapshot, fine-tuned model or family.
    pub fn lookup(&self) -> Lookup {
        lookup(self.as_str())
    }

    /// The facts that the table has for this model.
    pub fn spec(&self) -> ModelSpec {
        self.lookup().spec
    }

    /// Input and output together, in tokens; `None` where it is not known of this very model.
    pub fn context_window(&self) -> Option<u32> {
        self.own_limit(|spec| spec.context_window)
    }

    /// Output, reasoning included, in tokens; `None` where it is not known of this very model.
    pub fn max_output_tokens(&self) -> Option<u32> {
        self.own_limit(|spec| spec.max_output_tokens)
    }

    fn own_limit(&self, limit: impl Fn(&ModelSpec) -> Option<u32>) -> Option<u32> {
        let Lookup { spec, has_own_limits, .. } = self.lookup();
        limit(&spec).filter(|_| has_own_limits)
    }

    /// Whether images can be sent. True where it is unknown.
    pub fn supports_vision(&self) -> bool {
        self.spec().image_input.is_possible()
    }

    /// Whether tools can be offered. True where it is unknown.
    pub fn supports_tools(&self) -> bool {
        self.spec().tools.is_possible()
    }

    /// What the model can do, by the table. What is not known is taken as possible; an unknown limit is the one that its family
    /// has, else 0. A backend may know more:
    /// [`capabilities_for`](crate::CodexBackend::capabilities_for).
    pub fn capabilities(&self) -> BackendCapabilities {
        self.spec().capabilities(family(self.as_str()).as_ref())
    }

    /// A warning of this model's shutdown: `None` unless it has been shut down, or will be within 90 days.
    pub fn shutdown_warning(&self, today: Date) -> Option<String> {
        self.spec().shutdown_warning(self, today)
    }
}

/// A model of the current generation at a middle price.
impl Default for OpenAIModel {
    fn default() -> Self {
        Self::GPT_5_6_TERRA
    }
}

impl fmt::Display for OpenAIModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for OpenAIModel {
    type Err = Infallible;

    fn from_str(id: &str) -> Result<Self, Infallible> {
        Ok(Self::new(id))
    }
}

impl From<&str> for OpenAIModel {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

impl From<String> for OpenAIModel {
    fn from(id: String) -> Self {
        Self::new(id)
    }
}

impl AsRef<str> for OpenAIModel {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<&str> for OpenAIModel {
    fn eq(&self, id: &&str) -> bool {
        self.as_str() == *id
    }
}
