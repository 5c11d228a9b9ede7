//! Header values from text. An invalid value never appears in the error.

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::CodexError;
use crate::runtime::{mask, may_authenticate};

/// The headers whose values are visible in `Debug` and written to settings. Any other may hold a secret, also under names
/// such as `x-functions-code`, `x-pass` or `x-signature`.
const PUBLIC_HEADERS: &[&str] = &[
    "accept", "accept-encoding", "accept-language", "anthropic-beta", "anthropic-version", "cache-control",
    "content-type", "http-referer", "openai-beta", "openai-organization", "openai-project", "openai-version",
    "origin", "referer", "user-agent", "x-title",
];

/// A header value without spaces. The error begins with `name`.
pub(crate) fn header_value(name: &str, value: &str, hint: &str) -> Result<HeaderValue, CodexError> {
    let invalid =
        |problem: String| Err(CodexError::configuration(format!("{name} {problem}")).with_hint(hint));
    if value.is_empty() {
        return invalid("is empty".into());
    }
    let is_quoted = ['"', '\'', '`'].iter().any(|quote| value.starts_with(*quote) || value.ends_with(*quote));
    if is_quoted {
        return invalid("is in quotes".into());
    }
    if value.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        return invalid("begins with \"Bearer \", which is added automatically".into());
    }
    if let Some((variable, _)) = value.split_once('=')
        && variable.ends_with("_KEY")
    {
        return invalid("begins with the name of a variable".into());
    }
    match value.chars().enumerate().find(|(_, c)| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        None => parse_value(name, value),
        Some((at, '\n' | '\r')) => invalid(format!("contains a line break at character {}", at + 1)),
        Some((at, c)) if c.is_whitespace() => invalid(format!("contains a space at character {}", at + 1)),
        Some((at, _)) => invalid(format!(
            "contains a character at position {} that is not valid in an HTTP header",
            at + 1
        )),
    }
}

fn parse_value(name: &str, value: &str) -> Result<HeaderValue, CodexError> {
    HeaderValue::from_str(value).map_err(|_| {
        CodexError::configuration(format!("{name} contains a character that is not valid in an HTTP header"))
    })
}

/// The header of a secret: this one, or `authorization` with a bearer token. The error begins with `name`.
pub(super) fn secret_header(
    name: &str,
    secret: &str,
    hint: &str,
    header: Option<HeaderName>,
) -> Result<(HeaderName, HeaderValue), CodexError> {
    let value = header_value(name, secret, hint)?;
    let (header, mut value) = match header {
        Some(header) => (header, value),
        None => (AUTHORIZATION, parse_value(name, &format!("Bearer {secret}"))?),
    };
    value.set_sensitive(true);
    Ok((header, value))
}

/// The caller's own headers. The first invalid one is an error when a backend is made.
#[derive(Clone, Default)]
pub(crate) struct DefaultHeaders {
    map: HeaderMap,
    error: Option<String>,
    /// Whether the caller marked one as sensitive.
    is_sensitive: bool,
}

impl DefaultHeaders {
    /// Sets a header, replacing those of this name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match Self::parse(name, value) {
            Ok((name, value)) => _ = self.map.insert(name, value),
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
    }

    fn parse(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
        let header =
            HeaderName::try_from(name).map_err(|_| format!("{:?} is not a valid header name", mask(name)))?;
        let name = format!("the value of the header {header}");
        let mut value = parse_value(&name, value).map_err(|error| error.message().to_owned())?;
        value.set_sensitive(!is_public(&header));
        Ok((header, value))
    }

    /// Whether one of them may hold the credentials.
    pub(crate) fn may_authenticate(&self) -> bool {
        self.is_sensitive || self.map.keys().any(may_authenticate)
    }

    pub(crate) fn map(&self) -> &HeaderMap {
        &self.map
    }

    /// # Errors
    /// One of them is not valid.
    pub(crate) fn checked(&self) -> Result<&HeaderMap, CodexError> {
        match &self.error {
            Some(error) => Err(CodexError::configuration(error.clone())),
            None => Ok(&self.map),
        }
    }
}

impl From<HeaderMap> for DefaultHeaders {
    fn from(mut map: HeaderMap) -> Self {
        let is_sensitive = map.values().any(HeaderValue::is_sensitive);
        for (name, value) in &mut map {
            let is_secret = value.is_sensitive() || !is_public(name);
            value.set_sensitive(is_secret);
        }
        Self { map, error: None, is_sensitive }
    }
}

impl fmt::Debug for DefaultHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map.fmt(f)
    }
}

fn is_public(name: &HeaderName) -> bool {
    PUBLIC_HEADERS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_headers_that_hide_them() {
        let api_key = HeaderName::from_static("api-key");
        let header = |name| secret_header("the API key", "sk-secret", "", name).unwrap();
        let [bearer, key] = [None, Some(api_key.clone())].map(header);
        assert_eq!(bearer, (AUTHORIZATION, HeaderValue::from_static("Bearer sk-secret")));
        assert_eq!(key, (api_key, HeaderValue::from_static("sk-secret")));
        assert!(!format!("{bearer:?} {key:?}").contains("secret"));
    }

    #[test]
    fn errors_do_not_show_an_invalid_secret() {
        #[track_caller]
        fn check(key: &str, expected: &str) {
            let error = header_value("the API key", key, "Set another.").unwrap_err();
            assert_eq!(error.message(), expected);
            assert!(!format!("{error} {error:?}").contains("sk-"), "{error:?}");
        }
        check("", "the API key is empty");
        check("sk-a\n", "the API key contains a line break at character 5");
        check("\"sk-a\"", "the API key is in quotes");
        check("'sk-a", "the API key is in quotes");
        check("sk-a\"", "the API key is in quotes");
        check("Bearer sk-a", "the API key begins with \"Bearer \", which is added automatically");
        check("bearer sk-a", "the API key begins with \"Bearer \", which is added automatically");
        check("OPENAI_API_KEY=sk-a", "the API key begins with the name of a variable");
        check("sk-a b", "the API key contains a space at character 5");
        check(
            "sk-\u{e9}",
            "the API key contains a character at position 4 that is not valid in an HTTP header",
        );
        check("sk-\0", "the API key contains a character at position 4 that is not valid in an HTTP header");
    }

    #[test]
    fn the_callers_headers() {
        #[track_caller]
        fn check(name: &str, value: &str, expected: Result<&str, &str>) {
            let mut headers = DefaultHeaders::default();
            headers.set(name, value);
            let debug = format!("{headers:?}");
            let checked = headers.checked().map_err(|error| error.message().to_owned());
            assert_eq!(checked.map(|_| debug.as_str()), expected.map_err(str::to_owned));
        }
        check("x-title", "a b", Ok(r#"{"x-title": "a b"}"#));
        check("x-team", "a b", Ok(r#"{"x-team": Sensitive}"#));
        check("x-gateway-token", "t", Ok(r#"{"x-gateway-token": Sensitive}"#));
        check("x team", "a", Err(r#""x team" is not a valid header name"#));
        check(
            "x-team",
            "a\nb",
            Err("the value of the header x-team contains a character that is not valid in an HTTP header"),
        );

        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        assert!(!format!("{:?}", DefaultHeaders::from(headers)).contains("secret"));
    }
}
