//! Decides whether and when to retry a request. Pure: the random number is an argument.

use std::time::Duration;

use tachikoma_backends_core::{Backoff, ErrorCategory};

use crate::runtime::{Error, Reliability};

/// What to do after an attempt failed.
#[derive(Debug)]
pub(super) enum Decision {
    /// Give up with this error, which lists all attempts.
    Stop(Error),
    /// Retry the request after this wait.
    Retry(Duration),
}

/// Counts the attempts of one request and records their failures.
#[derive(Debug)]
pub(super) struct RetryPolicy {
    max_retries: u32,
    backoff: Backoff,
    max_wait: Duration,
    if_maybe_processed: bool,
    retries: u32,
    attempts: u32,
    failures: Vec<String>,
}

impl RetryPolicy {
    /// `max_retries` overrides the setting.
    pub(super) fn new(reliability: Reliability, max_retries: Option<u32>) -> Self {
        Self {
            max_retries: max_retries.unwrap_or(reliability.max_retries),
            backoff: Backoff::default().with_first_wait(reliability.min_retry_wait),
            max_wait: reliability.max_retry_wait,
            if_maybe_processed: reliability.retry_if_maybe_processed,
            retries: 0,
            attempts: 0,
            failures: Vec::new(),
        }
    }

    /// Decides what follows a failure. `random`, from 0 to 1, spreads the waits of clients. `take_retry` asks the backend's budget for
    /// a retry; its argument is the maximum for this request.
    pub(super) fn decide(
        &mut self,
        mut error: Error,
        random: f64,
        take_retry: impl FnOnce(u32) -> bool,
    ) -> Decision {
        let (retries, category, retryable) = (self.retries, error.category(), error.is_retryable());
        let details = error.details_mut();
        let may_retry = retryable
            && retries < self.max_retries
            && details.retry_after.is_none_or(|wait| wait <= self.max_wait)
            && (self.if_maybe_processed || !details.maybe_processed);
        // A server that limits the rate and states a wait has capacity for each client once.
        let is_scheduled = category == ErrorCategory::RateLimit
            && retries == 0
            && details.retry_after.is_some_and(|wait| wait >= self.backoff.first_wait);
        // A request that was not sent adds no load.
        let is_free = is_scheduled || details.attempts == 0;
        if may_retry && (is_free || take_retry(self.max_retries)) {
            let wait = self.backoff.wait(retries, details.retry_after, random);
            // Without the server's message, which may quote the prompt.
            tracing::info!(
                category = error.category().as_str(),
                status = error.status(),
                code = error.code().filter(|code| is_identifier(code)),
                request_id = error.request_id(),
                attempt = retries + 1,
                ?wait,
                "trying again"
            );
            self.retries = retries.saturating_add(1);
            self.record(&error);
            return Decision::Retry(wait);
        }
        if may_retry {
            const EXHAUSTED: &str = "It was not tried again: the retry budget of this backend is exhausted \
                                     (with_retry_budget).";
            details.hint = Some(match details.hint.take() {
                Some(hint) => format!("{hint} {EXHAUSTED}"),
                None => EXHAUSTED.to_owned(),
            });
        }
        details.attempts = details.attempts.saturating_add(self.attempts);
        details.earlier_failures = std::mem::take(&mut self.failures);
        Decision::Stop(error)
    }

    /// Records a rejected token, after which the request is sent with a new one. That does not count as a retry.
    pub(super) fn record_rejected_token(&mut self, error: &Error) {
        tracing::info!(
            category = error.category().as_str(),
            status = error.status(),
            request_id = error.request_id(),
            "trying again with a new access token"
        );
        self.record(error);
    }

    /// The number of attempts before the current one.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    fn record(&mut self, error: &Error) {
        self.attempts = self.attempts.saturating_add(error.attempts());
        self.failures.push(format!("{}: {}", error.category(), error.message()));
    }
}

/// Whether an error code is an identifier, and not a sentence.
fn is_identifier(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::ErrorCategory::*;

    use super::*;

    fn error(category: ErrorCategory, stated: Option<u64>) -> Error {
        let mut error = Error::new(category, "m");
        error.details_mut().retry_after = stated.map(Duration::from_millis);
        error
    }

    /// The waits, in milliseconds, after one failure after the other, up to the end, with no limit on the backend.
    #[track_caller]
    fn check(reliability: Reliability, failures: Vec<Error>, random: f64, expected: &[u64]) {
        let mut policy = RetryPolicy::new(reliability, None);
        let mut waits = Vec::new();
        for failure in failures {
            match policy.decide(failure, random, |_| true) {
                Decision::Retry(wait) => waits.push(u64::try_from(wait.as_millis()).unwrap()),
                Decision::Stop(error) => {
                    assert_eq!(error.attempts() as usize, waits.len() + 1);
                    assert_eq!(error.details().earlier_failures.len(), waits.len());
                    break;
                }
            }
        }
        assert_eq!(waits, expected);
    }

    fn retries(max_retries: u32) -> Reliability {
        Reliability { max_retries, ..Reliability::default() }
    }

    #[test]
    fn waits() {
        let servers = |n| (0..n).map(|_| error(Server, None)).collect::<Vec<_>>();
        check(retries(2), servers(4), 0.0, &[500, 1000]);
        check(retries(0), servers(4), 0.0, &[]);
        check(retries(2), servers(4), 1.0, &[375, 750]);
        check(retries(7), servers(9), 0.0, &[500, 1000, 2000, 4000, 8000, 8000, 8000]);
        check(
            retries(2),
            vec![error(RateLimit, Some(7000)), error(Network, None), error(Timeout, None)],
            0.0,
            &[7000, 1000],
        );
        check(retries(2), vec![error(RateLimit, Some(60_001))], 0.5, &[]);
        for category in [
            Quota, InvalidRequest, Authentication, Permission, NotFound, ContextLength, ContentFilter, Parse,
            Configuration,
        ] {
            check(retries(2), vec![error(category, None)], 0.0, &[]);
        }
    }

    #[test]
    fn an_exhausted_budget_ends_the_retries() {
        let mut policy = RetryPolicy::new(retries(2), None);
        let hinted = || error(Overloaded, None).with_hint("Ask later.");
        assert!(matches!(policy.decide(hinted(), 0.0, |_| true), Decision::Retry(_)));
        let Decision::Stop(error) = policy.decide(hinted(), 0.0, |_| false) else { panic!("no end") };
        assert_eq!((error.attempts(), error.is_retryable()), (2, true));
        let message = "overloaded: m (2 attempts; before: overloaded: m). Ask later. It was not tried again: the retry budget \
                     of this backend is exhausted (with_retry_budget).";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn the_budget_is_used_only_for_retries_that_add_load() {
        let unsent = || {
            let mut error = error(Authentication, None);
            (error.details_mut().attempts, error.details_mut().retryable) = (0, Some(true));
            error
        };
        let scheduled = || error(RateLimit, Some(500));
        for failure in [error(Quota, None), error(RateLimit, Some(60_001)), unsent(), scheduled()] {
            let mut policy = RetryPolicy::new(retries(2), None);
            policy.decide(failure, 0.0, |_| panic!("asked"));
        }
        for second in [scheduled(), error(RateLimit, Some(499)), error(Overloaded, Some(500))] {
            let mut policy = RetryPolicy::new(retries(2), None);
            policy.decide(scheduled(), 0.0, |_| panic!("asked"));
            assert!(matches!(policy.decide(second, 0.0, |_| false), Decision::Stop(_)));
        }
        for counted in [error(RateLimit, Some(499)), error(RateLimit, None), error(Overloaded, Some(500))] {
            assert!(matches!(
                RetryPolicy::new(retries(2), None).decide(counted, 0.0, |_| false),
                Decision::Stop(_)
            ));
        }
        let mut policy = RetryPolicy::new(retries(0), Some(7));
        policy.decide(error(Server, None), 0.0, |max_retries| {
            assert_eq!(max_retries, 7);
            true
        });
    }

    #[test]
    fn settings() {
        let short = Reliability { max_retry_wait: Duration::from_secs(1), ..Reliability::default() };
        check(short, vec![error(RateLimit, Some(1000)), error(RateLimit, Some(1001))], 0.0, &[1000]);
        check(short, vec![error(Server, None), error(Server, None)], 0.0, &[500, 1000]);

        let patient = Reliability { min_retry_wait: Duration::from_secs(3), ..Reliability::default() };
        check(patient, vec![error(RateLimit, Some(1000)), error(Server, None)], 0.0, &[3000, 6000]);
        let longer = Reliability { min_retry_wait: Duration::from_secs(30), ..Reliability::default() };
        check(longer, vec![error(Server, None), error(Server, None)], 0.0, &[30_000, 30_000]);

        let careful = Reliability { retry_if_maybe_processed: false, ..Reliability::default() };
        let maybe = || error(Timeout, None).maybe_processed();
        check(careful, vec![error(Network, None), maybe()], 0.0, &[500]);
        check(Reliability::default(), vec![maybe(), maybe(), maybe()], 0.0, &[500, 1000]);

        let mut overridden = RetryPolicy::new(Reliability::default(), Some(0));
        assert!(matches!(overridden.decide(error(Server, None), 0.0, |_| true), Decision::Stop(_)));
    }

    #[test]
    fn the_last_error_lists_all_attempts() {
        let mut policy = RetryPolicy::new(retries(1), None);
        policy.decide(error(Network, None), 0.0, |_| true);
        let Decision::Stop(error) = policy.decide(error(Overloaded, None), 0.0, |_| true) else {
            panic!("no end")
        };
        assert_eq!(error.to_string(), "overloaded: m (2 attempts; before: network: m)");
    }
}
