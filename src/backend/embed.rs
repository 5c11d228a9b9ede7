//! Embeddings, which are sent like a request for text.

use std::sync::Arc;

use tachikoma_backends_core::ErrorCategory;
use tracing::Instrument;

use super::CodexBackend;
use super::exchange::ProtocolRequest;
use crate::CodexError;
use crate::api::embeddings::{self, EmbeddingRequest, EmbeddingResponse, Embeddings};
use crate::api::{Protocol, ResponseContext};
use crate::runtime::gate::Load;

impl CodexBackend {
    /// Embeds texts: one vector for each, in their order. Retries, timeouts and errors are those of
    /// [`try_complete`](Self::try_complete). On Azure, a configured deployment is used for them too.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = tachikoma_openai_mock::MockServer::start().await?;
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-...").with_base_url(server.base_url()))?;
    /// let response = backend.embed(["a cat", "a dog"]).await?;
    /// assert_eq!(response.embeddings.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// By [category](CodexError::category). Refused before sending are no text or an empty one, more than 2,048, and more
    /// `dimensions` than the model has; on servers other than OpenAI's and Azure's most of these are warnings. For texts that
    /// are too long see [`with_input_limit`](crate::CodexBackendConfig::with_input_limit).
    pub async fn embed(&self, request: impl Into<EmbeddingRequest>) -> Result<EmbeddingResponse, CodexError> {
        let request = request.into();
        let operation = self.spans.embeddings(request.model.as_str());
        let Some(mut operation) = operation else { return self.embeddings(request).await };
        let outcome = self.embeddings(request).instrument(operation.span().clone()).await;
        match &outcome {
            Ok(EmbeddingResponse { model, usage, request_id, .. }) => {
                operation.record_embeddings(
                    model,
                    usage.map(|usage| usage.prompt_tokens),
                    request_id.as_deref(),
                );
            }
            Err(error) => operation.record_error(error),
        }
        outcome
    }

    async fn embeddings(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, CodexError> {
        self.check_embedding(&request)?;
        let (protocol, max_retries) = (Embeddings::new(&request), request.max_retries);
        let model = request.model.to_string();
        let body = embeddings::encode(request, self.server.model_in_body(protocol.is_in_deployment()))?;
        // Four bytes a token, as texts and lists of token ids have on average.
        let tokens = u32::try_from(body.len() / 4).unwrap_or(u32::MAX);
        let load = Some(Load { model: model.clone(), tokens });
        let request = ProtocolRequest { model_in_path: Some(&model), body, max_retries, load };
        let (response, request_id) =
            self.exchange(Arc::new(protocol), request, ResponseContext::default()).await?;
        Ok(EmbeddingResponse { request_id, ..response })
    }

    fn check_embedding(&self, request: &EmbeddingRequest) -> Result<(), CodexError> {
        let is_official = self.server.is_official();
        let (errors, warnings): (Vec<_>, Vec<_>) =
            embeddings::check(request).into_iter().partition(|finding| finding.is_error(is_official));
        if !errors.is_empty() {
            let messages: Vec<_> = errors.into_iter().map(|error| error.message).collect();
            return Err(CodexError::unsent(ErrorCategory::InvalidRequest, messages.join("; ")));
        }
        let mut warnings: Vec<_> = warnings.into_iter().map(|finding| finding.message).collect();
        warnings.extend(self.check_length(|| embeddings::too_long(request))?);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(())
    }
}
