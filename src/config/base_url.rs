//! The base URL: what a caller gives and what requests go to.

use std::fmt;

use reqwest::Url;

use crate::auth::{is_masked, masked_url};
use crate::error::CodexError;

/// A base URL as it was given. It may hold a password or a key, which `Debug` must not show.
#[derive(Clone)]
pub(super) struct BaseUrl(pub(super) String);

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        masked_url(&self.0).fmt(f)
    }
}

impl BaseUrl {
    /// The URL that paths are appended to, without a slash at its end.
    ///
    /// # Errors
    /// The base URL is none, or not one that requests can go to.
    pub(super) fn parse(&self) -> Result<Url, CodexError> {
        let wrong = |problem: String| {
            CodexError::configuration(format!("the base URL {problem}"))
                .with_hint("It looks like https://api.openai.com/v1 or http://localhost:8080/v1.")
        };
        let mut url = Url::parse(self.0.trim()).map_err(|error| wrong(format!("is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("has the scheme {:?}; use http or https", url.scheme())));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a query or a fragment; paths are appended to it".into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds a user name or a password; send such credentials with_header".into()));
        }
        if is_masked(&url) {
            return Err(wrong("holds *** in the place of a secret; give it whole".into()));
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
            let endpoint = BaseUrl(given.to_owned()).parse();
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
            "the base URL holds a user name or a password; send such credentials with_header",
        );
        let message = "the base URL holds *** in the place of a secret; give it whole";
        check("http://a/proxy/***/v1", message);
        let message = "the base URL ends in /chat/completions; give it without, the crate appends it";
        check("http://a/v1/chat/completions", message);
    }
}
