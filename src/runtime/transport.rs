//! Sending: headers, timeouts, retries, and the bytes of the response.

mod body;
mod budget;
mod failure;
mod retry;
mod success;
pub(crate) mod timeout;
mod tokio_runtime;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use progenitor_client::{ByteStream, Error as ClientError, ResponseValue};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Url, redirect};
use tachikoma_backends_core::ErrorCategory;
use tokio::time::Instant;

pub(crate) use bytes::Bytes;

pub(crate) use self::body::{BUSY_BYTES, Body};
use self::budget::RetryBudget;
use self::failure::RedirectError;
use self::retry::{Decision, Policy};
pub(crate) use self::success::FromResponse;
use self::timeout::Timeout;
use super::error_body::ErrorTable;
use super::rate_limit::RateLimits;
use super::{Error, Redactor, Reliability};

/// A header that authenticates, and which of the tokens of its source it holds.
#[derive(Clone, Debug)]
pub(crate) struct AuthHeader {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
    pub(crate) generation: u64,
}

/// How requests are authenticated whose credentials may change.
pub(crate) trait Authorization: fmt::Debug + Send + Sync {
    /// The header of the next attempt; `None` where the fixed headers are enough.
    ///
    /// # Errors
    /// There is no token.
    fn header(&self) -> BoxFuture<'_, Result<Option<AuthHeader>, Error>>;

    /// The server refused this header (status 401).
    fn refused(&self, header: &AuthHeader);

    /// What to do about an error of this category, where that depends on the credentials or the server.
    fn hint(&self, category: ErrorCategory) -> Option<String>;
}

/// What a transport needs to know of a server.
pub(crate) struct Destination {
    /// The URL that all requests begin with.
    pub(crate) url: Url,
    /// The query that every request carries.
    pub(crate) query: Option<(&'static str, String)>,
    /// On every request.
    pub(crate) headers: HeaderMap,
    /// The caller's own, which win.
    pub(crate) default_headers: HeaderMap,
    pub(crate) authorization: Box<dyn Authorization>,
    /// What the provider's errors mean.
    pub(crate) errors: &'static ErrorTable,
    /// Masks the secrets of all of these.
    pub(crate) redactor: Arc<Redactor>,
    /// The caller's own HTTP client.
    pub(crate) http_client: Option<reqwest::Client>,
    /// Whether the server's words, which may quote the prompt, may be logged.
    pub(crate) record_content: bool,
}

/// One attempt: where it goes, and what it carries beside its body. The hooks of the generated client apply it.
#[derive(Clone)]
pub(crate) struct Attempt {
    /// What the path of the operation is appended to.
    pub(crate) base: Arc<str>,
    pub(crate) http: reqwest::Client,
    destination: Arc<Destination>,
    token: Option<AuthHeader>,
}

impl Attempt {
    /// Whether a response came from the server that the request went to.
    ///
    /// # Errors
    /// The HTTP client, which is the caller's own then, followed a redirect to another server.
    pub(crate) fn check_origin(&self, response: &reqwest::Response) -> Result<(), String> {
        failure::check_origin(&self.destination.url, response.url())
    }

    /// Puts all of it on a request.
    pub(crate) fn apply(&self, request: &mut reqwest::Request) {
        let Destination { query, headers, default_headers, .. } = &*self.destination;
        if let Some((name, value)) = query {
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
        if let Some(AuthHeader { name, value, .. }) = &self.token {
            target.insert(name, value.clone());
        }
        for name in default_headers.keys() {
            target.remove(name);
        }
        for (name, value) in default_headers {
            target.append(name, value.clone());
        }
    }
}

impl fmt::Debug for Attempt {
    /// Without the HTTP client, which shows the headers that its maker gave it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("base", &super::masked_url(&self.base)).finish_non_exhaustive()
    }
}

/// The way to one server.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    /// One without pooled connections, for retries; `None` beside a client of the caller's.
    unpooled: Option<Arc<OnceLock<reqwest::Client>>>,
    destination: Arc<Destination>,
    reliability: Reliability,
    rate_limits: Arc<Mutex<Option<RateLimits>>>,
    budget: Arc<Mutex<RetryBudget>>,
    /// The beginning of the budget's time.
    start: Instant,
}

/// How an attempt failed.
struct Failure {
    error: Error,
    /// The token that was sent.
    token: Option<AuthHeader>,
    /// Whether the connection broke before a response began, as one does that the server closed while it lay in the pool.
    lost_connection: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, token: None, lost_connection: false }
    }
}

impl Transport {
    /// # Errors
    /// There can be no HTTP client, or a setting is out of its range.
    pub(crate) fn new(destination: Destination, reliability: Reliability) -> Result<Self, Error> {
        if let Some(share) = reliability.retry_budget.filter(|share| !share.is_finite() || *share < 0.0) {
            return Err(Error::configuration(format!("the retry budget is {share}"))
                .with_hint("Give a share of 0 or more by with_retry_budget, such as 0.2, or none."));
        }
        let (http, unpooled) = match &destination.http_client {
            Some(client) => (client.clone(), None),
            None => {
                let client = own_client(reliability.connect_timeout).build();
                (client.map_err(failure::no_client)?, Some(Arc::default()))
            }
        };
        Ok(Self {
            http,
            unpooled,
            destination: Arc::new(destination),
            reliability,
            rate_limits: Arc::default(),
            budget: Arc::default(),
            start: Instant::now(),
        })
    }

    /// The limits that the last response with rate-limit headers stated.
    pub(crate) fn rate_limits(&self) -> Option<RateLimits> {
        self.rate_limits.lock().ok()?.clone()
    }

    /// Masks the secrets of this backend.
    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.destination.redactor
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
            let client = own_client(self.reliability.connect_timeout).pool_max_idle_per_host(0).build();
            client.unwrap_or_else(|_| self.http.clone())
        });
        client.clone()
    }

    /// Runs an operation of the generated client, again where that may help, and returns its response. `base` is what the path of
    /// the operation is appended to.
    ///
    /// # Errors
    /// The last attempt's, which says how many there were and why each failed; or there is no Tokio runtime.
    pub(crate) async fn send<T: FromResponse, Sending>(
        &self,
        base: &str,
        max_retries: Option<u32>,
        operation: impl Fn(Attempt) -> Sending,
    ) -> Result<ResponseValue<T>, Error>
    where
        Sending: Future<Output = Result<ResponseValue<T>, ClientError<()>>>,
    {
        tokio_runtime::check()?;
        let base: Arc<str> = base.into();
        let mut policy = Policy::new(self.reliability, max_retries);
        let authorization = &self.destination.authorization;
        let mut may_refresh = true;
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
                Err(failure) => Failure { error: self.destination.redactor.error(failure.error), ..failure },
            };
            // A server's words may quote the prompt.
            if self.destination.record_content {
                tracing::debug!(%error, "an attempt failed");
            }
            if let (Some(token), Some(401)) = (&token, error.status()) {
                authorization.refused(token);
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
        base: &Arc<str>,
        http: &reqwest::Client,
        operation: &impl Fn(Attempt) -> Sending,
    ) -> Result<ResponseValue<T>, Failure>
    where
        Sending: Future<Output = Result<ResponseValue<T>, ClientError<()>>>,
    {
        let Destination { authorization, errors, redactor, url, .. } = &*self.destination;
        let token = authorization.header().await?;
        let attempt = Attempt {
            base: Arc::clone(base),
            http: http.clone(),
            destination: Arc::clone(&self.destination),
            token: token.clone(),
        };
        let sending = tokio_runtime::guard(operation(attempt).then(success::accept));
        let answer = Timeout::Response.limit(self.reliability.response_timeout, sending).await;
        let (error, lost_connection) = match answer.and_then(|answer| answer) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(ClientError::UnexpectedResponse(response))) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let redirect = failure::redirect(&response);
                self.note_rate_limits(&headers);
                let body = Body::of_error(response, &self.reliability, redactor).read_what_comes().await;
                let error = errors.response_error(status, &headers, &body, SystemTime::now());
                // Whose state it is, the server's own hint knows best.
                let is_stale = errors.is_stale_state(&error);
                let hint = authorization.hint(error.category()).filter(|_| !is_stale);
                let error = match (redirect, hint) {
                    (Some(redirect), _) => redirect.with_request_id(error.request_id().map(str::to_owned)),
                    (None, Some(hint)) => error.with_hint(hint),
                    (None, None) => error,
                };
                (error, false)
            }
            Ok(Err(error)) => {
                let lost_connection = failure::is_lost_connection(&error);
                (failure::from_client(error, &url.origin().ascii_serialization(), errors), lost_connection)
            }
            Err(error) => (error, false),
        };
        Err(Failure { error, token, lost_connection })
    }

    /// The body of an answer, read under this server's limits.
    pub(crate) fn body(&self, answer: ResponseValue<ByteStream>) -> Body {
        Body::new(answer, &self.reliability, &self.destination)
    }
}

impl fmt::Debug for Transport {
    /// Without the HTTP client, which shows the headers that its maker gave it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("url", &super::masked_url(self.destination.url.as_str()))
            .field("headers", &self.destination.headers)
            .field("default_headers", &self.destination.default_headers)
            .field("authorization", &self.destination.authorization)
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
