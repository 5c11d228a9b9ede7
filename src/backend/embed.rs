//! Embeddings: the same way as a request for text, by another operation.

use tachikoma_backends_core::ErrorCategory;

use tracing::Instrument;

use super::{CodexBackend, offload};
use crate::auth::Scope;
use crate::config::InputLimit;
use crate::embeddings::{self, EmbeddingRequest, EmbeddingResponse, Expected};
use crate::encode;
use crate::error::CodexError;
use crate::openai::Client;
use crate::telemetry::Operation;
use crate::transport::timeout::Timeout;

impl CodexBackend {
    /// Embeds texts: one vector for each, in their order. Retries, timeouts and errors are those of
    /// [`try_complete`](Self::try_complete). On Azure, a backend that names one deployment for all requests asks that one.
    ///
    /// ```no_run
    /// # async fn run(backend: tachikoma_backend_codex::CodexBackend) -> Result<(), tachikoma_backend_codex::CodexError> {
    /// let answer = backend.embed(["a cat", "a dog"]).await?;
    /// assert_eq!(answer.embeddings.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// By [category](CodexError::category). What cannot succeed is refused before it is sent: no text or an empty one, more
    /// than 2,048, more `dimensions` than the model has; on other servers than OpenAI's and Azure's most of it is a warning.
    /// Of texts that are too long [`with_input_limit`](crate::CodexBackendConfig::with_input_limit) decides.
    pub async fn embed(&self, request: impl Into<EmbeddingRequest>) -> Result<EmbeddingResponse, CodexError> {
        let request = request.into();
        let operation = Operation::embeddings(&self.peer, request.model.as_str());
        let Some(operation) = operation else { return self.embeddings(request).await };
        let outcome = self.embeddings(request).instrument(operation.span().clone()).await;
        match &outcome {
            Ok(EmbeddingResponse { model, usage, request_id, .. }) => {
                operation.embedded(model, usage.map(|usage| usage.prompt_tokens), request_id.as_deref());
            }
            Err(error) => operation.failed(error),
        }
        outcome
    }

    async fn embeddings(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, CodexError> {
        self.check_embedding(&request)?;
        let (max_retries, expected) = (request.max_retries, Expected::of(&request));
        let model = request.model.to_string();
        let scope = Scope::Deployment(&model);
        let mut body = embeddings::convert(request)?;
        if let Some(deployment) = self.transport.server().model_in_body(scope) {
            body.model = deployment.to_owned();
        }
        let body = encode::json(&body)?;
        let answer = async {
            let operation = |client: Client| {
                let body = body.clone();
                async move { client.create_embedding(body).await }
            };
            let answer = self.transport.send(scope, max_retries, operation).await?;
            let mut answer = self.transport.body(answer);
            let bytes = answer.read().await.map_err(CodexError::within_response)?;
            let request_id = answer.request_id().map(str::to_owned);
            let length = bytes.len();
            let decoded = offload::read(length, move || embeddings::decode(&bytes, expected)).await;
            match decoded.and_then(|response| response) {
                Ok(response) => Ok(EmbeddingResponse { request_id, ..response }),
                Err(error) => Err(answer.redact(error.within_response().with_request_id(request_id))),
            }
        };
        match self.config.total_timeout() {
            Some(limit) => Timeout::Total.limit(limit, answer).await?,
            None => answer.await,
        }
    }

    fn check_embedding(&self, request: &EmbeddingRequest) -> Result<(), CodexError> {
        let is_official = self.transport.is_official();
        let (errors, warnings): (Vec<_>, Vec<_>) =
            embeddings::check(request).into_iter().partition(|finding| finding.is_error(is_official));
        if !errors.is_empty() {
            let messages: Vec<_> = errors.into_iter().map(|error| error.message).collect();
            return Err(CodexError::unsent(ErrorCategory::InvalidRequest, messages.join("; ")));
        }
        let mut warnings: Vec<_> = warnings.into_iter().map(|finding| finding.message).collect();
        match self.config.input_limit() {
            InputLimit::Ignore => {}
            InputLimit::Warn => warnings.extend(embeddings::too_long(request)),
            InputLimit::Refuse => {
                if let Some(message) = embeddings::too_long(request) {
                    return Err(CodexError::unsent(ErrorCategory::ContextLength, message));
                }
            }
        }
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(())
    }
}
