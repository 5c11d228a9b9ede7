//! [`Bucket`]: one limit of an account, which refills steadily. Pure: the time is an argument.

use std::time::Duration;

use crate::runtime::rate_limit::RateLimit;

/// The period of a limit of which a response has not shown how fast it refills.
const PERIOD: f64 = 60.0;

/// The share of a limit that is not used: the server may count a little more than was reserved, or lower the limit.
const MARGIN: f64 = 0.02;

/// What is left of a limit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bucket {
    capacity: f64,
    /// What comes back in a second.
    rate: f64,
    /// How much was missing when the rate was learned: with more, it is more exact.
    evidence: f64,
    level: f64,
    /// When the level was measured, or last changed.
    at: Duration,
}

impl Bucket {
    /// The limit of a response to a request that was sent at this time. Its rate is that of the one before where this response shows
    /// less of it.
    pub(super) fn new(limit: &RateLimit, before: Option<&Self>, at: Duration) -> Option<Self> {
        let (capacity, level) = (limit.limit? as f64, limit.remaining? as f64);
        let missing = (capacity - level).max(0.0);
        let reset = limit.reset.unwrap_or_default().as_secs_f64();
        let seen = (missing > 0.0 && reset > 0.0).then_some((missing / reset, missing));
        let before = before.filter(|before| before.capacity == capacity);
        let (rate, evidence) = match (seen, before) {
            (Some(seen), Some(before)) if seen.1 < before.evidence / 2.0 => (before.rate, before.evidence),
            (Some(seen), _) => seen,
            (None, Some(before)) => (before.rate, before.evidence),
            (None, None) => (capacity / PERIOD, 0.0),
        };
        Some(Self { capacity, rate, evidence, level, at })
    }

    fn level(&self, now: Duration) -> f64 {
        (self.level + self.rate * now.saturating_sub(self.at).as_secs_f64()).min(self.capacity)
    }

    /// How long a request of this cost has to wait. One that exceeds the limit waits until all of it is left, and the server decides.
    pub(super) fn wait(&self, cost: f64, now: Duration) -> Duration {
        let margin = (self.capacity * MARGIN).max(1.0);
        let missing = (cost + margin).min(self.capacity) - self.level(now);
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        // A millisecond more, since time is counted in them.
        let seconds = missing / self.rate.max(f64::MIN_POSITIVE);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).saturating_add(Duration::from_millis(1))
    }

    pub(super) fn take(&mut self, cost: f64, now: Duration) {
        self.level = self.level(now) - cost;
        self.at = self.at.max(now);
    }

    /// Returns what was taken and not used.
    pub(super) fn put_back(&mut self, cost: f64) {
        self.level += cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn limit(limit: u64, remaining: u64, reset: u64) -> RateLimit {
        RateLimit { limit: Some(limit), remaining: Some(remaining), reset: Some(at(reset)) }
    }

    #[test]
    fn it_refills_at_the_rate_that_the_server_shows() {
        for (seen, rate) in [
            // Per minute, per day, full, and without a reset.
            (limit(60, 0, 60_000), 1.0),
            (limit(200, 199, 432_000), 1.0 / 432.0),
            (limit(60, 60, 0), 1.0),
            (limit(600, 300, 0), 10.0),
        ] {
            assert_eq!(Bucket::new(&seen, None, at(0)).unwrap().rate, rate, "{seen:?}");
        }
        assert!(Bucket::new(&RateLimit::default(), None, at(0)).is_none());
    }

    #[test]
    fn a_request_waits_for_what_is_missing() {
        let mut bucket = Bucket::new(&limit(60, 10, 50_000), None, at(0)).unwrap();
        // The margin is 2 % or 1.
        assert_eq!(bucket.wait(8.0, at(0)), at(0));
        bucket.take(8.0, at(0));
        assert_eq!(bucket.wait(1.0, at(0)), at(201));
        assert_eq!(bucket.wait(1.0, at(1000)), at(0));
        // More than the limit waits until it is full.
        assert_eq!(bucket.wait(500.0, at(0)), at(58_001));
        bucket.put_back(8.0);
        assert_eq!(bucket.wait(8.0, at(0)), at(0));
    }

    #[test]
    fn a_rate_is_kept_until_one_is_seen_as_well() {
        let first = Bucket::new(&limit(60, 0, 60_000), None, at(0)).unwrap();
        // A rounded reset of a nearly full limit shows little.
        let second = Bucket::new(&limit(60, 59, 2000), Some(&first), at(0)).unwrap();
        assert_eq!(second.rate, 1.0);
        // Another limit has another rate.
        let third = Bucket::new(&limit(30, 29, 2000), Some(&second), at(0)).unwrap();
        assert_eq!(third.rate, 0.5);
    }
}
