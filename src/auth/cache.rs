//! [`TokenCache`]: one token for all requests, asked for once however many wait for it.

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

/// How long before its end a token is replaced, as Azure's own clients have it; for one that holds less than twice as long,
/// half of its time.
const REFRESH_MARGIN: Duration = Duration::from_secs(5 * 60);

/// How long a token that still holds is used on after another could not be had.
const FAILURE_GRACE: Duration = Duration::from_secs(30);

/// Makes the header of a token.
pub(super) type ToHeader =
    dyn Fn(&AccessToken) -> Result<(HeaderName, HeaderValue), CodexError> + Send + Sync;

/// Keeps the token of a provider.
pub(crate) struct TokenCache {
    provider: Arc<dyn TokenProvider>,
    to_header: Box<ToHeader>,
    timeout: Duration,
    redactor: Arc<Redactor>,
    state: Mutex<State>,
}

tokio::task_local! {
    /// The caches whose providers are being called by this task, by their addresses.
    static CALLS: Vec<usize>;
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    generation: u64,
    /// The call that is under way. The requests that wait for it own it: it goes on while there is one, whichever.
    asking: Option<WeakShared<Asking>>,
    /// What the last successful call gave, by that call's number, for the others who waited for it: it may have expired by
    /// the time they see it. `None` once the server has refused it.
    given: Option<(u64, Option<AuthHeader>)>,
    calls: u64,
}

struct Held {
    shown: AuthHeader,
    /// When to ask for another, and when it ends.
    times: Option<(Instant, Instant)>,
}

type Asking = BoxFuture<'static, Result<AccessToken, Failure>>;

#[derive(Clone)]
enum Failure {
    Provider(TokenError),
    TimedOut,
    /// The task that asked is gone, with the runtime that it ran on.
    Cancelled,
}

/// A call of the provider in a task of its own, which ends with this.
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
        to_header: Box<ToHeader>,
        timeout: Duration,
        redactor: Arc<Redactor>,
    ) -> Arc<Self> {
        Arc::new(Self { provider, to_header, timeout, redactor, state: Mutex::default() })
    }

    /// Takes a token that is already there.
    ///
    /// # Errors
    /// No header can carry it.
    pub(super) fn hold(&self, token: &AccessToken) -> Result<AuthHeader, CodexError> {
        self.hold_in(&mut self.state(), token)
    }

    fn hold_in(&self, state: &mut State, token: &AccessToken) -> Result<AuthHeader, CodexError> {
        let (name, value) = (self.to_header)(token)?;
        self.redactor.add_token(&value);
        let times = token.lifetime(SystemTime::now()).and_then(|lifetime| {
            let now = Instant::now();
            let early = lifetime.saturating_sub(REFRESH_MARGIN.min(lifetime / 2));
            Some((now.checked_add(early)?, now.checked_add(lifetime)?))
        });
        state.generation += 1;
        let shown = AuthHeader { name, value, generation: state.generation };
        state.held = Some(Held { shown: shown.clone(), times });
        Ok(shown)
    }

    /// The token's header, after asking for the token where that is due.
    ///
    /// # Errors
    /// There is no token, in the provider's words.
    pub(crate) async fn get(&self) -> Result<AuthHeader, CodexError> {
        // A task that ends with its runtime is no failure of the provider, which is asked again, once.
        let mut may_repeat = true;
        loop {
            let (asking, call) = {
                let mut state = self.state();
                let holds = |held: &&Held| held.times.is_none_or(|(early, _)| Instant::now() < early);
                if let Some(held) = state.held.as_ref().filter(holds) {
                    return Ok(held.shown.clone());
                }
                (self.asking(&mut state)?, state.calls)
            };
            // The call has the same limit, but its own runtime may stand still.
            let outcome = tokio::time::timeout(self.timeout, asking.clone()).await;
            let outcome = outcome.unwrap_or(Err(Failure::TimedOut));
            let mut state = self.state();
            if state.asking.as_ref().and_then(WeakShared::upgrade).is_some_and(|a| a.ptr_eq(&asking)) {
                state.asking = None;
            }
            match outcome {
                Err(Failure::Cancelled) if std::mem::take(&mut may_repeat) => {}
                Err(failure) => return self.after_failure(&mut state, failure),
                // Of all that waited, the first one keeps the token.
                Ok(token) => match &state.given {
                    Some((given, Some(shown))) if *given == call => return Ok(shown.clone()),
                    Some((given, _)) if *given >= call => {}
                    _ => {
                        let shown = self.hold_in(&mut state, &token)?;
                        state.given = Some((call, Some(shown.clone())));
                        return Ok(shown);
                    }
                },
            }
        }
    }

    /// The old token goes on while it holds.
    fn after_failure(&self, state: &mut State, failure: Failure) -> Result<AuthHeader, CodexError> {
        let error = self.redactor.error(self.error(failure));
        let now = Instant::now();
        match &mut state.held {
            Some(Held { shown, times: Some((early, end)) }) if now < *end => {
                tracing::warn!(%error, "no new access token; the old one is used while it holds");
                *early = (now + FAILURE_GRACE).min(*end);
                Ok(shown.clone())
            }
            _ => Err(error),
        }
    }

    /// Forgets a token that a server has refused, unless it has been replaced already.
    pub(crate) fn refused(&self, shown: &AuthHeader) {
        let mut state = self.state();
        if state.held.as_ref().is_some_and(|held| held.shown.generation == shown.generation) {
            state.held = None;
        }
        if let Some((_, given)) = &mut state.given
            && given.as_ref().is_some_and(|given| given.generation == shown.generation)
        {
            *given = None;
        }
    }

    /// The call that is under way, or a new one. It is a task of its own: as a part of the future that all wait for, a
    /// provider that waits for the same future would stop all of them.
    ///
    /// # Errors
    /// It is the provider itself that asks, or there is no runtime.
    fn asking(&self, state: &mut State) -> Result<Shared<Asking>, CodexError> {
        let address = std::ptr::from_ref(self).addr();
        let mut calls = CALLS.try_with(Vec::clone).unwrap_or_default();
        if calls.contains(&address) {
            let message = "the token provider sends a request through the backend that it gives tokens to";
            return Err(CodexError::configuration(message)
                .with_hint("Let it use a client of its own, or another backend."));
        }
        if let Some(asking) = state.asking.as_ref().and_then(WeakShared::upgrade) {
            return Ok(asking);
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
        let asking = Call(runtime.spawn(call)).boxed().shared();
        state.asking = asking.downgrade();
        Ok(asking)
    }

    fn error(&self, failure: Failure) -> CodexError {
        match failure {
            Failure::Provider(error) => {
                let mut told = CodexError::unsent(
                    ErrorCategory::Authentication,
                    format!("no credentials for the request: {error}"),
                );
                told.details_mut().retryable = Some(error.is_temporary());
                told
            }
            Failure::Cancelled => {
                let message = "no credentials for the request: the runtime of the token provider has ended";
                let mut error = CodexError::unsent(ErrorCategory::Authentication, message);
                error.details_mut().retryable = Some(true);
                error
            }
            Failure::TimedOut => {
                let message = format!("no credentials came within {:?}", self.timeout);
                CodexError::unsent(ErrorCategory::Timeout, message)
                    .with_hint("Try again, or allow more by with_token_timeout.")
            }
        }
    }

    /// No code holds the lock across anything that waits, or that could leave the state half changed.
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{join_all, pending};
    use reqwest::header::AUTHORIZATION;
    use tokio::time::{advance, sleep};

    use super::super::token::ByFunction;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    type Answer = BoxFuture<'static, Result<AccessToken, TokenError>>;

    /// A cache whose provider gives this for its first, second, ... call, and the number of calls.
    fn cache(
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> (Arc<TokenCache>, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let provider = ByFunction(move || answer(counted.fetch_add(1, Ordering::SeqCst) + 1));
        let to_header = |token: &AccessToken| {
            let value = HeaderValue::from_str(token.expose());
            Ok((AUTHORIZATION, value.map_err(|_| CodexError::configuration("no header"))?))
        };
        (TokenCache::new(Arc::new(provider), Box::new(to_header), LIMIT, Arc::default()), calls)
    }

    /// Tokens `t1`, `t2`, ..., each after a second, that hold this long.
    fn slow(lifetime: Duration) -> (Arc<TokenCache>, Arc<AtomicUsize>) {
        cache(move |call| {
            Box::pin(async move {
                sleep(SECOND).await;
                Ok(AccessToken::new(format!("t{call}")).expires_in(lifetime))
            })
        })
    }

    async fn token(cache: &TokenCache) -> String {
        cache
            .get()
            .await
            .map_or_else(|error| error.to_string(), |shown| shown.value.to_str().unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn many_requests_share_one_call() {
        let (cache, calls) = slow(60 * MINUTE);
        let tokens = join_all((0..10).map(|_| token(&cache))).await;
        assert_eq!(tokens, ["t1"; 10]);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_replaced_some_time_before_its_end() {
        #[track_caller]
        fn check(lifetime: Duration, kept: Duration) -> impl Future<Output = ()> {
            let (cache, calls) = slow(lifetime);
            async move {
                let mut seen = vec![token(&cache).await];
                advance(kept - 2 * SECOND).await;
                seen.push(token(&cache).await);
                advance(3 * SECOND).await;
                seen.push(token(&cache).await);
                assert_eq!(seen, ["t1", "t1", "t2"], "{lifetime:?}");
                assert_eq!(calls.load(Ordering::SeqCst), 2);
            }
        }
        check(60 * MINUTE, 55 * MINUTE).await;
        check(4 * MINUTE, 2 * MINUTE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_without_end_is_kept_until_it_is_refused() {
        let (cache, calls) = cache(|call| Box::pin(async move { Ok(AccessToken::new(format!("t{call}"))) }));
        let first = cache.get().await.unwrap();
        advance(1000 * 60 * MINUTE).await;
        assert_eq!(token(&cache).await, "t1");
        cache.refused(&first);
        assert_eq!(token(&cache).await, "t2");
        // Of another request that was under way with it.
        cache.refused(&first);
        assert_eq!(token(&cache).await, "t2");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_goes_away_takes_nothing_from_the_others() {
        let (cache, calls) = slow(60 * MINUTE);
        let mut gone = Box::pin(cache.get());
        assert!(futures::poll!(&mut gone).is_pending());
        let mut stays = Box::pin(token(&cache));
        assert!(futures::poll!(&mut stays).is_pending());
        drop(gone);
        assert_eq!(stays.await, "t1");
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_waits_for_ends() {
        let (cache, calls) = slow(60 * MINUTE);
        let mut gone = Box::pin(cache.get());
        assert!(futures::poll!(&mut gone).is_pending());
        tokio::task::yield_now().await;
        drop(gone);
        advance(100 * LIMIT).await;
        assert_eq!(token(&cache).await, "t2");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_in_the_providers_words_and_not_kept() {
        let (cache, calls) = cache(|call| {
            Box::pin(async move {
                match call {
                    1 => Err(TokenError::new("the tenant is unknown")),
                    2 => Err(TokenError::temporary("the service is busy")),
                    3 => pending().await,
                    4 => panic!("a mistake"),
                    5 => Ok(AccessToken::new("a\nb")),
                    _ => Ok(AccessToken::new("t6")),
                }
            })
        });
        for (category, retryable, words) in [
            (ErrorCategory::Authentication, false, "the tenant is unknown"),
            (ErrorCategory::Authentication, true, "the service is busy"),
            (ErrorCategory::Timeout, true, "no credentials came within 30s"),
            (ErrorCategory::Authentication, false, "the token provider panicked"),
            (ErrorCategory::Configuration, false, "no header"),
        ] {
            let error = cache.get().await.unwrap_err();
            assert_eq!((error.category(), error.is_retryable(), error.attempts()), (category, retryable, 0));
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(token(&cache).await, "t6");
        assert_eq!(calls.load(Ordering::SeqCst), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_token_is_used_while_it_holds() {
        let (cache, calls) = cache(|call| {
            Box::pin(async move {
                match call {
                    1 => Ok(AccessToken::new("t1").expires_in(60 * MINUTE)),
                    _ => Err(TokenError::new("the service is down")),
                }
            })
        });
        assert_eq!(token(&cache).await, "t1");
        advance(56 * MINUTE).await;
        assert_eq!([token(&cache).await, token(&cache).await], ["t1", "t1"]);
        assert_eq!(calls.load(Ordering::SeqCst), 2, "the provider is left alone for a while");
        advance(4 * MINUTE).await;
        assert!(token(&cache).await.contains("the service is down"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_has_expired_serves_those_who_waited_for_it() {
        let (cache, calls) = slow(Duration::ZERO);
        assert_eq!(join_all((0..10).map(|_| token(&cache))).await, ["t1"; 10]);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert_eq!(join_all((0..10).map(|_| token(&cache))).await, ["t2"; 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_serves_no_other_request() {
        let (cache, _) = slow(60 * MINUTE);
        let mut late = Box::pin(token(&cache));
        assert!(futures::poll!(&mut late).is_pending());
        let refused = cache.get().await.unwrap();
        cache.refused(&refused);
        assert_eq!(late.await, "t2");
    }

    /// A provider that asks the cache that it serves: directly, or in a task of its own, where it cannot be noticed.
    async fn in_a_circle(is_spawned: bool) -> (CodexError, String, Duration) {
        let own = Arc::new(std::sync::OnceLock::<Arc<TokenCache>>::new());
        let inner = Arc::clone(&own);
        let (cache, _) = cache(move |_| {
            let inner = Arc::clone(inner.get().unwrap());
            Box::pin(async move {
                let ask = async move { inner.get().await.map(|_| ()) };
                let outcome = if is_spawned { tokio::spawn(ask).await.unwrap() } else { ask.await };
                Err(TokenError::new(outcome.unwrap_err().to_string()))
            })
        });
        own.set(Arc::clone(&cache)).unwrap();
        let start = Instant::now();
        let error = cache.get().await.unwrap_err();
        let text = error.to_string();
        (error, text, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_needs_its_own_token_is_an_error() {
        let (error, text, elapsed) = in_a_circle(false).await;
        assert!(text.contains("through the backend that it gives tokens to"), "{text}");
        assert_eq!((error.category(), elapsed), (ErrorCategory::Authentication, Duration::ZERO));
        let (error, text, elapsed) = in_a_circle(true).await;
        assert_eq!((error.category(), elapsed), (ErrorCategory::Timeout, LIMIT), "{text}");
    }

    #[test]
    fn a_call_whose_runtime_ends_is_made_again() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (cache, calls) = cache(|call| {
            Box::pin(async move {
                if call == 1 {
                    pending::<()>().await;
                }
                Ok(AccessToken::new(format!("t{call}")))
            })
        });
        let mut waiting = Box::pin(token(&cache));
        let first = runtime();
        first.block_on(async {
            assert!(futures::poll!(&mut waiting).is_pending());
            tokio::task::yield_now().await;
        });
        drop(first);
        assert_eq!(runtime().block_on(waiting), "t2");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
