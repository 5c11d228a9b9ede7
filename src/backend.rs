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
mod offload;
mod preview;
mod respond;
mod stream;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, TryFutureExt};
use tachikoma_backends_core::{
    Backend, BackendCapabilities, BackendError, BackendInfo, CompletionChunk, CompletionRequest,
    CompletionResponse, CompletionStream, ErrorCategory, async_trait,
};
use tracing::{Instrument, Span};

pub use self::api::ApiChoice;
pub use self::preview::RequestPreview;
use crate::absorbed::Counters;
use crate::auth::Scope;
use crate::chat;
use crate::config::{Api, CodexBackendConfig};
use crate::encode;
use crate::error::CodexError;
use crate::models::{ModelSpec, OpenAIModel};
use crate::openai::Client;
use crate::responses::{self, response::Context};
use crate::target::{Target, WireApi};
use crate::telemetry::Peer;
use crate::transport::{Bytes, Transport};
use crate::validate::{adapt, validate};

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
        let Target { api, .. } = prepared.target;
        let url = self.transport.url_of(prepared.scope(), api.path())?;
        let body = serde_json::from_slice(&prepared.body).map_err(encode::unwritten)?;
        Ok(RequestPreview { api, url, body, warnings: prepared.warnings })
    }

    /// The API that this request would go to, and why.
    pub fn api_for(&self, request: &CompletionRequest) -> ApiChoice {
        let model = self.model_of(request);
        self.choose(request, &model, &model.spec())
    }

    fn choose(&self, request: &CompletionRequest, model: &OpenAIModel, spec: &ModelSpec) -> ApiChoice {
        let (host, _) = self.transport.server().host();
        api::choose(self.config.api(), request, model, spec, self.transport.is_official(), &host)
    }

    /// Where a request goes.
    fn target(&self, request: &CompletionRequest, stream: bool) -> Target {
        let model = self.model_of(request);
        let lookup = model.lookup();
        let ApiChoice { api, reason } = self.choose(request, &model, &lookup.spec);
        tracing::debug!(api = api.as_str(), reason, "the API of a request was chosen");
        let state_origin = self.state_origin(&model);
        let (is_official, stream_usage) = (self.transport.is_official(), self.config.stream_usage());
        Target { is_official, stream, stream_usage, state_origin, ..Target::new(model, lookup, api) }
    }

    /// Where states of this server, account and model come from.
    fn state_origin(&self, model: &OpenAIModel) -> String {
        let config = &self.config;
        let account =
            [config.base_url(), config.organization().unwrap_or(""), config.project().unwrap_or("")];
        let fingerprint = config.credentials().fingerprint(&account);
        responses::state::origin(&self.transport.server().origin(), fingerprint, model.as_str())
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

    /// From the core request to the generated one.
    fn prepare(&self, mut request: CompletionRequest, stream: bool) -> Result<Prepared, CodexError> {
        let target = self.target(&request, stream);
        Span::current().record("openai.api.type", target.api.attribute());
        request.max_tokens = request.max_tokens.or(self.config.max_tokens());
        let findings = validate(&request, &target);
        let (errors, findings): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.is_error(target.is_official));
        if !errors.is_empty() {
            let is_setting = errors.iter().all(|error| error.by_api) && self.config.api() != Api::Auto;
            let category =
                if is_setting { ErrorCategory::Configuration } else { ErrorCategory::InvalidRequest };
            let messages: Vec<_> = errors.into_iter().map(|error| error.message).collect();
            let error = CodexError::unsent(category, messages.join("; "));
            return Err(if is_setting { error.with_hint("Api::Auto chooses by itself.") } else { error });
        }
        let mut warnings: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
        if target.is_official {
            warnings.extend(adapt(&mut request, &target));
        }
        warnings.extend(self.check_length(&request, &target)?);
        let limit = request.max_tokens.filter(|_| !target.is_official);
        let deployment = self.transport.server().model_in_body(scope(&target));
        let body = match target.api {
            WireApi::ChatCompletions => {
                let mut body = chat::request::convert(request, &target)?;
                if let Some(deployment) = deployment {
                    deployment.clone_into(&mut body.model);
                }
                encode::json(&body)?
            }
            WireApi::Responses => {
                let mut body = responses::request::convert(request, &target)?;
                if let Some(deployment) = deployment {
                    body.model = Some(deployment.to_owned());
                }
                encode::json(&body)?
            }
        };
        Ok(Prepared { body, target, limit, warnings })
    }
}

/// What Azure's URLs depend on.
fn scope(target: &Target) -> Scope<'_> {
    match target.api {
        WireApi::ChatCompletions => Scope::Deployment(target.model.as_str()),
        WireApi::Responses => Scope::Server,
    }
}

/// A request that is ready to go.
#[derive(Debug)]
struct Prepared {
    body: Bytes,
    target: Target,
    /// The limit on the response, in tokens, that was asked of a server that may not report that it was reached.
    limit: Option<u32>,
    warnings: Vec<String>,
}

impl Prepared {
    fn scope(&self) -> Scope<'_> {
        scope(&self.target)
    }

    /// How its response is to be read.
    fn reading(&self) -> Reading {
        let context = Context { limit: self.limit, state_origin: self.target.state_origin.clone() };
        Reading { api: self.target.api, context }
    }
}

/// How a response is to be read.
#[derive(Clone, Debug)]
struct Reading {
    api: WireApi,
    context: Context,
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
