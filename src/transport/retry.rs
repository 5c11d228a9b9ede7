//! Whether and when to send a request again. Pure.

use std::time::Duration;

use crate::error::CodexError;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A server that asks for a longer wait gets no further attempt: the caller is told and decides.
const LONGEST_STATED_WAIT: Duration = Duration::from_secs(60);

/// What to do after an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Stop,
    After(Duration),
}

/// Decides after attempt number `attempt`, counted from 1; `random` from 0 to 1 takes up to a quarter off the wait, so
/// that clients spread out.
pub(crate) fn decide(attempt: u32, max_retries: u32, error: &CodexError, random: f64) -> Decision {
    if attempt > max_retries || !error.is_retryable() {
        return Decision::Stop;
    }
    match error.retry_after() {
        Some(wait) if wait > LONGEST_STATED_WAIT => Decision::Stop,
        Some(wait) => Decision::After(wait),
        None => {
            let doubled = FIRST_WAIT.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
            Decision::After(doubled.min(LONGEST_WAIT).mul_f64(1.0 - random.clamp(0.0, 1.0) / 4.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::ErrorCategory::{self, *};

    use super::*;

    #[test]
    fn decisions() {
        #[track_caller]
        fn check(
            attempt: u32,
            max_retries: u32,
            category: ErrorCategory,
            stated: Option<u64>,
            random: f64,
            expected: Option<u64>,
        ) {
            let mut error = CodexError::new(category, "m");
            error.details_mut().retry_after = stated.map(Duration::from_secs);
            let expected =
                expected.map_or(Decision::Stop, |wait| Decision::After(Duration::from_millis(wait)));
            assert_eq!(decide(attempt, max_retries, &error, random), expected);
        }
        check(1, 2, Server, None, 0.0, Some(500));
        check(2, 2, Server, None, 0.0, Some(1000));
        check(3, 2, Server, None, 0.0, None);
        check(1, 0, Server, None, 0.0, None);
        check(1, 2, Network, None, 1.0, Some(375));
        check(9, 99, Timeout, None, 0.0, Some(8000));
        check(u32::MAX - 1, u32::MAX, Timeout, None, 0.0, Some(8000));
        check(1, 2, RateLimit, Some(7), 0.5, Some(7000));
        check(1, 2, RateLimit, Some(60), 0.5, Some(60_000));
        check(1, 2, RateLimit, Some(61), 0.5, None);
        check(1, 2, Quota, Some(1), 0.0, None);
        check(1, 2, InvalidRequest, None, 0.0, None);
    }
}
