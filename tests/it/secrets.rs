//! Secrets appear nowhere: each source of a secret times each channel by which it could leave is a case of its own.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use openai_mock::{MockServer, Reply};
use tachikoma_backend_codex::{
    AccessToken, Api, ApiKey, Azure, CodexBackend, CodexBackendConfig, CodexError, Credentials, TokenError,
};
use tachikoma_backends_core::{Backend, BackendError, CompletionRequest, Message};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::server;

/// The part by which each secret is recognised, wherever it comes from.
const MARK: &str = "NobodyMay3Read7This";

fn key() -> String {
    format!("sk-proj-{MARK}0wxyz")
}

fn token() -> String {
    format!("eyJ{MARK}.eyJhIjoxfQ.{MARK}-sig")
}

/// Where a secret comes from, with a test for each, which looks at all channels.
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
    OwnHeader: the_value_of_an_own_header_appears_nowhere;
    OwnAuthorization: an_authorization_of_ones_own_appears_nowhere;
    BasicAuthorization: a_password_for_basic_authorization_appears_nowhere;
    PathOfBaseUrl: a_key_in_the_path_of_the_base_url_appears_nowhere;
    PathOfAzure: a_key_in_the_path_of_an_azure_endpoint_appears_nowhere;
}

/// A key that is no more than the shortest that is masked.
const SHORT: &str = "q7x-9z";

impl Source {
    /// The secret, as a server sees it.
    fn secret(self) -> String {
        match self {
            Self::Key | Self::KeyFile | Self::AzureKey | Self::PathOfBaseUrl | Self::PathOfAzure => key(),
            Self::ShortKey => SHORT.to_owned(),
            Self::Token | Self::Provider | Self::AzureToken => token(),
            Self::OwnHeader => format!("{MARK}-code=="),
            Self::OwnAuthorization => format!("Custom {MARK}"),
            Self::BasicAuthorization => "Basic dXNlcjpOb2JvZHlNYXkzUmVhZDdUaGlz".to_owned(),
        }
    }

    /// What must not be seen, of any length: parts of the secret that nothing else holds.
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
            Self::OwnHeader => new(Credentials::none()).with_header("x-functions-code", self.secret()),
            Self::OwnAuthorization | Self::BasicAuthorization => {
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

/// A number that no other call in this process gets, and no other process at the same time.
fn unique_name() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How a server sends a secret back. `SECRET` stands for it.
const ECHOES: &[(&str, u16, &str, &str)] = &[
    (
        "message",
        401,
        "application/json",
        r#"{"error":{"message":"Wrong: Bearer SECRET.","type":"t","code":"c"}}"#,
    ),
    (
        "every field",
        400,
        "application/json",
        r#"{"error":{"message":"SECRET","type":"SECRET","code":"SECRET","param":"SECRET"}}"#,
    ),
    ("only the code", 400, "application/json", r#"{"error":{"code":"SECRET"}}"#),
    ("error is a text", 403, "application/json", r#"{"error":"no SECRET"}"#),
    ("detail", 422, "application/json", r#"{"detail":[{"loc":["header","SECRET"],"msg":"bad SECRET"}]}"#),
    ("an array", 429, "application/json", r#"[{"error":{"message":"SECRET","status":"SECRET"}}]"#),
    ("an unknown shape", 500, "application/json", r#"{"fault":{"headers":{"SECRET":["SECRET"]}}}"#),
    ("a page", 502, "text/html", "<html><title>SECRET</title><body>SECRET</body></html>"),
    ("text", 500, "text/plain", "GET /?key=SECRET failed"),
    ("an event stream", 400, "text/event-stream", "data: {\"error\":{\"message\":\"SECRET\"}}\n\n"),
    ("a redirect", 302, "text/plain", "see SECRET"),
    ("an error in a success", 200, "application/json", r#"{"error":{"message":"SECRET","code":"SECRET"}}"#),
    ("no response", 200, "application/json", r#"{"SECRET":"SECRET"}"#),
    ("not JSON", 200, "application/json", "hello SECRET"),
    ("JSON of another type", 200, "application/json", r#"{"choices":"SECRET"}"#),
    (
        "an error event",
        200,
        "text/event-stream",
        "data: {\"error\":{\"message\":\"SECRET\",\"code\":\"SECRET\"}}\n\n",
    ),
    (
        "a named error event",
        200,
        "text/event-stream",
        "event: error\ndata: {\"message\":\"SECRET\",\"type\":\"SECRET\"}\n\n",
    ),
    (
        "an error after text",
        200,
        "text/event-stream",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"error\":\"SECRET\"}\n\n",
    ),
    ("an event that is no JSON", 200, "text/event-stream", "data: SECRET\n\n"),
    ("an unknown event", 200, "text/event-stream", "event: SECRET\ndata: {\"SECRET\":1}\n\n"),
    (
        "a failed response",
        200,
        "text/event-stream",
        "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"SECRET\",\"status\":\"failed\",\"error\":{\"code\":\"SECRET\",\"message\":\"SECRET\"}}}\n\n",
    ),
    (
        "a success with odd words",
        200,
        "application/json",
        r#"{"id":"SECRET","model":"SECRET","SECRET":1,"service_tier":"SECRET","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"SECRET"}]}"#,
    ),
];

/// The ways in which a secret is written in an echo.
fn spellings(secret: &str) -> Vec<String> {
    let (_, bare) = secret.split_once(' ').unwrap_or(("", secret));
    let percent: String = bare
        .bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    let mut spellings = vec![secret.to_owned(), bare.to_owned(), percent, bare.to_ascii_lowercase()];
    if bare.len() > 16 {
        spellings.push(bare[..bare.len() - 3].to_owned());
        spellings.push(bare[6..].to_owned());
    }
    spellings
}

/// A way by which a secret could leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Channel {
    /// `Display` of both error types, and of their causes.
    ErrorDisplay,
    /// `Debug` of both error types, and of their causes.
    ErrorDebug,
    /// Each field of the details.
    ErrorDetails,
    /// `Debug` of the configuration, the backend, the credentials, a preview.
    Debug,
    /// Settings as JSON and TOML.
    Settings,
    /// Spans and events, those of the HTTP crates included.
    Log,
    /// What was counted of unknown fields and words.
    Counters,
    /// The requests that the mock has recorded.
    Recordings,
}

const CHANNELS: &[Channel] = &[
    Channel::ErrorDisplay,
    Channel::ErrorDebug,
    Channel::ErrorDetails,
    Channel::Debug,
    Channel::Settings,
    Channel::Log,
    Channel::Counters,
    Channel::Recordings,
];

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().unwrap())).into_owned()
    }

    fn listen(&self, level: Level) -> tracing::subscriber::DefaultGuard {
        // What the HTTP crates write goes through `log`.
        let _ = tracing_log::LogTracer::init();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

/// What was seen in each channel, and under which circumstances.
#[derive(Default)]
struct Seen(Vec<(Channel, String, String)>);

impl Seen {
    fn add(&mut self, channel: Channel, place: &str, text: impl Into<String>) {
        self.0.push((channel, place.to_owned(), text.into()));
    }

    fn error(&mut self, place: &str, error: CodexError) {
        let mut cause: Option<&dyn Error> = Some(&error);
        while let Some(error) = cause {
            self.add(Channel::ErrorDisplay, place, error.to_string());
            self.add(Channel::ErrorDebug, place, format!("{error:?} {error:#?}"));
            cause = error.source();
        }
        let details = error.details().clone();
        let fields = [Some(details.message), details.code, details.param, details.request_id, details.hint];
        for field in fields.into_iter().flatten().chain(details.earlier_failures) {
            self.add(Channel::ErrorDetails, place, field);
        }
        let error = BackendError::from(error);
        self.add(Channel::ErrorDisplay, place, error.to_string());
        self.add(Channel::ErrorDebug, place, format!("{error:?} {error:#?}"));
    }

    /// The cases in which one of these was seen, and those channels that nothing was seen of at all.
    fn check(self, source: Source, failures: &mut Vec<String>) {
        for channel in CHANNELS {
            let mut texts = self.0.iter().filter(|(seen, ..)| seen == channel).peekable();
            if texts.peek().is_none() {
                failures.push(format!("{source:?} x {channel:?}: nothing was looked at"));
            }
            for (_, place, text) in texts {
                if let Some(mark) = source.marks().into_iter().find(|mark| text.contains(mark)) {
                    let line = text.lines().find(|line| line.contains(mark)).unwrap_or_default();
                    failures.push(format!("{source:?} x {channel:?}, {place}: {line}"));
                }
            }
        }
    }
}

/// Sends one request, whole or streamed, over either API.
async fn ask(backend: &CodexBackend, is_streamed: bool) -> Result<(), CodexError> {
    if !is_streamed {
        return backend.try_complete(request()).await.map(drop);
    }
    let mut stream = backend.try_complete_stream(request()).await?;
    while let Some(chunk) = stream.next().await {
        chunk?;
    }
    Ok(())
}

async fn echoes(source: Source, log: &Log, seen: &mut Seen) {
    let answer = Arc::new(Mutex::new(Vec::new()));
    let url = server::start_changing(Arc::clone(&answer)).await;
    let (config, file) = source.config(url.trim_end_matches("/v1"));
    let backends = [(Api::ChatCompletions, false), (Api::Responses, false), (Api::ChatCompletions, true)];
    let backends = backends.map(|(api, record_content)| {
        let config = config.clone().with_api(api).with_max_retries(1).with_record_content(record_content);
        (format!("{api:?}, content recorded {record_content}"), CodexBackend::new(config).unwrap())
    });
    for (name, status, content_type, body) in ECHOES {
        for (number, spelling) in spellings(&source.secret()).into_iter().enumerate() {
            let body = body.replace("SECRET", &spelling);
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\ncontent-type: {content_type}\r\nx-request-id: {spelling}\r\n\
                 retry-after-ms: 1\r\nlocation: https://elsewhere.example/{spelling}?key={spelling}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            *answer.lock().unwrap() = [head.as_bytes(), body.as_bytes()].concat();
            for ((backend_name, backend), is_streamed) in
                backends.iter().flat_map(|backend| [(backend, false), (backend, true)])
            {
                // The other spellings take the same ways.
                if number > 0 && backend_name != &backends[0].0 {
                    continue;
                }
                let place = format!("{name}, spelling {number}, {backend_name}, streamed {is_streamed}");
                if let Err(error) = ask(backend, is_streamed).await {
                    seen.error(&place, error);
                }
                seen.add(Channel::Log, &place, own_lines(&log.take()));
            }
        }
    }
    for (name, backend) in &backends {
        assert!(!backend.unknown_fields().is_empty(), "nothing was counted");
        seen.add(Channel::Counters, name, format!("{:?}", backend.unknown_fields()));
    }
    file.into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

/// The lines of this crate. What the HTTP crates log of URLs is not in its hands.
fn own_lines(log: &str) -> String {
    log.lines().filter(|line| line.contains("tachikoma_backend_codex")).collect::<Vec<_>>().join("\n")
}

/// The source at work with a server that sends nothing back.
async fn at_work(source: Source, log: &Log, seen: &mut Seen) {
    let mock = MockServer::builder().without_key().start().await.unwrap();
    let (config, file) = source.config(mock.azure_endpoint());
    let backend = CodexBackend::new(config.clone()).unwrap();
    let preview = backend.preview(&request());
    seen.add(Channel::Debug, "made", format!("{config:?} {config:#?} {backend:?} {backend:#?}"));
    seen.add(Channel::Debug, "made", format!("{:?} {preview:?}", config.credentials()));
    seen.add(Channel::Settings, "JSON", serde_json::to_string(&config).unwrap());
    seen.add(Channel::Settings, "TOML", toml::to_string(&config).unwrap());
    let is_in_path = matches!(source, Source::PathOfBaseUrl | Source::PathOfAzure);
    for api in [Api::ChatCompletions, Api::Responses] {
        let backend = CodexBackend::new(config.clone().with_api(api)).unwrap();
        for is_streamed in [false, true] {
            assert_eq!(ask(&backend, is_streamed).await.is_ok(), !is_in_path, "{source:?}, {api:?}");
        }
    }
    assert!(is_in_path || backend.health_check().await.is_ok());
    for status in [401, 429, 500] {
        mock.push_reply(Reply::error(status, "code", "No").with_header("retry-after-ms", "1"));
        if let Err(error) = ask(&backend, false).await {
            seen.error("an error of the mock", error);
        }
    }
    if !is_in_path && source != Source::OwnHeader && source != Source::BasicAuthorization {
        seen.add(Channel::Recordings, "the mock", format!("{:?}", mock.requests()));
    } else {
        // The mock records the path, and headers that it does not know, as they came.
        let masked =
            mock.requests().into_iter().filter_map(|request| request.header("api-key").map(str::to_owned));
        seen.add(Channel::Recordings, "the mock", format!("{:?}", masked.collect::<Vec<_>>()));
    }
    seen.add(Channel::Debug, "used", format!("{backend:?}"));
    let log = log.take();
    seen.add(Channel::Log, "at work", if is_in_path { own_lines(&log) } else { log.clone() });
    assert!(is_in_path || log.contains("trying again"), "this crate's own events are not logged");
    assert!(log.contains("hyper_util") && log.contains("TRACE"), "the HTTP crates' events are not logged");
    for url in ["http://127.0.0.1:1", "http://no-such-host.invalid", "https://127.0.0.1:1"] {
        let (config, file) = source.config(url);
        let error = CodexBackend::new(config.with_max_retries(0)).unwrap().try_complete(request()).await;
        seen.error(url, error.unwrap_err());
        file.into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
    }
    file.into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

async fn appears_in_no_channel(source: Source) {
    let mut seen = Seen::default();
    let log = Log::default();
    let guard = log.listen(Level::TRACE);
    at_work(source, &log, &mut seen).await;
    drop(guard);
    // The finest level, at which this crate logs nothing, would take most of the time.
    let _guard = log.listen(Level::DEBUG);
    echoes(source, &log, &mut seen).await;
    let mut failures = Vec::new();
    seen.check(source, &mut failures);
    failures.truncate(40);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Secrets that cannot be sent, and those in the words of a provider or of a command.
#[tokio::test]
async fn errors_about_a_secret_do_not_hold_it() {
    #[track_caller]
    fn check(name: &str, config: &CodexBackendConfig, error: CodexError) {
        let mut seen = Seen::default();
        seen.add(Channel::Debug, name, format!("{config:?} {config:#?}"));
        seen.add(Channel::Settings, name, serde_json::to_string(config).unwrap());
        seen.error(name, error);
        let mut failures = Vec::new();
        seen.check(Source::Key, &mut failures);
        failures.retain(|failure| !failure.contains("nothing was looked at"));
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
    let key = key();
    let plain = || CodexBackendConfig::new("k");
    for (name, config, words) in [
        ("a line break", CodexBackendConfig::new(format!("{key}\n")), "a line break"),
        ("a space", CodexBackendConfig::new(format!("{key} {key}")), "a space"),
        ("not ASCII", CodexBackendConfig::new(format!("{key}é")), "no HTTP header can carry"),
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
    for (name, answer) in [
        ("a provider's words", Err(TokenError::new(format!("no {}, sorry", token())))),
        ("a token with a line break", Ok(AccessToken::new(format!("{}\n", token())))),
        ("a quoted token", Ok(AccessToken::new(format!("\"{}\"", token())))),
    ] {
        let failing = Credentials::from_async_fn(move || std::future::ready(answer.clone()));
        let config = CodexBackendConfig::new(failing).with_azure(Azure::new("http://127.0.0.1:1"));
        let error = CodexBackend::new(config.clone()).unwrap().try_complete(request()).await.unwrap_err();
        check(name, &config, error);
    }
}

/// A client shows the headers that it was given in `Debug`.
#[test]
fn a_clients_own_headers_are_not_shown() {
    let headers = [("x-pass".parse().unwrap(), key().parse().unwrap())].into_iter().collect();
    let client = reqwest::Client::builder().default_headers(headers).build().unwrap();
    assert!(format!("{client:?}").contains(MARK), "there is nothing to hide any more");
    let config = CodexBackendConfig::new("k").with_http_client(client);
    let backend = CodexBackend::new(config.clone()).unwrap();
    assert!(!format!("{config:?} {backend:?}").contains(MARK));
}

/// The words of a server, which may quote the prompt, are logged only where contents are.
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
            let _ = ask(&backend, is_streamed).await;
        }
        drop(guard);
        let lines = own_lines(&log.take());
        assert!(lines.contains("trying again") && lines.contains("server_error"), "{lines}");
        assert_eq!(lines.contains("my diagnosis"), record_content, "{lines}");
    }
}
