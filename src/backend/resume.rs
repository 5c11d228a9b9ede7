//! Resumes the streams of stored responses.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tachikoma_backends_core::ErrorCategory;
use tracing::{Instrument, Span};

use super::CodexBackend;
use super::prepare::PreparedRequest;
use crate::CodexError;
use crate::api::responses::stored::{self, StoredId};
use crate::openai;
use crate::runtime::events::{Event, SseSource};
use crate::runtime::resume::{Place, Resumption};
use crate::runtime::transport::Transport;

/// The stream of a response that the server stores.
#[derive(Clone)]
pub(super) struct StoredStream {
    transport: Transport,
    base: Arc<str>,
    /// Its id is empty until the first event states it.
    stored: StoredId,
    max_retries: Option<u32>,
    max_event_bytes: usize,
    span: Span,
}

impl StoredStream {
    /// Opens the events after this number; all events without one.
    ///
    /// # Errors
    /// The server does not have them, or cannot be reached.
    pub(super) async fn connect(self, after: Option<u64>) -> Result<SseSource, CodexError> {
        let Self { transport, base, stored, max_retries, max_event_bytes, .. } = self;
        let operation = |attempt| stored.clone().events(openai::client(attempt), after);
        let response = transport.send(&base, max_retries, None, operation).await?;
        let mut body = transport.body(response);
        if body.detect_events().await? {
            return Ok(SseSource::new(body, max_event_bytes));
        }
        let message = "the server does not stream stored responses";
        Err(CodexError::new(ErrorCategory::Parse, message)
            .with_request_id(body.request_id().map(str::to_owned)))
    }
}

impl Resumption for StoredStream {
    type Source = SseSource;

    fn place(&mut self, event: &Event<'_>) -> Place {
        let (place, id) = stored::place(event);
        if let Some(id) = id.filter(|_| !self.is_identified()) {
            self.stored.id = id;
        }
        place
    }

    fn is_identified(&self) -> bool {
        !self.stored.id.is_empty()
    }

    fn open(&self, after: Option<u64>) -> BoxFuture<'static, Result<SseSource, CodexError>> {
        self.clone().connect(after).instrument(self.span.clone()).boxed()
    }
}

impl CodexBackend {
    /// How the stream of this request is resumed; `None` if that is not set, or the server does not store the response.
    pub(super) fn resumption(
        &self,
        prepared: &PreparedRequest,
        max_retries: Option<u32>,
        span: Span,
    ) -> Result<Option<StoredStream>, CodexError> {
        if !(self.config.resume() && prepared.is_stored) {
            return Ok(None);
        }
        let stored = StoredId { id: String::new(), include: stored::include(&prepared.body) };
        self.stored_stream(stored, max_retries, span).map(Some)
    }

    pub(super) fn stored_stream(
        &self,
        stored: StoredId,
        max_retries: Option<u32>,
        span: Span,
    ) -> Result<StoredStream, CodexError> {
        Ok(StoredStream {
            transport: self.transport.clone(),
            base: self.server.base(None)?.into(),
            stored,
            max_retries,
            max_event_bytes: self.config.reliability().max_event_bytes,
            span,
        })
    }
}
