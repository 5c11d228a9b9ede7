//! Compaction of conversations: by the server where it has an endpoint for it, else by a summary.

use std::sync::Arc;

use tachikoma_backends_core::{
    CompactedConversation, CompactionRequest, CompletionRequest, ErrorCategory, Message,
};
use tracing::Instrument;

use super::CodexBackend;
use super::exchange::ProtocolRequest;
use crate::CodexError;
use crate::api::ResponseContext;
use crate::api::responses::{Compact, CompactedOutput};
use crate::target::{Target, WireApi};

/// What stands for a compacted conversation without a message of the user, where the state of the compaction is not sent.
const PLACEHOLDER: &str = "The earlier conversation was compacted.";

/// Statuses of servers without the endpoint.
const NO_ENDPOINT: &[u16] = &[404, 405, 501];

impl CodexBackend {
    /// Like [`Backend::compact`](tachikoma_backends_core::Backend::compact), with the full error.
    ///
    /// A request for the Responses API is compacted by `POST /responses/compact`: its output is the state of the last message of the
    /// user, and the next request to the same server, account and model sends it in the place of everything before that message except
    /// system messages. Elsewhere the messages are sent as plain turns. `Api::Auto` chooses the Responses API for the conversation
    /// from then on. Over Chat Completions, and where the server has no such endpoint, the model is asked for a summary. A
    /// conversation that is too long is tried once more with its long tool results shortened.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest, Message};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = tachikoma_openai_mock::MockServer::start().await?;
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-...").with_base_url(server.base_url()))?;
    /// # let request = CompletionRequest::user("Hello").with_message(Message::assistant("Hi")).with_message(Message::user("Hi"));
    /// let compacted = backend.try_compact(request.clone()).await?;
    /// let next = request.with_messages(compacted.messages).with_message(Message::user("Go on."));
    /// let response = backend.try_complete(next).await?;
    /// # assert!(response.content.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// By [category](CodexError::category). A summary that is cut or empty is an error as well.
    pub async fn try_compact(&self, request: CompletionRequest) -> Result<CompactedConversation, CodexError> {
        let target = self.target(&request, false);
        let compaction = CompactionRequest::new(request);
        if compaction.is_empty() {
            return Ok(compaction.into_unchanged());
        }
        if target.api == WireApi::Responses {
            if compaction.request().extra.get("conversation").is_some_and(|id| !id.is_null()) {
                let message = "a conversation that the server keeps cannot be compacted";
                return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                    .with_hint("Use compaction_threshold, or send all its messages instead."));
            }
            let outcome = match self.compact_by_server(compaction.request(), &target).await {
                Err(error) if error.category() == ErrorCategory::ContextLength => {
                    self.compact_by_server(compaction.shortened().request(), &target).await
                }
                outcome => outcome,
            };
            match outcome {
                Err(error) if error.status().is_some_and(|status| NO_ENDPOINT.contains(&status)) => {
                    tracing::debug!(%error, "the server does not compact: the model is asked for a summary");
                }
                outcome => {
                    let (output, request_id) = outcome?;
                    return Ok(conversation(compaction, &output, request_id, &target));
                }
            }
        }
        let response = match self.respond(compaction.summary_request().map_err(refused)?).await {
            Err(error) if error.category() == ErrorCategory::ContextLength => {
                self.respond(compaction.shortened().summary_request().map_err(refused)?).await?
            }
            response => response?,
        };
        compaction.with_summary(&response).map_err(|error| {
            CodexError::new(error.category(), error.details().message.clone())
                .with_request_id(response.request_id)
        })
    }

    async fn compact_by_server(
        &self,
        request: &CompletionRequest,
        target: &Target,
    ) -> Result<(CompactedOutput, Option<String>), CodexError> {
        let mut observer = self.observe(request);
        let max_retries = request.max_retries;
        let output = async {
            let (request, _) = self.checked(request.clone(), target)?;
            let load = self.load(&request, target);
            let body = Compact::encode(request, target)?;
            let request = ProtocolRequest { model_in_path: None, body, max_retries, load };
            self.exchange(Arc::new(Compact), request, ResponseContext::default()).await
        };
        let outcome = output.instrument(observer.span()).await;
        match &outcome {
            Ok((output, request_id)) => {
                let cost = CompactedConversation::default().with_usage(output.usage);
                let cost = cost.with_model(target.model.as_str()).to_response();
                observer.response(&request_id.iter().fold(cost, |cost, id| cost.with_request_id(id)));
            }
            Err(error) => observer.failed(error),
        }
        outcome
    }
}

/// The conversation after a compaction by the server.
fn conversation(
    compaction: CompactionRequest,
    output: &CompactedOutput,
    request_id: Option<String>,
    target: &Target,
) -> CompactedConversation {
    // Of a conversation that the server keeps, the caller may not have all messages of the user.
    let own: Vec<_> = compaction.request().messages.iter().map(Message::text).collect();
    let is_continued = compaction.request().extra.contains_key("previous_response_id");
    let further = output.user_messages().filter(|message| is_continued && !own.contains(&message.text()));
    let further = further.collect();
    let placeholder = Message::assistant(output.text().unwrap_or_else(|| PLACEHOLDER.to_owned()));
    let state = |carrier: &Message| output.state(&target.state_origin, carrier);
    let compacted = compaction.with_state(further, placeholder, state);
    let compacted = compacted.with_usage(output.usage).with_model(target.model.as_str());
    request_id.into_iter().fold(compacted, CompactedConversation::with_request_id)
}

fn refused(error: tachikoma_backends_core::BackendError) -> CodexError {
    CodexError::unsent(error.category(), error.details().message.clone())
}
