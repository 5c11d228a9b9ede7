//! The configuration of a backend.

mod api;
mod env;
mod file;
mod gate;
mod input_limit;
mod limits;
mod models;
#[cfg(feature = "otel")]
mod otel;
mod recorder;
mod resume;
mod server_state;
#[cfg(feature = "websocket")]
mod websocket;

use std::fmt;

use reqwest::header::HeaderMap;

pub use self::api::Api;
pub use self::input_limit::InputLimit;
#[cfg(feature = "websocket")]
pub use self::websocket::WebSocket;
use crate::CodexError;
use crate::auth::{Credentials, DefaultHeaders};
use crate::models::{ModelTable, OpenAIModel};
use crate::runtime::gate::Gate;
use crate::runtime::{Recorder, Reliability};
use crate::server::{Azure, BaseUrl, Server};

/// The settings of a [`CodexBackend`](crate::CodexBackend). `Debug` never shows a secret.
///
/// ```
/// # use tachikoma_backend_codex::CodexBackendConfig;
/// let config = CodexBackendConfig::new("sk-...")
///     .with_base_url("http://localhost:8080/v1")
///     .with_model("gpt-5.6-terra")
///     .with_max_retries(0);
/// assert_eq!(config.model().as_str(), "gpt-5.6-terra");
/// ```
///
/// # Settings
///
/// | Method | Variable | Default |
/// |---|---|---|
/// | [`new`](Self::new), [`with_credentials`](Self::with_credentials) | `OPENAI_API_KEY` | required, unless the server is on this machine |
/// | [`with_base_url`](Self::with_base_url) | `OPENAI_BASE_URL` | `https://api.openai.com/v1` |
/// | [`with_organization`](Self::with_organization) | `OPENAI_ORG_ID`, `OPENAI_ORGANIZATION` | the one of the key |
/// | [`with_project`](Self::with_project) | `OPENAI_PROJECT_ID` | the one of the key |
/// | [`with_model`](Self::with_model) | `OPENAI_MODEL` | [`OpenAIModel::default`] |
/// | [`with_model_facts`](Self::with_model_facts), [`with_models`](Self::with_models) | | the [table](crate::models) of this crate |
/// | [`with_azure`](Self::with_azure) | `AZURE_OPENAI_ENDPOINT`, `OPENAI_API_VERSION`, `AZURE_OPENAI_DEPLOYMENT` | not Azure |
/// | [`new`](Self::new), [`with_credentials`](Self::with_credentials), on Azure | `AZURE_OPENAI_AD_TOKEN`, else `AZURE_OPENAI_API_KEY` | required |
/// | [`with_api`](Self::with_api) | | [`Api::Auto`] |
/// | [`with_max_tokens`](Self::with_max_tokens) | | the limit of the server |
/// | [`with_input_limit`](Self::with_input_limit) | | [`InputLimit::Warn`] |
/// | [`with_stream_usage`](Self::with_stream_usage) | | true |
/// | `with_websocket`, with the feature `websocket` | | `WebSocket::Off` |
/// | [`with_resume`](Self::with_resume) | | false |
/// | [`with_server_state`](Self::with_server_state) | | false |
/// | [`with_gate`](Self::with_gate) | | none |
/// | `with_meter`, with the feature `otel` | | the global one |
/// | [`with_record_content`](Self::with_record_content) | | false |
/// | [`with_header`](Self::with_header), [`with_default_headers`](Self::with_default_headers) | | none |
/// | [`with_http_client`](Self::with_http_client) | | the crate's own client |
/// | [`with_recorder`](Self::with_recorder) | | none |
/// | [`with_transcripts`](Self::with_transcripts) | | false |
/// | [`with_reliability`](Self::with_reliability), or a method for each of its fields | | [`Reliability::default`] |
///
/// The variables are read by [`from_env`](Self::from_env). An invalid value is an error of the category
/// `configuration` when the backend is made.
///
/// # In a file
/// It is read by `serde` from any format, here from TOML, and written without secrets: keys, tokens, and headers, except
/// [public ones](Self::with_header). A password, key or query in a URL is written as `***`, or omitted, and must be set again: a
/// backend cannot be made with the mask. Every field is optional; an unknown field is an error, and so are two sources of
/// credentials, or both `base_url` and `azure`. Credentials that are not in the file are set by
/// [`with_credentials`](Self::with_credentials). `~` and variables in paths are not expanded.
///
/// ```toml
#[doc = include_str!("../examples/settings.toml")]
/// ```
///
/// ```
/// # use tachikoma_backend_codex::CodexBackendConfig;
/// let config: CodexBackendConfig = toml::from_str(r#"api_key = "sk-..."
///
/// [reliability]
/// response_timeout = "120s""#)?;
/// assert_eq!(config.reliability().response_timeout.as_secs(), 120);
/// assert!(!toml::to_string(&config)?.contains("api_key"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "file::Settings", into = "file::Settings")]
pub struct CodexBackendConfig {
    credentials: Credentials,
    organization: Option<String>,
    project: Option<String>,
    address: Address,
    model: OpenAIModel,
    models: ModelTable,
    api: Api,
    max_tokens: Option<u32>,
    input_limit: InputLimit,
    record_content: bool,
    stream_usage: bool,
    #[cfg(feature = "websocket")]
    websocket: WebSocket,
    resume: bool,
    server_state: bool,
    gate: Option<Gate>,
    #[cfg(feature = "otel")]
    meter: Option<opentelemetry::metrics::Meter>,
    reliability: Reliability,
    default_headers: DefaultHeaders,
    http_client: Option<HttpClient>,
    recorder: Option<Recorder>,
    transcripts: bool,
}

/// The server, as configured.
#[derive(Clone, Debug)]
enum Address {
    BaseUrl(BaseUrl),
    Azure(Azure),
}

impl CodexBackendConfig {
    /// OpenAI's own server, the default model, two retries. A text or a [`SecretString`](crate::SecretString) is an API key;
    /// [`Credentials`] has the other ways to authenticate. They are validated when the backend is made.
    pub fn new(credentials: impl Into<Credentials>) -> Self {
        Self {
            credentials: credentials.into(),
            organization: None,
            project: None,
            address: Address::BaseUrl(BaseUrl::default()),
            model: OpenAIModel::default(),
            models: ModelTable::new(),
            api: Api::Auto,
            max_tokens: None,
            input_limit: InputLimit::default(),
            record_content: false,
            stream_usage: true,
            #[cfg(feature = "websocket")]
            websocket: WebSocket::default(),
            resume: false,
            server_state: false,
            gate: None,
            #[cfg(feature = "otel")]
            meter: None,
            reliability: Reliability::default(),
            default_headers: DefaultHeaders::default(),
            http_client: None,
            recorder: None,
            transcripts: false,
        }
    }

    /// Replaces the credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl Into<Credentials>) -> Self {
        self.credentials = credentials.into();
        self
    }

    /// The server. A bare origin gets `/v1`; a URL with a path is used unchanged.
    #[must_use]
    pub fn with_base_url(mut self, base_url: impl Into<String>) -> Self {
        self.address = Address::BaseUrl(BaseUrl::new(base_url));
        self
    }

    /// Azure OpenAI, in place of a base URL.
    #[must_use]
    pub fn with_azure(mut self, azure: Azure) -> Self {
        self.address = Address::Azure(azure);
        self
    }

    /// The organization that is billed, where the key belongs to several.
    #[must_use]
    pub fn with_organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// The project that is billed, where the key belongs to several.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// The model of requests without one.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<OpenAIModel>) -> Self {
        self.model = model.into();
        self
    }

    /// The API that requests go to. By default it is chosen for each request.
    #[must_use]
    pub fn with_api(mut self, api: Api) -> Self {
        self.api = api;
        self
    }

    /// The `max_tokens` of requests without one. By default the limit of the server.
    #[must_use]
    pub fn with_max_tokens(mut self, max_tokens: u32) -> Self {
        self.max_tokens = Some(max_tokens);
        self
    }

    /// Whether `tracing` spans record the conversation, as `gen_ai.input.messages` and `gen_ai.output.messages`. By default
    /// they do not: it may hold secrets.
    #[must_use]
    pub fn with_record_content(mut self, record_content: bool) -> Self {
        self.record_content = record_content;
        self
    }

    /// Whether streams over Chat Completions request their usage by `stream_options`. By default they do; some servers reject
    /// the field. Without it the usage of a stream is unknown, unless the server sends it anyway.
    #[must_use]
    pub fn with_stream_usage(mut self, stream_usage: bool) -> Self {
        self.stream_usage = stream_usage;
        self
    }

    /// All timeouts, retries and limits at once. Each also has its own method.
    #[must_use]
    pub fn with_reliability(mut self, reliability: Reliability) -> Self {
        self.reliability = reliability;
        self
    }

    /// What to do with a request that exceeds the model's input limit. By default a warning is logged.
    #[must_use]
    pub fn with_input_limit(mut self, input_limit: InputLimit) -> Self {
        self.input_limit = input_limit;
        self
    }

    /// Additional headers on every request, replacing those set before. They override the ones of this crate, credentials
    /// included. Their values are secrets as in [`with_header`](Self::with_header).
    #[must_use]
    pub fn with_default_headers(mut self, headers: HeaderMap) -> Self {
        self.default_headers = headers.into();
        self
    }

    /// An additional header on every request. One that is not valid is an error when the backend is made.
    ///
    /// Its value is treated as a secret: `Debug` hides it, written settings omit the header, and it is masked as `***` in errors
    /// and logs if a server sends it back. Public are only the values of `accept`, `accept-encoding`,
    /// `accept-language`, `anthropic-beta`, `anthropic-version`, `cache-control`, `content-type`, `http-referer`,
    /// `openai-beta`, `openai-organization`, `openai-project`, `openai-version`, `origin`, `referer`, `user-agent`, `x-title`.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.default_headers.set(name.as_ref(), value.as_ref());
        self
    }

    /// Your own client, with its proxies, certificates and pools. You are then responsible for what this crate configures on
    /// its own client:
    ///
    /// - It should follow no redirects (`redirect(reqwest::redirect::Policy::none())`). By default `reqwest` also
    ///   follows them to other servers, to which it sends the conversation, `api-key` and your own headers; it removes only
    ///   `authorization` and cookies. It also turns a POST into a GET after 301, 302 and 303. A response that came from
    ///   another server is an error of the category `configuration` and is not read, but that server has got the request.
    /// - It should have no total timeout (`timeout`) and no `read_timeout` shorter than
    ///   [`with_idle_timeout`](Self::with_idle_timeout), which would cut long streams.
    /// - A retry uses any connection of its pool, so that several dead ones can exhaust the retries: set `pool_idle_timeout`
    ///   to less than that of the server or a firewall. The crate's own client opens a new connection for the
    ///   retry after a lost one.
    /// - It keeps its own `connect_timeout`, and sends its own default headers, which are not masked if a server sends them
    ///   back. `Debug` of the backend does not show the client.
    /// - It needs TLS by `reqwest`'s own features, such as its defaults: with `rustls-ring` of this crate alone, building it panics.
    ///
    /// ```
    /// # use tachikoma_backend_codex::CodexBackendConfig;
    /// let client = reqwest::Client::builder()
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .connect_timeout(std::time::Duration::from_secs(5))
    ///     .build()?;
    /// CodexBackendConfig::new("sk-...").with_http_client(client);
    /// # Ok::<(), reqwest::Error>(())
    /// ```
    #[must_use]
    pub fn with_http_client(mut self, client: reqwest::Client) -> Self {
        self.http_client = Some(HttpClient(client));
        self
    }

    /// The base URL or Azure's endpoint, as configured.
    pub fn base_url(&self) -> &str {
        match &self.address {
            Address::BaseUrl(url) => url.as_str(),
            Address::Azure(azure) => azure.endpoint(),
        }
    }

    /// Azure OpenAI, if it is used.
    pub fn azure(&self) -> Option<&Azure> {
        match &self.address {
            Address::BaseUrl(_) => None,
            Address::Azure(azure) => Some(azure),
        }
    }

    /// The credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The organization that is billed.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// The project that is billed.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The model of requests without one.
    pub fn model(&self) -> &OpenAIModel {
        &self.model
    }

    /// The API that requests go to.
    pub fn api(&self) -> Api {
        self.api
    }

    /// The `max_tokens` of requests without one.
    pub fn max_tokens(&self) -> Option<u32> {
        self.max_tokens
    }

    /// Whether `tracing` spans record the conversation.
    pub fn record_content(&self) -> bool {
        self.record_content
    }

    /// What to do with a request that exceeds the model's input limit.
    pub fn input_limit(&self) -> InputLimit {
        self.input_limit
    }

    /// Additional headers on every request.
    pub fn default_headers(&self) -> &HeaderMap {
        self.default_headers.map()
    }

    /// Whether the additional headers may hold the credentials.
    pub(crate) fn may_headers_authenticate(&self) -> bool {
        self.default_headers.may_authenticate()
    }

    pub(crate) fn checked_headers(&self) -> Result<&HeaderMap, CodexError> {
        self.default_headers.checked()
    }

    /// Whether streams over Chat Completions request their usage.
    pub fn stream_usage(&self) -> bool {
        self.stream_usage
    }

    /// The timeouts, retries and limits.
    pub fn reliability(&self) -> &Reliability {
        &self.reliability
    }

    pub(crate) fn server(&self) -> Result<Server, CodexError> {
        match &self.address {
            Address::BaseUrl(url) => Server::compatible(url),
            Address::Azure(azure) => Server::azure(azure),
        }
    }

    pub(crate) fn http_client(&self) -> Option<&reqwest::Client> {
        self.http_client.as_ref().map(|HttpClient(client)| client)
    }
}

/// The caller's own HTTP client.
#[derive(Clone)]
struct HttpClient(reqwest::Client);

impl fmt::Debug for HttpClient {
    /// Without the client, which shows the headers that its maker gave it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
