//! How long to wait before a request is sent again.

use std::time::Duration;

/// How long to wait before a request is sent again: exponential backoff with jitter.
///
/// It is pure: the random number comes from the caller, who also sleeps. The wait of the client is
/// [`first_wait`](Self::first_wait), doubled with each retry up to [`max_wait`](Self::max_wait), and becomes up to the share
/// [`jitter`](Self::jitter) shorter. A wait that the server states becomes up to that share longer, never shorter, and the
/// client's own wait is the least.
///
/// ```
/// # use std::time::Duration;
/// # use tachikoma_backends_core::Backoff;
/// let backoff = Backoff::default();
/// let milliseconds = |retries| backoff.wait(retries, None, 0.0).as_millis();
/// assert_eq!([0, 1, 2, 9].map(milliseconds), [500, 1000, 2000, 8000]);
/// assert_eq!(backoff.wait(0, None, 1.0), Duration::from_millis(375));
/// assert_eq!(backoff.wait(0, Some(Duration::from_secs(4)), 1.0), Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Backoff {
    /// The wait before the first retry where the server states none. By default 500 ms.
    pub first_wait: Duration,
    /// The longest wait where the server states none, unless [`first_wait`](Self::first_wait) is longer. By default 8 s.
    pub max_wait: Duration,
    /// The share of a wait that is random, from 0 to 1, so that clients that failed together do not retry together. By default
    /// 0.25.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first_wait: Duration::from_millis(500), max_wait: Duration::from_secs(8), jitter: 0.25 }
    }
}

impl Backoff {
    /// The default backoff.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`first_wait`](Self::first_wait).
    #[must_use]
    pub const fn with_first_wait(mut self, first_wait: Duration) -> Self {
        self.first_wait = first_wait;
        self
    }

    /// Sets [`max_wait`](Self::max_wait).
    #[must_use]
    pub const fn with_max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Sets [`jitter`](Self::jitter).
    #[must_use]
    pub const fn with_jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// The wait before the next retry, after this many retries. `stated` is the wait that the server asks for, `random` a number
    /// from 0 to 1.
    pub fn wait(&self, retries: u32, stated: Option<Duration>, random: f64) -> Duration {
        let share = self.jitter.clamp(0.0, 1.0) * random.clamp(0.0, 1.0);
        let longest = self.max_wait.max(self.first_wait);
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(retries)).min(longest);
        let own = doubled.saturating_sub(part(doubled, share));
        stated.map_or(own, |stated| stated.saturating_add(part(stated, share)).max(own))
    }
}

/// This share of a time; none of it where the share is not a number.
fn part(time: Duration, share: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * share).unwrap_or(if share > 0.0 {
        time
    } else {
        Duration::ZERO
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(retries: u32, stated: Option<u64>, random: f64, expected: u64) {
        let wait = Backoff::default().wait(retries, stated.map(Duration::from_millis), random);
        assert_eq!(wait, Duration::from_millis(expected), "{stated:?} after {retries} retries");
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        check(0, None, 0.0, 500);
        check(1, None, 0.0, 1000);
        check(2, None, 0.0, 2000);
        check(4, None, 0.0, 8000);
        check(u32::MAX, None, 0.0, 8000);
        check(0, None, 1.0, 375);
        let patient = Backoff::default().with_first_wait(Duration::from_secs(30));
        assert_eq!(patient.wait(3, None, 0.0), Duration::from_secs(30));
        let short = Backoff::default().with_max_wait(Duration::from_secs(1)).with_jitter(1.0);
        assert_eq!(short.wait(5, None, 0.5), Duration::from_millis(500));
    }

    #[test]
    fn a_stated_wait_is_never_shortened_nor_below_our_own() {
        check(0, Some(1000), 0.0, 1000);
        check(0, Some(1000), 0.5, 1125);
        check(0, Some(1000), 1.0, 1250);
        check(0, Some(60_000), 1.0, 75_000);
        check(8, Some(60_000), 0.5, 67_500);
        check(0, Some(0), 0.0, 500);
        check(0, Some(0), 1.0, 375);
        check(1, Some(0), 0.0, 1000);
        check(2, Some(1), 0.5, 1750);
        check(40, Some(0), 0.0, 8000);
        for stated in [0, 1, 400, 1000, 7000, 60_000].map(Duration::from_millis) {
            for retries in 0..9 {
                for random in [0.0, 0.3, 1.0] {
                    let own = Backoff::default().wait(retries, None, random);
                    let wait = Backoff::default().wait(retries, Some(stated), random);
                    assert!(wait >= stated && wait >= own && wait <= own.max(stated.mul_f64(1.25)));
                }
            }
        }
    }

    #[test]
    fn clients_that_failed_together_have_waits_of_their_own() {
        let wait = |_| Backoff::default().wait(0, Some(Duration::from_secs(1)), fastrand::f64());
        let waits: Vec<_> = (0..200).map(wait).collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(*most - *least > Duration::from_millis(150), "{least:?} to {most:?}");
    }

    #[test]
    fn no_value_makes_it_panic() {
        for time in [Duration::ZERO, Duration::from_secs(1 << 40), Duration::MAX] {
            for number in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1.0, 7.0] {
                let backoff =
                    Backoff::default().with_first_wait(time).with_max_wait(time).with_jitter(number);
                assert!(backoff.wait(u32::MAX, Some(time), number) >= time);
            }
        }
    }
}
