//! What a backend is made from.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use secrecy::SecretString;

use crate::auth::Credentials;
use crate::error::CodexError;
use crate::models::OpenAIModel;

/// OpenAI's own server.
const OPENAI: &str = "https://api.openai.com/v1";

/// The variables that [`CodexBackendConfig::from_env`] reads.
const KEY: &str = "OPENAI_API_KEY";
const BASE_URL: &str = "OPENAI_BASE_URL";
const ORGANIZATION: [&str; 2] = ["OPENAI_ORG_ID", "OPENAI_ORGANIZATION"];
const PROJECT: &str = "OPENAI_PROJECT_ID";
const MODEL: &str = "OPENAI_MODEL";

/// The settings of a [`CodexBackend`](crate::CodexBackend). `Debug` never shows the key.
///
/// ```
/// # use tachikoma_backend_codex::CodexBackendConfig;
/// let config = CodexBackendConfig::new("sk-...")
///     .with_base_url("http://localhost:8080/v1")
///     .with_model("gpt-5.6-terra")
///     .with_max_retries(0);
/// assert_eq!(config.model().as_str(), "gpt-5.6-terra");
/// ```
#[derive(Clone, Debug)]
pub struct CodexBackendConfig {
    credentials: Credentials,
    base_url: BaseUrl,
    model: OpenAIModel,
    max_tokens: Option<u32>,
    max_retries: u32,
    timeouts: Timeouts,
    limits: Limits,
    default_headers: HeaderMap,
    http_client: Option<reqwest::Client>,
}

/// A base URL as it was given. It may hold a password, which `Debug` must not show.
#[derive(Clone)]
struct BaseUrl(String);

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.rsplit_once('@').map_or(self.0.as_str(), |(_, host)| host);
        shown.fmt(f)
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) response: Duration,
    pub(crate) idle: Duration,
}

/// How much is taken from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) event_bytes: usize,
    pub(crate) body_bytes: usize,
}

impl CodexBackendConfig {
    /// OpenAI's own server, the default model, two retries. The key is checked when the backend is made.
    pub fn new(api_key: impl Into<String>) -> Self {
        let api_key = Some(SecretString::from(api_key.into()));
        Self {
            credentials: Credentials { api_key, organization: None, project: None },
            base_url: BaseUrl(OPENAI.to_owned()),
            model: OpenAIModel::default(),
            max_tokens: None,
            max_retries: 2,
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                response: Duration::from_secs(600),
                idle: Duration::from_secs(300),
            },
            limits: Limits { event_bytes: 64 << 20, body_bytes: 256 << 20 },
            default_headers: HeaderMap::new(),
            http_client: None,
        }
    }

    /// Reads `OPENAI_API_KEY` and, where they are set, `OPENAI_BASE_URL`, `OPENAI_ORG_ID` (or `OPENAI_ORGANIZATION`),
    /// `OPENAI_PROJECT_ID` and `OPENAI_MODEL`. An empty variable counts as not set.
    ///
    /// # Errors
    /// There is no key, or a variable is not Unicode.
    pub fn from_env() -> Result<Self, CodexError> {
        Self::from_variables(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(CodexError::configuration(format!("the environment variable {name} is not Unicode")))
            }
        })
    }

    fn from_variables(read: impl Fn(&str) -> Result<Option<String>, CodexError>) -> Result<Self, CodexError> {
        let read = |name: &str| Ok::<_, CodexError>(read(name)?.filter(|value| !value.is_empty()));
        let Some(key) = read(KEY)? else {
            let message = format!("there is no API key: the environment variable {KEY} is not set or empty");
            return Err(CodexError::configuration(message)
                .with_hint(format!("Set {KEY}; a local server that wants no key takes any text.")));
        };
        let mut config = Self::new(key);
        if let Some(url) = read(BASE_URL)? {
            config = config.with_base_url(url);
        }
        for name in ORGANIZATION {
            if let (None, Some(organization)) = (config.organization(), read(name)?) {
                config = config.with_organization(organization);
            }
        }
        if let Some(project) = read(PROJECT)? {
            config = config.with_project(project);
        }
        if let Some(model) = read(MODEL)? {
            config = config.with_model(model);
        }
        Ok(config)
    }

    /// The server. A bare origin gets `/v1`; a URL with a path is used as it is.
    #[must_use]
    pub fn with_base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = BaseUrl(base_url.into());
        self
    }

    /// The organization that is billed, where the key belongs to several.
    #[must_use]
    pub fn with_organization(mut self, organization: impl Into<String>) -> Self {
        self.credentials.organization = Some(organization.into());
        self
    }

    /// The project that is billed, where the key belongs to several.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.credentials.project = Some(project.into());
        self
    }

    /// The model of requests that name none.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<OpenAIModel>) -> Self {
        self.model = model.into();
        self
    }

    /// The limit, in tokens, on answers to requests that state none. By default the server's own.
    #[must_use]
    pub fn with_max_tokens(mut self, max_tokens: u32) -> Self {
        self.max_tokens = Some(max_tokens);
        self
    }

    /// How often a request is tried again; 0 turns retries off. By default 2.
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// How long to wait for a connection. By default 5 s. A client of your own keeps its own limit.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// How long to wait for an answer to begin, that is for its headers. By default 600 s: a model may think long
    /// before it answers a request that is not streamed.
    #[must_use]
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.response = timeout;
        self
    }

    /// How long an answer that has begun may be silent; any byte counts as life. By default 300 s.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.idle = timeout;
        self
    }

    /// The largest event of a stream, in bytes. By default 64 MiB.
    #[must_use]
    pub fn with_max_event_bytes(mut self, bytes: usize) -> Self {
        self.limits.event_bytes = bytes;
        self
    }

    /// The largest answer that is not streamed, in bytes. By default 256 MiB.
    #[must_use]
    pub fn with_max_body_bytes(mut self, bytes: usize) -> Self {
        self.limits.body_bytes = bytes;
        self
    }

    /// Further headers on every request. They win over the ones of this crate, credentials included.
    #[must_use]
    pub fn with_default_headers(mut self, headers: HeaderMap) -> Self {
        self.default_headers = headers;
        self
    }

    /// A client of your own, with its proxies, certificates and pools. It should have no total timeout, which would cut
    /// long streams.
    #[must_use]
    pub fn with_http_client(mut self, client: reqwest::Client) -> Self {
        self.http_client = Some(client);
        self
    }

    /// The server, as it was given.
    pub fn base_url(&self) -> &str {
        &self.base_url.0
    }

    /// The organization that is billed.
    pub fn organization(&self) -> Option<&str> {
        self.credentials.organization.as_deref()
    }

    /// The project that is billed.
    pub fn project(&self) -> Option<&str> {
        self.credentials.project.as_deref()
    }

    /// The model of requests that name none.
    pub fn model(&self) -> &OpenAIModel {
        &self.model
    }

    /// The limit, in tokens, on answers to requests that state none.
    pub fn max_tokens(&self) -> Option<u32> {
        self.max_tokens
    }

    /// How often a request is tried again.
    pub fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// How long to wait for a connection.
    pub fn connect_timeout(&self) -> Duration {
        self.timeouts.connect
    }

    /// How long to wait for an answer to begin.
    pub fn response_timeout(&self) -> Duration {
        self.timeouts.response
    }

    /// How long an answer that has begun may be silent.
    pub fn idle_timeout(&self) -> Duration {
        self.timeouts.idle
    }

    /// The largest event of a stream, in bytes.
    pub fn max_event_bytes(&self) -> usize {
        self.limits.event_bytes
    }

    /// The largest answer that is not streamed, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.limits.body_bytes
    }

    /// Further headers on every request.
    pub fn default_headers(&self) -> &HeaderMap {
        &self.default_headers
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn http_client(&self) -> Option<&reqwest::Client> {
        self.http_client.as_ref()
    }

    /// The URL that paths are appended to, without a slash at its end.
    ///
    /// # Errors
    /// The base URL is none, or not one that requests can go to.
    pub(crate) fn endpoint(&self) -> Result<Url, CodexError> {
        let wrong = |problem: String| {
            CodexError::configuration(format!("the base URL {problem}"))
                .with_hint("It looks like https://api.openai.com/v1 or http://localhost:8080/v1.")
        };
        let mut url =
            Url::parse(self.base_url.0.trim()).map_err(|error| wrong(format!("is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("has the scheme {:?}; use http or https", url.scheme())));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a query or a fragment; paths are appended to it".into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "holds a user name or a password; send such credentials with_default_headers".into(),
            ));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if let Some(endpoint) = ["/chat/completions", "/responses", "/models", "/embeddings"]
            .into_iter()
            .find(|endpoint| path.ends_with(endpoint))
        {
            return Err(wrong(format!("ends in {endpoint}; give it without, the crate appends it")));
        }
        url.set_path(if path.is_empty() { "/v1" } else { &path });
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        #[track_caller]
        fn check(given: &str, expected: &str) {
            let endpoint = CodexBackendConfig::new("sk").with_base_url(given).endpoint();
            let shown = endpoint.map_or_else(|error| error.message().to_owned(), |url| url.to_string());
            assert_eq!(shown, expected);
        }
        check("https://api.openai.com", "https://api.openai.com/v1");
        check("http://localhost:8080/", "http://localhost:8080/v1");
        check("http://localhost:8080/v1/", "http://localhost:8080/v1");
        check("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1");
        check("https://g.example/v1beta/openai/", "https://g.example/v1beta/openai");
        check(" http://localhost:1 ", "http://localhost:1/v1");
        check("", "the base URL is no URL: relative URL without a base");
        check("localhost:8080", "the base URL has the scheme \"localhost\"; use http or https");
        check("http://", "the base URL is no URL: empty host");
        check("http://a/v1?x=1", "the base URL has a query or a fragment; paths are appended to it");
        check(
            "http://a:b@c",
            "the base URL holds a user name or a password; send such credentials with_default_headers",
        );
        let message = "the base URL ends in /chat/completions; give it without, the crate appends it";
        check("http://a/v1/chat/completions", message);
    }

    #[test]
    fn the_environment() {
        let read = |variables: &'static [(&str, &str)]| {
            CodexBackendConfig::from_variables(move |name| {
                Ok(variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
            })
        };
        let config = read(&[
            ("OPENAI_API_KEY", "sk-secret"),
            ("OPENAI_BASE_URL", "http://localhost:1/v1"),
            ("OPENAI_ORGANIZATION", "org-1"),
            ("OPENAI_PROJECT_ID", "proj_1"),
            ("OPENAI_MODEL", "m"),
        ])
        .unwrap();
        assert_eq!(config.base_url(), "http://localhost:1/v1");
        assert_eq!(config.organization(), Some("org-1"));
        assert_eq!(config.project(), Some("proj_1"));
        assert_eq!(config.model().as_str(), "m");
        assert!(!format!("{config:?}").contains("secret"));
        assert!(!format!("{:?}", config.with_base_url("http://user:secret@host")).contains("secret"));

        let both = read(&[("OPENAI_API_KEY", "k"), ("OPENAI_ORG_ID", "a"), ("OPENAI_ORGANIZATION", "b")]);
        assert_eq!(both.unwrap().organization(), Some("a"));

        for variables in [&[][..], &[("OPENAI_API_KEY", "")]] {
            let error = read(variables).unwrap_err();
            assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");
        }
    }
}
