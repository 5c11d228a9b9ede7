//! What a backend is made from.

mod api;
mod base_url;
mod input_limit;
mod reliability;

use reqwest::Url;
use reqwest::header::HeaderMap;
use secrecy::SecretString;

pub use self::api::Api;
use self::base_url::BaseUrl;
pub use self::input_limit::InputLimit;
pub(crate) use self::reliability::Reliability;
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
    api: Api,
    max_tokens: Option<u32>,
    input_limit: InputLimit,
    reliability: Reliability,
    default_headers: HeaderMap,
    http_client: Option<reqwest::Client>,
}

impl CodexBackendConfig {
    /// OpenAI's own server, the default model, two retries. The key is checked when the backend is made.
    pub fn new(api_key: impl Into<String>) -> Self {
        let api_key = Some(SecretString::from(api_key.into()));
        Self {
            credentials: Credentials { api_key, organization: None, project: None },
            base_url: BaseUrl(OPENAI.to_owned()),
            model: OpenAIModel::default(),
            api: Api::Auto,
            max_tokens: None,
            input_limit: InputLimit::default(),
            reliability: Reliability::default(),
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

    /// The API that requests go to. By default each goes to the one that its model needs.
    #[must_use]
    pub fn with_api(mut self, api: Api) -> Self {
        self.api = api;
        self
    }

    /// The limit, in tokens, on answers to requests that state none. By default the server's own.
    #[must_use]
    pub fn with_max_tokens(mut self, max_tokens: u32) -> Self {
        self.max_tokens = Some(max_tokens);
        self
    }

    /// What is done about a request that is longer than its model reads. By default there is a warning.
    #[must_use]
    pub fn with_input_limit(mut self, input_limit: InputLimit) -> Self {
        self.input_limit = input_limit;
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

    /// The API that requests go to.
    pub fn api(&self) -> Api {
        self.api
    }

    /// The limit, in tokens, on answers to requests that state none.
    pub fn max_tokens(&self) -> Option<u32> {
        self.max_tokens
    }

    /// What is done about a request that is longer than its model reads.
    pub fn input_limit(&self) -> InputLimit {
        self.input_limit
    }

    /// Further headers on every request.
    pub fn default_headers(&self) -> &HeaderMap {
        &self.default_headers
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) fn reliability(&self) -> Reliability {
        self.reliability
    }

    pub(crate) fn endpoint(&self) -> Result<Url, CodexError> {
        self.base_url.parse()
    }

    pub(crate) fn http_client(&self) -> Option<&reqwest::Client> {
        self.http_client.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
