//! The retry budget of a backend: a limit on the load that retries may add. Pure: the time is an argument.

use std::time::Duration;

/// The period over which requests and retries count.
const WINDOW: Duration = Duration::from_secs(SLOTS as u64 * SLOT_SECONDS);
const SLOT_SECONDS: u64 = 5;
const SLOTS: usize = 6;

/// The number of retries that are always allowed within the window.
const RESERVE: u32 = 10;

/// Counts the requests and retries of all tasks over the last [`WINDOW`].
///
/// A retry is allowed while the retries within the window are fewer than the configured share of the requests within the
/// window, or than the reserve if that is more. A request counts once, however often it is sent.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    slots: [Slot; SLOTS],
}

/// The counts of one slot of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The number of the slot since the start of the clock.
    number: u64,
    requests: u32,
    retries: u32,
}

impl RetryBudget {
    /// Counts a request. `now` is the time since any fixed point.
    pub(super) fn count_request(&mut self, now: Duration) {
        if let Some(slot) = self.slot(now) {
            slot.requests = slot.requests.saturating_add(1);
        }
    }

    /// Counts a retry if the budget allows one, and returns whether it does. `share` is the number of retries for each
    /// request. A request that asks for more retries than the reserve holds gets them if no other request is retried.
    pub(super) fn take_retry(&mut self, now: Duration, share: f64, max_retries: u32) -> bool {
        let first = slot_number(now.saturating_sub(WINDOW)) + u64::from(now >= WINDOW);
        let (mut requests, mut retries) = (0_u32, 0_u32);
        for slot in self.slots.iter().filter(|slot| slot.number >= first) {
            requests = requests.saturating_add(slot.requests);
            retries = retries.saturating_add(slot.retries);
        }
        let allowed = f64::from(RESERVE.max(max_retries)).max(share * f64::from(requests));
        let is_allowed = f64::from(retries) + 1.0 <= allowed;
        if let Some(slot) = self.slot(now).filter(|_| is_allowed) {
            slot.retries = slot.retries.saturating_add(1);
        }
        is_allowed
    }

    /// The slot of this time, reset if it holds an earlier one.
    fn slot(&mut self, now: Duration) -> Option<&mut Slot> {
        let number = slot_number(now);
        let index = usize::try_from(number % SLOTS as u64).unwrap_or_default();
        let slot = self.slots.get_mut(index)?;
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        Some(slot)
    }
}

const fn slot_number(time: Duration) -> u64 {
    time.as_secs() / SLOT_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: f64 = 0.2;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// How many of the retries are allowed that are asked for at this time.
    fn retries(budget: &mut RetryBudget, now: Duration, asked: u32, share: f64, max_retries: u32) -> u32 {
        (0..asked).map(|_| u32::from(budget.take_retry(now, share, max_retries))).sum()
    }

    #[test]
    fn retries_are_a_share_of_the_requests_or_a_reserve() {
        #[track_caller]
        fn check(requests: u32, share: f64, max_retries: u32, expected: u32) {
            for start in [0, 4, 29, 1_000_003] {
                let mut budget = RetryBudget::default();
                (0..requests).for_each(|_| budget.count_request(at(start)));
                assert_eq!(retries(&mut budget, at(start), 1000, share, max_retries), expected);
            }
        }
        check(0, SHARE, 2, 10);
        check(1, SHARE, 2, 10);
        check(50, SHARE, 2, 10);
        check(200, SHARE, 2, 40);
        check(1, SHARE, 15, 15);
        check(100, 0.0, 2, 10);
        check(100, 1.0, 2, 100);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut budget = RetryBudget::default();
        assert_eq!(retries(&mut budget, at(1), 20, SHARE, 2), 10);
        for (now, expected) in [(2, 0), (29, 0), (30, 10), (34, 0), (59, 0), (60, 10), (1000, 10), (1029, 0)]
        {
            assert_eq!(retries(&mut budget, at(now), 20, SHARE, 2), expected, "{now}");
        }
        // Requests of the past bring no retries either.
        (0..100).for_each(|_| budget.count_request(at(1029)));
        assert_eq!(retries(&mut budget, at(1029), 100, SHARE, 2), 10);
        assert_eq!(retries(&mut budget, at(1059), 100, SHARE, 2), 10);
    }

    /// At any rate of requests, over any window, however unlucky the times.
    #[test]
    fn no_window_holds_more() {
        let mut random = fastrand::Rng::with_seed(7);
        for per_second in [0, 1, 3, 50] {
            let (mut budget, mut history) = (RetryBudget::default(), Vec::new());
            for second in 0..300_u64 {
                (0..per_second).for_each(|_| budget.count_request(at(second)));
                history.push(retries(&mut budget, at(second), random.u32(0..200), SHARE, 2));
            }
            for window in history.windows(25) {
                let limit = f64::from(RESERVE).max(SHARE * f64::from(per_second) * 30.0);
                assert!(f64::from(window.iter().sum::<u32>()) <= limit, "{per_second}: {window:?}");
            }
        }
    }
}
