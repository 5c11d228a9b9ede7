//! [`TokenCache`]: one token for all requests, and one call of the provider at a time.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use reqwest::header::{HeaderName, HeaderValue};
use tachikoma_backends_core::ErrorCategory;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::token::{AccessToken, TokenError, TokenProvider};
use crate::CodexError;
use crate::runtime::{Redactor, transport::AuthHeader};

/// How long before its expiry a token is refreshed, as in Azure's own clients; at most half of its lifetime.
const REFRESH_MARGIN: Duration = Duration::from_secs(5 * 60);

/// How long a valid token remains in use after its refresh failed.
const FAILURE_GRACE: Duration = Duration::from_secs(30);

/// Makes the header of a token.
pub(super) type HeaderFn =
    dyn Fn(&AccessToken) -> Result<(HeaderName, HeaderValue), CodexError> + Send + Sync;

/// Caches the token of a provider.
pub(crate) struct TokenCache {
    provider: Arc<dyn TokenProvider>,
    to_header: Box<HeaderFn>,
    timeout: Duration,
    redactor: Arc<Redactor>,
    state: Mutex<State>,
}

tokio::task_local! {
    /// The addresses of the caches whose providers this task is calling.
    static CALLS: Vec<usize>;
}

#[derive(Default)]
struct State {
    cached: Option<CachedToken>,
    generation: u64,
    /// The call in progress. The requests that wait for it own it: it ends with the last of them.
    pending: Option<WeakShared<PendingCall>>,
    /// The number and the header of the last successful call, for the others that waited for it, even if the token has
    /// expired since. `None` when the server has rejected it.
    latest: Option<(u64, Option<AuthHeader>)>,
    calls: u64,
}

struct CachedToken {
    header: AuthHeader,
    /// When to refresh it, and when it expires.
    times: Option<(Instant, Instant)>,
}

type PendingCall = BoxFuture<'static, Result<AccessToken, Failure>>;

#[derive(Clone)]
enum Failure {
    Provider(TokenError),
    TimedOut,
    /// The task of the call ended with its runtime.
    Cancelled,
}

/// A call of the provider in its own task, which is aborted on drop.
struct Call(JoinHandle<Result<AccessToken, Failure>>);

impl Future for Call {
    type Output = Result<AccessToken, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context).map(|outcome| outcome.unwrap_or(Err(Failure::Cancelled)))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TokenCache {
    pub(super) fn new(
        provider: Arc<dyn TokenProvider>,
        to_header: Box<HeaderFn>,
        timeout: Duration,
        redactor: Arc<Redactor>,
    ) -> Arc<Self> {
        Arc::new(Self { provider, to_header, timeout, redactor, state: Mutex::default() })
    }

    /// Stores a token.
    ///
    /// # Errors
    /// It is not a valid header value.
    pub(super) fn store(&self, token: &AccessToken) -> Result<AuthHeader, CodexError> {
        self.store_in(&mut self.state(), token)
    }

    fn store_in(&self, state: &mut State, token: &AccessToken) -> Result<AuthHeader, CodexError> {
        let (name, value) = (self.to_header)(token)?;
        self.redactor.add_token(&value);
        let times = token.lifetime(SystemTime::now()).and_then(|lifetime| {
            let now = Instant::now();
            let refresh = lifetime.saturating_sub(REFRESH_MARGIN.min(lifetime / 2));
            Some((now.checked_add(refresh)?, now.checked_add(lifetime)?))
        });
        state.generation += 1;
        let header = AuthHeader { name, value, generation: state.generation };
        state.cached = Some(CachedToken { header: header.clone(), times });
        Ok(header)
    }

    /// The token's header, refreshed if that is due.
    ///
    /// # Errors
    /// The provider's error, if it returned no token.
    pub(crate) async fn get(&self) -> Result<AuthHeader, CodexError> {
        // A task that ends with its runtime is not a failure of the provider, which is called once more.
        let mut may_retry = true;
        loop {
            let (pending, call) = {
                let mut state = self.state();
                let is_fresh =
                    |token: &&CachedToken| token.times.is_none_or(|(refresh, _)| Instant::now() < refresh);
                if let Some(token) = state.cached.as_ref().filter(is_fresh) {
                    return Ok(token.header.clone());
                }
                (self.pending_call(&mut state)?, state.calls)
            };
            // The call has the same timeout, but its runtime may be blocked.
            let outcome = tokio::time::timeout(self.timeout, pending.clone()).await;
            let outcome = outcome.unwrap_or(Err(Failure::TimedOut));
            let mut state = self.state();
            if state.pending.as_ref().and_then(WeakShared::upgrade).is_some_and(|call| call.ptr_eq(&pending))
            {
                state.pending = None;
            }
            match outcome {
                Err(Failure::Cancelled) if std::mem::take(&mut may_retry) => {}
                Err(failure) => return self.after_failure(&mut state, failure),
                // The first of the waiting requests stores the token.
                Ok(token) => match &state.latest {
                    Some((latest, Some(header))) if *latest == call => return Ok(header.clone()),
                    Some((latest, _)) if *latest >= call => {}
                    _ => {
                        let header = self.store_in(&mut state, &token)?;
                        state.latest = Some((call, Some(header.clone())));
                        return Ok(header);
                    }
                },
            }
        }
    }

    /// The old token remains in use while it is valid.
    fn after_failure(&self, state: &mut State, failure: Failure) -> Result<AuthHeader, CodexError> {
        let error = self.redactor.error(self.error(failure));
        let now = Instant::now();
        match &mut state.cached {
            Some(CachedToken { header, times: Some((refresh, expiry)) }) if now < *expiry => {
                tracing::warn!(%error, "no new access token; the old one is used while it is valid");
                *refresh = (now + FAILURE_GRACE).min(*expiry);
                Ok(header.clone())
            }
            _ => Err(error),
        }
    }

    /// Removes a token that a server has rejected, unless it has been replaced already.
    pub(crate) fn invalidate(&self, header: &AuthHeader) {
        let mut state = self.state();
        state.cached.take_if(|token| token.header.generation == header.generation);
        if let Some((_, latest)) = &mut state.latest {
            latest.take_if(|latest| latest.generation == header.generation);
        }
    }

    /// The call in progress, or a new one. It is its own task: otherwise a provider that waits for the shared future would
    /// block every request.
    ///
    /// # Errors
    /// The provider itself is the caller, or this is not within a runtime.
    fn pending_call(&self, state: &mut State) -> Result<Shared<PendingCall>, CodexError> {
        let address = std::ptr::from_ref(self).addr();
        let mut calls = CALLS.try_with(Vec::clone).unwrap_or_default();
        if calls.contains(&address) {
            let message =
                "the token provider sends a request through the backend that it provides tokens for";
            return Err(CodexError::configuration(message)
                .with_hint("Use another HTTP client or another backend in it."));
        }
        if let Some(pending) = state.pending.as_ref().and_then(WeakShared::upgrade) {
            return Ok(pending);
        }
        let runtime = Handle::try_current().map_err(|error| {
            CodexError::configuration("requests need a Tokio runtime, and this thread has none")
                .with_source(error)
        })?;
        state.calls += 1;
        calls.push(address);
        let (provider, timeout) = (Arc::clone(&self.provider), self.timeout);
        let call = async move {
            let token = AssertUnwindSafe(async move { provider.token().await }).catch_unwind();
            match tokio::time::timeout(timeout, token).await {
                Ok(Ok(token)) => token.map_err(Failure::Provider),
                Ok(Err(_)) => Err(Failure::Provider(TokenError::new("the token provider panicked"))),
                Err(_) => Err(Failure::TimedOut),
            }
        };
        let call = CALLS.scope(calls, call).in_current_span().with_current_subscriber();
        let pending = Call(runtime.spawn(call)).boxed().shared();
        state.pending = pending.downgrade();
        Ok(pending)
    }

    fn error(&self, failure: Failure) -> CodexError {
        let (reason, is_temporary) = match failure {
            Failure::Provider(error) => (error.to_string(), error.is_temporary()),
            Failure::Cancelled => ("the runtime of the token provider has ended".to_owned(), true),
            Failure::TimedOut => {
                let message = format!("no credentials came within {:?}", self.timeout);
                return CodexError::unsent(ErrorCategory::Timeout, message)
                    .with_hint("Try again, or allow more by with_token_timeout.");
            }
        };
        let message = format!("no credentials for the request: {reason}");
        let mut error = CodexError::unsent(ErrorCategory::Authentication, message);
        error.details_mut().retryable = Some(is_temporary);
        error
    }

    /// The lock is never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
