//! The trait itself and what a backend says of itself.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{BackendError, CompletionRequest, CompletionResponse, CompletionStream};

/// An LLM provider behind one interface.
///
/// Object safe: keep backends as `Arc<dyn Backend>` and choose one by configuration.
#[async_trait]
pub trait Backend: Send + Sync + Debug {
    /// Who this backend is and what its configured model can do.
    fn info(&self) -> &BackendInfo;

    /// The backend's short name, as used in configuration files.
    fn name(&self) -> &str {
        &self.info().name
    }

    /// What the configured model can do.
    fn capabilities(&self) -> &BackendCapabilities {
        &self.info().capabilities
    }

    /// Whether a request for `model` has a chance here.
    ///
    /// By default: whether it is the default model or one of the models that [`BackendInfo`] lists.
    fn supports_model(&self, model: &str) -> bool {
        let info = self.info();
        info.default_model == model || info.available_models.iter().any(|known| known == model)
    }

    /// Sends the request and waits for the whole answer.
    ///
    /// # Errors
    /// [`BackendError`] by category; an answer is never handed out in part.
    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError>;

    /// Sends the request and returns the answer as it arrives.
    ///
    /// The stream yields any number of delta chunks, then exactly one final chunk or exactly one error, then ends.
    /// Dropping it cancels the request.
    ///
    /// # Errors
    /// What fails before the first chunk is returned here, everything later comes as the stream's last item.
    async fn complete_stream(&self, request: CompletionRequest) -> Result<CompletionStream, BackendError>;

    /// Whether the provider can be reached and accepts the credentials, without spending tokens.
    ///
    /// # Errors
    /// Why it cannot.
    async fn health_check(&self) -> Result<bool, BackendError>;

    /// The number of tokens in `text`. By default an estimate: one token for every four bytes, rounded up.
    fn count_tokens(&self, text: &str) -> u32 {
        u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX)
    }
}

/// Who a backend is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendInfo {
    /// Short name, for example `codex`.
    pub name: String,
    /// Version of the API that the backend speaks, for example `v1`.
    pub version: String,
    /// The model that answers when a request names none.
    pub default_model: String,
    /// Models that are known to work. Others may work as well.
    pub available_models: Vec<String>,
    /// What the default model can do.
    pub capabilities: BackendCapabilities,
}

/// What a model can do behind a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendCapabilities {
    /// Answers can be streamed.
    pub streaming: bool,
    /// Tools can be offered to the model.
    pub tool_calling: bool,
    /// Images can be sent.
    pub vision: bool,
    /// The answer can be forced to be JSON.
    pub json_mode: bool,
    /// Prompt and answer together, in tokens.
    pub max_context_tokens: u32,
    /// The answer, in tokens.
    pub max_output_tokens: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::tests::Scripted;

    #[test]
    fn defaults_follow_from_info() {
        let backend: Box<dyn Backend> = Box::new(Scripted::new(vec![]));
        assert_eq!(backend.name(), "scripted");
        assert!(backend.capabilities().streaming);
        for (model, expected) in [("default", true), ("listed", true), ("other", false)] {
            assert_eq!(backend.supports_model(model), expected, "{model}");
        }
    }

    #[test]
    fn token_estimate_is_a_quarter_of_the_bytes_rounded_up() {
        let backend = Scripted::new(vec![]);
        for (text, expected) in [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ééé", 2)] {
            assert_eq!(backend.count_tokens(text), expected, "{text}");
        }
    }
}
