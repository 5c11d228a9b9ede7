//! The server of the requests: OpenAI's, Azure's, or another that is compatible with OpenAI's API.

mod authorization;
mod azure;
mod base_url;
mod errors;
mod url;

use std::fmt;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName};
use tachikoma_backends_core::ErrorCategory;

pub(crate) use self::authorization::ServerAuthorization;
pub use self::azure::Azure;
use self::azure::{check_deployment, is_named_version};
pub(crate) use self::base_url::BaseUrl;
pub(crate) use self::errors::ERRORS;
pub(crate) use self::url::is_local;
use crate::CodexError;
use crate::auth::{KeyHeader, header_value};
use crate::runtime::{masked_url, secret_segments};

/// The domains of OpenAI's servers and Azure's.
const OPENAI: &str = "openai.com";
const AZURE: &[&str] = &["openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"];

const API_KEY: HeaderName = HeaderName::from_static("api-key");
const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
const PROJECT: HeaderName = HeaderName::from_static("openai-project");

/// The server that requests are sent to.
#[derive(Clone)]
pub(crate) struct Server {
    /// The URL that an operation's path is appended to; on Azure with an API version, also the deployment's.
    base: Url,
    is_official: bool,
    azure: Option<AzureServer>,
}

#[derive(Clone, Debug)]
struct AzureServer {
    is_v1: bool,
    deployment: Option<String>,
    api_version: Option<String>,
}

impl Server {
    /// The server at this base URL.
    ///
    /// # Errors
    /// It is not a valid base URL, or it is one of Azure's that does not accept OpenAI's paths.
    pub(crate) fn compatible(base: &BaseUrl) -> Result<Self, CodexError> {
        let base = base.parse()?;
        if is_within(&base, AZURE) && !base.path().contains("/openai/") {
            let message = "the base URL is Azure's, whose paths and keys differ from OpenAI's";
            return Err(CodexError::configuration(message)
                .with_hint("Set it by with_azure(Azure::new(...)), or as AZURE_OPENAI_ENDPOINT."));
        }
        let is_official = is_within(&base, AZURE) || is_within(&base, &[OPENAI]);
        Ok(Self { base, is_official, azure: None })
    }

    /// # Errors
    /// The configuration has a value that is not valid in a URL.
    pub(crate) fn azure(azure: &Azure) -> Result<Self, CodexError> {
        let (base, is_v1) = azure.base()?;
        let api_version = azure.api_version().filter(|version| !is_v1 || is_named_version(version));
        let [deployment, api_version] = [azure.deployment(), api_version].map(|o| o.map(str::to_owned));
        Ok(Self { base, is_official: true, azure: Some(AzureServer { is_v1, deployment, api_version }) })
    }

    /// Whether the server is OpenAI's or Azure's, whose models are in the model table.
    pub(crate) fn is_official(&self) -> bool {
        self.is_official
    }

    /// Whether it is OpenAI's own.
    pub(crate) fn is_openai(&self) -> bool {
        is_within(&self.base, &[OPENAI])
    }

    pub(crate) fn is_azure(&self) -> bool {
        self.azure.is_some()
    }

    /// Whether it certainly lists its models.
    pub(crate) fn lists_models(&self) -> bool {
        self.is_openai() || is_within(&self.base, AZURE)
    }

    /// Its name in telemetry.
    pub(crate) fn provider(&self) -> &'static str {
        if self.is_azure() || is_within(&self.base, AZURE) { "azure.ai.openai" } else { "openai" }
    }

    /// The URL without its path.
    pub(crate) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Its host and port, for telemetry.
    pub(crate) fn host(&self) -> (String, Option<u16>) {
        (self.base.host_str().unwrap_or_default().to_owned(), self.base.port_or_known_default())
    }

    /// The base of all request URLs.
    pub(crate) fn url(&self) -> &Url {
        &self.base
    }

    /// The secrets in its URL.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        secret_segments(&self.base)
    }

    /// The URL that the path of an operation is appended to, without a trailing slash. `model` is set for an operation that
    /// on Azure belongs to a deployment: it is the deployment's name, unless one is configured.
    ///
    /// # Errors
    /// The model is not a valid deployment name.
    pub(crate) fn base(&self, model: Option<&str>) -> Result<String, CodexError> {
        let mut base = self.base.clone();
        if let (Some(AzureServer { is_v1: false, deployment, .. }), Some(model)) = (&self.azure, model) {
            let deployment = deployment.as_deref().unwrap_or(model);
            check_deployment(deployment).map_err(|problem| {
                CodexError::unsent(ErrorCategory::InvalidRequest, problem)
                    .with_hint("Set the model to the name of an Azure deployment.")
            })?;
            if let Ok(mut path) = base.path_segments_mut() {
                path.pop_if_empty().extend(["deployments", deployment]);
            }
        }
        Ok(base.as_str().trim_end_matches('/').to_owned())
    }

    /// The URL of the operation at this path, with its query, for display.
    ///
    /// # Errors
    /// As [`base`](Self::base).
    pub(crate) fn operation_url(&self, model: Option<&str>, path: &str) -> Result<String, CodexError> {
        let url = format!("{}/{path}", self.base(model)?);
        Ok(match self.query() {
            Some((name, value)) => format!("{url}?{name}={value}"),
            None => url,
        })
    }

    /// The query parameter of every request.
    pub(crate) fn query(&self) -> Option<(&'static str, &str)> {
        Some(("api-version", self.azure.as_ref()?.api_version.as_deref()?))
    }

    /// The model in the body, where it is the configured deployment. `is_in_path`: the operation's path names the
    /// deployment.
    pub(crate) fn model_in_body(&self, is_in_path: bool) -> Option<&str> {
        let AzureServer { is_v1, deployment, .. } = self.azure.as_ref()?;
        deployment.as_deref().filter(|_| *is_v1 || !is_in_path)
    }

    /// How the server expects API keys.
    pub(crate) fn key_header(&self) -> KeyHeader {
        KeyHeader { name: self.is_azure().then_some(API_KEY), accepts_admin_keys: !self.is_openai() }
    }

    /// The headers for billing.
    ///
    /// # Errors
    /// A value is not valid in a header, or the server is Azure's, which has neither.
    pub(crate) fn billing_headers(
        &self,
        organization: Option<&str>,
        project: Option<&str>,
    ) -> Result<HeaderMap, CodexError> {
        let mut headers = HeaderMap::new();
        for (header, value, name) in
            [(ORGANIZATION, organization, "the organization"), (PROJECT, project, "the project")]
        {
            let Some(value) = value else { continue };
            if self.is_azure() {
                let message = format!("{name} is set, but Azure has none");
                return Err(CodexError::configuration(message).with_hint("Remove it."));
            }
            headers.insert(header, header_value(name, value, "Remove it to use the key's own.")?);
        }
        Ok(headers)
    }

    /// The hint for an error of this server, where it differs from the general one. `has_token`: an access token was sent.
    pub(crate) fn hint(&self, category: ErrorCategory, has_token: bool) -> Option<&'static str> {
        self.azure.as_ref()?;
        Some(match category {
            ErrorCategory::NotFound => {
                "Check the deployment's name, the endpoint and the API version; the Responses API needs \
                 2025-03-01-preview or later, or no version."
            }
            ErrorCategory::Authentication if has_token => {
                "Check that the token is for the scope https://cognitiveservices.azure.com/.default and of the \
                 resource's tenant."
            }
            ErrorCategory::Authentication => "Check the API key, and that it is one of this resource's two.",
            ErrorCategory::Permission if has_token => {
                "Check that the identity has the role \"Cognitive Services OpenAI User\" on this resource."
            }
            ErrorCategory::Permission => "Check the resource's network rules, and whether it accepts keys.",
            ErrorCategory::Configuration => "Check the Azure endpoint.",
            _ => return None,
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, is_official, azure } = self;
        f.debug_struct("Server")
            .field("base", &masked_url(base.as_str()))
            .field("is_official", is_official)
            .field("azure", azure)
            .finish()
    }
}

fn is_within(url: &Url, domains: &[&str]) -> bool {
    let Some(host) = url.host_str() else { return false };
    let ends = |rest: &str| rest.is_empty() || rest.ends_with('.');
    domains.iter().any(|domain| host.strip_suffix(domain).is_some_and(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        #[track_caller]
        fn check(azure: &Azure, model: &str, expected: (&str, &str)) {
            let server = Server::azure(azure).unwrap();
            assert!(server.is_official() && server.is_azure());
            let [deployment, whole] = [Some(model), None].map(|model| server.base(model).unwrap());
            assert_eq!((deployment.as_str(), whole.as_str()), expected);
        }
        let v1 = Azure::new("https://custom.example");
        let base = "https://custom.example/openai";
        check(&v1, "gpt-4o", (&format!("{base}/v1"), &format!("{base}/v1")));
        let by_version = v1.clone().with_api_version("2024-10-21");
        for (model, path) in [
            ("gpt-4o", "gpt-4o"),
            ("a b/c?d#e%f", "a%20b%2Fc%3Fd%23e%25f"),
            ("..\\x", "..%5Cx"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("%2e%2e", "%252e%252e"),
        ] {
            check(&by_version, model, (&format!("{base}/deployments/{path}"), base));
        }
        check(&by_version.clone().with_deployment("d"), "m", (&format!("{base}/deployments/d"), base));

        let server = Server::azure(&by_version).unwrap();
        assert_eq!(server.query(), Some(("api-version", "2024-10-21")));
        for (endpoint, version, expected) in [
            ("https://r.example", "2024-10-21", Some("2024-10-21")),
            ("https://r.example/openai", "2025-03-01-preview", Some("2025-03-01-preview")),
            ("https://r.example/openai/v1", "2024-10-21", None),
            ("https://r.example/openai/v1/", "2025-03-01-preview", None),
            ("https://r.example/team/openai/v1", "2024-10-21", None),
            ("https://r.example/openai/v1", "preview", Some("preview")),
            ("https://r.example", "preview", Some("preview")),
            ("https://r.example", "v1", Some("v1")),
            ("https://r.example", "latest", Some("latest")),
        ] {
            let server = Server::azure(&Azure::new(endpoint).with_api_version(version)).unwrap();
            assert_eq!(server.query().map(|(_, version)| version), expected, "{endpoint} {version}");
        }
        for model in ["", " ", ".", ".."] {
            let error = server.base(Some(model)).unwrap_err();
            assert_eq!(error.category(), ErrorCategory::InvalidRequest, "{error}");
            let error = Server::azure(&by_version.clone().with_deployment(model)).unwrap_err();
            assert_eq!(error.category(), ErrorCategory::Configuration, "{error}");
        }
    }

    #[test]
    fn a_deployment_is_in_the_path_or_in_the_body() {
        let v1 = Azure::new("https://r.example").with_deployment("d");
        let by_version = v1.clone().with_api_version("2024-10-21");
        for (azure, with_path, without_path) in [(v1, Some("d"), Some("d")), (by_version, None, Some("d"))] {
            let server = Server::azure(&azure).unwrap();
            assert_eq!(server.model_in_body(true), with_path);
            assert_eq!(server.model_in_body(false), without_path);
        }
    }

    #[test]
    fn official_servers() {
        #[track_caller]
        fn check(url: &str, official: Option<bool>) {
            let server = Server::compatible(&BaseUrl::new(url));
            assert_eq!(server.ok().map(|server| server.is_official()), official);
        }
        check("https://api.openai.com/v1", Some(true));
        check("https://eu.api.openai.com/v1", Some(true));
        check("https://r.openai.azure.com/openai/v1", Some(true));
        check("https://r.openai.azure.com/v1", None);
        check("https://notopenai.com/v1", Some(false));
        check("http://localhost:1/v1", Some(false));
    }
}
