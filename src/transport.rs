//! Sending through the generated client: headers, timeouts, retries, and the bytes of the answer.

mod body;
mod failure;
mod retry;
pub(crate) mod timeout;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use progenitor_client::{ByteStream, Error, ResponseValue};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::redirect;

pub(crate) use bytes::Bytes;

pub(crate) use self::body::Body;
use self::retry::{Decision, Policy};
use self::timeout::Timeout;
use crate::auth::{Credentials, Prepared, Redactor, Scope, Server, Shown, TokenCache, billing};
use crate::config::{CodexBackendConfig, Reliability};
use crate::decode::error_body;
use crate::decode::rate_limit::RateLimits;
use crate::error::CodexError;
use crate::openai;

/// What one attempt carries beside its body; the hooks of the generated client apply it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    every: Arc<OnEvery>,
    token: Option<Shown>,
}

/// What is the same for all requests to a server.
#[derive(Debug)]
struct OnEvery {
    headers: HeaderMap,
    /// The caller's own, which win.
    further: HeaderMap,
    server: Server,
}

impl Attempt {
    /// Whether a response came from the server that the request went to.
    ///
    /// # Errors
    /// The HTTP client, which is the caller's own then, followed a redirect to another server.
    pub(crate) fn check_origin(&self, response: &reqwest::Response) -> Result<(), String> {
        failure::check_origin(self.every.server.url(), response.url())
    }

    /// Puts all of it on a request.
    pub(crate) fn apply(&self, request: &mut reqwest::Request) {
        let OnEvery { headers, further, server } = &*self.every;
        if let Some((name, value)) = server.query() {
            request.url_mut().query_pairs_mut().append_pair(name, value);
        }
        let target = request.headers_mut();
        for (name, value) in headers {
            target.insert(name, value.clone());
        }
        // The generated operations send bytes; these are JSON.
        if let Some(content_type) = target.get_mut(CONTENT_TYPE) {
            *content_type = HeaderValue::from_static("application/json");
        }
        if let Some(Shown { name, value, .. }) = &self.token {
            target.insert(name, value.clone());
        }
        for name in further.keys() {
            target.remove(name);
        }
        for (name, value) in further {
            target.append(name, value.clone());
        }
    }
}

/// The way to one server.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    every: Arc<OnEvery>,
    credentials: Credentials,
    tokens: Option<Arc<TokenCache>>,
    redactor: Arc<Redactor>,
    record_content: bool,
    reliability: Reliability,
    rate_limits: Arc<Mutex<Option<RateLimits>>>,
}

impl Transport {
    /// # Errors
    /// The configuration holds what no request can carry.
    pub(crate) fn new(config: &CodexBackendConfig) -> Result<Self, CodexError> {
        let server = config.server()?;
        let reliability = config.reliability();
        let mut headers = billing(config.organization(), config.project(), &server)?;
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let further = config.checked_headers()?.clone();
        let redactor = Arc::new(Redactor::default());
        further.iter().for_each(|(name, value)| redactor.add_header(name, value));
        server.secrets().into_iter().for_each(|secret| redactor.add_secret(secret));
        let (has_own, timeout) = (config.may_headers_authenticate(), reliability.token_timeout);
        let tokens = match config.credentials().prepare(&server, has_own, timeout, &redactor)? {
            Prepared::Nothing => None,
            Prepared::Fixed(name, value) => {
                headers.insert(name, value);
                None
            }
            Prepared::Cached(tokens) => Some(tokens),
        };
        let http = match config.http_client() {
            Some(client) => client.clone(),
            None => reqwest::Client::builder()
                .connect_timeout(config.connect_timeout())
                .redirect(redirects())
                .build()
                .map_err(failure::no_client)?,
        };
        let every = Arc::new(OnEvery { headers, further, server });
        Ok(Self {
            http,
            every,
            credentials: config.credentials().clone(),
            tokens,
            redactor,
            record_content: config.record_content(),
            reliability,
            rate_limits: Arc::default(),
        })
    }

    /// What the last answer that said anything of them said of the limits.
    pub(crate) fn rate_limits(&self) -> Option<RateLimits> {
        self.rate_limits.lock().ok()?.clone()
    }

    /// Masks the secrets of this backend.
    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    fn note_rate_limits(&self, headers: &HeaderMap) {
        if let (Some(limits), Ok(mut held)) =
            (RateLimits::of(headers, SystemTime::now()), self.rate_limits.lock())
        {
            *held = Some(limits);
        }
    }

    /// The server that requests go to.
    pub(crate) fn server(&self) -> &Server {
        &self.every.server
    }

    /// Whether the server is OpenAI's or Azure's, of whose models the table speaks.
    pub(crate) fn is_official(&self) -> bool {
        self.server().is_official()
    }

    /// The URL of an operation's path, for people.
    ///
    /// # Errors
    /// The model cannot stand in it.
    pub(crate) fn url_of(&self, scope: Scope<'_>, path: &str) -> Result<String, CodexError> {
        let url = format!("{}/{path}", self.server().base(scope)?);
        Ok(match self.server().query() {
            Some((name, value)) => format!("{url}?{name}={value}"),
            None => url,
        })
    }

    /// Runs an operation of the generated client, again where that may help, and returns its answer.
    ///
    /// # Errors
    /// The last attempt's, which says how many there were and why each failed.
    pub(crate) async fn send<T, Sending>(
        &self,
        scope: Scope<'_>,
        max_retries: Option<u32>,
        operation: impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, CodexError>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        let base = self.server().base(scope)?;
        let mut policy = Policy::new(self.reliability, max_retries);
        let mut may_refresh = self.tokens.is_some();
        loop {
            let (error, token) = match self.attempt(&base, &operation).await {
                Ok(answer) => {
                    self.note_rate_limits(answer.headers());
                    if policy.sent() > 0 {
                        tracing::Span::current().record("http.request.resend_count", policy.sent());
                    }
                    return Ok(answer);
                }
                Err((error, token)) => (self.redactor.error(error), token),
            };
            // A server's words may quote the prompt.
            if self.record_content {
                tracing::debug!(%error, "an attempt failed");
            }
            if let (Some(tokens), Some(token), Some(401)) = (&self.tokens, &token, error.status()) {
                tokens.refused(token);
                if std::mem::take(&mut may_refresh) {
                    policy.with_new_token(&error);
                    continue;
                }
            }
            match policy.decide(error, fastrand::f64()) {
                Decision::Stop(error) => return Err(error),
                Decision::After(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Sends once. A failure comes with the token that was shown.
    async fn attempt<T, Sending>(
        &self,
        base: &str,
        operation: &impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, (CodexError, Option<Shown>)>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        let token = match &self.tokens {
            Some(tokens) => Some(tokens.get().await.map_err(|error| (error, None))?),
            None => None,
        };
        let attempt = Attempt { every: Arc::clone(&self.every), token: token.clone() };
        let client = openai::Client::new_with_client(base, self.http.clone(), attempt);
        let answer = Timeout::Response.limit(self.reliability.response_timeout, operation(client)).await;
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Error::UnexpectedResponse(response))) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let redirect = failure::redirect(&response);
                self.note_rate_limits(&headers);
                let body =
                    Body::of_error(response, &self.reliability, &self.redactor).read_what_comes().await;
                let error = error_body::from_response(status, &headers, &body, SystemTime::now());
                match (redirect, self.credentials.hint(self.server(), error.category())) {
                    (Some(redirect), _) => redirect.with_request_id(error.request_id().map(str::to_owned)),
                    (None, Some(hint)) => error.with_hint(hint),
                    (None, None) => error,
                }
            }
            Ok(Err(error)) => failure::of(error, &self.server().origin()),
            Err(error) => error,
        };
        Err((error, token))
    }

    /// The body of an answer, read under this server's limits.
    pub(crate) fn body(&self, answer: ResponseValue<ByteStream>) -> Body {
        Body::new(answer, &self.reliability, &self.redactor)
    }
}

impl fmt::Debug for Transport {
    /// Without the HTTP client, which shows the headers that its maker gave it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("every", &self.every)
            .field("credentials", &self.credentials)
            .field("tokens", &self.tokens)
            .field("reliability", &self.reliability)
            .finish_non_exhaustive()
    }
}

/// The response of an operation that promises status 200, where the status is another that means success and has a body.
#[expect(clippy::result_large_err, reason = "it is the generated client's")]
pub(crate) fn accept_success(
    outcome: Result<ResponseValue<ByteStream>, Error<()>>,
) -> Result<ResponseValue<ByteStream>, Error<()>> {
    match outcome {
        Err(Error::UnexpectedResponse(response)) if matches!(response.status().as_u16(), 201..=203) => {
            Ok(ResponseValue::stream(response))
        }
        outcome => outcome,
    }
}

/// Redirects are followed within a server, or to its `https`: another one shall see neither the conversation nor the
/// credentials, of which `reqwest` takes off only some. Those that would turn the request into a GET are not followed: what
/// that returned would be taken for the response.
fn redirects() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
        let is_same =
            attempt.previous().last().is_some_and(|from| failure::is_same_server(from, attempt.url()));
        match attempt.previous().len() {
            length if length > failure::MAX_REDIRECTS => attempt.error(failure::TOO_MANY_REDIRECTS),
            _ if is_same && keeps_method => attempt.follow(),
            _ => attempt.stop(),
        }
    })
}
