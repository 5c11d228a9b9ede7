//! [`BackgroundResponse`]: a handle of a response that the server generates in the background.

use std::sync::Arc;

use futures::{Stream, StreamExt, future};
use tachikoma_backends_core::{Backoff, CompletionChunk, CompletionResponse, ErrorCategory};
use tracing::Span;

use super::{BackgroundStatus, Snapshot};
use crate::CodexError;
use crate::api::responses::stored::{self, StoredId};
use crate::api::{ClientResult, ResponseContext};
use crate::backend::CodexBackend;
use crate::backend::exchange::ChunkStream;
use crate::backend::observer::CallObserver;
use crate::models::OpenAIModel;
use crate::openai::{self, Client};
use crate::runtime::resume::ResumableSource;
use crate::runtime::stream;
use crate::target::{Target, WireApi};

/// How many polls in a row may fail, each with its own retries, while a response is waited for.
const MAX_FAILED_POLLS: u32 = 10;

/// A response that the server generates in the background, whether this process lives or not.
///
/// It is made by [`CodexBackend::start_background`], or by [`CodexBackend::background`] from an id that was stored earlier. Dropping it
/// does not cancel the response.
#[derive(Clone, Debug)]
pub struct BackgroundResponse<'a> {
    pub(super) backend: &'a CodexBackend,
    pub(super) stored: StoredId,
    pub(super) context: ResponseContext,
}

impl BackgroundResponse<'_> {
    /// The id, by which [`CodexBackend::background`] finds it again.
    pub fn id(&self) -> &str {
        &self.stored.id
    }

    /// The model of the response, to which alone its [state](CompletionResponse::provider_state) is sent back.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<OpenAIModel>) -> Self {
        let model = model.into();
        let target = Target::new(model.clone(), self.backend.lookup(&model), WireApi::Responses);
        let limits = self.backend.config.reliability();
        self.stored.include = stored::default_include(&target);
        self.context = ResponseContext {
            max_tool_calls: limits.max_tool_calls,
            max_call_bytes: limits.max_event_bytes,
            state_origin: self.backend.state_origin(WireApi::Responses, &model),
            ..self.context
        };
        self
    }

    /// How far it is.
    ///
    /// # Errors
    /// The server could not be reached, or does not have the response. A response that failed is a
    /// [status](BackgroundStatus::Failed).
    pub async fn retrieve(&self) -> Result<BackgroundStatus, CodexError> {
        self.poll().await?.into_status()
    }

    /// Cancels it, unless it has ended. Returns how far it is then.
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve).
    pub async fn cancel(&self) -> Result<BackgroundStatus, CodexError> {
        self.request(StoredId::cancel).await?.into_status()
    }

    /// Waits until it has ended, by polling: after waits that begin with [`min_retry_wait`](crate::Reliability::min_retry_wait) and
    /// double, up to 8 s. Polls that fail and may succeed later are repeated, up to 10 in a row. A
    /// [`total_timeout`](crate::Reliability::total_timeout) limits the wait. Dropping the future does not cancel the response.
    ///
    /// # Errors
    /// The response failed or was cancelled, or as [`retrieve`](Self::retrieve).
    pub async fn wait(&self) -> Result<CompletionResponse, CodexError> {
        self.backend.within_total(self.poll_until_end(false)).await
    }

    /// The response as a stream from its beginning. It goes on over a further connection if one breaks, as with
    /// [`with_resume`](crate::CodexBackendConfig::with_resume). Dropping it does not cancel the response.
    ///
    /// # Errors
    /// The server does not have the events: it keeps them for a limited time.
    pub async fn stream(
        &self,
    ) -> Result<impl Stream<Item = Result<CompletionChunk, CodexError>> + Send + Unpin + 'static, CodexError>
    {
        self.chunks().await
    }

    /// The rest of the [stream](Self::stream) after the event of this number, the
    /// [`sequence_number`](CompletionChunk::sequence_number) of the last chunk that has been processed. The earlier events are read once
    /// more, since the last chunk needs them, but their chunks are left out.
    ///
    /// ```no_run
    /// # use tachikoma_backend_codex::{BackgroundResponse, CodexError};
    /// # use futures::StreamExt;
    /// # async fn run(response: BackgroundResponse<'_>) -> Result<(), CodexError> {
    /// let last = 41; // stored with the text up to there
    /// let mut chunks = response.stream_from(last).await?;
    /// while let Some(chunk) = chunks.next().await {
    ///     print!("{}", chunk?.delta);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn stream_from(
        &self,
        sequence_number: u64,
    ) -> Result<impl Stream<Item = Result<CompletionChunk, CodexError>> + Send + Unpin + 'static, CodexError>
    {
        let is_new = move |chunk: &Result<CompletionChunk, CodexError>| match chunk {
            Ok(chunk) => {
                chunk.is_final || chunk.sequence_number.is_none_or(|number| number > sequence_number)
            }
            Err(_) => true,
        };
        Ok(self.chunks().await?.filter(move |chunk| future::ready(is_new(chunk))))
    }

    async fn chunks(&self) -> Result<ChunkStream<CodexError>, CodexError> {
        let backend = self.backend;
        self.check_id()?;
        let stored = backend.stored_stream(self.stored.clone(), None, Span::current())?;
        let source = stored.clone().connect(None).await?;
        let limits = backend.config.reliability();
        let source = ResumableSource::new(source, stored, limits.min_retry_wait);
        let decoder = WireApi::Responses.protocol().decoder(self.context.clone());
        let observer = CallObserver::new(None, Arc::clone(&backend.unknown_fields));
        Ok(stream::chunks(source, decoder, limits, observer))
    }

    fn check_id(&self) -> Result<(), CodexError> {
        if self.stored.is_valid() {
            return Ok(());
        }
        let message = format!("{:?} is not a valid id of a response", self.stored.id);
        Err(CodexError::unsent(ErrorCategory::InvalidRequest, message))
    }

    async fn poll(&self) -> Result<Snapshot, CodexError> {
        self.request(StoredId::retrieve).await
    }

    /// Sends a request about the response, which the server answers with the response.
    async fn request(
        &self,
        operation: impl Fn(StoredId, Client) -> future::BoxFuture<'static, ClientResult>,
    ) -> Result<Snapshot, CodexError> {
        let backend = self.backend;
        self.check_id()?;
        let base = backend.server.base(None)?;
        let call = |attempt| operation(self.stored.clone(), openai::client(attempt));
        let response = backend.transport.send(&base, None, None, call).await?;
        backend.snapshot(backend.transport.body(response), self.context.clone()).await
    }

    /// Polls until the response has ended.
    pub(super) async fn poll_until_end(
        &self,
        mut waits_first: bool,
    ) -> Result<CompletionResponse, CodexError> {
        let backoff = Backoff::default().with_first_wait(self.backend.config.reliability().min_retry_wait);
        let (mut polls, mut failures, mut stated) = (0_u32, 0, None);
        loop {
            if std::mem::replace(&mut waits_first, true) {
                tokio::time::sleep(backoff.wait(polls, stated.take(), fastrand::f64())).await;
                polls = polls.saturating_add(1);
            }
            match self.poll().await {
                Ok(Snapshot { outcome: Some(outcome), .. }) => return outcome,
                Ok(_) => failures = 0,
                Err(error) if error.is_retryable() && failures < MAX_FAILED_POLLS => {
                    failures += 1;
                    stated = error.retry_after();
                }
                Err(error) if error.category() == ErrorCategory::NotFound => return Err(error),
                Err(error) => return Err(self.with_id(error)),
            }
        }
    }

    /// The error with the id, without which the response would be lost.
    fn with_id(&self, mut error: CodexError) -> CodexError {
        let hint =
            format!("The response may go on: CodexBackend::background({:?}) finds it again.", self.id());
        let hint =
            error.details_mut().hint.take().map_or(hint.clone(), |earlier| format!("{earlier} {hint}"));
        error.with_hint(hint)
    }
}
