//! Sends a request of any protocol and reads its response, whole or streamed.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures::Stream;
use tachikoma_backends_core::{CompletionChunk, CompletionRequest, CompletionResponse};
use tracing::{Instrument, Span};

use super::CodexBackend;
use super::gated::gated;
use super::observer::CallObserver;
use super::prepare::PreparedRequest;
use super::resume::StoredStream;
use super::server_state::StoredTurn;
#[cfg(feature = "websocket")]
use super::websocket::{OpenResponse, Route};
use crate::CodexError;
use crate::api::{Protocol, ResponseContext};
use crate::models::Date;
use crate::openai::{self, ByteStream};
use crate::runtime::decoder::Decoder;
use crate::runtime::events::SseSource;
use crate::runtime::gate::Load;
use crate::runtime::resume::ResumableSource;
use crate::runtime::transport::timeout::Timeout;
use crate::runtime::transport::{Body, Bytes, Response};
use crate::runtime::unknown::UnknownFields;
use crate::runtime::{offload, stream};
use crate::server::ERRORS;
use crate::target::Target;

/// A streamed response.
pub(super) type ChunkStream<E> = Pin<Box<dyn Stream<Item = Result<CompletionChunk, E>> + Send>>;

/// The response to a request for a stream.
enum StreamResponse {
    #[cfg(feature = "websocket")]
    WebSocket(Box<OpenResponse>),
    Stream(Box<Body>, Box<dyn Decoder + Send>, Option<Box<StoredStream>>, Option<Box<StoredTurn>>),
    /// From a server that does not stream, or that reports an error.
    Whole(Box<CompletionResponse>),
}

type PreparedTurn = (PreparedRequest, Option<Box<StoredTurn>>);

/// The start of a request for a stream.
enum Start {
    Prepared(Box<Result<PreparedTurn, CodexError>>),
    #[cfg(feature = "websocket")]
    WebSocket(Box<CompletionRequest>),
}

/// A request of any protocol.
pub(super) struct ProtocolRequest<'a> {
    /// The model that is part of the path on Azure.
    pub(super) model_in_path: Option<&'a str>,
    pub(super) body: Bytes,
    pub(super) max_retries: Option<u32>,
    /// What the gate counts, if there is one.
    pub(super) load: Option<Load>,
}

impl<'a> ProtocolRequest<'a> {
    pub(super) fn new(prepared: &'a PreparedRequest, max_retries: Option<u32>) -> Self {
        let load = prepared.load.clone();
        Self { model_in_path: prepared.model_in_path(), body: prepared.body.clone(), max_retries, load }
    }
}

impl CodexBackend {
    /// The whole response to a request for text.
    pub(super) async fn respond(&self, request: CompletionRequest) -> Result<CompletionResponse, CodexError> {
        let mut observer = self.observe(&request);
        let response = async move {
            let _slot = self.transport.enter().await?;
            #[cfg(feature = "websocket")]
            let request = match self.respond_over_websocket(request).await? {
                Route::WebSocket(response) => return Ok(*response),
                Route::Http(request) => *request,
            };
            let max_retries = request.max_retries;
            let (mut prepared, mut turn) = self.prepare_turn(request, false)?;
            warn(&prepared.warnings, &prepared.target);
            if prepared.is_background {
                return self.complete_in_background(prepared, max_retries).await;
            }
            let exchange = async {
                let body = self.send_turn(&mut prepared, turn.as_deref_mut(), max_retries).await?;
                let PreparedRequest { protocol, context, .. } = prepared;
                let (mut response, request_id) = self.read(protocol, body, context).await?;
                response.request_id = request_id;
                Ok(response)
            };
            let outcome = self.within_total(exchange).await;
            if let Some(turn) = turn {
                turn.respond(&outcome);
            }
            outcome
        };
        let outcome = response.instrument(observer.span()).await;
        match &outcome {
            Ok(response) => observer.response(response),
            Err(error) => observer.failed(error),
        }
        outcome
    }

    fn start(&self, request: CompletionRequest) -> Start {
        #[cfg(feature = "websocket")]
        if self.uses_websocket(&request) {
            return Start::WebSocket(Box::new(request));
        }
        Start::Prepared(Box::new(self.prepare_turn(request, true)))
    }

    /// Starts a stream with errors of type `E`. The future holds only the prepared request.
    pub(super) fn open_stream<E: From<CodexError> + Send + 'static>(
        &self,
        request: CompletionRequest,
    ) -> impl Future<Output = Result<ChunkStream<E>, CodexError>> + Send {
        let max_retries = request.max_retries;
        let mut observer = self.observe(&request);
        let start = observer.span().in_scope(|| self.start(request));
        async move {
            let response = async {
                let slot = self.transport.enter().await?;
                Ok((slot, self.begin(start, max_retries).await?))
            };
            let response = response.instrument(observer.span()).await;
            let (slot, response) = response.inspect_err(|error| observer.failed(error))?;
            let chunks: ChunkStream<E> = match response {
                StreamResponse::Stream(body, decoder, resumption, turn) => {
                    let limits = self.config.reliability();
                    let source = SseSource::new(*body, limits.max_event_bytes);
                    let chunks = match resumption {
                        Some(resumption) => {
                            let source = ResumableSource::new(source, *resumption, limits.min_retry_wait);
                            stream::chunks(source, decoder, limits, observer)
                        }
                        None => stream::chunks(source, decoder, limits, observer),
                    };
                    match turn {
                        Some(turn) => turn.observe(chunks),
                        None => chunks,
                    }
                }
                #[cfg(feature = "websocket")]
                StreamResponse::WebSocket(response) => {
                    response.into_stream(self.config.reliability(), observer)
                }
                StreamResponse::Whole(response) => {
                    observer.response(&response);
                    Box::pin(futures::stream::iter(response.into_chunks().map(Ok)))
                }
            };
            Ok(gated(chunks, slot))
        }
    }

    /// Sends a request for a stream, and waits for the beginning of its response.
    async fn begin(&self, start: Start, max_retries: Option<u32>) -> Result<StreamResponse, CodexError> {
        let (mut prepared, mut turn) = match start {
            Start::Prepared(prepared) => *prepared,
            #[cfg(feature = "websocket")]
            Start::WebSocket(request) => match self.open_websocket(*request).await? {
                Route::WebSocket(response) => return Ok(StreamResponse::WebSocket(response)),
                Route::Http(request) => {
                    let max_retries = request.max_retries;
                    let prepared = Start::Prepared(Box::new(self.prepare_turn(*request, true)));
                    return Box::pin(self.begin(prepared, max_retries)).await;
                }
            },
        }?;
        warn(&prepared.warnings, &prepared.target);
        let resumption = self.resumption(&prepared, max_retries, Span::current())?.map(Box::new);
        let mut body = self.send_turn(&mut prepared, turn.as_deref_mut(), max_retries).await?;
        let PreparedRequest { protocol, context, .. } = prepared;
        if body.detect_events().await? {
            let decoder = protocol.decoder(context);
            return Ok(StreamResponse::Stream(Box::new(body), decoder, resumption, turn));
        }
        let (mut response, request_id) = self.read(protocol, body, context).await?;
        response.request_id = request_id;
        Ok(StreamResponse::Whole(Box::new(response)))
    }

    /// Sends a request and reads its whole response, which is returned with the request id, within the total timeout.
    pub(super) async fn exchange<R: Send + 'static>(
        &self,
        protocol: Arc<dyn Protocol<Response = R>>,
        request: ProtocolRequest<'_>,
        context: ResponseContext,
    ) -> Result<(R, Option<String>), CodexError> {
        let exchange = async {
            let _slot = self.transport.enter().await?;
            let body = self.send(&*protocol, request).await?;
            self.read(protocol, body, context).await
        };
        self.within_total(exchange).await
    }

    /// Waits for a result within the total timeout.
    ///
    /// # Errors
    /// The timeout, or the error of the result.
    pub(super) async fn within_total<T>(
        &self,
        result: impl Future<Output = Result<T, CodexError>>,
    ) -> Result<T, CodexError> {
        match self.config.reliability().total_timeout {
            Some(limit) => Timeout::Total.limit(limit, result).await?,
            None => result.await,
        }
    }

    /// Sends a request, and once more without the state of earlier responses if the server rejects that.
    pub(super) async fn send<R: Send + 'static>(
        &self,
        protocol: &dyn Protocol<Response = R>,
        request: ProtocolRequest<'_>,
    ) -> Result<Body, CodexError> {
        let base = self.server.base(request.model_in_path)?;
        let send = async |body: &Bytes| {
            let operation = |attempt| protocol.call(openai::client(attempt), body.clone());
            self.transport.send(&base, request.max_retries, request.load.as_ref(), operation).await
        };
        let response: Result<Response<ByteStream>, _> = send(&request.body).await;
        let error = match response {
            Ok(response) => return Ok(self.transport.body(response)),
            Err(error) => error,
        };
        let without_state = || protocol.without_state(&request.body);
        let Some(body) = ERRORS.is_stale_state(&error).then(without_state).flatten() else {
            return Err(error);
        };
        tracing::warn!(
            request_id = error.request_id(),
            "the server no longer accepts the reasoning of earlier turns; the request is sent once more without it"
        );
        let response = send(&body).await.map_err(|last| last.after(error))?;
        Ok(self.transport.body(response))
    }

    /// Reads a response that is not streamed.
    async fn read<R: Send + 'static>(
        &self,
        protocol: Arc<dyn Protocol<Response = R>>,
        mut body: Body,
        context: ResponseContext,
    ) -> Result<(R, Option<String>), CodexError> {
        let bytes = body.read().await.map_err(CodexError::within_response)?;
        let response = self.decode(protocol, bytes, &body, context).await?;
        Ok((response, body.request_id().map(str::to_owned)))
    }

    /// Decodes the bytes of a whole body.
    pub(super) async fn decode<R: Send + 'static>(
        &self,
        protocol: Arc<dyn Protocol<Response = R>>,
        bytes: Bytes,
        body: &Body,
        context: ResponseContext,
    ) -> Result<R, CodexError> {
        let mut unknown = UnknownFields::default();
        protocol.note_unknown(&mut unknown, &bytes);
        self.unknown_fields.add(unknown);
        let decoded = offload::decode(bytes.len(), move || protocol.decode(&bytes, context)).await;
        decoded.and_then(|response| response).map_err(|error| {
            let request_id = body.request_id().map(str::to_owned);
            body.redact(error.within_response().with_request_id(request_id))
        })
    }

    pub(super) fn observe(&self, request: &CompletionRequest) -> CallObserver {
        let model = request.model.as_deref().unwrap_or(self.config.model().as_str());
        CallObserver::new(self.spans.chat(model, request), Arc::clone(&self.unknown_fields))
    }
}

/// Logs the warnings, and the shutdown date of an OpenAI model.
pub(super) fn warn(warnings: &[String], target: &Target) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = target.is_official.then(|| shutdown_warning(target)).flatten() {
        tracing::warn!("{warning}");
    }
}

/// The warning that a model shuts down soon, once in a process for each model.
fn shutdown_warning(Target { model, spec, .. }: &Target) -> Option<String> {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let warning = spec.shutdown_warning(model, Date::from(SystemTime::now()))?;
    WARNED.lock().is_ok_and(|mut warned| warned.insert(model.to_string())).then_some(warning)
}
