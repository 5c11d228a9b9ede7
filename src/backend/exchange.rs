//! One exchange with the server, over any protocol: a body out, a response back, whole or streamed.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures::Stream;
use tachikoma_backends_core::{CompletionChunk, CompletionRequest, CompletionResponse};
use tracing::Instrument;

use super::CodexBackend;
use super::observer::CallObserver;
use super::prepare::Prepared;
use crate::CodexError;
use crate::api::{Protocol, ResponseContext};
use crate::models::{Date, OpenAIModel};
use crate::openai::{self, ByteStream, ResponseValue};
use crate::runtime::decoder::Decoder;
use crate::runtime::events::SseSource;
use crate::runtime::transport::timeout::Timeout;
use crate::runtime::transport::{Body, Bytes};
use crate::runtime::unknown::UnknownFields;
use crate::runtime::{offload, stream};
use crate::server::ERRORS;
use crate::target::Target;

/// A streamed response.
type Chunks<E> = Pin<Box<dyn Stream<Item = Result<CompletionChunk, E>> + Send>>;

/// The response to a request for a stream.
enum Opened {
    Stream(Box<Body>, Box<dyn Decoder + Send>),
    /// Of a server that does not stream, or that reports what is wrong.
    Whole(Box<CompletionResponse>),
}

/// A request of any protocol.
pub(super) struct Outgoing<'a> {
    /// The model that on Azure the path names.
    pub(super) model_in_path: Option<&'a str>,
    pub(super) body: Bytes,
    pub(super) max_retries: Option<u32>,
}

impl CodexBackend {
    /// The whole response to a request for text.
    pub(super) async fn respond(&self, request: CompletionRequest) -> Result<CompletionResponse, CodexError> {
        let max_retries = request.max_retries;
        let Prepared { body, target, context, warnings } = self.prepare(request, false)?;
        warn(&warnings, &target);
        let outgoing = Outgoing { model_in_path: target.model_in_path(), body, max_retries };
        let (mut response, request_id) = self.exchange(target.api.protocol(), outgoing, context).await?;
        response.request_id = request_id;
        Ok(response)
    }

    /// Begins a stream whose errors are handed out as `E`. What waits for the response holds the prepared request alone.
    pub(super) fn open_stream<E: From<CodexError> + Send + 'static>(
        &self,
        request: CompletionRequest,
    ) -> impl Future<Output = Result<Chunks<E>, CodexError>> + Send {
        let max_retries = request.max_retries;
        let mut observer = self.observe(&request);
        let prepared = observer.span().in_scope(|| self.prepare(request, true));
        async move {
            let opened = async {
                let Prepared { body, target, context, warnings } = prepared?;
                warn(&warnings, &target);
                let protocol = target.api.protocol();
                let outgoing = Outgoing { model_in_path: target.model_in_path(), body, max_retries };
                let mut body = self.send(&*protocol, outgoing).await?;
                if body.detect_events().await? {
                    return Ok(Opened::Stream(Box::new(body), protocol.decoder(context)));
                }
                let (mut response, request_id) = self.read(protocol, body, context).await?;
                response.request_id = request_id;
                Ok(Opened::Whole(Box::new(response)))
            };
            let opened = opened.instrument(observer.span()).await;
            Ok(match opened.inspect_err(|error| observer.failed(error))? {
                Opened::Stream(body, decoder) => {
                    let limits = self.config.reliability();
                    let source = SseSource::new(*body, limits.max_event_bytes);
                    stream::chunks(source, decoder, limits, observer)
                }
                Opened::Whole(response) => {
                    observer.response(&response);
                    Box::pin(futures::stream::iter(response.into_chunks().map(Ok)))
                }
            })
        }
    }

    /// Sends a request and reads its whole response, which comes with the id of the request, within the total timeout.
    pub(super) async fn exchange<R: Send + 'static>(
        &self,
        protocol: Arc<dyn Protocol<Response = R>>,
        outgoing: Outgoing<'_>,
        context: ResponseContext,
    ) -> Result<(R, Option<String>), CodexError> {
        let exchange = async {
            let body = self.send(&*protocol, outgoing).await?;
            self.read(protocol, body, context).await
        };
        match self.config.reliability().total_timeout {
            Some(limit) => Timeout::Total.limit(limit, exchange).await?,
            None => exchange.await,
        }
    }

    /// Sends a request, and once more without the states of earlier turns if the server no longer takes them.
    async fn send<R: Send + 'static>(
        &self,
        protocol: &dyn Protocol<Response = R>,
        outgoing: Outgoing<'_>,
    ) -> Result<Body, CodexError> {
        let base = self.server.base(outgoing.model_in_path)?;
        let send = async |body: &Bytes| {
            let operation = |attempt| protocol.call(openai::client(attempt), body.clone());
            self.transport.send(&base, outgoing.max_retries, operation).await
        };
        let sent: Result<ResponseValue<ByteStream>, _> = send(&outgoing.body).await;
        let error = match sent {
            Ok(response) => return Ok(self.transport.body(response)),
            Err(error) => error,
        };
        let without_state = || protocol.without_state(&outgoing.body);
        let Some(body) = ERRORS.is_stale_state(&error).then(without_state).flatten() else {
            return Err(error);
        };
        tracing::warn!(
            request_id = error.request_id(),
            "the server no longer takes the reasoning of earlier turns; the request is sent once more without it"
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
        let request_id = body.request_id().map(str::to_owned);
        let mut unknown = UnknownFields::default();
        protocol.note_unknown(&mut unknown, &bytes);
        self.unknown_fields.add(unknown);
        let decoded = offload::decode(bytes.len(), move || protocol.decode(&bytes, context)).await;
        match decoded.and_then(|response| response) {
            Ok(response) => Ok((response, request_id)),
            Err(error) => Err(body.redact(error.within_response().with_request_id(request_id))),
        }
    }

    fn observe(&self, request: &CompletionRequest) -> CallObserver {
        let model = request.model.as_deref().unwrap_or(self.config.model().as_str());
        CallObserver::new(self.spans.chat(model, request), Arc::clone(&self.unknown_fields))
    }

    /// Like [`respond`](Self::respond), with a span.
    pub(super) async fn respond_observed(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionResponse, CodexError> {
        let mut observer = self.observe(&request);
        let outcome = self.respond(request).instrument(observer.span()).await;
        match &outcome {
            Ok(response) => observer.response(response),
            Err(error) => observer.failed(error),
        }
        outcome
    }
}

/// Logs what was changed, and that a model of OpenAI ends soon.
fn warn(warnings: &[String], target: &Target) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = target.is_official.then(|| shutdown_warning(&target.model)).flatten() {
        tracing::warn!("{warning}");
    }
}

/// The warning that a model ends soon, once in a process for each model.
fn shutdown_warning(model: &OpenAIModel) -> Option<String> {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let warning = model.shutdown_warning(Date::from(SystemTime::now()))?;
    WARNED.lock().is_ok_and(|mut warned| warned.insert(model.to_string())).then_some(warning)
}
