//! The validation of configured URLs.

use reqwest::Url;

use crate::CodexError;
use crate::runtime::is_masked;

/// The paths that the crate appends, which are often copied with the URL.
const ENDPOINTS: &[&str] = &["/chat/completions", "/responses", "/models", "/embeddings"];

/// Parses the URL of a server. The error begins with `name`; `hint` has an example.
///
/// # Errors
/// It is not a valid URL, or not one that paths can be appended to.
pub(super) fn parse(name: &str, text: &str, hint: &str) -> Result<Url, CodexError> {
    let problem = |problem: &str| Err(CodexError::configuration(format!("{name} {problem}")).with_hint(hint));
    let url = match Url::parse(text.trim()) {
        Ok(url) => url,
        Err(error) => return problem(&format!("is not a valid URL: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return problem(&format!("has the scheme {:?}; use http or https", url.scheme()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return problem("has a query or a fragment; paths are appended to it");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return problem(
            "contains a user name or a password; set credentials by with_credentials or with_header",
        );
    }
    if is_masked(&url) {
        return problem("contains *** instead of a secret; set the secret itself");
    }
    let path = url.path().trim_end_matches('/');
    match ENDPOINTS.iter().find(|endpoint| path.ends_with(**endpoint)) {
        Some(endpoint) => problem(&format!("ends in {endpoint}, which the crate appends; remove it")),
        None => Ok(url),
    }
}

/// Whether a server at this URL is on this machine.
pub(crate) fn is_local(url: &str) -> bool {
    let Ok(url) = Url::parse(url.trim()) else { return false };
    url.host_str().is_some_and(|host| {
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        ip.map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |ip| ip.is_loopback())
    })
}
