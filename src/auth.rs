//! Credentials to headers. Secrets are marked sensitive, and never reach an error.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::error::CodexError;

const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
const PROJECT: HeaderName = HeaderName::from_static("openai-project");

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) api_key: Option<SecretString>,
    pub(crate) organization: Option<String>,
    pub(crate) project: Option<String>,
}

impl Credentials {
    /// The headers that every request carries.
    ///
    /// # Errors
    /// A value that no header can hold, by name and never by value.
    pub(crate) fn headers(&self) -> Result<HeaderMap, CodexError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.api_key {
            let key = key.expose_secret();
            check("the API key", key, "Set OPENAI_API_KEY to the key alone.")?;
            let mut bearer = header("the API key", &format!("Bearer {key}"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        for (name, value, what) in
            [(ORGANIZATION, &self.organization, "the organization"), (PROJECT, &self.project, "the project")]
        {
            if let Some(value) = value {
                check(what, value, "Leave it out to use the key's own.")?;
                headers.insert(name, header(what, value)?);
            }
        }
        Ok(headers)
    }
}

fn check(what: &str, value: &str, hint: &str) -> Result<(), CodexError> {
    let wrong = |problem: String| Err(CodexError::configuration(format!("{what} {problem}")).with_hint(hint));
    if value.is_empty() {
        return wrong("is empty".into());
    }
    match value.chars().enumerate().find(|(_, c)| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        None => Ok(()),
        Some((at, '\n' | '\r')) => wrong(format!("holds a line break at character {}", at + 1)),
        Some((at, c)) if c.is_whitespace() => wrong(format!("holds a space at character {}", at + 1)),
        Some((at, _)) => {
            wrong(format!("holds a character at position {} that no HTTP header can carry", at + 1))
        }
    }
}

fn header(what: &str, value: &str) -> Result<HeaderValue, CodexError> {
    HeaderValue::from_str(value).map_err(|_| {
        CodexError::configuration(format!("{what} holds a character that no HTTP header can carry"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(key: &str, organization: Option<&str>) -> Credentials {
        Credentials {
            api_key: Some(key.into()),
            organization: organization.map(str::to_owned),
            project: Some("proj_1".into()),
        }
    }

    #[test]
    fn headers_carry_the_credentials_and_hide_the_key() {
        let headers = credentials("sk-secret", Some("org-1")).headers().unwrap();
        assert_eq!(headers["authorization"], "Bearer sk-secret");
        assert_eq!(headers["openai-organization"], "org-1");
        assert_eq!(headers["openai-project"], "proj_1");
        assert!(!format!("{headers:?}").contains("secret"));
    }

    #[test]
    fn what_no_header_can_hold_is_named_but_not_shown() {
        #[track_caller]
        fn check(key: &str, organization: Option<&str>, expected: &str) {
            let error = credentials(key, organization).headers().unwrap_err();
            assert_eq!(error.message(), expected);
            assert!(!format!("{error} {error:?}").contains("sk-"), "{error:?}");
        }
        check("", None, "the API key is empty");
        check("sk-a\n", None, "the API key holds a line break at character 5");
        check("sk-a b", None, "the API key holds a space at character 5");
        check("sk-\u{e9}", None, "the API key holds a character at position 4 that no HTTP header can carry");
        check("sk-\0", None, "the API key holds a character at position 4 that no HTTP header can carry");
        check("sk-a", Some(""), "the organization is empty");
    }
}
