//! The health check.

use super::CodexBackend;
use crate::CodexError;
use crate::api::model_list;
use crate::openai;
use crate::runtime::transport::Attempt;

impl CodexBackend {
    /// See [`health_check`](tachikoma_backends_core::Backend::health_check).
    pub(super) async fn is_healthy(&self) -> Result<bool, CodexError> {
        let base = self.server.base(None)?;
        let operation = |attempt: Attempt| async move { openai::client(attempt).list_models().await };
        match self.transport.send(&base, Some(0), None, operation).await {
            Ok(response) => {
                let mut body = self.transport.body(response);
                let bytes = body.read().await?;
                model_list::check(&bytes).map(|()| true).map_err(|error| body.redact(error))
            }
            Err(error) if error.is_rate_limit() => Ok(true),
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) && !self.server.lists_models() => {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
