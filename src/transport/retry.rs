//! Whether and when to send a request again. Pure: errors and a random number go in, a decision comes out.

use std::time::Duration;

use crate::config::Reliability;
use crate::error::CodexError;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What to do after an attempt failed.
#[derive(Debug)]
pub(super) enum Decision {
    /// Give up with this error, which tells of all attempts.
    Stop(CodexError),
    /// Send the request again after this wait.
    After(Duration),
}

/// Counts the attempts at one request and remembers why they failed.
#[derive(Debug)]
pub(super) struct Policy {
    max_retries: u32,
    max_wait: Duration,
    if_maybe_processed: bool,
    retries: u32,
    sent: u32,
    failures: Vec<String>,
}

impl Policy {
    /// `max_retries` overrules the setting.
    pub(super) fn new(reliability: Reliability, max_retries: Option<u32>) -> Self {
        Self {
            max_retries: max_retries.unwrap_or(reliability.max_retries),
            max_wait: reliability.max_retry_wait,
            if_maybe_processed: reliability.retry_if_maybe_processed,
            retries: 0,
            sent: 0,
            failures: Vec::new(),
        }
    }

    /// Takes the next failure. `random`, from 0 to 1, takes up to a quarter off a wait of our own, so that clients spread out.
    pub(super) fn decide(&mut self, mut error: CodexError, random: f64) -> Decision {
        let retries = self.retries;
        let details = error.details_mut();
        let again = details.retryable
            && retries < self.max_retries
            && details.retry_after.is_none_or(|wait| wait <= self.max_wait)
            && (self.if_maybe_processed || !details.maybe_processed);
        if again {
            let wait = details.retry_after.unwrap_or_else(|| backoff(retries, random));
            // Without the server's words, which may quote the prompt.
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
            self.remember(&error);
            return Decision::After(wait);
        }
        details.attempts = details.attempts.saturating_add(self.sent);
        details.earlier_failures = std::mem::take(&mut self.failures);
        Decision::Stop(error)
    }

    /// Takes a failure after which the request goes out again with another token. That is no retry.
    pub(super) fn with_new_token(&mut self, error: &CodexError) {
        tracing::info!(
            category = error.category().as_str(),
            status = error.status(),
            request_id = error.request_id(),
            "trying again with a new access token"
        );
        self.remember(error);
    }

    /// How often the request went out before the attempt that has just ended.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    fn remember(&mut self, error: &CodexError) {
        self.sent = self.sent.saturating_add(error.attempts());
        self.failures.push(format!("{}: {}", error.category(), error.message()));
    }
}

/// Whether an error code is one, and not a sentence.
fn is_identifier(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn backoff(retries: u32, random: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(2u32.saturating_pow(retries));
    doubled.min(LONGEST_WAIT).mul_f64(1.0 - random.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::ErrorCategory::{self, *};

    use super::*;

    fn error(category: ErrorCategory, stated: Option<u64>) -> CodexError {
        let mut error = CodexError::new(category, "m");
        error.details_mut().retry_after = stated.map(Duration::from_millis);
        error
    }

    /// The waits, in milliseconds, after one failure after the other, up to the end.
    #[track_caller]
    fn check(reliability: Reliability, failures: Vec<CodexError>, random: f64, expected: &[u64]) {
        let mut policy = Policy::new(reliability, None);
        let mut waits = Vec::new();
        for failure in failures {
            match policy.decide(failure, random) {
                Decision::After(wait) => waits.push(u64::try_from(wait.as_millis()).unwrap()),
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
        check(
            retries(2),
            vec![error(RateLimit, Some(0)), error(Overloaded, Some(60_000))],
            0.5,
            &[0, 60_000],
        );
        check(retries(2), vec![error(RateLimit, Some(60_001))], 0.5, &[]);
        for category in [
            Quota,
            InvalidRequest,
            Authentication,
            Permission,
            NotFound,
            ContextLength,
            ContentFilter,
            Parse,
            Configuration,
        ] {
            check(retries(2), vec![error(category, None)], 0.0, &[]);
        }
    }

    #[test]
    fn settings() {
        let short = Reliability { max_retry_wait: Duration::from_secs(1), ..Reliability::default() };
        check(short, vec![error(RateLimit, Some(1000)), error(RateLimit, Some(1001))], 0.0, &[1000]);
        check(short, vec![error(Server, None), error(Server, None)], 0.0, &[500, 1000]);

        let careful = Reliability { retry_if_maybe_processed: false, ..Reliability::default() };
        let maybe = || error(Timeout, None).maybe_processed();
        check(careful, vec![error(Network, None), maybe()], 0.0, &[500]);
        check(Reliability::default(), vec![maybe(), maybe(), maybe()], 0.0, &[500, 1000]);

        let mut overruled = Policy::new(Reliability::default(), Some(0));
        assert!(matches!(overruled.decide(error(Server, None), 0.0), Decision::Stop(_)));
    }

    #[test]
    fn the_last_error_tells_of_all() {
        let mut policy = Policy::new(retries(1), None);
        policy.decide(error(Network, None), 0.0);
        let Decision::Stop(error) = policy.decide(error(Overloaded, None), 0.0) else { panic!("no end") };
        assert_eq!(error.to_string(), "overloaded: m (2 attempts; before: network: m)");
    }
}
