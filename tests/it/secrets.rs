//! Secrets appear nowhere: each source of a secret times each channel by which it could leave is a case of its own.

pub(crate) mod channels;
mod echoes;

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use tachikoma_backend_codex::{
    AccessToken, Api, ApiKey, Azure, CodexBackend, CodexBackendConfig, CodexError, Credentials, Recorder,
    TokenError,
};
use tachikoma_backends_core::{Backend, CompletionRequest, Message};
use tachikoma_openai_mock::{MockServer, Reply};
use tracing::Level;

use self::channels::{Channel, Log, Observations};
use self::echoes::echoes;

/// The part by which each secret is recognised, wherever it comes from.
const MARK: &str = "NobodyMay3Read7This";

fn key() -> String {
    format!("sk-proj-{MARK}0wxyz")
}

fn token() -> String {
    format!("eyJ{MARK}.eyJhIjoxfQ.{MARK}-sig")
}

/// The sources of secrets, with a test for each that checks all channels.
macro_rules! sources {
    ($($source:ident: $test:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Source { $($source,)* }

        $(#[tokio::test]
        async fn $test() {
            appears_in_no_channel(Source::$source).await;
        })*
    };
}

sources! {
    Key: a_key_appears_nowhere;
    ShortKey: a_short_key_appears_nowhere;
    KeyFile: a_key_from_a_file_appears_nowhere;
    Token: a_token_appears_nowhere;
    Provider: a_token_of_a_provider_appears_nowhere;
    AzureKey: a_key_of_azure_appears_nowhere;
    AzureToken: a_token_for_azure_appears_nowhere;
    CustomHeader: the_value_of_a_custom_header_appears_nowhere;
    CustomAuthorization: a_custom_authorization_header_appears_nowhere;
    BasicAuthorization: a_password_for_basic_authorization_appears_nowhere;
    PathOfBaseUrl: a_key_in_the_path_of_the_base_url_appears_nowhere;
    PathOfAzure: a_key_in_the_path_of_an_azure_endpoint_appears_nowhere;
}

/// The shortest key that is still masked.
const SHORT: &str = "q7x-9z";

impl Source {
    /// The secret, as a server sees it.
    fn secret(self) -> String {
        match self {
            Self::Key | Self::KeyFile | Self::AzureKey | Self::PathOfBaseUrl | Self::PathOfAzure => key(),
            Self::ShortKey => SHORT.to_owned(),
            Self::Token | Self::Provider | Self::AzureToken => token(),
            Self::CustomHeader => format!("{MARK}-code=="),
            Self::CustomAuthorization => format!("Custom {MARK}"),
            Self::BasicAuthorization => "Basic dXNlcjpOb2JvZHlNYXkzUmVhZDdUaGlz".to_owned(),
        }
    }

    /// Parts of the secret that must not appear, and that occur in nothing else.
    fn marks(self) -> Vec<&'static str> {
        match self {
            Self::ShortKey => vec![SHORT],
            _ => vec![MARK, "ay3Read7", "dXNlcjpOb2JvZHlNYXkzUmVhZDdUaGlz", "ay3read7"],
        }
    }

    /// A configuration for the server at this origin. The file, if any, is to be deleted.
    fn config(self, origin: &str) -> (CodexBackendConfig, Option<PathBuf>) {
        let url = format!("{origin}/v1");
        let new = |credentials: Credentials| CodexBackendConfig::new(credentials).with_base_url(&url);
        let azure =
            |credentials: Credentials| CodexBackendConfig::new(credentials).with_azure(Azure::new(origin));
        let config = match self {
            Self::Key | Self::ShortKey => new(self.secret().into()),
            Self::KeyFile => {
                let file = std::env::temp_dir().join(format!("codex-secrets-{}", unique_name()));
                std::fs::write(&file, self.secret()).unwrap();
                return (new(Credentials::key_file(&file)).with_min_retry_wait(SHORT_WAIT), Some(file));
            }
            Self::Token => new(Credentials::token(self.secret())),
            Self::Provider => {
                new(Credentials::from_async_fn(move || async move { Ok(AccessToken::new(self.secret())) }))
            }
            Self::AzureKey => azure(self.secret().into()),
            Self::AzureToken => azure(Credentials::token(self.secret())),
            Self::CustomHeader => new(Credentials::none()).with_header("x-functions-code", self.secret()),
            Self::CustomAuthorization | Self::BasicAuthorization => {
                new(Credentials::none()).with_header("authorization", self.secret())
            }
            Self::PathOfBaseUrl => {
                CodexBackendConfig::new("k").with_base_url(format!("{origin}/proxy/{}/v1", self.secret()))
            }
            Self::PathOfAzure => CodexBackendConfig::new("k").with_azure(
                Azure::new(format!("{origin}/proxy/{}", self.secret())).with_api_version("2024-10-21"),
            ),
        };
        (config.with_min_retry_wait(SHORT_WAIT), None)
    }
}

/// The wait before a retry, so that the test does not take long.
const SHORT_WAIT: Duration = Duration::from_millis(1);

/// A name that is unique among calls and running processes.
fn unique_name() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

/// Sends one request, whole or streamed, over either API.
async fn send(backend: &CodexBackend, is_streamed: bool) -> Result<(), CodexError> {
    if !is_streamed {
        return backend.try_complete(request()).await.map(drop);
    }
    let mut stream = backend.try_complete_stream(request()).await?;
    while let Some(chunk) = stream.next().await {
        chunk?;
    }
    Ok(())
}

/// The log lines of this crate, which cannot control what the HTTP crates log of URLs.
fn own_lines(log: &str) -> String {
    log.lines().filter(|line| line.contains("tachikoma_backend_codex")).collect::<Vec<_>>().join("\n")
}

/// The source in use with a server that does not echo it.
async fn in_use(source: Source, log: &Log, observations: &mut Observations) {
    let mock = MockServer::builder().without_key().start().await.unwrap();
    let (config, file) = source.config(mock.azure_endpoint());
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.jsonl");
    let config = config.with_recorder(Recorder::create(&recording)).with_transcripts(true);
    let backend = CodexBackend::new(config.clone()).unwrap();
    let preview = backend.preview(&request());
    observations.add(Channel::Debug, "made", format!("{config:?} {config:#?} {backend:?} {backend:#?}"));
    observations.add(Channel::Debug, "made", format!("{:?} {preview:?}", config.credentials()));
    observations.add(Channel::Settings, "JSON", serde_json::to_string(&config).unwrap());
    observations.add(Channel::Settings, "TOML", toml::to_string(&config).unwrap());
    let is_in_path = matches!(source, Source::PathOfBaseUrl | Source::PathOfAzure);
    for api in [Api::ChatCompletions, Api::Responses] {
        let backend = CodexBackend::new(config.clone().with_api(api)).unwrap();
        for is_streamed in [false, true] {
            assert_eq!(send(&backend, is_streamed).await.is_ok(), !is_in_path, "{source:?}, {api:?}");
        }
    }
    assert!(is_in_path || backend.health_check().await.is_ok());
    for status in [401, 429, 500] {
        mock.push_reply(Reply::error(status, "code", "No").with_header("retry-after-ms", "1"));
        if let Err(error) = send(&backend, false).await {
            observations.add_error("an error of the mock", error);
        }
    }
    if !is_in_path && source != Source::CustomHeader && source != Source::BasicAuthorization {
        observations.add(Channel::Recordings, "the mock", format!("{:?}", mock.requests()));
    } else {
        // The mock records the path and unknown headers unchanged.
        let masked =
            mock.requests().into_iter().filter_map(|request| request.header("api-key").map(str::to_owned));
        observations.add(Channel::Recordings, "the mock", format!("{:?}", masked.collect::<Vec<_>>()));
    }
    observations.add(Channel::RecorderFile, "in use", std::fs::read_to_string(&recording).unwrap());
    observations.add(Channel::Debug, "used", format!("{backend:?}"));
    let log = log.take();
    observations.add(Channel::Log, "in use", if is_in_path { own_lines(&log) } else { log.clone() });
    assert!(is_in_path || log.contains("trying again"), "this crate's own events are not logged");
    assert!(log.contains("hyper_util") && log.contains("TRACE"), "the HTTP crates' events are not logged");
    for url in ["http://127.0.0.1:1", "http://no-such-host.invalid", "https://127.0.0.1:1"] {
        let (config, file) = source.config(url);
        let config = config.with_max_retries(0).with_transcripts(true);
        let error = CodexBackend::new(config).unwrap().try_complete(request()).await;
        observations.add_error(url, error.unwrap_err());
        file.into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
    }
    file.into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

async fn appears_in_no_channel(source: Source) {
    let mut observations = Observations::default();
    let log = Log::default();
    let guard = log.listen(Level::TRACE);
    in_use(source, &log, &mut observations).await;
    drop(guard);
    // The finest level, at which this crate logs nothing, would take most of the time.
    let _guard = log.listen(Level::DEBUG);
    echoes(source, &log, &mut observations).await;
    let mut failures = Vec::new();
    observations.check(source, &mut failures);
    failures.truncate(40);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Secrets that cannot be sent, and secrets in the messages of a token provider.
#[tokio::test]
async fn errors_about_a_secret_do_not_hold_it() {
    #[track_caller]
    fn check(name: &str, config: &CodexBackendConfig, error: CodexError) {
        let mut observations = Observations::default();
        observations.add(Channel::Debug, name, format!("{config:?} {config:#?}"));
        observations.add(Channel::Settings, name, serde_json::to_string(config).unwrap());
        observations.add_error(name, error);
        let mut failures = Vec::new();
        observations.check(Source::Key, &mut failures);
        failures.retain(|failure| !failure.contains("nothing was checked"));
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
    let key = key();
    let plain = || CodexBackendConfig::new("k");
    for (name, config, words) in [
        ("a line break", CodexBackendConfig::new(format!("{key}\n")), "a line break"),
        ("a space", CodexBackendConfig::new(format!("{key} {key}")), "a space"),
        ("not ASCII", CodexBackendConfig::new(format!("{key}é")), "not valid in an HTTP header"),
        ("quotes", CodexBackendConfig::new(format!("\"{key}\"")), "the API key is in quotes"),
        ("single quotes", CodexBackendConfig::new(format!("'{key}'")), "the API key is in quotes"),
        ("a scheme", CodexBackendConfig::new(format!("Bearer {key}")), "begins with \"Bearer \""),
        ("a variable", CodexBackendConfig::new(format!("OPENAI_API_KEY={key}")), "the name of a variable"),
        ("a token's scheme", CodexBackendConfig::new(Credentials::token(format!("bearer {key}"))), "Bearer"),
        ("an ApiKey", CodexBackendConfig::new(ApiKey::new(format!("\"{key}\""))), "the API key is in quotes"),
        ("a user", plain().with_base_url(format!("http://user:{key}@127.0.0.1:1/v1")), "a password"),
        ("a query", plain().with_base_url(format!("http://127.0.0.1:1/v1?key={key}")), "has a query"),
        ("a fragment", plain().with_base_url(format!("http://127.0.0.1:1/v1#{key}")), "a fragment"),
        ("the key for the URL", plain().with_base_url(key.clone()), "the base URL is"),
        (
            "Azure's query",
            plain().with_azure(Azure::new(format!("https://r.example?k={key}"))),
            "has a query",
        ),
        ("a header's value", plain().with_header("x-pass", format!("{key}\n")), "the header x-pass"),
        ("a header's name", plain().with_header(format!("{key} x"), "a"), "is not a valid header name"),
    ] {
        let error = CodexBackend::new(config.clone()).unwrap_err();
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        check(name, &config, error);
    }
    for (name, outcome) in [
        ("a provider's message", Err(TokenError::new(format!("no {}, sorry", token())))),
        ("a token with a line break", Ok(AccessToken::new(format!("{}\n", token())))),
        ("a quoted token", Ok(AccessToken::new(format!("\"{}\"", token())))),
    ] {
        let failing = Credentials::from_async_fn(move || std::future::ready(outcome.clone()));
        let config = CodexBackendConfig::new(failing).with_azure(Azure::new("http://127.0.0.1:1"));
        let error = CodexBackend::new(config.clone()).unwrap().try_complete(request()).await.unwrap_err();
        check(name, &config, error);
    }
}

/// The `Debug` of a client contains its default headers.
#[test]
fn the_headers_of_a_callers_client_are_hidden() {
    let headers = [("x-pass".parse().unwrap(), key().parse().unwrap())].into_iter().collect();
    let client = reqwest::Client::builder().default_headers(headers).build().unwrap();
    assert!(format!("{client:?}").contains(MARK), "reqwest no longer prints default headers");
    let config = CodexBackendConfig::new("k").with_http_client(client);
    let backend = CodexBackend::new(config.clone()).unwrap();
    assert!(!format!("{config:?} {backend:?}").contains(MARK));
}

/// The message of a server may quote the prompt: it is logged only where content is.
#[tokio::test]
async fn the_prompt_in_an_error_is_not_logged() {
    for record_content in [false, true] {
        let log = Log::default();
        let guard = log.listen(Level::TRACE);
        let mock = MockServer::start().await.unwrap();
        let config = CodexBackendConfig::new("sk-test")
            .with_base_url(mock.base_url())
            .with_record_content(record_content);
        let backend = CodexBackend::new(config).unwrap();
        for status in [500, 401, 400] {
            let reply = Reply::error(status, "server_error", "Cannot read \"my diagnosis\"");
            mock.push_reply(reply.with_header("retry-after-ms", "1"));
        }
        for is_streamed in [false, true] {
            let _ = send(&backend, is_streamed).await;
        }
        drop(guard);
        let lines = own_lines(&log.take());
        assert!(lines.contains("trying again") && lines.contains("server_error"), "{lines}");
        assert_eq!(lines.contains("my diagnosis"), record_content, "{lines}");
    }
}
