//! One token serves all requests: expiry, renewal, refusals, failures.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{join_all, pending};
use reqwest::header::AUTHORIZATION;
use tokio::time::{advance, sleep};

use super::*;
use crate::auth::token::FunctionProvider;

const LIMIT: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

type TokenFuture = BoxFuture<'static, Result<AccessToken, TokenError>>;

/// A cache whose provider returns this for its first, second, ... call, and the number of calls.
fn cache(
    respond: impl Fn(usize) -> TokenFuture + Send + Sync + 'static,
) -> (Arc<TokenCache>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let provider = FunctionProvider(move || respond(counted.fetch_add(1, Ordering::SeqCst) + 1));
    let to_header = |token: &AccessToken| {
        let value = HeaderValue::from_str(token.expose());
        Ok((AUTHORIZATION, value.map_err(|_| CodexError::configuration("no header"))?))
    };
    (TokenCache::new(Arc::new(provider), Box::new(to_header), LIMIT, Arc::default()), calls)
}

/// Tokens `t1`, `t2`, ..., each after a second, that are valid for this long.
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
        .map_or_else(|error| error.to_string(), |header| header.value.to_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_one_call() {
    let (cache, calls) = slow(60 * MINUTE);
    let tokens = join_all((0..10).map(|_| token(&cache))).await;
    assert_eq!(tokens, ["t1"; 10]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_refreshed_before_its_expiry() {
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
async fn a_token_without_expiry_is_kept_until_it_is_rejected() {
    let (cache, calls) = cache(|call| Box::pin(async move { Ok(AccessToken::new(format!("t{call}"))) }));
    let first = cache.get().await.unwrap();
    advance(1000 * 60 * MINUTE).await;
    assert_eq!(token(&cache).await, "t1");
    cache.invalidate(&first);
    assert_eq!(token(&cache).await, "t2");
    // By another request that was in flight with it.
    cache.invalidate(&first);
    assert_eq!(token(&cache).await, "t2");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_does_not_affect_the_others() {
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
async fn a_call_without_a_waiting_request_ends() {
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
async fn failures_hold_the_providers_message_and_are_not_cached() {
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
async fn an_old_token_is_used_while_it_is_valid() {
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
    assert_eq!(calls.load(Ordering::SeqCst), 2, "the provider is not called again for a while");
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
async fn a_rejected_token_serves_no_other_request() {
    let (cache, _) = slow(60 * MINUTE);
    let mut late = Box::pin(token(&cache));
    assert!(futures::poll!(&mut late).is_pending());
    let rejected = cache.get().await.unwrap();
    cache.invalidate(&rejected);
    assert_eq!(late.await, "t2");
}

/// A provider that calls its own cache: directly, or in another task, where it cannot be detected.
async fn recursive_call(is_spawned: bool) -> (CodexError, String, Duration) {
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
    let (error, text, elapsed) = recursive_call(false).await;
    assert!(text.contains("through the backend that it provides tokens for"), "{text}");
    assert_eq!((error.category(), elapsed), (ErrorCategory::Authentication, Duration::ZERO));
    let (error, text, elapsed) = recursive_call(true).await;
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
