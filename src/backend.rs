//! [`CodexBackend`]: the pipeline of a request.
//!
//! 1. `prepare`: the target is resolved, once; a request that cannot succeed is refused before it is sent; the core request is
//!    encoded by the target's [`Protocol`](crate::api::Protocol).
//! 2. `exchange`: the runtime sends the body by the generated client's operation, with credentials, timeouts and retries.
//! 3. The protocol decodes the response, whole or event by event, into the core one.

mod api_choice;
mod background;
mod chain;
mod compact;
mod connect;
mod count;
mod embed;
mod exchange;
mod gated;
mod health;
mod models;
mod observer;
mod prepare;
mod preview;
mod report;
mod resume;
mod server_state;
mod spans;
#[cfg(feature = "websocket")]
mod websocket;

use std::pin::Pin;
use std::sync::{Arc, RwLock};

use futures::{Stream, TryFutureExt};
use tachikoma_backends_core::{
    Backend, BackendError, BackendInfo, CompactedConversation, CompletionChunk, CompletionRequest,
    CompletionResponse, CompletionStream, async_trait,
};

pub use self::api_choice::ApiChoice;
pub use self::background::{BackgroundResponse, BackgroundStatus};
pub use self::preview::RequestPreview;
use self::spans::Spans;
use crate::CodexError;
use crate::config::CodexBackendConfig;
use crate::models::{ModelTable, OpenAIModel, Sources};
use crate::runtime::{transport::Transport, unknown::UnknownFieldCounts};
use crate::server::Server;

/// The OpenAI backend.
///
/// It is cheap to share as an `Arc<dyn Backend>`; connections are pooled.
///
/// A response is complete or an error: a stream ends with exactly one final chunk or exactly one error, a truncated response is
/// an error with the content so far, and a tool call is complete only on evidence from the server. What fails according to the model
/// table (a capability that the model lacks, a value out of range, a tool result without its call) is refused before it is sent to
/// OpenAI's or Azure's servers, and is a warning for others; [`preview`](Self::preview) shows the warnings without sending.
/// Requests need a Tokio runtime with I/O and timers.
///
/// ```
/// use std::sync::Arc;
/// use tachikoma_backend_codex::{Backend, CodexBackend, CodexBackendConfig, CompletionRequest};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = tachikoma_openai_mock::MockServer::start().await?;
/// let config = CodexBackendConfig::new("sk-...").with_model("gpt-5.6-terra");
/// # let config = config.with_base_url(server.base_url());
/// let backend = Arc::new(CodexBackend::new(config)?);
///
/// // Two agents share it.
/// let agents = ["Hello", "Good morning"].map(|text| {
///     let backend = Arc::clone(&backend);
///     tokio::spawn(async move { backend.complete(CompletionRequest::user(text)).await })
/// });
/// let mut usd = 0.0;
/// for agent in agents {
///     usd += backend.cost(&agent.await??)?.usd;
/// }
/// assert!(usd > 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CodexBackend {
    config: CodexBackendConfig,
    info: BackendInfo,
    server: Server,
    transport: Transport,
    spans: Spans,
    unknown_fields: Arc<UnknownFieldCounts>,
    stored_chains: Arc<server_state::StoredChains>,
    /// What the server's list of models states, after it was requested.
    listed_models: RwLock<Arc<ModelTable>>,
    #[cfg(feature = "websocket")]
    websockets: Arc<websocket::Pool>,
}

impl CodexBackend {
    /// A backend with this configuration. It connects with the first request.
    ///
    /// # Errors
    /// The configuration has an invalid value, such as a key with a line break or a base URL that is not a valid URL.
    pub fn new(config: CodexBackendConfig) -> Result<Self, CodexError> {
        config.models().check()?;
        let server = config.server()?;
        let transport = connect::connect(&config, &server)?;
        let sources = Sources { server: &ModelTable::new(), settings: config.models() };
        let known = OpenAIModel::all().iter().map(OpenAIModel::as_str);
        let stated =
            config.models().iter().map(|(id, _)| id).filter(|id| !known.clone().any(|known| known == *id));
        let info = BackendInfo::new("codex", config.model().to_string())
            .with_version("v1")
            .with_available_models(known.clone().chain(stated))
            .with_capabilities(sources.capabilities(config.model().as_str()));
        let redactor = transport.redactor();
        let spans = Spans::new(&server, redactor, config.record_content(), transport.metrics().clone());
        let unknown_fields = Arc::new(UnknownFieldCounts::new(Arc::clone(redactor)));
        Ok(Self {
            config,
            info,
            server,
            transport,
            spans,
            unknown_fields,
            stored_chains: Arc::default(),
            listed_models: RwLock::default(),
            #[cfg(feature = "websocket")]
            websockets: Arc::default(),
        })
    }

    /// A backend with the configuration of the environment, as [`CodexBackendConfig::from_env`] reads it: OpenAI's variables or
    /// Azure's.
    ///
    /// ```no_run
    /// use tachikoma_backend_codex::{Backend, CodexBackend, CompletionRequest};
    ///
    /// # async fn run() -> Result<(), tachikoma_backend_codex::BackendError> {
    /// let response = CodexBackend::from_env()?.complete(CompletionRequest::user("Hi")).await?;
    /// println!("{}", response.text());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`CodexBackendConfig::from_env`] and [`new`](Self::new).
    pub fn from_env() -> Result<Self, CodexError> {
        Self::new(CodexBackendConfig::from_env()?)
    }

    /// Its configuration.
    pub fn config(&self) -> &CodexBackendConfig {
        &self.config
    }

    /// Like [`Backend::complete`], with the full error. A request with `background: true` in `extra` is waited for as in
    /// [`BackgroundResponse::wait`]; dropping the future does not cancel its response at the server.
    ///
    /// # Errors
    /// By [category](CodexError::category).
    pub async fn try_complete(&self, request: CompletionRequest) -> Result<CompletionResponse, CodexError> {
        self.respond(request).await
    }

    /// Like [`Backend::complete_stream`], with the full error.
    ///
    /// # Errors
    /// A failure before the first chunk is returned here, a later one is the stream's last item.
    pub async fn try_complete_stream(
        &self,
        request: CompletionRequest,
    ) -> Result<impl Stream<Item = Result<CompletionChunk, CodexError>> + Send + Unpin + 'static, CodexError>
    {
        self.open_stream(request).await
    }
}

#[async_trait]
impl Backend for CodexBackend {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    /// Any name is accepted: new models need no new release of this crate.
    fn supports_model(&self, model: &str) -> bool {
        !model.trim().is_empty()
    }

    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        Ok(self.try_complete(request).await?)
    }

    // As `async_trait` expands it, but the future does not hold the request, which is prepared before the first await: there may
    // be thousands of these futures at once.
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

    /// See [`try_compact`](CodexBackend::try_compact).
    async fn compact(&self, request: CompletionRequest) -> Result<CompactedConversation, BackendError> {
        Ok(self.try_compact(request).await?)
    }

    /// For the configured model: see [`count_tokens_for`](CodexBackend::count_tokens_for).
    fn count_tokens(&self, text: &str) -> u32 {
        self.count_tokens_for(self.config.model().clone(), text)
    }

    /// Lists the models, which costs no tokens. A server with an exceeded rate limit is healthy, and so is one that responds but
    /// has no such list, unless it is OpenAI's or Azure's, which have one. Azure deployments are not checked.
    async fn health_check(&self) -> Result<bool, BackendError> {
        Ok(self.is_healthy().await?)
    }
}
