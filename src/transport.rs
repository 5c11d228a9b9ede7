//! Sending through the generated client: headers, timeouts, retries, and the bytes of the answer.

mod body;
mod budget;
mod failure;
mod retry;
mod runtime;
mod success;
pub(crate) mod timeout;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use progenitor_client::{ByteStream, Error, ResponseValue};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::redirect;
use tokio::time::Instant;

pub(crate) use bytes::Bytes;

pub(crate) use self::body::{BUSY_BYTES, Body};
use self::budget::RetryBudget;
use self::failure::RedirectError;
use self::retry::{Decision, Policy};
pub(crate) use self::success::FromResponse;
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
    /// One without pooled connections, for retries; `None` beside a client of the caller's.
    unpooled: Option<Arc<OnceLock<reqwest::Client>>>,
    connect_timeout: Duration,
    every: Arc<OnEvery>,
    credentials: Credentials,
    tokens: Option<Arc<TokenCache>>,
    redactor: Arc<Redactor>,
    record_content: bool,
    reliability: Reliability,
    rate_limits: Arc<Mutex<Option<RateLimits>>>,
    budget: Arc<Mutex<RetryBudget>>,
    /// The beginning of the budget's time.
    start: Instant,
}

/// How an attempt failed.
struct Failure {
    error: CodexError,
    /// The token that was sent.
    token: Option<Shown>,
    /// Whether the connection broke before a response began, as one does that the server closed while it lay in the pool.
    lost_connection: bool,
}

impl From<CodexError> for Failure {
    fn from(error: CodexError) -> Self {
        Self { error, token: None, lost_connection: false }
    }
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
        if let Some(share) = reliability.retry_budget.filter(|share| !share.is_finite() || *share < 0.0) {
            return Err(CodexError::configuration(format!("the retry budget is {share}"))
                .with_hint("Give a share of 0 or more by with_retry_budget, such as 0.2, or none."));
        }
        let connect_timeout = config.connect_timeout();
        let (http, unpooled) = match config.http_client() {
            Some(client) => (client.clone(), None),
            None => (own_client(connect_timeout).build().map_err(failure::no_client)?, Some(Arc::default())),
        };
        let every = Arc::new(OnEvery { headers, further, server });
        Ok(Self {
            http,
            unpooled,
            connect_timeout,
            every,
            credentials: config.credentials().clone(),
            tokens,
            redactor,
            record_content: config.record_content(),
            reliability,
            rate_limits: Arc::default(),
            budget: Arc::default(),
            start: Instant::now(),
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

    /// Runs this on the retry budget and the present time; `None` where there is no limit.
    fn with_budget<T>(&self, run: impl FnOnce(&mut RetryBudget, Duration, f64) -> T) -> Option<T> {
        let share = self.reliability.retry_budget?;
        // The counts are of use whatever has panicked.
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        Some(run(&mut budget, self.start.elapsed(), share))
    }

    /// The client for a retry after a connection was lost: one whose connections are all new. The others of the pool may be
    /// as dead as the one that was lost.
    fn client_without_pool(&self) -> reqwest::Client {
        let Some(unpooled) = &self.unpooled else { return self.http.clone() };
        let client = unpooled.get_or_init(|| {
            let client = own_client(self.connect_timeout).pool_max_idle_per_host(0).build();
            client.unwrap_or_else(|_| self.http.clone())
        });
        client.clone()
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
    /// The last attempt's, which says how many there were and why each failed; or there is no Tokio runtime.
    pub(crate) async fn send<T: FromResponse, Sending>(
        &self,
        scope: Scope<'_>,
        max_retries: Option<u32>,
        operation: impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, CodexError>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        runtime::check()?;
        let base = self.server().base(scope)?;
        let mut policy = Policy::new(self.reliability, max_retries);
        let mut may_refresh = self.tokens.is_some();
        let mut http = self.http.clone();
        self.with_budget(|budget, now, _| budget.count_request(now));
        loop {
            let Failure { error, token, lost_connection } = match self.attempt(&base, &http, &operation).await
            {
                Ok(answer) => {
                    self.note_rate_limits(answer.headers());
                    if policy.sent() > 0 {
                        tracing::Span::current().record("http.request.resend_count", policy.sent());
                    }
                    return Ok(answer);
                }
                Err(failure) => Failure { error: self.redactor.error(failure.error), ..failure },
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
            let take_retry = |max_retries| {
                let taken = self.with_budget(|budget, now, share| budget.take_retry(now, share, max_retries));
                taken.unwrap_or(true)
            };
            match policy.decide(error, fastrand::f64(), take_retry) {
                Decision::Stop(error) => return Err(error),
                Decision::After(wait) => tokio::time::sleep(wait).await,
            }
            if lost_connection {
                http = self.client_without_pool();
            }
        }
    }

    /// Sends once.
    async fn attempt<T: FromResponse, Sending>(
        &self,
        base: &str,
        http: &reqwest::Client,
        operation: &impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, Failure>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        let token = match &self.tokens {
            Some(tokens) => Some(tokens.get().await?),
            None => None,
        };
        let attempt = Attempt { every: Arc::clone(&self.every), token: token.clone() };
        let client = openai::Client::new_with_client(base, http.clone(), attempt);
        let sending = runtime::guard(operation(client).then(success::accept));
        let answer = Timeout::Response.limit(self.reliability.response_timeout, sending).await;
        let (error, lost_connection) = match answer.and_then(|answer| answer) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Error::UnexpectedResponse(response))) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let redirect = failure::redirect(&response);
                self.note_rate_limits(&headers);
                let body =
                    Body::of_error(response, &self.reliability, &self.redactor).read_what_comes().await;
                let error = error_body::from_response(status, &headers, &body, SystemTime::now());
                // Whose state it is, the server's own hint knows best.
                let is_stale = error_body::is_stale_state(&error);
                let hint = self.credentials.hint(self.server(), error.category()).filter(|_| !is_stale);
                let error = match (redirect, hint) {
                    (Some(redirect), _) => redirect.with_request_id(error.request_id().map(str::to_owned)),
                    (None, Some(hint)) => error.with_hint(hint),
                    (None, None) => error,
                };
                (error, false)
            }
            Ok(Err(error)) => {
                let lost_connection = failure::is_lost_connection(&error);
                (failure::of(error, &self.server().origin()), lost_connection)
            }
            Err(error) => (error, false),
        };
        Err(Failure { error, token, lost_connection })
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

/// A client of our own.
fn own_client(connect_timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder().connect_timeout(connect_timeout).redirect(redirects())
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
            requests if requests > failure::MAX_REDIRECTS => {
                attempt.error(RedirectError { message: "more than 10 redirects", requests })
            }
            _ if is_same && keeps_method => attempt.follow(),
            _ => attempt.stop(),
        }
    })
}
