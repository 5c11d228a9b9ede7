//! What the backend knows of models: the table, the server's list and the settings.

use std::sync::{Arc, PoisonError};

use tachikoma_backends_core::BackendCapabilities;

use super::CodexBackend;
use super::exchange::ProtocolRequest;
use crate::CodexError;
use crate::api::ResponseContext;
use crate::api::model_list::ModelList;
use crate::models::{Lookup, ModelFacts, ModelInfo, ModelTable, OpenAIModel, Sources};
use crate::runtime::transport::Bytes;

impl CodexBackend {
    /// The models of the server by `GET /models`, with what is known of each and its source: the settings, the server's list, or
    /// the table of this crate. Retries, timeouts and errors are those of [`try_complete`](Self::try_complete).
    ///
    /// Read are context windows (llama.cpp, vLLM, LM Studio, OpenRouter, Groq, Mistral), limits on output, prices in OpenRouter's
    /// form, capabilities and shutdown dates; a field of another form is unknown. What the list states is kept, and from then on
    /// holds for requests of this backend, in place of earlier lists: checks, token limits, costs,
    /// [`capabilities_for`](Self::capabilities_for). OpenAI's own list has only shutdown dates.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = tachikoma_openai_mock::MockServer::start().await?;
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-...").with_base_url(server.base_url()))?;
    /// let models = backend.list_models().await?;
    /// for model in &models {
    ///     println!("{}: {:?} tokens, by {:?}", model.id, model.spec.context_window, model.source("context_window"));
    /// }
    /// # assert!(!models.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// By [category](CodexError::category). The list that was kept before remains.
    pub async fn list_models(&self) -> Result<Vec<ModelInfo>, CodexError> {
        let request =
            ProtocolRequest { model_in_path: None, body: Bytes::new(), max_retries: None, load: None };
        let (models, _) = self.exchange(Arc::new(ModelList), request, ResponseContext::default()).await?;
        let ids: Vec<String> = models.iter().map(|model| model.id.clone()).collect();
        let stated = models.into_iter().filter(|model| model.facts != ModelFacts::new());
        let table: Arc<ModelTable> = Arc::new(stated.map(|model| (model.id, model.facts)).collect());
        // The table is replaced as a whole, and stays valid after a panic.
        *self.listed_models.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&table);
        let sources = Sources { server: &table, settings: self.config.models() };
        Ok(ids.iter().map(|id| sources.info(id)).collect())
    }

    /// What is known of a model, with the source of each fact: the settings, the server's list after
    /// [`list_models`](Self::list_models), the table of this crate.
    pub fn model_info(&self, model: impl Into<OpenAIModel>) -> ModelInfo {
        self.with_sources(|sources| sources.info(model.into().as_str()))
    }

    /// The capabilities of a model, by the settings, the server's list after [`list_models`](Self::list_models), and the table of
    /// this crate. What is not known is taken as possible; an unknown limit is 0.
    ///
    /// [`info`](tachikoma_backends_core::Backend::info) has those of the configured model, without the server's list.
    pub fn capabilities_for(&self, model: impl Into<OpenAIModel>) -> BackendCapabilities {
        self.with_sources(|sources| sources.capabilities(model.into().as_str()))
    }

    /// The row of a model that holds for a request.
    pub(super) fn lookup(&self, model: &OpenAIModel) -> Lookup {
        self.with_sources(|sources| sources.lookup(model.as_str()))
    }

    fn with_sources<T>(&self, read: impl FnOnce(Sources<'_>) -> T) -> T {
        let server = Arc::clone(&self.listed_models.read().unwrap_or_else(PoisonError::into_inner));
        read(Sources { server: &server, settings: self.config.models() })
    }
}
