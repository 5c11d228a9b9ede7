//! Credentials and the headers made from them. Secrets are marked sensitive and never appear in an error.

/// Implements the conversions from text to a secret.
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
#[cfg(feature = "key-command")]
mod command;
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
pub(crate) use self::header::{DefaultHeaders, header_value};
pub(crate) use self::key::KEY_PREFIXES;
pub use self::key::{ApiKey, KeyKind};
use self::source::KeyFile;
use self::token::FunctionProvider;
pub use self::token::{AccessToken, TokenError, TokenProvider};
use crate::CodexError;
use crate::runtime::Redactor;

/// How a backend authenticates. `Debug` shows no secret, only the [masked form](ApiKey::masked) of a key.
///
/// A text or a [`SecretString`] is an API key, so that `CodexBackendConfig::new("sk-...")` is enough for most.
///
/// ```
/// use tachikoma_backend_codex::{AccessToken, CodexBackend, CodexBackendConfig, CodexError, Credentials};
///
/// let configs = [
///     CodexBackendConfig::new("sk-..."),
///     // The file and the command are read again after a server has rejected the key.
///     CodexBackendConfig::new(Credentials::key_file("/run/secrets/openai")),
///     CodexBackendConfig::new(Credentials::key_command("pass", ["show", "openai"])),
///     CodexBackendConfig::new(Credentials::from_async_fn(|| async { Ok(AccessToken::new("eyJ...")) })),
///     CodexBackendConfig::new(Credentials::none()).with_base_url("http://localhost:11434/v1"),
/// ];
/// assert!(configs[0].credentials().api_key().is_some());
///
/// // They are checked when a backend is made; this file is missing.
/// let outcomes = configs.map(|config| CodexBackend::new(config).map_err(|error| error.category().as_str()));
/// assert_eq!(outcomes.map(|outcome| outcome.err()), [None, Some("configuration"), None, None, None]);
/// ```
#[derive(Clone)]
pub struct Credentials(Source);

#[derive(Clone)]
enum Source {
    Unset,
    None,
    Key(ApiKey),
    Token(AccessToken),
    File(KeyFile),
    Command(KeyCommand),
    Provider(Arc<dyn TokenProvider>),
}

/// A program, with its arguments, that prints a key. No shell is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyCommand {
    program: OsString,
    arguments: Vec<OsString>,
}

/// Credentials in a settings file that hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    None,
    File(PathBuf),
    Command(Vec<String>),
}

const KEY_HINT: &str = "Set the key alone, without quotes, \"Bearer\", spaces or line ends.";

impl Credentials {
    /// An API key, as text or as [`SecretString`]: a bearer token, or on Azure the header `api-key`.
    pub fn key(key: impl Into<ApiKey>) -> Self {
        Self(Source::Key(key.into()))
    }

    /// The API key in this file, which holds nothing else but line ends. The file is read when a backend is made, and again
    /// when a server has rejected the key, so that a key can be rotated while a program runs.
    pub fn key_file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(KeyFile(path.into())))
    }

    /// The API key that this program prints, for example a password manager. It is run, without a shell, for the first
    /// request and again when a server has rejected the key. Its arguments are not secrets: they are written to settings.
    ///
    /// It needs the feature `key-command`, without which no backend can be made with it. On Unix it runs in its own process
    /// group, which is killed on timeout, and so cannot prompt on the terminal. On Windows a script needs its extension, such as
    /// `az.cmd`, and only the program itself is killed.
    pub fn key_command<A: Into<OsString>>(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self(Source::Command(KeyCommand { program: program.into(), arguments }))
    }

    /// An access token, for example of Entra ID, as text or as [`SecretString`]: a bearer token on every server.
    pub fn token(token: impl Into<AccessToken>) -> Self {
        Self(Source::Token(token.into()))
    }

    /// The access tokens of this provider.
    pub fn from_provider(provider: impl TokenProvider + 'static) -> Self {
        Self(Source::Provider(Arc::new(provider)))
    }

    /// The access tokens that this function returns, called like a [`TokenProvider`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tachikoma_backend_codex::{AccessToken, Credentials, TokenError};
    /// # async fn request_token() -> Result<String, std::io::Error> { Ok("eyJ...".into()) }
    /// Credentials::from_async_fn(|| async {
    ///     let token = request_token().await.map_err(TokenError::temporary)?;
    ///     Ok(AccessToken::new(token).expires_in(Duration::from_secs(3600)))
    /// });
    /// ```
    pub fn from_async_fn<Fut>(function: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Result<AccessToken, TokenError>> + Send + 'static,
    {
        Self::from_provider(FunctionProvider(function))
    }

    /// No credentials, for a server that needs none.
    pub fn none() -> Self {
        Self(Source::None)
    }

    /// Missing credentials, from which no backend can be made.
    pub(crate) fn unset() -> Self {
        Self(Source::Unset)
    }

    /// The API key, if it was given directly.
    pub fn api_key(&self) -> Option<&ApiKey> {
        match &self.0 {
            Source::Key(key) => Some(key),
            _ => None,
        }
    }

    /// A fingerprint of the account of these credentials and `parts`, from which neither can be recovered. Keys that may be
    /// rotated while a program runs are not part of it.
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

    /// The form for a settings file; `None` for a secret.
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

    /// The authentication of each request, validated as far as possible. `has_auth_header`: the caller's own headers may
    /// authenticate. `timeout` limits a call of the provider. Every secret is added to `redactor`.
    ///
    /// # Errors
    /// No credentials are set, or they are not valid.
    pub(crate) fn prepare(
        &self,
        key_header: KeyHeader,
        has_auth_header: bool,
        timeout: Duration,
        redactor: &Arc<Redactor>,
    ) -> Result<RequestAuth, CodexError> {
        let token_header =
            |token: &AccessToken| header::secret_header("the access token", token.expose(), TOKEN_HINT, None);
        let cache = |provider, to_header| TokenCache::new(provider, to_header, timeout, Arc::clone(redactor));
        let invalid = |error: TokenError| CodexError::configuration(error.to_string());
        Ok(match &self.0 {
            Source::Unset | Source::None if has_auth_header => RequestAuth::None,
            Source::Unset => {
                return Err(CodexError::configuration("no credentials are set").with_hint(
                    "Set them by with_credentials, or by api_key_file or api_key_command in the settings file; \
                     Credentials::none() is for servers that need none.",
                ));
            }
            Source::None => RequestAuth::None,
            Source::Key(key) => RequestAuth::fixed(key_header.header("the API key", key.expose())?, redactor),
            Source::Token(token) => RequestAuth::fixed(token_header(token)?, redactor),
            Source::File(file) => {
                let name = format!("the API key in {}", file.0.display());
                let to_header = move |key: &AccessToken| key_header.header(&name, key.expose());
                let cache = cache(Arc::new(file.clone()), Box::new(to_header));
                if file.is_regular().map_err(invalid)? {
                    cache.store(&file.read().map_err(invalid)?)?;
                }
                RequestAuth::Cached(cache)
            }
            Source::Command(command) => {
                if command.program.is_empty() {
                    return Err(CodexError::configuration("the key command is empty"));
                }
                let name = format!("the API key that {:?} prints", command.program);
                let to_header = move |key: &AccessToken| key_header.header(&name, key.expose());
                RequestAuth::Cached(cache(command.provider()?, Box::new(to_header)))
            }
            Source::Provider(provider) => {
                RequestAuth::Cached(cache(Arc::clone(provider), Box::new(token_header)))
            }
        })
    }

    /// Whether they are [`none`](Self::none).
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.0, Source::None)
    }

    /// Whether they are access tokens.
    pub(crate) fn is_token(&self) -> bool {
        matches!(self.0, Source::Token(_) | Source::Provider(_))
    }

    /// The hint for a server error, where it differs from the one for a key.
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

const TOKEN_HINT: &str = "Set the token alone, without quotes, \"Bearer\", spaces or line ends.";

impl KeyCommand {
    #[cfg(feature = "key-command")]
    fn provider(&self) -> Result<Arc<dyn TokenProvider>, CodexError> {
        Ok(Arc::new(self.clone()))
    }

    #[cfg(not(feature = "key-command"))]
    fn provider(&self) -> Result<Arc<dyn TokenProvider>, CodexError> {
        Err(CodexError::configuration("key commands are not compiled in")
            .with_hint("Enable the feature key-command of tachikoma-backend-codex."))
    }
}

/// How a server expects API keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyHeader {
    /// The header that holds the key alone; `None` is `authorization` with a bearer token.
    pub(crate) name: Option<HeaderName>,
    /// Whether admin keys may be used.
    pub(crate) accepts_admin_keys: bool,
}

impl KeyHeader {
    fn header(&self, name: &str, key: &str) -> Result<(HeaderName, HeaderValue), CodexError> {
        if !self.accepts_admin_keys && ApiKey::new(key).kind() == KeyKind::Admin {
            let message = format!("{name} is an admin key, which cannot call a model");
            return Err(CodexError::configuration(message)
                .with_hint("Create a project key at https://platform.openai.com/api-keys."));
        }
        header::secret_header(name, key, KEY_HINT, self.name.clone())
    }
}

/// The authentication of each request.
#[derive(Clone, Debug)]
pub(crate) enum RequestAuth {
    None,
    Fixed(HeaderName, HeaderValue),
    Cached(Arc<TokenCache>),
}

impl RequestAuth {
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
            // Its arguments may hold another secret.
            Source::Command(command) => f.debug_tuple("KeyCommand").field(&command.program).finish(),
            Source::Provider(_) => f.write_str("TokenProvider"),
        }
    }
}
