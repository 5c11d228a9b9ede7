//! Sends requests, with headers, timeouts and retries, and reads the bytes of responses.

mod attempt;
mod body;
mod budget;
mod capture;
mod client;
mod failure;
mod gate;
mod retry;
mod success;
pub(crate) mod timeout;
mod tls;
mod tokio_runtime;
#[cfg(feature = "websocket")]
mod upgrade;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use progenitor_client::{ByteStream, Error as ClientError, ResponseValue};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tachikoma_backends_core::ErrorCategory;
use tokio::time::Instant;

pub(crate) use bytes::Bytes;

pub(crate) use self::attempt::{Attempt, Response};
pub(crate) use self::body::{BUSY_BYTES, Body};
use self::budget::RetryBudget;
use self::client::build_client;
use self::retry::{Decision, RetryPolicy};
pub(crate) use self::success::FromResponse;
use self::timeout::Timeout;
use super::error_body::ErrorTable;
use super::gate::{Gate, Load, Reservation};
use super::metrics::Metrics;
use super::rate_limit::RateLimits;
use super::recorder::{Exchange, ExchangeRecorder};
use super::{Error, Redactor, Reliability};

/// A header that authenticates, with the generation of its token.
#[derive(Clone, Debug)]
pub(crate) struct AuthHeader {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
    pub(crate) generation: u64,
}

/// Authenticates requests with credentials that may change.
pub(crate) trait Authorization: fmt::Debug + Send + Sync {
    /// The header of the next attempt; `None` if the fixed headers suffice.
    ///
    /// # Errors
    /// No token is available.
    fn header(&self) -> BoxFuture<'_, Result<Option<AuthHeader>, Error>>;

    /// Invalidates a header that the server rejected (status 401).
    fn invalidate(&self, header: &AuthHeader);

    /// The hint for an error of this category, if it depends on the credentials or the server.
    fn hint(&self, category: ErrorCategory) -> Option<String>;
}

/// The server of a transport.
pub(crate) struct Destination {
    /// The URL that all requests begin with.
    pub(crate) url: Url,
    /// The query that every request carries.
    pub(crate) query: Option<(&'static str, String)>,
    /// The headers of every request.
    pub(crate) headers: HeaderMap,
    /// The caller's own headers, which take precedence.
    pub(crate) default_headers: HeaderMap,
    pub(crate) authorization: Box<dyn Authorization>,
    /// The provider's errors.
    pub(crate) errors: &'static ErrorTable,
    /// Masks the secrets of all of these.
    pub(crate) redactor: Arc<Redactor>,
    /// The caller's own HTTP client.
    pub(crate) http_client: Option<reqwest::Client>,
    /// Whether the server's messages, which may quote the prompt, may be logged.
    pub(crate) record_content: bool,
    /// Captures the exchanges, if they are recorded.
    pub(crate) recorder: Option<ExchangeRecorder>,
    /// Holds requests back.
    pub(crate) gate: Option<Gate>,
    pub(crate) metrics: Metrics,
}

/// The connection to one server.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    /// A client without pooled connections, for retries; `None` with the caller's own client.
    unpooled: Option<Arc<OnceLock<reqwest::Client>>>,
    /// The client of upgrades to WebSocket.
    #[cfg(feature = "websocket")]
    upgrades: Arc<OnceLock<reqwest::Client>>,
    destination: Arc<Destination>,
    reliability: Reliability,
    rate_limits: Arc<Mutex<Option<RateLimits>>>,
    budget: Arc<Mutex<RetryBudget>>,
    /// The start of the budget's clock.
    start: Instant,
}

/// The failure of an attempt.
struct Failure {
    error: Error,
    /// The token that was sent.
    token: Option<AuthHeader>,
    /// Whether the connection broke before a response began, as a pooled one does that the server has closed.
    lost_connection: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, token: None, lost_connection: false }
    }
}

impl Transport {
    /// # Errors
    /// The HTTP client cannot be built, or a setting is out of range.
    pub(crate) fn new(destination: Destination, reliability: Reliability) -> Result<Self, Error> {
        if let Some(share) = reliability.retry_budget.filter(|share| !share.is_finite() || *share < 0.0) {
            return Err(Error::configuration(format!("the retry budget {share} is not a valid share"))
                .with_hint("Set a share of 0 or more by with_retry_budget, such as 0.2, or none."));
        }
        let (http, unpooled) = match &destination.http_client {
            Some(client) => (client.clone(), None),
            None => (build_client(reliability.connect_timeout, |builder| builder)?, Some(Arc::default())),
        };
        Ok(Self {
            http,
            unpooled,
            #[cfg(feature = "websocket")]
            upgrades: Arc::default(),
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

    /// The redactor of this backend's secrets.
    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.destination.redactor
    }

    /// The metrics of this backend.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.destination.metrics
    }

    fn record_rate_limits(&self, headers: &HeaderMap) {
        if let (Some(limits), Ok(mut recorded)) =
            (RateLimits::from_headers(headers, SystemTime::now()), self.rate_limits.lock())
        {
            *recorded = Some(limits);
        }
    }

    /// Runs this on the retry budget, with the current time and share; `None` without a limit.
    fn with_budget<T>(&self, run: impl FnOnce(&mut RetryBudget, Duration, f64) -> T) -> Option<T> {
        let share = self.reliability.retry_budget?;
        // The counts stay valid after a panic.
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        Some(run(&mut budget, self.start.elapsed(), share))
    }

    /// Takes a retry from the budget, if there is one.
    fn take_retry(&self, max_retries: u32) -> bool {
        self.with_budget(|budget, now, share| budget.take_retry(now, share, max_retries)).unwrap_or(true)
    }

    /// The client for a retry after a lost connection: its connections are all new, since the others of the pool may be closed too.
    fn client_without_pool(&self) -> reqwest::Client {
        let Some(unpooled) = &self.unpooled else { return self.http.clone() };
        let client = unpooled.get_or_init(|| {
            let client =
                build_client(self.reliability.connect_timeout, |options| options.pool_max_idle_per_host(0));
            client.unwrap_or_else(|_| self.http.clone())
        });
        client.clone()
    }

    /// Runs an operation of the generated client, with retries, and returns its response. `base` is the URL to
    /// which the path of the operation is appended. A request with a `load` passes the gate, once for each attempt.
    ///
    /// # Errors
    /// The error of the last attempt, with the number of attempts and the earlier failures; or there is no Tokio runtime.
    pub(crate) async fn send<T: FromResponse, Fut>(
        &self,
        base: &str,
        max_retries: Option<u32>,
        load: Option<&Load>,
        operation: impl Fn(Attempt) -> Fut,
    ) -> Result<Response<T>, Error>
    where
        Fut: Future<Output = Result<ResponseValue<T>, ClientError<()>>>,
    {
        tokio_runtime::check()?;
        let base: Arc<str> = base.into();
        let mut policy = RetryPolicy::new(self.reliability, max_retries);
        let authorization = &self.destination.authorization;
        let mut may_refresh = true;
        let mut http = self.http.clone();
        self.with_budget(|budget, now, _| budget.count_request(now));
        let mut waited = Duration::ZERO;
        loop {
            let reservation = self.reserve(load, &mut waited).await?;
            let attempt = self.attempt(&base, &http, reservation, &operation).await;
            let Failure { error, token, lost_connection } = match attempt {
                Ok(response) => {
                    self.record_rate_limits(response.value.headers());
                    if policy.attempts() > 0 {
                        tracing::Span::current().record("http.request.resend_count", policy.attempts());
                    }
                    return Ok(response);
                }
                Err(failure) => Failure { error: self.destination.redactor.error(failure.error), ..failure },
            };
            // A server's message may quote the prompt.
            if self.destination.record_content {
                tracing::debug!(%error, "an attempt failed");
            }
            if let (Some(token), Some(401)) = (&token, error.status()) {
                authorization.invalidate(token);
                if std::mem::take(&mut may_refresh) {
                    self.metrics().count_retry(error.category());
                    policy.record_rejected_token(&error);
                    continue;
                }
            }
            let category = error.category();
            match policy.decide(error, fastrand::f64(), |max_retries| self.take_retry(max_retries)) {
                Decision::Stop(error) => return Err(error),
                Decision::Retry(wait) => {
                    self.metrics().count_retry(category);
                    tokio::time::sleep(wait).await;
                }
            }
            if lost_connection {
                http = self.client_without_pool();
            }
        }
    }

    /// Sends the request once.
    async fn attempt<T: FromResponse, Fut>(
        &self,
        base: &Arc<str>,
        http: &reqwest::Client,
        mut reservation: Option<Reservation>,
        operation: &impl Fn(Attempt) -> Fut,
    ) -> Result<Response<T>, Failure>
    where
        Fut: Future<Output = Result<ResponseValue<T>, ClientError<()>>>,
    {
        let Destination { authorization, errors, redactor, url, .. } = &*self.destination;
        let token = authorization.header().await?;
        let slot = self.destination.recorder.as_ref().map(|_| Arc::<OnceLock<Exchange>>::default());
        let attempt = Attempt {
            base: Arc::clone(base),
            http: http.clone(),
            destination: Arc::clone(&self.destination),
            token: token.clone(),
            exchange: slot.clone(),
        };
        if let Some(reservation) = &mut reservation {
            reservation.sent();
        }
        let future = tokio_runtime::guard(operation(attempt).then(success::accept));
        let result = Timeout::Response.limit(self.reliability.response_timeout, future).await;
        let (error, lost_connection) = match result.and_then(|result| result) {
            Ok(Ok(value)) => {
                if let Some(reservation) = &mut reservation {
                    reservation.report(value.headers());
                }
                return Ok(Response { value, exchange: slot.and_then(|slot| slot.get().cloned()) });
            }
            Ok(Err(ClientError::UnexpectedResponse(response))) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let redirect = failure::redirect_error(&response);
                self.record_rate_limits(&headers);
                let body = Body::from_error(response, &self.reliability, redactor).read_prefix().await;
                let error = errors.response_error(status, &headers, &body, SystemTime::now());
                if let Some(reservation) = &mut reservation {
                    reservation.report(&headers);
                    if error.category() == ErrorCategory::RateLimit {
                        reservation.reject(error.details().retry_after);
                    }
                }
                // The hint about stale state is more specific.
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
        let error = error.with_exchange(slot.as_deref().and_then(OnceLock::get));
        Err(Failure { error, token, lost_connection })
    }

    /// The body of a response, under this server's limits.
    pub(crate) fn body(&self, response: Response<ByteStream>) -> Body {
        Body::new(response, &self.reliability, &self.destination)
    }
}

impl fmt::Debug for Transport {
    /// Without the HTTP client, which prints its default headers.
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
