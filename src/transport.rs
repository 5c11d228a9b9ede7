//! Sending through the generated client: headers, timeouts, retries, and the bytes of the answer.

pub(crate) mod retry;

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use progenitor_client::{ByteStream, Error, ResponseValue};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use tachikoma_backends_core::ErrorCategory;

use self::retry::Decision;
use crate::config::{CodexBackendConfig, Limits, Timeouts};
use crate::decode::{error_body, rate_limit};
use crate::error::CodexError;
use crate::openai;

/// What one attempt carries beside its body; the hooks of the generated client apply it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) headers: HeaderMap,
}

/// The domains of OpenAI's servers and Azure's.
const OFFICIAL: &[&str] =
    &["openai.com", "openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"];

/// The way to one server.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    timeouts: Timeouts,
    limits: Limits,
    max_retries: u32,
    is_official: bool,
}

impl Transport {
    /// # Errors
    /// The configuration holds what no request can carry.
    pub(crate) fn new(config: &CodexBackendConfig) -> Result<Self, CodexError> {
        let mut headers = config.credentials().headers()?;
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(config.default_headers().clone());
        let timeouts = config.timeouts();
        let http = match config.http_client() {
            Some(client) => client.clone(),
            None => {
                reqwest::Client::builder().connect_timeout(timeouts.connect).build().map_err(|error| {
                    CodexError::configuration(format!("no HTTP client can be made: {}", root_cause(&error)))
                        .with_source(error)
                })?
            }
        };
        let url = config.endpoint()?;
        let is_official = url.host_str().is_some_and(|host| {
            let within = |domain: &&str| {
                host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            OFFICIAL.iter().any(within)
        });
        Ok(Self {
            http,
            url,
            headers,
            timeouts,
            limits: config.limits(),
            max_retries: config.max_retries(),
            is_official,
        })
    }

    /// Whether the server is OpenAI's or Azure's, of whose models the table speaks.
    pub(crate) fn is_official(&self) -> bool {
        self.is_official
    }

    /// Runs an operation of the generated client, again where that may help, and returns its answer.
    ///
    /// # Errors
    /// The last attempt's.
    pub(crate) async fn send<T, Sending>(
        &self,
        max_retries: Option<u32>,
        operation: impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, CodexError>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        let max_retries = max_retries.unwrap_or(self.max_retries);
        let mut attempt = 1;
        loop {
            let mut error = match self.attempt(&operation).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            error.details_mut().attempts = attempt;
            match retry::decide(attempt, max_retries, &error, fastrand::f64()) {
                Decision::Stop => return Err(error),
                Decision::After(wait) => {
                    tracing::info!(%error, attempt, ?wait, "trying again");
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
            }
        }
    }

    /// The URL of an operation's path, for people.
    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("{}/{path}", self.url.as_str().trim_end_matches('/'))
    }

    async fn attempt<T, Sending>(
        &self,
        operation: &impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, CodexError>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        let attempt = Attempt { headers: self.headers.clone() };
        let url = self.url.as_str().trim_end_matches('/');
        let client = openai::Client::new_with_client(url, self.http.clone(), attempt);
        let limit = self.timeouts.response;
        match tokio::time::timeout(limit, operation(client)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failure(error).await),
            Err(_) => Err(timed_out("the server did not begin to answer", limit, "with_response_timeout")),
        }
    }

    async fn failure(&self, error: Error<()>) -> CodexError {
        match error {
            Error::UnexpectedResponse(response) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = Body::new(Box::pin(response.bytes_stream()), self).read_what_comes().await;
                error_body::from_response(status, &headers, &body, SystemTime::now())
            }
            Error::InvalidResponsePayload(body, error) => {
                error_body::not_json(&body, &error).with_source(error)
            }
            Error::CommunicationError(error) | Error::InvalidUpgrade(error) => self.unreachable(error),
            Error::ResponseBodyError(error) => broken(error),
            Error::ErrorResponse(answer) => {
                error_body::from_response(answer.status().as_u16(), answer.headers(), b"", SystemTime::now())
            }
            Error::InvalidRequest(message) | Error::Custom(message) => {
                CodexError::new(ErrorCategory::InvalidRequest, message)
            }
        }
    }

    /// No answer came.
    fn unreachable(&self, error: reqwest::Error) -> CodexError {
        let error = error.without_url();
        let server = self.url.origin().ascii_serialization();
        let cause = root_cause(&error);
        if error.is_timeout() {
            return CodexError::new(
                ErrorCategory::Timeout,
                format!("no connection to {server} in time: {cause}"),
            )
            .with_hint("Check the network, or allow more with_connect_timeout.")
            .with_source(error);
        }
        if error.is_connect() {
            return CodexError::new(ErrorCategory::Network, format!("no connection to {server}: {cause}"))
                .with_hint("Check the base URL, the network and the proxy settings.")
                .with_source(error);
        }
        if error.is_builder() || error.is_redirect() {
            return CodexError::configuration(format!("no request can go to {server}: {cause}"))
                .with_source(error);
        }
        let message = format!("the connection to {server} broke before an answer came: {cause}");
        CodexError::new(ErrorCategory::Network, message).with_source(error)
    }

    /// The body of an answer, read under this server's limits.
    pub(crate) fn body(&self, answer: ResponseValue<ByteStream>) -> Body {
        let request_id = rate_limit::request_id(answer.headers());
        let content_type =
            answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Some servers stream without saying so, but none streams what it calls JSON or a web page.
        let content_type = content_type.to_ascii_lowercase();
        let is_event_stream = !["json", "text/html"].iter().any(|other| content_type.contains(other));
        Body { request_id, is_event_stream, ..Body::new(answer.into_inner_stream(), self) }
    }
}

type ByteStreamInner = <ByteStream as std::ops::Deref>::Target;

/// The bytes of an answer as they come.
pub(crate) struct Body {
    bytes: ByteStreamInner,
    idle: Duration,
    limits: Limits,
    request_id: Option<String>,
    is_event_stream: bool,
}

impl Body {
    fn new(bytes: ByteStreamInner, transport: &Transport) -> Self {
        Self {
            bytes,
            idle: transport.timeouts.idle,
            limits: transport.limits,
            request_id: None,
            is_event_stream: false,
        }
    }

    /// Whether it can be a stream of events, by its content type.
    pub(crate) fn is_event_stream(&self) -> bool {
        self.is_event_stream
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The largest event that may be taken out of it.
    pub(crate) fn max_event_bytes(&self) -> usize {
        self.limits.event_bytes
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or was silent for too long.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, CodexError> {
        match tokio::time::timeout(self.idle, self.bytes.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(Some(Err(error))) => Err(broken(error)),
            Err(_) => {
                Err(timed_out("the server fell silent within its answer", self.idle, "with_idle_timeout"))
            }
        }
        .map_err(|error| error.with_request_id(self.request_id.clone()))
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`next`](Self::next), and where it is larger than the limit.
    pub(crate) async fn read(&mut self) -> Result<Bytes, CodexError> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
            if all.len() > self.limits.body_bytes {
                let message = format!("the server's answer is larger than {} bytes", self.limits.body_bytes);
                return Err(CodexError::new(ErrorCategory::Parse, message)
                    .with_hint("Raise with_max_body_bytes if the server is to be trusted.")
                    .with_request_id(self.request_id.clone()));
            }
        }
        Ok(all.freeze())
    }

    /// What comes of an error body soon enough: half of it still says more than nothing, and the status says the rest.
    async fn read_what_comes(mut self) -> Bytes {
        const ENOUGH: usize = 64 << 10;
        self.idle = self.idle.min(Duration::from_secs(5));
        let mut all = BytesMut::new();
        while let Ok(Some(bytes)) = self.next().await {
            all.extend_from_slice(&bytes);
            if all.len() > ENOUGH {
                break;
            }
        }
        all.freeze()
    }
}

fn broken(error: reqwest::Error) -> CodexError {
    let error = error.without_url();
    let message = format!("the connection broke within the answer: {}", root_cause(&error));
    CodexError::new(ErrorCategory::Network, message).with_source(error)
}

fn timed_out(what: &str, limit: Duration, setting: &str) -> CodexError {
    CodexError::new(ErrorCategory::Timeout, format!("{what} within {limit:?}"))
        .with_hint(format!("Try again, or allow more {setting}."))
}

/// The innermost error says what happened; the outer ones only where.
fn root_cause(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
