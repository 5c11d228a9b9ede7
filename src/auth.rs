//! Credentials to headers. Secrets are marked sensitive, and never reach an error.

/// Writes the ways to give a secret as text.
macro_rules! from_text {
    ($secret:ident) => {
        impl From<&str> for $secret {
            fn from(text: &str) -> Self {
                SecretString::from(text).into()
            }
        }

        impl From<&String> for $secret {
            fn from(text: &String) -> Self {
                text.as_str().into()
            }
        }

        impl From<String> for $secret {
            fn from(text: String) -> Self {
                SecretString::from(text).into()
            }
        }
    };
}

mod cache;
mod header;
mod key;
mod source;
mod token;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::SecretString;
use tachikoma_backends_core::ErrorCategory;

pub(crate) use self::cache::TokenCache;
pub(crate) use self::header::{Headers, word as header_value};
pub(crate) use self::key::KEY_PREFIXES;
pub use self::key::{ApiKey, KeyKind};
use self::source::{KeyCommand, KeyFile};
use self::token::ByFunction;
pub use self::token::{AccessToken, TokenError, TokenProvider};
use crate::CodexError;
use crate::runtime::Redactor;

/// How a backend authenticates. `Debug` shows no secret, of a key its [masked form](ApiKey::masked).
///
/// A text or a [`SecretString`] is an API key, so that `CodexBackendConfig::new("sk-...")` is enough for most.
///
/// ```no_run
/// # use tachikoma_backend_codex::{AccessToken, CodexBackendConfig, Credentials};
/// CodexBackendConfig::new("sk-...");
/// CodexBackendConfig::new(Credentials::key_file("/run/secrets/openai"));
/// CodexBackendConfig::new(Credentials::key_command("pass", ["show", "openai"]));
/// CodexBackendConfig::new(Credentials::from_async_fn(|| async { Ok(AccessToken::new("eyJ...")) }));
/// CodexBackendConfig::new(Credentials::none()).with_base_url("http://localhost:11434/v1");
/// ```
#[derive(Clone)]
pub struct Credentials(Source);

#[derive(Clone)]
enum Source {
    /// Not set.
    Unset,
    None,
    Key(ApiKey),
    Token(AccessToken),
    File(KeyFile),
    Command(KeyCommand),
    Provider(Arc<dyn TokenProvider>),
}

/// What a file says of credentials without giving them away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    None,
    File(PathBuf),
    Command(Vec<String>),
}

const KEY_HINT: &str = "Set the key alone, without quotes, \"Bearer\", spaces or line ends.";

impl Credentials {
    /// An API key, as text or as [`SecretString`]: a bearer, or in Azure's header `api-key`.
    pub fn key(key: impl Into<ApiKey>) -> Self {
        Self(Source::Key(key.into()))
    }

    /// The API key that is alone in this file, but for line ends. The file is read when a backend is made, and again once a
    /// server has refused the key, so that a key may be replaced while a program runs.
    pub fn key_file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(KeyFile(path.into())))
    }

    /// The API key that this program prints, for example a password manager. It is run, without a shell, for the first
    /// request and again once a server has refused the key. Its arguments are not taken for secrets: they are written to
    /// settings.
    ///
    /// On Unix it gets a process group of its own, which is killed if the key does not come in time, and so cannot ask for
    /// anything on the terminal.
    pub fn key_command<A: Into<OsString>>(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self(Source::Command(KeyCommand { program: program.into(), arguments }))
    }

    /// An access token, for example of Entra ID, as text or as [`SecretString`]: a bearer on every server.
    pub fn token(token: impl Into<AccessToken>) -> Self {
        Self(Source::Token(token.into()))
    }

    /// The access tokens that this provider gives.
    pub fn from_provider(provider: impl TokenProvider + 'static) -> Self {
        Self(Source::Provider(Arc::new(provider)))
    }

    /// The access tokens that this function gives, called as a [`TokenProvider`] is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tachikoma_backend_codex::{AccessToken, Credentials, TokenError};
    /// # async fn ask_entra_id() -> Result<String, std::io::Error> { Ok("eyJ...".into()) }
    /// Credentials::from_async_fn(|| async {
    ///     let token = ask_entra_id().await.map_err(TokenError::temporary)?;
    ///     Ok(AccessToken::new(token).expires_in(Duration::from_secs(3600)))
    /// });
    /// ```
    pub fn from_async_fn<Asking>(function: impl Fn() -> Asking + Send + Sync + 'static) -> Self
    where
        Asking: Future<Output = Result<AccessToken, TokenError>> + Send + 'static,
    {
        Self::from_provider(ByFunction(function))
    }

    /// Nothing at all, for a server that wants nothing.
    pub fn none() -> Self {
        Self(Source::None)
    }

    /// What a backend cannot be made from.
    pub(crate) fn unset() -> Self {
        Self(Source::Unset)
    }

    /// The key, where it was given as such.
    pub fn api_key(&self) -> Option<&ApiKey> {
        match &self.0 {
            Source::Key(key) => Some(key),
            _ => None,
        }
    }

    /// A number for the account that these credentials and `parts` are of, which says nothing about them. Keys that are replaced
    /// while a program runs are not part of it.
    pub(crate) fn fingerprint(&self, parts: &[&str]) -> u64 {
        let key = self.api_key().map_or("", ApiKey::expose);
        let bytes = parts.iter().chain([&key]).flat_map(|part| part.bytes().chain([0]));
        // FNV-1a: the same in every release, since conversations are stored.
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // Half of it is enough to tell accounts apart, and too little to try keys against.
        hash >> 32
    }

    /// What a file may say of it; `None` where there is only a secret.
    pub(crate) fn reference(&self) -> Option<Reference> {
        match &self.0 {
            Source::None => Some(Reference::None),
            Source::File(KeyFile(path)) => Some(Reference::File(path.clone())),
            Source::Command(KeyCommand { program, arguments }) => {
                let words = [program].into_iter().chain(arguments);
                Some(Reference::Command(words.map(|word| word.to_string_lossy().into_owned()).collect()))
            }
            Source::Unset | Source::Key(_) | Source::Token(_) | Source::Provider(_) => None,
        }
    }

    /// What goes out with each request, checked as far as it is there already. `has_own`: the caller's own headers may
    /// authenticate. `timeout` is how long a provider may take. `redactor` learns every secret that is used.
    ///
    /// # Errors
    /// There are no credentials, or they cannot be sent.
    pub(crate) fn prepare(
        &self,
        key_header: KeyHeader,
        has_own: bool,
        timeout: Duration,
        redactor: &Arc<Redactor>,
    ) -> Result<Prepared, CodexError> {
        let token_header =
            |token: &AccessToken| header::of_secret("the access token", token.expose(), TOKEN_HINT, None);
        let cache = |provider, to_header| TokenCache::new(provider, to_header, timeout, Arc::clone(redactor));
        let wrong = |error: TokenError| CodexError::configuration(error.to_string());
        Ok(match &self.0 {
            Source::Unset | Source::None if has_own => Prepared::Nothing,
            Source::Unset => {
                return Err(CodexError::configuration("there are no credentials").with_hint(
                    "Give them with_credentials, or api_key_file or api_key_command in the settings' file; \
                     Credentials::none() is for servers that need none.",
                ));
            }
            Source::None => Prepared::Nothing,
            Source::Key(key) => Prepared::fixed(key_header.header("the API key", key.expose())?, redactor),
            Source::Token(token) => Prepared::fixed(token_header(token)?, redactor),
            Source::File(file) => {
                let what = format!("the API key in {}", file.0.display());
                let to_header = move |key: &AccessToken| key_header.header(&what, key.expose());
                let cache = cache(Arc::new(file.clone()), Box::new(to_header));
                if file.is_plain().map_err(wrong)? {
                    cache.hold(&file.read().map_err(wrong)?)?;
                }
                Prepared::Cached(cache)
            }
            Source::Command(command) => {
                if command.program.is_empty() {
                    return Err(CodexError::configuration("the key command is empty"));
                }
                let what = format!("the API key that {:?} prints", command.program);
                let to_header = move |key: &AccessToken| key_header.header(&what, key.expose());
                Prepared::Cached(cache(Arc::new(command.clone()), Box::new(to_header)))
            }
            Source::Provider(provider) => {
                Prepared::Cached(cache(Arc::clone(provider), Box::new(token_header)))
            }
        })
    }

    /// Whether they are without a secret of any kind.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.0, Source::None)
    }

    /// Whether they are access tokens.
    pub(crate) fn is_token(&self) -> bool {
        matches!(self.0, Source::Token(_) | Source::Provider(_))
    }

    /// What to do about an error of the server, where that is not what it is for a key.
    pub(crate) fn hint(&self, category: ErrorCategory) -> Option<String> {
        if category != ErrorCategory::Authentication {
            return None;
        }
        match &self.0 {
            Source::None => Some("No credentials were sent: set an API key.".to_owned()),
            Source::File(KeyFile(path)) => Some(format!("Check the API key in {}.", path.display())),
            Source::Command(command) => Some(format!("Check the API key that {:?} prints.", command.program)),
            _ => None,
        }
    }
}

const TOKEN_HINT: &str = "Give the token alone, without quotes, \"Bearer\", spaces or line ends.";

/// How a server takes keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyHeader {
    /// The header for a key alone; `None` is `authorization`, with a bearer.
    pub(crate) name: Option<HeaderName>,
    /// Whether a key of an administrator is of use.
    pub(crate) takes_admin_keys: bool,
}

impl KeyHeader {
    fn header(&self, what: &str, key: &str) -> Result<(HeaderName, HeaderValue), CodexError> {
        if !self.takes_admin_keys && ApiKey::new(key).kind() == KeyKind::Admin {
            let message = format!("{what} is an admin key, which cannot call a model");
            return Err(CodexError::configuration(message)
                .with_hint("Make a key of a project at https://platform.openai.com/api-keys."));
        }
        header::of_secret(what, key, KEY_HINT, self.name.clone())
    }
}

/// What authenticates each request.
#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    Nothing,
    Fixed(HeaderName, HeaderValue),
    Cached(Arc<TokenCache>),
}

impl Prepared {
    fn fixed((name, value): (HeaderName, HeaderValue), redactor: &Redactor) -> Self {
        redactor.add_credential(&value);
        Self::Fixed(name, value)
    }
}

from_text!(Credentials);

impl From<SecretString> for Credentials {
    fn from(key: SecretString) -> Self {
        Self::key(key)
    }
}

impl From<ApiKey> for Credentials {
    fn from(key: ApiKey) -> Self {
        Self(Source::Key(key))
    }
}

impl From<Reference> for Credentials {
    fn from(reference: Reference) -> Self {
        match reference {
            Reference::None => Self::none(),
            Reference::File(path) => Self::key_file(path),
            Reference::Command(words) => {
                let mut words = words.into_iter();
                Self::key_command(words.next().unwrap_or_default(), words)
            }
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Unset => f.write_str("Unset"),
            Source::None => f.write_str("None"),
            Source::Key(key) => key.fmt(f),
            Source::Token(token) => token.fmt(f),
            Source::File(KeyFile(path)) => f.debug_tuple("KeyFile").field(path).finish(),
            // Its arguments may hold a secret of another kind.
            Source::Command(command) => f.debug_tuple("KeyCommand").field(&command.program).finish(),
            Source::Provider(_) => f.write_str("TokenProvider"),
        }
    }
}
