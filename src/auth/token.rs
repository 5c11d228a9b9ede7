//! [`TokenProvider`]: the source of tokens that expire.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use tachikoma_backends_core::async_trait;

use crate::runtime::mask;

/// A token, for example of Entra ID, and its expiry. `Debug` does not show it.
///
/// ```
/// use std::time::Duration;
/// use tachikoma_backend_codex::{AccessToken, Azure, CodexBackendConfig, Credentials};
///
/// let token = AccessToken::new("eyJ0eXAi").expires_in(Duration::from_secs(3600));
/// assert!(!format!("{token:?}").contains("eyJ0eXAi"));
///
/// let azure = Azure::new("https://my-resource.openai.azure.com");
/// let config = CodexBackendConfig::new(Credentials::token(token)).with_azure(azure);
/// # assert!(config.credentials().api_key().is_none());
/// ```
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    expires_at: Option<SystemTime>,
}

impl AccessToken {
    /// A token that is valid until a server rejects it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: secret.into().into(), expires_at: None }
    }

    /// Sets when it expires.
    #[must_use]
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Sets how long it is valid from now on.
    #[must_use]
    pub fn expires_in(self, time: Duration) -> Self {
        match SystemTime::now().checked_add(time) {
            Some(time) => self.expires_at(time),
            None => self,
        }
    }

    pub(super) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// The remaining lifetime; `None` is unlimited.
    pub(super) fn lifetime(&self, now: SystemTime) -> Option<Duration> {
        self.expires_at.map(|end| end.duration_since(now).unwrap_or_default())
    }
}

from_text!(AccessToken);

/// A token that is valid until a server rejects it.
impl From<SecretString> for AccessToken {
    fn from(secret: SecretString) -> Self {
        Self { secret, expires_at: None }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Why the provider returned no token. What looks like a token or a key in the message is masked.
///
/// ```
/// use tachikoma_backend_codex::{AccessToken, TokenError};
///
/// /// Reads the answer of an identity service.
/// fn token(status: u16, body: &str) -> Result<AccessToken, TokenError> {
///     match status {
///         200 => Ok(AccessToken::new(body)),
///         500.. => Err(TokenError::temporary(format!("the identity service failed with {status}"))),
///         _ => Err(TokenError::new(format!("the identity service refused with {status}"))),
///     }
/// }
/// assert!(token(200, "eyJ...").is_ok());
/// assert!(token(503, "").unwrap_err().is_temporary());
/// assert!(!token(401, "").unwrap_err().is_temporary());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    message: String,
    temporary: bool,
}

impl TokenError {
    /// A permanent error. `cause` is an error, whose own causes are included, or a text.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = cause.into();
        let mut message = cause.to_string();
        let mut source = cause.source();
        while let Some(inner) = source {
            let inner_message = inner.to_string();
            // Some errors repeat the message of their cause.
            if !message.contains(&inner_message) {
                message = format!("{message}: {inner_message}");
            }
            source = inner.source();
        }
        Self { message: mask(&message), temporary: false }
    }

    /// A temporary error: the call is retried as often, and after the same delays, as a request.
    pub fn temporary(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { temporary: true, ..Self::new(cause) }
    }

    /// Whether a retry may help.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TokenError {}

/// Provides tokens. It is called before the first request, before a token expires, and once after a server has rejected one
/// (401); the token is cached in between, and concurrent requests share one call.
///
/// A token is refreshed 5 minutes before it expires, one that is valid for less than 10 minutes after half of its lifetime. If
/// the call fails, the old token remains in use while it is valid. After a 401 the request is sent once more with a new token,
/// which does not count as a retry. A provider must not send a request through the backend that waits for its token: that is an
/// error. [`with_token_timeout`](crate::CodexBackendConfig::with_token_timeout) limits a call.
///
/// ```
/// use tachikoma_backend_codex::{AccessToken, Azure, CodexBackendConfig, Credentials, TokenError, TokenProvider};
/// use tachikoma_backends_core::async_trait;
///
/// struct Identity;
///
/// #[async_trait]
/// impl TokenProvider for Identity {
///     async fn token(&self) -> Result<AccessToken, TokenError> {
///         // Ask the identity service for the scope https://cognitiveservices.azure.com/.default.
///         Ok(AccessToken::new("eyJ...").expires_in(std::time::Duration::from_secs(3600)))
///     }
/// }
///
/// let azure = Azure::new("https://my-resource.openai.azure.com");
/// CodexBackendConfig::new(Credentials::from_provider(Identity)).with_azure(azure);
/// ```
#[async_trait]
pub trait TokenProvider: Send + Sync {
    /// A valid token.
    ///
    /// # Errors
    /// Why the provider returned no token.
    async fn token(&self) -> Result<AccessToken, TokenError>;
}

#[async_trait]
impl<P: TokenProvider + ?Sized> TokenProvider for Arc<P> {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        (**self).token().await
    }
}

/// A function that is a provider.
pub(super) struct FunctionProvider<F>(pub(super) F);

#[async_trait]
impl<F, Fut> TokenProvider for FunctionProvider<F>
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<AccessToken, TokenError>> + Send,
{
    async fn token(&self) -> Result<AccessToken, TokenError> {
        (self.0)().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(TokenError::new(text).to_string(), expected);
        }
        check("the tenant is unknown", "the tenant is unknown");
        check("bad token eyJhbGciOi.J9eyJ.zdWI, sorry", "bad token ***, sorry");
        check("{\"key\":\"sk-proj-0123456789\"}", "{\"key\":\"***\"}");
        check("sk-learn is not a key, nor is eyJ", "sk-learn is not a key, nor is eyJ");
        check("", "");
        check("größer: 日本", "größer: 日本");
    }

    #[test]
    fn an_error_includes_its_causes_once() {
        #[derive(Debug)]
        struct Outer(&'static str, Option<std::io::Error>);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.1.as_ref().map(|cause| cause as _)
            }
        }
        let cause = || Some(std::io::Error::other("no route"));
        assert_eq!(TokenError::new(Outer("no token", cause())).to_string(), "no token: no route");
        assert_eq!(TokenError::new(Outer("no token (no route)", cause())).to_string(), "no token (no route)");
        assert!(TokenError::temporary("later").is_temporary() && !TokenError::new("never").is_temporary());
    }

    #[test]
    fn debug_hides_a_token() {
        let token = AccessToken::new("secret").expires_at(SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        assert!(!format!("{token:?}").contains("secret"));
        assert_eq!(token.lifetime(SystemTime::UNIX_EPOCH), Some(Duration::from_secs(60)));
        assert_eq!(token.lifetime(SystemTime::UNIX_EPOCH + Duration::from_secs(61)), Some(Duration::ZERO));
        assert_eq!(AccessToken::new("t").expires_in(Duration::MAX).lifetime(SystemTime::UNIX_EPOCH), None);
    }
}
