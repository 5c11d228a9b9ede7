//! A harness that implements `Backend` itself and picks a backend by configuration, as Tachikoma's factory does.

use std::sync::Arc;

use futures::{StreamExt, stream};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, BackendInfo, CompletionChunk, CompletionRequest, CompletionResponse,
    CompletionStream, FinishReason, async_trait,
};

/// A backend that repeats the last message.
#[derive(Debug)]
pub struct Echo {
    info: BackendInfo,
}

impl Default for Echo {
    fn default() -> Self {
        Self { info: BackendInfo::new("echo", "echo-1") }
    }
}

#[async_trait]
impl Backend for Echo {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        let message =
            request.messages.last().ok_or_else(|| BackendError::InvalidRequest("no messages".into()))?;
        Ok(CompletionResponse::new(message.text()))
    }

    async fn complete_stream(&self, request: CompletionRequest) -> Result<CompletionStream, BackendError> {
        let delta = self.complete(request).await?.content.unwrap_or_default();
        let text = CompletionChunk::text(delta);
        Ok(stream::iter([Ok(text), Ok(CompletionChunk::last(FinishReason::Stop, None))]).boxed())
    }

    async fn health_check(&self) -> Result<bool, BackendError> {
        Ok(true)
    }
}

/// The backend that a configuration file names.
pub enum BackendChoice {
    /// OpenAI.
    Codex {
        /// Its key.
        api_key: String,
    },
    /// The echo.
    Echo,
}

/// Builds the backend that the configuration names.
pub fn backend(choice: BackendChoice) -> Result<Arc<dyn Backend>, BackendError> {
    Ok(match choice {
        BackendChoice::Codex { api_key } => Arc::new(CodexBackend::new(CodexBackendConfig::new(api_key))?),
        BackendChoice::Echo => Arc::new(Echo::default()),
    })
}

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::{BackendExt, Conformance, ErrorCategory, Message};

    use super::*;

    #[test]
    fn codex_is_one_of_them() {
        let codex = backend(BackendChoice::Codex { api_key: "sk-test".into() }).unwrap();
        assert_eq!(codex.name(), "codex");
        assert_eq!(codex.info().version, "v1");
        let error = backend(BackendChoice::Codex { api_key: "two\nlines".into() }).unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Configuration);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_echo_responds() {
        let echo = backend(BackendChoice::Echo).unwrap();
        let request = CompletionRequest::new(vec![Message::user("Hi")]);
        let response = echo.complete_with_retry(request.clone(), 1).await.unwrap();
        assert_eq!(response.content.as_deref(), Some("Hi"));
        let mut stream = echo.complete_stream(request).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().delta, "Hi");
        assert!(stream.next().await.unwrap().unwrap().is_final);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_echo_keeps_the_contract() {
        let report = Conformance::new()
            .with_text(CompletionRequest::user("Hi"), "Hi")
            .with_error(CompletionRequest::default(), BackendError::InvalidRequest("no messages".into()))
            .run(&Echo::default())
            .await;
        assert!(report.is_ok(), "{report}");
    }
}
