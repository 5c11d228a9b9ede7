//! Counts the tokens of requests.

use std::sync::Arc;

use tachikoma_backends_core::{CompletionRequest, ErrorCategory, Message};

use super::CodexBackend;
use super::exchange::ProtocolRequest;
use crate::CodexError;
use crate::api::ResponseContext;
use crate::api::responses::{self, InputTokens};
use crate::config::InputLimit;
use crate::models::OpenAIModel;
use crate::target::WireApi;
use crate::tokens::{self, TokenCount};

impl CodexBackend {
    /// The number of tokens in `text` for this model;
    /// [`Backend::count_tokens`](tachikoma_backends_core::Backend::count_tokens) uses the configured one.
    ///
    /// With the feature `tokens` it is exact for the model's encoding, by the table of [`models`](crate::models); text that
    /// looks like a special token counts as text. Models of unknown encoding use `o200k_base`. Without the feature it is a
    /// quarter of the bytes, rounded up.
    ///
    /// The first count loads the tables, which takes about 0.1 s and 35 MB of memory for each of the two encodings.
    pub fn count_tokens_for(&self, model: impl Into<OpenAIModel>, text: &str) -> u32 {
        tokens::of_text(self.lookup(&model.into()).spec.encoding, text)
    }

    /// The input tokens of this request: messages, names, tool calls, tool definitions, the response schema, images, files.
    ///
    /// It is an estimate with its [margin of error](TokenCount::error). With the feature `tokens` the margin is 2 tokens
    /// for a request of plain text, 8 more for each tool call, 8 more and a tenth of their own for tool definitions, 8 more and a
    /// quarter of its own for a schema, and 2 more for an inline image of a model with a known rule. An image of unknown size,
    /// by URL or of unknown format, counts as the largest that the model accepts, and encrypted reasoning as half of its
    /// maximum. Open-weight models add 20, since each server has its own preamble. Without the feature, texts are estimated and
    /// no image size is known.
    ///
    /// Files have only a coarse bound: an inline one counts a token for every 20 bytes (4 of a text), and has at most one for
    /// each byte; one by URL or id counts as 0, and has at most the model's input limit.
    ///
    /// Not counted is what the server adds: the messages that `previous_response_id` or `conversation` continue, hosted tools,
    /// and other fields of `extra`.
    pub fn count_request_tokens(&self, request: &CompletionRequest) -> TokenCount {
        let target = self.target(request, false);
        let is_compacted = |message: &Message| responses::is_compacted(message, &target.state_origin);
        if !request.messages.iter().any(is_compacted) {
            return tokens::of_request(request, &target);
        }
        let mut request = request.clone();
        target.api.protocol().prune(&mut request.messages, &target.state_origin);
        tokens::of_request(&request, &target)
    }

    /// The input tokens of this request, as the server counts them by `POST /responses/input_tokens`: images, files, tools and
    /// what the server adds included. The request is encoded as for the Responses API, whichever API it would go to; nothing is
    /// generated, and [`with_input_limit`](crate::CodexBackendConfig::with_input_limit) does not apply. Retries, timeouts and
    /// errors are those of [`try_complete`](Self::try_complete).
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = tachikoma_openai_mock::MockServer::start().await?;
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-...").with_base_url(server.base_url()))?;
    /// let tokens = backend.count_request_tokens_exact(&CompletionRequest::user("Tell me a joke.")).await?;
    /// assert!(tokens > 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// By [category](CodexError::category); that of a server without this endpoint has its [status](CodexError::status), mostly
    /// 404, and [`count_request_tokens`](Self::count_request_tokens) estimates without a server.
    pub async fn count_request_tokens_exact(&self, request: &CompletionRequest) -> Result<u32, CodexError> {
        let target = self.target_for(request, WireApi::Responses);
        let max_retries = request.max_retries;
        let (request, _) = self.checked(request.clone(), &target)?;
        let body = InputTokens::encode(request, &target)?;
        let request = ProtocolRequest { model_in_path: None, body, max_retries, load: None };
        let (tokens, _) = self.exchange(Arc::new(InputTokens), request, ResponseContext::default()).await?;
        Ok(tokens)
    }

    /// The warning about a request that is `too_long`, as configured.
    ///
    /// # Errors
    /// It is too long, and is to be refused.
    pub(super) fn check_length(
        &self,
        too_long: impl FnOnce() -> Option<String>,
    ) -> Result<Option<String>, CodexError> {
        match self.config.input_limit() {
            InputLimit::Ignore => Ok(None),
            InputLimit::Warn => Ok(too_long()),
            InputLimit::Refuse => too_long().map_or(Ok(None), |message| {
                Err(CodexError::unsent(ErrorCategory::ContextLength, message)
                    .with_hint("InputLimit::Warn sends it anyway."))
            }),
        }
    }
}
