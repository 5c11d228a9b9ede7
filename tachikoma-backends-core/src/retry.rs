//! Retries on top of any backend.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::{Backend, BackendError, Backoff, CompletionRequest, CompletionResponse};

/// A server that asks for a longer wait gets no further attempt here: the caller decides.
const LONGEST_STATED_WAIT: Duration = Duration::from_secs(60);

/// See [`BackendExt::complete_with_retry`](crate::BackendExt::complete_with_retry).
pub(crate) async fn complete(
    backend: &(impl Backend + ?Sized),
    request: CompletionRequest,
    max_retries: u32,
) -> Result<CompletionResponse, BackendError> {
    let request = request.with_max_retries(0);
    let mut earlier: Option<BackendError> = None;
    // The attempts that count: a failure before anything was sent is one of them, so that these end too.
    let mut attempts: u32 = 0;
    loop {
        let mut error = match backend.complete(request.clone()).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        attempts = attempts.saturating_add(error.details().attempts.max(1));
        let (retry_after, category) = (error.retry_after(), error.category());
        let is_retryable = error.is_retryable()
            && attempts <= max_retries
            && retry_after.is_none_or(|wait| wait <= LONGEST_STATED_WAIT)
            && Handle::try_current().is_ok();
        if let Some(earlier) = earlier.take() {
            let details = std::mem::take(error.details_mut());
            *error.details_mut() = details.with_earlier_failure(earlier.category(), earlier.into_details());
        }
        if !is_retryable {
            return Err(error);
        }
        let wait = Backoff::new().wait(attempts - 1, retry_after, fastrand::f64());
        // Without the server's message, which may quote the prompt.
        tracing::info!(category = category.as_str(), attempts, ?wait, "trying again");
        earlier = Some(error);
        tokio::time::sleep(wait).await;
    }
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
        let details = ErrorDetails::new("slow down").with_retry_after(Duration::from_secs(seconds));
        BackendError::RateLimit(details.into())
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
        let thrice =
            BackendError::from_details(ErrorCategory::Timeout, ErrorDetails::new("slow").with_attempts(3));
        check(vec![], 2, true, 1, (0.0, 0.0)).await;
        check(vec![network()], 2, true, 2, (0.375, 0.501)).await;
        check(vec![network(), network()], 2, true, 3, (1.125, 1.502)).await;
        check(vec![network(), network()], 1, false, 2, (0.375, 0.501)).await;
        check(vec![network()], 0, false, 1, (0.0, 0.0)).await;
        check(vec![invalid()], 5, false, 1, (0.0, 0.0)).await;
        check(vec![limited(7)], 2, true, 2, (7.0, 8.76)).await;
        check(vec![limited(0), limited(0)], 2, true, 3, (1.125, 1.502)).await;
        check(vec![limited(61)], 2, false, 1, (0.0, 0.0)).await;
        // A backend that made three attempts of its own has used up two retries.
        check(vec![thrice.clone()], 2, false, 1, (0.0, 0.0)).await;
        check(vec![thrice], 3, true, 2, (1.5, 2.01)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_error_reports_all_attempts() {
        let round = |category, attempts: u32| {
            let details = ErrorDetails::new(format!("{category} {attempts}")).with_attempts(attempts);
            BackendError::from_details(category, details.with_request_id("req_1"))
        };
        let unsent = round(ErrorCategory::Network, 0);
        let own = ErrorDetails::new("busy").with_attempts(3).with_request_id("req_2");
        let own =
            own.with_earlier_failure(ErrorCategory::Timeout, ErrorDetails::new("slow").with_attempts(0));
        let own = BackendError::from_details(ErrorCategory::Overloaded, own);
        let backend = backend(vec![unsent, round(ErrorCategory::RateLimit, 2), own]);
        let outcome = backend.complete_with_retry(CompletionRequest::default(), 5).await;
        let error = outcome.unwrap_err();
        let expected = "server overloaded: busy (request id req_2, 5 attempts; before: network: network 0; \
                        rate_limit: rate_limit 2; timeout: slow)";
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.details().attempts, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_before_sending_end_too() {
        let details = ErrorDetails::new("no route").with_attempts(0);
        let unsent = BackendError::from_details(ErrorCategory::Network, details);
        let backend = ScriptedBackend::new().with_default_reply(unsent);
        let outcome = backend.complete_with_retry(CompletionRequest::default(), 2).await;
        let error = outcome.unwrap_err();
        assert_eq!(backend.requests().len(), 3);
        assert_eq!((error.details().attempts, error.details().earlier_failures.len()), (0, 2));
    }

    #[test]
    fn without_a_runtime_the_error_is_returned() {
        let backend = backend(vec![limited(0)]);
        let outcome =
            futures::executor::block_on(backend.complete_with_retry(CompletionRequest::default(), 2));
        assert_eq!(outcome.unwrap_err(), limited(0));
    }
}
