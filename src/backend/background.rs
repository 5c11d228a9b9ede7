//! Responses that the server generates in the background: [`BackgroundResponse`].

mod response;

use std::future::poll_fn;

use serde_json::Value;
use tachikoma_backends_core::{CompletionRequest, CompletionResponse, ErrorCategory};
use tracing::Instrument;

pub use self::response::BackgroundResponse;
use super::CodexBackend;
use super::exchange::{ProtocolRequest, warn};
use super::prepare::PreparedRequest;
use crate::CodexError;
use crate::api::ResponseContext;
use crate::api::responses::stored::{self, StoredId, StoredStatus};
use crate::runtime::events::{EventSource, SseSource};
use crate::runtime::transport::Body;
use crate::runtime::transport::timeout::Timeout;
use crate::target::WireApi;

/// How far a response in the background is.
///
/// ```
/// use tachikoma_backend_codex::{BackgroundStatus, CodexBackend, CodexBackendConfig, CompletionRequest};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = tachikoma_openai_mock::MockServer::builder().with_background_polls(1).start().await?;
/// # let config = CodexBackendConfig::new("sk-...").with_base_url(server.base_url()).with_api(tachikoma_backend_codex::Api::Responses);
/// let backend = CodexBackend::new(config)?;
/// let started = backend.start_background(CompletionRequest::user("Hello")).await?;
/// let response = loop {
///     match started.retrieve().await? {
///         BackgroundStatus::Complete(response) => break response,
///         BackgroundStatus::Failed(error) => return Err(error.into()),
///         BackgroundStatus::Cancelled => return Err("it was cancelled".into()),
///         _ => tokio::task::yield_now().await, // a program does something else here, or calls `wait`
///     }
/// };
/// assert!(response.content.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BackgroundStatus {
    /// It waits for its turn.
    Queued,
    /// It is being generated.
    InProgress,
    /// It has ended; its [`finish_reason`](CompletionResponse::finish_reason) is that of a response which was cut, if it is incomplete.
    Complete(Box<CompletionResponse>),
    /// It failed at the server.
    Failed(CodexError),
    /// It was cancelled.
    Cancelled,
}

impl BackgroundStatus {
    /// Whether it will not change.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// A stored response at one moment.
struct Snapshot {
    id: Option<String>,
    status: StoredStatus,
    /// The response or its failure, once it has ended.
    outcome: Option<Result<CompletionResponse, CodexError>>,
}

impl Snapshot {
    /// # Errors
    /// What arrived is not a response.
    fn into_status(self) -> Result<BackgroundStatus, CodexError> {
        Ok(match (self.status, self.outcome) {
            (StoredStatus::Cancelled, _) => BackgroundStatus::Cancelled,
            (StoredStatus::Failed, Some(Err(error))) => BackgroundStatus::Failed(error),
            (_, Some(outcome)) => BackgroundStatus::Complete(Box::new(outcome?)),
            (StoredStatus::Queued, None) => BackgroundStatus::Queued,
            (_, None) => BackgroundStatus::InProgress,
        })
    }
}

impl CodexBackend {
    /// Starts a response in the background, over the Responses API, and returns once the server has accepted the request. `background`
    /// and `store` are set.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CompletionRequest, Message};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = tachikoma_openai_mock::MockServer::builder().with_background_polls(1).start().await?;
    /// # let config = CodexBackendConfig::new("sk-...").with_base_url(server.base_url()).with_api(Api::Responses);
    /// # let backend = CodexBackend::new(config.with_min_retry_wait(std::time::Duration::from_millis(1)))?;
    /// let request = CompletionRequest::new(vec![Message::user("Prove it.")]).with_model("gpt-5.6-sol");
    /// let started = backend.start_background(request).await?;
    /// let id = started.id().to_owned(); // to be stored
    ///
    /// // In the same process, or after a restart:
    /// let response = backend.background(id).with_model("gpt-5.6-sol").wait().await?;
    /// assert!(response.content.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// By [category](CodexError::category). A request with `store: false`, and one to Chat Completions, are refused before sending.
    pub async fn start_background(
        &self,
        request: CompletionRequest,
    ) -> Result<BackgroundResponse<'_>, CodexError> {
        let request = request.with_extra("background", true);
        let mut observer = self.observe(&request);
        let max_retries = request.max_retries;
        let started = async {
            // The events of a response can be retrieved later only if its request asked for a stream.
            let prepared = self.prepare(request, true)?;
            if prepared.target.api != WireApi::Responses {
                let message = "only the Responses API generates responses in the background";
                return Err(CodexError::configuration(message).with_hint("Set Api::Auto or Api::Responses."));
            }
            warn(&prepared.warnings, &prepared.target);
            let body = self.send(&*prepared.protocol, ProtocolRequest::new(&prepared, max_retries)).await?;
            let limit = self.config.reliability().response_timeout;
            let id = Timeout::Response.limit(limit, self.id_of(body, &prepared)).await??;
            let stored = StoredId { id, include: stored::include(&prepared.body) };
            Ok(BackgroundResponse { backend: self, stored, context: prepared.context })
        };
        let started = started.instrument(observer.span()).await;
        match &started {
            Ok(_) => observer.leave(),
            Err(error) => observer.failed(error),
        }
        started
    }

    /// The response with this id, which [`start_background`](Self::start_background) or another client has started. No request is
    /// sent. If it is not a response of the configured model, set [`with_model`](BackgroundResponse::with_model).
    pub fn background(&self, id: impl Into<String>) -> BackgroundResponse<'_> {
        let stored = StoredId { id: id.into(), include: Vec::new() };
        let response = BackgroundResponse { backend: self, stored, context: ResponseContext::default() };
        response.with_model(self.config.model().clone())
    }

    /// The id of a response that has begun, from its first event.
    async fn id_of(&self, mut body: Body, prepared: &PreparedRequest) -> Result<String, CodexError> {
        let PreparedRequest { protocol, context, .. } = prepared;
        if !body.detect_events().await? {
            let snapshot = self.snapshot(body, context.clone()).await?;
            return match (snapshot.id, snapshot.outcome) {
                (Some(id), _) => Ok(id),
                (None, Some(Err(error))) => Err(error),
                (None, _) => Err(unidentified()),
            };
        }
        let mut decoder = protocol.decoder(context.clone());
        let mut source = SseSource::new(body, self.config.reliability().max_event_bytes);
        let id = async {
            let mut is_ended = false;
            loop {
                while let Some(event) = source.next_event()? {
                    if let (_, Some(id)) = stored::place(&event) {
                        return Ok(id);
                    }
                    decoder.event(&event)?;
                }
                if is_ended {
                    decoder.finish()?;
                    return Err(unidentified());
                }
                is_ended = poll_fn(|context| source.poll_more(context)).await?.is_none();
            }
        };
        let id: Result<String, CodexError> = id.await;
        let request_id = source.request_id().map(str::to_owned);
        id.map_err(|error| source.redact(error.within_response().with_request_id(request_id)))
    }

    /// Reads a response that may not have ended.
    async fn snapshot(&self, mut body: Body, context: ResponseContext) -> Result<Snapshot, CodexError> {
        let bytes = body.read().await.map_err(CodexError::within_response)?;
        let (id, status) = stored::head(&bytes);
        let outcome = match status {
            StoredStatus::Queued | StoredStatus::InProgress => None,
            StoredStatus::Failed | StoredStatus::Cancelled | StoredStatus::Ended => {
                let mut outcome = self.decode(WireApi::Responses.protocol(), bytes, &body, context).await;
                if let Ok(response) = &mut outcome {
                    response.request_id = body.request_id().map(str::to_owned);
                }
                Some(outcome)
            }
        };
        Ok(Snapshot { id, status, outcome })
    }

    /// The response to a request with `background`, once it has ended.
    pub(super) async fn complete_in_background(
        &self,
        prepared: PreparedRequest,
        max_retries: Option<u32>,
    ) -> Result<CompletionResponse, CodexError> {
        let completed = async {
            let body = self.send(&*prepared.protocol, ProtocolRequest::new(&prepared, max_retries)).await?;
            let started = self.snapshot(body, prepared.context.clone()).await?;
            match (started.outcome, started.id) {
                (Some(outcome), _) => outcome,
                (None, None) => Err(unidentified()),
                (None, Some(id)) => {
                    let stored = StoredId { id, include: stored::include(&prepared.body) };
                    let response = BackgroundResponse { backend: self, stored, context: prepared.context };
                    response.poll_until_end(true).await
                }
            }
        };
        self.within_total(completed).await
    }
}

fn unidentified() -> CodexError {
    CodexError::new(ErrorCategory::Parse, "the server started a response in the background without an id")
        .maybe_processed()
}

/// Whether a request is for a response in the background.
pub(super) fn is_background(request: &CompletionRequest) -> bool {
    request.extra.get("background") == Some(&Value::Bool(true))
}

/// Whether the server is to store the response.
pub(super) fn is_stored(request: &CompletionRequest) -> bool {
    request.store == Some(true) || request.extra.get("store") == Some(&Value::Bool(true))
}

/// Sets `store`, which responses in the background need.
///
/// # Errors
/// The request forbids it.
pub(super) fn store(request: &mut CompletionRequest) -> Result<(), CodexError> {
    if request.store == Some(false) || request.extra.get("store") == Some(&Value::Bool(false)) {
        let message =
            "a response in the background must be stored at the server, and the request has store: false";
        return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
            .with_hint("Leave out `store`, or `background`."));
    }
    if !request.extra.contains_key("store") {
        request.store = Some(true);
    }
    Ok(())
}
