//! The health check.

use progenitor_client::{Error as ClientError, ResponseValue};

use super::CodexBackend;
use crate::CodexError;
use crate::openai::{self, types};
use crate::runtime::transport::{Attempt, FromResponse};

impl CodexBackend {
    /// See [`health_check`](tachikoma_backends_core::Backend::health_check).
    pub(super) async fn is_healthy(&self) -> Result<bool, CodexError> {
        let base = self.server.base(None)?;
        let operation = |attempt: Attempt| async move { openai::client(attempt).list_models().await };
        match self.transport.send(&base, Some(0), None, operation).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_rate_limit() => Ok(true),
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) && !self.server.lists_models() => {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

impl FromResponse for types::ListModelsResponse {
    async fn from_response(response: reqwest::Response) -> Result<ResponseValue<Self>, ClientError<()>> {
        ResponseValue::from_response(response).await
    }
}
