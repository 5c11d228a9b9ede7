//! [`Azure`]: OpenAI's models on Azure.

use std::fmt;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::url;
use crate::CodexError;
use crate::runtime::masked_url;

/// Azure OpenAI: a resource's endpoint, deployment and API version.
///
/// | Form | URL | Selected by |
/// |---|---|---|
/// | v1, the newer one | `{endpoint}/openai/v1/...` | an endpoint alone |
/// | by version | `{endpoint}/openai/deployments/{deployment}/chat/completions?api-version=...`, `{endpoint}/openai/responses?api-version=...` | [`with_api_version`](Self::with_api_version) |
///
/// A deployment is named by each request's model, unless [`with_deployment`](Self::with_deployment) names one for all.
/// An API key is sent in the header `api-key`, a token of Entra ID as a bearer token.
///
/// ```
/// # use tachikoma_backend_codex::{Azure, CodexBackend, CodexBackendConfig};
/// # use tachikoma_backends_core::{CompletionRequest, Message};
/// let azure = Azure::new("https://my-resource.openai.azure.com").with_api_version("2024-10-21");
/// let config = CodexBackendConfig::new("0123456789abcdef").with_azure(azure).with_model("gpt-4o");
/// let request = CompletionRequest::new(vec![Message::user("Hi")]);
/// assert_eq!(
///     CodexBackend::new(config)?.preview(&request)?.url,
///     "https://my-resource.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
/// );
/// # Ok::<_, tachikoma_backend_codex::CodexError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Azure {
    #[serde(serialize_with = "masked")]
    endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
}

/// The versions of the v1 form.
const NAMED_VERSIONS: &[&str] = &["v1", "preview", "latest"];

/// Whether the v1 form accepts this version.
pub(super) fn is_named_version(version: &str) -> bool {
    NAMED_VERSIONS.contains(&version)
}

impl Azure {
    /// The resource at this endpoint, `https://{resource}.openai.azure.com`, a custom domain, or a gateway's path before
    /// `/openai`. It is validated when a backend is made.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), deployment: None, api_version: None }
    }

    /// The deployment of all requests. Their model then only selects the entry of the model table.
    #[must_use]
    pub fn with_deployment(mut self, deployment: impl Into<String>) -> Self {
        self.deployment = Some(deployment.into());
        self
    }

    /// The version of the API, for example `2024-10-21`. The Responses API needs `2025-03-01-preview` or later. With `v1`,
    /// `preview` or `latest` the URLs are those of the v1 form. An endpoint that already ends in `/openai/v1` has that form too,
    /// which accepts no dated version: it is omitted from the URLs.
    #[must_use]
    pub fn with_api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = Some(version.into());
        self
    }

    /// The endpoint, as configured.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The deployment of all requests.
    pub fn deployment(&self) -> Option<&str> {
        self.deployment.as_deref()
    }

    /// The version of the API.
    pub fn api_version(&self) -> Option<&str> {
        self.api_version.as_deref()
    }

    /// Whether it is the v1 form.
    fn is_v1(&self, path: &str) -> bool {
        let version = self.api_version.as_deref();
        path.ends_with("/openai/v1") || version.is_none_or(is_named_version)
    }

    /// The URL up to `/openai`, or `/openai/v1` in the v1 form, and whether it has that form.
    ///
    /// # Errors
    /// The endpoint is not a valid URL, or a name is not valid in one.
    pub(super) fn base(&self) -> Result<(Url, bool), CodexError> {
        const HINT: &str = "It looks like https://my-resource.openai.azure.com; set a version by with_api_version and a \
                            deployment by with_deployment or as the model.";
        if self.endpoint.contains("/openai/deployments") {
            let message = "the Azure endpoint contains a deployment; remove the path from /openai on";
            return Err(CodexError::configuration(message).with_hint(HINT));
        }
        let mut url = url::parse("the Azure endpoint", &self.endpoint, HINT)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if let Some(version) = &self.api_version {
            let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if version.is_empty() || !version.chars().all(is_valid) {
                return Err(CodexError::configuration(format!(
                    "{version:?} is not a valid version of Azure's API"
                ))
                .with_hint("It looks like 2024-10-21; without a version the v1 form is used."));
            }
        }
        if let Some(deployment) = &self.deployment {
            check_deployment(deployment).map_err(CodexError::configuration)?;
        }
        let is_v1 = self.is_v1(&path);
        let prefix = path.trim_end_matches("/v1").trim_end_matches("/openai");
        url.set_path(&format!("{prefix}/openai{}", if is_v1 { "/v1" } else { "" }));
        Ok((url, is_v1))
    }
}

fn masked<S: serde::Serializer>(endpoint: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&masked_url(endpoint))
}

/// Checks the name of a deployment.
///
/// # Errors
/// Why it is not valid in a path.
pub(super) fn check_deployment(name: &str) -> Result<(), String> {
    match name.trim() {
        "" => Err("the deployment name is empty".to_owned()),
        "." | ".." => Err(format!("{name:?} is not a valid deployment name")),
        _ => Ok(()),
    }
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, deployment, api_version } = self;
        f.debug_struct("Azure")
            .field("endpoint", &masked_url(endpoint))
            .field("deployment", deployment)
            .field("api_version", api_version)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(endpoint: &str, version: &str) -> String {
        let azure = Azure::new(endpoint);
        let azure = if version.is_empty() { azure } else { azure.with_api_version(version) };
        match azure.base() {
            Ok((url, is_v1)) => {
                assert_eq!(is_v1, url.path().ends_with("/v1"));
                url.to_string()
            }
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn endpoints() {
        #[track_caller]
        fn check(endpoint: &str, version: &str, expected: &str) {
            assert_eq!(base(endpoint, version), expected);
        }
        const V: &str = "2024-10-21";
        check("https://r.openai.azure.com", "", "https://r.openai.azure.com/openai/v1");
        check("https://r.openai.azure.com/", V, "https://r.openai.azure.com/openai");
        check("https://r.openai.azure.com/openai/", V, "https://r.openai.azure.com/openai");
        check("https://r.openai.azure.com/openai", "", "https://r.openai.azure.com/openai/v1");
        check("https://r.openai.azure.com/openai/v1/", "", "https://r.openai.azure.com/openai/v1");
        check("https://r.openai.azure.com/openai/v1", V, "https://r.openai.azure.com/openai/v1");
        check("https://r.openai.azure.com", "preview", "https://r.openai.azure.com/openai/v1");
        check("https://gateway.example/team-a", V, "https://gateway.example/team-a/openai");
        check(
            "https://r.services.ai.azure.com/api/projects/p",
            "",
            "https://r.services.ai.azure.com/api/projects/p/openai/v1",
        );
        check(" http://127.0.0.1:1 ", V, "http://127.0.0.1:1/openai");
        check("", V, "the Azure endpoint is not a valid URL: relative URL without a base");
        check("r.openai.azure.com", V, "the Azure endpoint is not a valid URL: relative URL without a base");
        check("ftp://r", V, "the Azure endpoint has the scheme \"ftp\"; use http or https");
        check(
            "https://a:b@r",
            V,
            "the Azure endpoint contains a user name or a password; set credentials by with_credentials or with_header",
        );
        check(
            "https://r/openai/deployments/d/chat/completions?api-version=1",
            V,
            "the Azure endpoint contains a deployment; remove the path from /openai on",
        );
        check(
            "https://r?api-version=1",
            V,
            "the Azure endpoint has a query or a fragment; paths are appended to it",
        );
        check(
            "https://r/openai/v1/responses",
            "",
            "the Azure endpoint ends in /responses, which the crate appends; remove it",
        );
        check("https://r", "2024 10", "\"2024 10\" is not a valid version of Azure's API");
    }

    #[test]
    fn debug_hides_a_password() {
        assert!(!format!("{:?}", Azure::new("https://a:secret@r")).contains("secret"));
    }
}
