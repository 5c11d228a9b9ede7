//! What operators see: spans, limits, costs, and what was absorbed.

use std::sync::Arc;

use tachikoma_backends_core::{CompletionRequest, CompletionResponse};

use super::CodexBackend;
use super::watch::Watch;
use crate::absorbed::Absorbed;
use crate::decode::rate_limit::RateLimits;
use crate::error::CodexError;
use crate::models::OpenAIModel;
use crate::telemetry::Operation;

impl CodexBackend {
    /// What the last answer, or error, that spoke of them said of the account's limits on requests and tokens. `None` before
    /// the first, and from servers that say nothing.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-..."))?;
    /// if let Some(limits) = backend.rate_limits() {
    ///     println!("{:?} requests left, all of them again in {:?}", limits.requests.remaining, limits.requests.reset);
    /// }
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    pub fn rate_limits(&self) -> Option<RateLimits> {
        self.transport.rate_limits()
    }

    /// What the answers so far held that this release does not know, with how many answers held it: events, fields, and words
    /// where a few are known. It broke none of them. Fields are looked for in the first and the last event of a stream, and in
    /// answers of up to 16 KiB.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-..."))?;
    /// for absorbed in backend.absorbed() {
    ///     println!("{} {}: {}", absorbed.kind, absorbed.name, absorbed.count);
    /// }
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    pub fn absorbed(&self) -> Vec<Absorbed> {
        self.absorbed.list()
    }

    /// What an answer cost at OpenAI's prices, in USD: [`OpenAIModel::cost`] of the model that answered.
    ///
    /// # Errors
    /// The price of the model is not known, or the server did not say how many tokens there were.
    pub fn cost(&self, response: &CompletionResponse) -> Result<f64, CodexError> {
        let usage = response.usage.as_ref().ok_or_else(|| {
            CodexError::configuration("the server did not say how many tokens the answer cost")
        })?;
        let model = if response.model.is_empty() { self.config.model().as_str() } else { &response.model };
        OpenAIModel::new(model).cost(usage)
    }

    /// Begins to watch the answer to a request.
    pub(super) fn watch(&self, request: &CompletionRequest) -> Watch {
        let model = request.model.as_deref().unwrap_or(self.config.model().as_str());
        let operation = Operation::chat(&self.peer, model, request, self.config.record_content());
        Watch::new(operation, Arc::clone(&self.absorbed))
    }
}
