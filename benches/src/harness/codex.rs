//! This crate as a client.

use futures::Stream;
use tachikoma_backend_codex::{Api as CodexApi, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{Backend, BackendError, CompletionChunk, CompletionRequest, Message};

use super::Failure;
use super::client::{Api, Client, Target};

/// This crate, through the trait that its users call.
pub(crate) struct Codex(CodexBackend);

impl Client for Codex {
    const NAME: &'static str = "this crate";
    // Unboxed, its size would count for the task that holds it until it is sent.
    type Request = Box<CompletionRequest>;
    type Chunk = CompletionChunk;
    type Error = BackendError;

    fn new(target: Target) -> Result<Self, Failure> {
        let api = if target.api == Api::Chat { CodexApi::ChatCompletions } else { CodexApi::Responses };
        let config = CodexBackendConfig::new("sk-bench")
            .with_base_url(target.url)
            .with_model("gpt-5.6-terra")
            .with_api(api);
        Ok(Self(CodexBackend::new(config)?))
    }

    fn request(&self, messages: Vec<String>, _: bool) -> Result<Box<CompletionRequest>, Failure> {
        Ok(Box::new(CompletionRequest::new(messages.into_iter().map(Message::user).collect())))
    }

    async fn stream(
        &self,
        request: Box<CompletionRequest>,
    ) -> Result<impl Stream<Item = Result<CompletionChunk, BackendError>> + Unpin + use<>, Failure> {
        Ok(self.0.complete_stream(*request).await?)
    }

    fn text_length(chunk: &CompletionChunk) -> Option<usize> {
        let arguments: usize = chunk.tool_calls.iter().map(|call| call.arguments_delta.len()).sum();
        Some(chunk.delta.len() + arguments)
    }

    fn text(chunk: &CompletionChunk) -> &str {
        &chunk.delta
    }

    async fn whole(&self, request: Box<CompletionRequest>) -> Result<Option<usize>, Failure> {
        Ok(Some(self.0.complete(*request).await?.content.unwrap_or_default().len()))
    }
}
