//! One simulated agent: conversations of several turns, each of whose responses is checked.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{Backend, BackendError, CompletionRequest, CompletionResponse, Message};

use crate::Failure;
use crate::tally::{Outcome, Tally};

/// The turns of a conversation.
const TURNS: usize = 6;

/// Every so many streams one is dropped midway, and one is sent without streaming.
const DROP_EVERY: usize = 7;
const WHOLE_EVERY: usize = 5;

/// What the mock server responds with: its text for one prompt, which it quotes.
pub(crate) struct Expectation(String);

impl Expectation {
    const SAMPLE: &str = "A sample.";

    /// # Errors
    /// The server does not respond, or does not quote the prompt.
    pub(crate) async fn learn(base_url: &str) -> Result<Self, Failure> {
        let backend = CodexBackend::new(CodexBackendConfig::new("sk-soak").with_base_url(base_url))?;
        let response = backend.try_complete(CompletionRequest::user(Self::SAMPLE)).await?;
        let text = response.content.unwrap_or_default();
        match text.contains(Self::SAMPLE) {
            true => Ok(Self(text)),
            false => Err("the server does not quote its prompt".into()),
        }
    }

    fn text(&self, prompt: &str) -> String {
        self.0.replace(Self::SAMPLE, prompt)
    }
}

/// One agent.
pub(crate) struct Agent {
    number: usize,
    backend: Arc<dyn Backend>,
    expectation: Arc<Expectation>,
    tally: Arc<Tally>,
}

impl Agent {
    pub(crate) fn new(
        number: usize,
        backend: Arc<dyn Backend>,
        expectation: &Arc<Expectation>,
        tally: &Arc<Tally>,
    ) -> Self {
        Self { number, backend, expectation: Arc::clone(expectation), tally: Arc::clone(tally) }
    }

    /// Sends one request after the other until the end.
    pub(crate) async fn run(self, end: Instant) {
        let mut messages = Vec::new();
        let mut turn = 0_usize;
        while Instant::now() < end {
            if turn.is_multiple_of(TURNS) {
                messages.clear();
            }
            turn += 1;
            let prompt = format!("Turn {turn} of agent {}.", self.number);
            messages.push(Message::user(&*prompt));
            let request = CompletionRequest::new(messages.clone());
            self.tally.begin();
            let response = if turn.is_multiple_of(WHOLE_EVERY) {
                self.backend.complete(request).await.map(Some)
            } else {
                self.stream(request, (self.number + turn).is_multiple_of(DROP_EVERY)).await
            };
            let outcome = match &response {
                Ok(Some(response)) => self.check(response, &prompt),
                Ok(None) => Outcome::Dropped,
                Err(error) => Outcome::failed(error),
            };
            match (&outcome, response) {
                (Outcome::Response, Ok(Some(response))) => messages.push(response.to_message()),
                // The next turn asks something else in its place.
                _ => _ = messages.pop(),
            }
            self.tally.end(outcome);
        }
    }

    /// The response to a request as a stream; `None` if it is dropped midway.
    async fn stream(
        &self,
        request: CompletionRequest,
        is_dropped: bool,
    ) -> Result<Option<CompletionResponse>, BackendError> {
        let mut stream = self.backend.complete_stream(request).await?;
        let mut chunks = Vec::new();
        while let Some(chunk) = stream.next().await {
            chunks.push(chunk?);
            if is_dropped && chunks.len() == 2 {
                return Ok(None);
            }
        }
        Ok(Some(match chunks.last().is_some_and(|chunk| chunk.is_final) {
            true => CompletionResponse::from_chunks(chunks),
            false => CompletionResponse::default(),
        }))
    }

    fn check(&self, response: &CompletionResponse, prompt: &str) -> Outcome {
        let text = response.content.as_deref().unwrap_or_default();
        if text == self.expectation.text(prompt) {
            return Outcome::Response;
        }
        match text {
            "" => Outcome::Lost(prompt.to_owned()),
            text => Outcome::MixedUp(format!("the response to {prompt:?} is {text:?}")),
        }
    }
}
