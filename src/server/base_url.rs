//! The base URL: as configured, and parsed.

use std::fmt;

use reqwest::Url;

use super::url;
use crate::CodexError;
use crate::runtime::masked_url;

/// OpenAI's own server.
const OPENAI: &str = "https://api.openai.com/v1";

/// A base URL as configured. It may hold a password or a key, which `Debug` must not show.
#[derive(Clone)]
pub(crate) struct BaseUrl(String);

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.masked().fmt(f)
    }
}

impl Default for BaseUrl {
    fn default() -> Self {
        Self::new(OPENAI)
    }
}

impl BaseUrl {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL with its secrets masked.
    pub(crate) fn masked(&self) -> String {
        masked_url(&self.0)
    }

    /// The URL that paths are appended to, without a trailing slash. A bare origin gets `/v1`.
    ///
    /// # Errors
    /// It is not a valid base URL.
    pub(super) fn parse(&self) -> Result<Url, CodexError> {
        let hint = "It looks like https://api.openai.com/v1 or http://localhost:8080/v1.";
        let mut url = url::parse("the base URL", &self.0, hint)?;
        let path = url.path().trim_end_matches('/').to_owned();
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
        fn check(text: &str, expected: &str) {
            let url = BaseUrl::new(text).parse();
            let parsed = url.map_or_else(|error| error.message().to_owned(), |url| url.to_string());
            assert_eq!(parsed, expected);
        }
        check("https://api.openai.com", "https://api.openai.com/v1");
        check("http://localhost:8080/", "http://localhost:8080/v1");
        check("http://localhost:8080/v1/", "http://localhost:8080/v1");
        check("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1");
        check("https://g.example/v1beta/openai/", "https://g.example/v1beta/openai");
        check(" http://localhost:1 ", "http://localhost:1/v1");
        check("", "the base URL is not a valid URL: relative URL without a base");
        check("localhost:8080", "the base URL has the scheme \"localhost\"; use http or https");
        check("http://", "the base URL is not a valid URL: empty host");
        check("http://a/v1?x=1", "the base URL has a query or a fragment; paths are appended to it");
        check(
            "http://a:b@c",
            "the base URL contains a user name or a password; set credentials by with_credentials or with_header",
        );
        let message = "the base URL contains *** instead of a secret; set the secret itself";
        check("http://a/proxy/***/v1", message);
        let message = "the base URL ends in /chat/completions, which the crate appends; remove it";
        check("http://a/v1/chat/completions", message);
    }
}
