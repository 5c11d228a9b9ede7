//! [`CodexBackend`]: the pipeline that a request passes through.
//!
//! 1. `validate`: what cannot succeed is refused before it costs anything.
//! 2. `chat::request` or `responses::request`, as `backend::api` chooses: the core request becomes the generated one.
//! 3. `transport`: credentials, timeouts and retries around the generated client's operation.
//! 4. `decode`: bytes become events, error bodies become categories.
//! 5. `chat::response`, `chat::stream` or their like in `responses`: the generated answer becomes the core one.

mod api;
mod count;
mod embed;
mod observe;
mod preview;
mod stream;
mod structured;
mod watch;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures::{Stream, TryFutureExt};
use tachikoma_backends_core::{
    Backend, BackendCapabilities, BackendError, BackendInfo, CompletionChunk, CompletionRequest,
    CompletionResponse, CompletionStream, ErrorCategory, async_trait,
};
use tracing::{Instrument, Span};

pub use self::api::ApiChoice;
pub use self::preview::RequestPreview;
use crate::absorbed::{Counters, Unknown};
use crate::auth::Scope;
use crate::chat::{self, stream::ChatStream};
use crate::config::{Api, CodexBackendConfig};
use crate::encode;
use crate::error::CodexError;
use crate::models::{Date, OpenAIModel, Target};
use crate::openai::{ByteStream, Client, ResponseValue};
use crate::responses::{self, stream::ResponsesStream};
use crate::telemetry::Peer;
use crate::transport::timeout::Timeout;
use crate::transport::{Body, Bytes, Transport, accept_success};
use crate::validate::{Endpoint, adapt, validate};

/// The OpenAI backend.
///
/// It is cheap to share as an `Arc<dyn Backend>`; connections are kept and used again.
#[derive(Debug)]
pub struct CodexBackend {
    config: CodexBackendConfig,
    info: BackendInfo,
    transport: Transport,
    peer: Peer,
    absorbed: Arc<Counters>,
}

impl CodexBackend {
    /// A backend with this configuration. It connects with the first request.
    ///
    /// # Errors
    /// The configuration holds what no request can carry: a key with a line break, a base URL that is none.
    pub fn new(config: CodexBackendConfig) -> Result<Self, CodexError> {
        let transport = Transport::new(&config)?;
        let info = BackendInfo {
            name: "codex".to_owned(),
            version: "v1".to_owned(),
            default_model: config.model().to_string(),
            available_models: OpenAIModel::all().iter().map(OpenAIModel::to_string).collect(),
            capabilities: config.model().capabilities(),
        };
        let server = transport.server();
        let (address, port) = server.host();
        let redactor = Arc::clone(transport.redactor());
        let absorbed = Arc::new(Counters::new(Arc::clone(&redactor)));
        let peer = Peer { provider: server.provider(), address, port, redactor };
        Ok(Self { config, info, transport, peer, absorbed })
    }

    /// The configuration that it was made from.
    pub fn config(&self) -> &CodexBackendConfig {
        &self.config
    }

    /// What a model can do; the configured one's is in [`info`](Backend::info).
    pub fn capabilities_for(&self, model: impl Into<OpenAIModel>) -> BackendCapabilities {
        model.into().capabilities()
    }

    /// The URL and body that would be sent for this request, without sending it.
    ///
    /// # Errors
    /// The request would be refused before sending.
    pub fn preview(&self, request: &CompletionRequest) -> Result<RequestPreview, CodexError> {
        let prepared = self.prepare(request.clone(), false)?;
        let (api, path) = match prepared.expected {
            Expected::Chat => (Api::ChatCompletions, "chat/completions"),
            Expected::Responses { .. } => (Api::Responses, "responses"),
        };
        let url = self.transport.url_of(prepared.scope(), path)?;
        let body = serde_json::from_slice(&prepared.body).map_err(encode::unwritten)?;
        Ok(RequestPreview { api, url, body, warnings: prepared.warnings })
    }

    /// The API that this request would go to, and why.
    pub fn api_for(&self, request: &CompletionRequest) -> ApiChoice {
        api::choose(self.config.api(), request, &self.model_of(request), self.transport.is_official())
    }

    fn model_of(&self, request: &CompletionRequest) -> OpenAIModel {
        request.model.as_deref().map_or_else(|| self.config.model().clone(), OpenAIModel::new)
    }

    /// Like [`Backend::complete`], with everything known of a failure.
    ///
    /// # Errors
    /// By [category](CodexError::category).
    pub async fn try_complete(&self, request: CompletionRequest) -> Result<CompletionResponse, CodexError> {
        let mut watch = self.watch(&request);
        let outcome = self.answer(request).instrument(watch.span()).await;
        match &outcome {
            Ok(response) => watch.answered(response),
            Err(error) => watch.failed(error),
        }
        outcome
    }

    async fn answer(&self, request: CompletionRequest) -> Result<CompletionResponse, CodexError> {
        let max_retries = request.max_retries;
        let prepared = self.prepare(request, false)?;
        let answer = async {
            let expected = prepared.expected;
            let answer = self.send(max_retries, prepared).await?;
            self.read_whole(expected, self.transport.body(answer)).await
        };
        match self.config.total_timeout() {
            Some(limit) => Timeout::Total.limit(limit, answer).await?,
            None => answer.await,
        }
    }

    /// Like [`Backend::complete_stream`], with everything known of a failure.
    ///
    /// # Errors
    /// What fails before the first chunk is returned here, everything later comes as the stream's last item.
    pub async fn try_complete_stream(
        &self,
        request: CompletionRequest,
    ) -> Result<impl Stream<Item = Result<CompletionChunk, CodexError>> + Send + Unpin + 'static, CodexError>
    {
        self.open_stream(request).await
    }

    /// Begins a stream whose errors are handed out as `E`. What waits for the answer holds the prepared request alone.
    fn open_stream<E: From<CodexError> + Send + 'static>(
        &self,
        request: CompletionRequest,
    ) -> impl Future<Output = Result<Chunks<E>, CodexError>> + Send {
        let max_retries = request.max_retries;
        let mut watch = self.watch(&request);
        let prepared = watch.span().in_scope(|| self.prepare(request, true));
        async move {
            let span = watch.span();
            let opened = async {
                let prepared = prepared?;
                let expected = prepared.expected;
                let body = self.transport.body(self.send(max_retries, prepared).await?);
                if body.is_event_stream() {
                    return Ok(Opened::Stream(expected, body));
                }
                self.read_whole(expected, body).await.map(|whole| Opened::Whole(Box::new(whole)))
            };
            let opened = opened.instrument(span).await;
            let (expected, body) = match opened.inspect_err(|error| watch.failed(error))? {
                Opened::Stream(expected, body) => (expected, body),
                Opened::Whole(whole) => {
                    watch.answered(&whole);
                    return Ok(Box::pin(futures::stream::iter(whole.into_chunks().map(Ok))) as Chunks<E>);
                }
            };
            let limits = self.config.reliability();
            let (calls, bytes) = (limits.max_tool_calls, limits.max_event_bytes);
            Ok(match expected {
                Expected::Chat => stream::chunks(body, ChatStream::new(calls, bytes), limits, watch),
                Expected::Responses { limit } => {
                    stream::chunks(body, ResponsesStream::new(calls, bytes, limit), limits, watch)
                }
            })
        }
    }

    async fn send(
        &self,
        max_retries: Option<u32>,
        prepared: Prepared,
    ) -> Result<ResponseValue<ByteStream>, CodexError> {
        for warning in &prepared.warnings {
            tracing::warn!("{warning}");
        }
        let model = &prepared.model;
        if let Some(warning) = self.transport.is_official().then(|| shutdown_warning(model)).flatten() {
            tracing::warn!("{warning}");
        }
        let operation = |client: Client| {
            let (body, expected) = (prepared.body.clone(), prepared.expected);
            async move {
                accept_success(match expected {
                    Expected::Chat => client.create_chat_completion(body).await,
                    Expected::Responses { .. } => client.create_response(body).await,
                })
            }
        };
        self.transport.send(prepared.scope(), max_retries, operation).await
    }

    /// Reads an answer that is not streamed.
    async fn read_whole(&self, expected: Expected, mut body: Body) -> Result<CompletionResponse, CodexError> {
        let bytes = body.read().await?;
        let request_id = body.request_id().map(str::to_owned);
        let max_tool_calls = self.config.max_tool_calls();
        let mut unknown = Unknown::default();
        match expected {
            Expected::Chat => unknown.chat(&bytes),
            Expected::Responses { .. } => unknown.response(&bytes),
        }
        self.absorbed.add(unknown);
        let response = match expected {
            Expected::Chat => chat::response::decode(&bytes, max_tool_calls),
            Expected::Responses { limit } => responses::response::decode(&bytes, max_tool_calls, limit),
        };
        match response {
            Ok(response) => Ok(CompletionResponse { request_id, ..response }),
            Err(error) => Err(body.redact(error.with_request_id(request_id))),
        }
    }

    /// From the core request to the generated one.
    fn prepare(&self, mut request: CompletionRequest, stream: bool) -> Result<Prepared, CodexError> {
        let ApiChoice { api, reason } = self.api_for(&request);
        tracing::debug!(api = api.as_str(), reason, "the API of a request was chosen");
        Span::current()
            .record("openai.api.type", if api == Api::Responses { "responses" } else { "chat_completions" });
        let endpoint = if api == Api::Responses { Endpoint::Responses } else { Endpoint::Chat };
        let model = request.model.take().map_or_else(|| self.config.model().clone(), OpenAIModel::from);
        request.max_tokens = request.max_tokens.or(self.config.max_tokens());
        let is_official = self.transport.is_official();
        let findings = validate(&request, &model, endpoint, stream);
        let (errors, findings): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.is_error(is_official));
        if !errors.is_empty() {
            let is_setting = errors.iter().all(|error| error.by_api) && self.config.api() != Api::Auto;
            let category =
                if is_setting { ErrorCategory::Configuration } else { ErrorCategory::InvalidRequest };
            let messages: Vec<_> = errors.into_iter().map(|error| error.message).collect();
            let error = CodexError::unsent(category, messages.join("; "));
            return Err(if is_setting { error.with_hint("Api::Auto chooses by itself.") } else { error });
        }
        let mut warnings: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
        if is_official {
            warnings.extend(adapt(&mut request, &model, endpoint));
        }
        warnings.extend(self.check_length(&request, &model, api)?);
        let limit = request.max_tokens.filter(|_| !is_official);
        let target = Target { model, is_official, stream };
        let model = target.model.to_string();
        let (body, expected) = match endpoint {
            Endpoint::Chat => {
                let mut body = chat::request::convert(request, &target)?;
                if let Some(deployment) = self.transport.server().model_in_body(Scope::Deployment(&model)) {
                    deployment.clone_into(&mut body.model);
                }
                (encode::json(&body)?, Expected::Chat)
            }
            Endpoint::Responses => {
                let mut body = responses::request::convert(request, &target)?;
                if let Some(deployment) = self.transport.server().model_in_body(Scope::Server) {
                    body.model = Some(deployment.to_owned());
                }
                (encode::json(&body)?, Expected::Responses { limit })
            }
        };
        Ok(Prepared { body, expected, model, warnings })
    }
}

/// A streamed answer.
type Chunks<E> = Pin<Box<dyn Stream<Item = Result<CompletionChunk, E>> + Send>>;

/// The answer to a request for a stream.
enum Opened {
    Stream(Expected, Body),
    /// Of a server that does not stream, or that says what is wrong.
    Whole(Box<CompletionResponse>),
}

/// A request that is ready to go.
#[derive(Debug)]
struct Prepared {
    body: Bytes,
    expected: Expected,
    model: String,
    warnings: Vec<String>,
}

impl Prepared {
    fn scope(&self) -> Scope<'_> {
        match self.expected {
            Expected::Chat => Scope::Deployment(&self.model),
            Expected::Responses { .. } => Scope::Server,
        }
    }
}

/// Which API is asked, and so how the answer is to be read.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Chat,
    /// `limit`, in tokens, is the one that was asked of a server that may not say that an answer met it.
    Responses {
        limit: Option<u32>,
    },
}

/// The warning that a model ends soon, once in a process for each model.
fn shutdown_warning(model: &str) -> Option<String> {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let warning = OpenAIModel::new(model).shutdown_warning(Date::from(SystemTime::now()))?;
    WARNED.lock().is_ok_and(|mut warned| warned.insert(model.to_owned())).then_some(warning)
}

#[async_trait]
impl Backend for CodexBackend {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    /// Any name may be a model's: new ones need no new release of this crate.
    fn supports_model(&self, model: &str) -> bool {
        !model.trim().is_empty()
    }

    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        Ok(self.try_complete(request).await?)
    }

    // As the macro would write it, but without room for a request that is prepared before anything is waited for: there may be
    // thousands of these at once.
    fn complete_stream<'a, 'async_trait>(
        &'a self,
        request: CompletionRequest,
    ) -> Pin<Box<dyn Future<Output = Result<CompletionStream, BackendError>> + Send + 'async_trait>>
    where
        'a: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.open_stream(request).err_into())
    }

    /// For the configured model: see [`count_tokens_for`](CodexBackend::count_tokens_for).
    fn count_tokens(&self, text: &str) -> u32 {
        self.count_tokens_for(self.config.model().clone(), text)
    }

    /// Asks for the list of models, which costs no tokens. A server that limits the rate of requests is healthy, and so is
    /// one that answers but has no such list, unless it is OpenAI's or Azure's, which have one. That an Azure deployment
    /// exists is not looked at.
    async fn health_check(&self) -> Result<bool, BackendError> {
        let operation = |client: Client| async move { client.list_models().await };
        match self.transport.send(Scope::Server, Some(0), operation).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_rate_limit() => Ok(true),
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => match self.transport.server() {
                server if server.lists_models() => Err(error.into()),
                _ => Ok(true),
            },
            Err(error) => Err(error.into()),
        }
    }
}
