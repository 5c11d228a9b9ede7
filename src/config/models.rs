//! The setting of facts about models.

use super::CodexBackendConfig;
use crate::models::{ModelFacts, ModelTable};

impl CodexBackendConfig {
    /// States facts of a model, for requests with this id: one that this crate does not know, a deployment on Azure, a price of
    /// your contract. They take precedence over the server's list of models and over the [model table](crate::models).
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// use tachikoma_backend_codex::models::ModelFacts;
    ///
    /// let config = CodexBackendConfig::new("sk-...")
    ///     .with_model("my-deployment")
    ///     .with_model_facts("my-deployment", ModelFacts::new().with_base_model("gpt-5.6-terra"));
    /// let backend = CodexBackend::new(config)?;
    /// assert_eq!(backend.capabilities_for("my-deployment").max_context_tokens, 1_050_000);
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    #[must_use]
    pub fn with_model_facts(mut self, id: impl Into<String>, facts: ModelFacts) -> Self {
        self.models = self.models.with_model(id, facts);
        self
    }

    /// States facts of several models, as [`with_model_facts`](Self::with_model_facts) does, in addition to those stated before.
    /// [`ModelTable::from_file`] reads them from a file.
    #[must_use]
    pub fn with_models(mut self, models: ModelTable) -> Self {
        self.models.extend(models);
        self
    }

    /// The facts of models that are set.
    pub fn models(&self) -> &ModelTable {
        &self.models
    }
}
