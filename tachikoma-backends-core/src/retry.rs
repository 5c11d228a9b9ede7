//! Retries on top of any backend.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::{Backend, BackendError, CompletionRequest, CompletionResponse};

/// The first wait where the server states none; each further one doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// No wait of our own is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A server that asks for a longer wait gets no further attempt here: the caller decides.
const LONGEST_STATED_WAIT: Duration = Duration::from_secs(60);
/// How much of a wait is random, so that clients that failed together do not come back together.
const JITTER: f64 = 0.25;

/// See [`BackendExt::complete_with_retry`](crate::BackendExt::complete_with_retry).
pub(crate) async fn complete(
    backend: &(impl Backend + ?Sized),
    request: CompletionRequest,
    max_retries: u32,
) -> Result<CompletionResponse, BackendError> {
    let request = request.with_max_retries(0);
    let mut attempts = 0;
    loop {
        let error = match backend.complete(request.clone()).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        attempts += error.details().map_or(1, |details| details.attempts.max(1));
        let too_long = error.retry_after().is_some_and(|wait| wait > LONGEST_STATED_WAIT);
        let cannot_wait = Handle::try_current().is_err();
        if !error.is_retryable() || attempts > max_retries || too_long || cannot_wait {
            return Err(error);
        }
        let wait = wait(error.retry_after(), attempts, fastrand::f64());
        tracing::info!(%error, attempts, ?wait, "trying again");
        tokio::time::sleep(wait).await;
    }
}

/// The wait after this many attempts. A stated wait becomes up to a quarter longer, never shorter. Our own, which doubles with
/// each attempt and becomes up to a quarter shorter, is the least.
fn wait(stated: Option<Duration>, attempts: u32, random: f64) -> Duration {
    let random = random.clamp(0.0, 1.0) * JITTER;
    let doubled =
        FIRST_WAIT.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST_WAIT);
    let own = doubled.saturating_sub(doubled.mul_f64(random));
    stated.map_or(own, |stated| stated.saturating_add(stated.mul_f64(random)).max(own))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{BackendExt, ErrorCategory, ErrorDetails, ScriptedBackend};

    /// A backend that fails with these errors and then responds.
    fn backend(errors: Vec<BackendError>) -> ScriptedBackend {
        errors
            .into_iter()
            .fold(ScriptedBackend::new().with_default_reply("done"), ScriptedBackend::with_reply)
    }

    fn limited(seconds: u64) -> BackendError {
        BackendError::RateLimit {
            retry_after: Some(Duration::from_secs(seconds)),
            message: "slow down".into(),
        }
    }

    /// Runs on a paused clock and checks the outcome, the number of calls and the range of time that passed.
    async fn check(errors: Vec<BackendError>, retries: u32, ok: bool, calls: usize, range: (f64, f64)) {
        let backend = backend(errors.clone());
        let start = Instant::now();
        let outcome =
            (&backend as &dyn Backend).complete_with_retry(CompletionRequest::default(), retries).await;
        assert_eq!(outcome.is_ok(), ok, "{errors:?}");
        let requests = backend.requests();
        assert_eq!(requests.len(), calls, "{errors:?}");
        assert!(
            requests.iter().all(|request| request.max_retries == Some(0)),
            "backends must not retry as well"
        );
        let seconds = start.elapsed().as_secs_f64();
        assert!((range.0..=range.1).contains(&seconds), "{seconds} s for {errors:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn retries() {
        let network = || BackendError::Network("reset".into());
        let invalid = || BackendError::InvalidRequest("no".into());
        let thrice = BackendError::from_details(
            ErrorCategory::Timeout,
            ErrorDetails { attempts: 3, retryable: true, ..ErrorDetails::new("slow") },
        );
        check(vec![], 2, true, 1, (0.0, 0.0)).await;
        check(vec![network()], 2, true, 2, (0.375, 0.501)).await;
        check(vec![network(), network()], 2, true, 3, (1.125, 1.502)).await;
        check(vec![network(), network()], 1, false, 2, (0.375, 0.501)).await;
        check(vec![network()], 0, false, 1, (0.0, 0.0)).await;
        check(vec![invalid()], 5, false, 1, (0.0, 0.0)).await;
        check(vec![limited(7)], 2, true, 2, (7.0, 8.76)).await;
        check(vec![limited(0), limited(0)], 2, true, 3, (1.125, 1.502)).await;
        check(vec![limited(61)], 2, false, 1, (0.0, 0.0)).await;
        // A backend that made three attempts by itself has used up two retries.
        check(vec![thrice.clone()], 2, false, 1, (0.0, 0.0)).await;
        check(vec![thrice], 3, true, 2, (1.5, 2.01)).await;
    }

    #[test]
    fn waits_double_up_to_a_limit_and_stated_ones_are_spread() {
        for (stated, attempts, random, milliseconds) in [
            (None, 1, 0.0, 500),
            (None, 2, 0.0, 1000),
            (None, 3, 0.0, 2000),
            (None, 5, 0.0, 8000),
            (None, 40, 0.0, 8000),
            (None, 1, 1.0, 375),
            (Some(0), 1, 0.0, 500),
            (Some(0), 3, 1.0, 1500),
            (Some(1), 1, 0.0, 1000),
            (Some(1), 1, 1.0, 1250),
            (Some(60), 1, 1.0, 75_000),
            (Some(60), 9, 0.5, 67_500),
        ] {
            let wait = wait(stated.map(Duration::from_secs), attempts, random);
            assert_eq!(wait.as_millis(), milliseconds, "{stated:?} after {attempts}");
        }
    }

    #[test]
    fn without_a_runtime_the_error_is_returned() {
        let backend = backend(vec![limited(0)]);
        let outcome =
            futures::executor::block_on(backend.complete_with_retry(CompletionRequest::default(), 2));
        assert_eq!(outcome.unwrap_err(), limited(0));
    }
}
