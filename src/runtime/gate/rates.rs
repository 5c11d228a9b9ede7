//! [`Rates`]: what is left of the limits of one model. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use super::bucket::Bucket;
use crate::runtime::rate_limit::RateLimits;

/// How long requests wait for the first response, which may state the limits.
const FIRST_RESPONSE: Duration = Duration::from_secs(2);

/// How many requests without a report are remembered.
const MAX_SENT: usize = 4096;

/// The limits of one model, by the reports of its responses.
#[derive(Debug, Default)]
pub(super) struct Rates {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// Whether a response has come, with limits or without any.
    is_known: bool,
    /// The request whose response will be the first one, and when it was sent.
    first: Option<(u64, Duration)>,
    /// The server has rejected a request, and wants none before this time.
    paused_until: Duration,
    /// Requests that the last report may not count, the oldest first.
    sent: VecDeque<Sent>,
    next: u64,
    /// The request of the last report that was used.
    last_report: Option<u64>,
}

#[derive(Debug)]
struct Sent {
    number: u64,
    at: Duration,
    tokens: f64,
}

impl Rates {
    /// How long a request of this many tokens has to wait.
    pub(super) fn wait(&self, tokens: u32, now: Duration) -> Duration {
        let first = match self.first {
            Some((_, sent)) if !self.is_known => (sent + FIRST_RESPONSE).saturating_sub(now),
            _ => Duration::ZERO,
        };
        let paused = self.paused_until.saturating_sub(now);
        let wait =
            |bucket: &Option<Bucket>, cost| bucket.as_ref().map(|bucket: &Bucket| bucket.wait(cost, now));
        let waits = [wait(&self.requests, 1.0), wait(&self.tokens, tokens.into()), Some(first), Some(paused)];
        waits.into_iter().flatten().max().unwrap_or_default()
    }

    /// Reserves a request, and returns its number.
    pub(super) fn take(&mut self, tokens: u32, now: Duration) -> u64 {
        self.next += 1;
        let sent = Sent { number: self.next, at: now, tokens: tokens.into() };
        if !self.is_known {
            self.first.get_or_insert((sent.number, now));
        }
        self.charge(&sent);
        if self.sent.len() >= MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
        self.next
    }

    fn charge(&mut self, sent: &Sent) {
        if let Some(requests) = &mut self.requests {
            requests.take(1.0, sent.at);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.take(sent.tokens, sent.at);
        }
    }

    /// The request was not sent.
    pub(super) fn cancel(&mut self, number: u64) {
        self.end(number);
        let Some(index) = self.sent.iter().position(|sent| sent.number == number) else { return };
        let Some(sent) = self.sent.remove(index) else { return };
        if let Some(requests) = &mut self.requests {
            requests.put_back(1.0);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.put_back(sent.tokens);
        }
    }

    /// The request has got no response.
    pub(super) fn end(&mut self, number: u64) {
        if self.first.is_some_and(|(first, _)| first == number) {
            self.first = None;
        }
    }

    /// The response to a request, with its limits if it states some. The server stated them when it got the request: those that were
    /// sent later are not counted in them.
    pub(super) fn report(&mut self, number: u64, limits: Option<&RateLimits>) {
        self.is_known = true;
        let Some(limits) = limits else { return };
        if self.last_report.is_some_and(|last| last > number) {
            return;
        }
        let Some(index) = self.sent.iter().position(|sent| sent.number == number) else { return };
        let later = self.sent.split_off(index + 1);
        let Some(Sent { at, .. }) = self.sent.pop_back() else { return };
        self.last_report = Some(number);
        self.requests = Bucket::new(&limits.requests, self.requests.as_ref(), at);
        self.tokens = Bucket::new(&limits.tokens, self.tokens.as_ref(), at);
        self.sent = later;
        let later = std::mem::take(&mut self.sent);
        later.iter().for_each(|sent| self.charge(sent));
        self.sent = later;
    }

    /// The server has rejected a request because of a limit.
    pub(super) fn pause(&mut self, until: Duration) {
        self.is_known = true;
        self.paused_until = self.paused_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::runtime::rate_limit::RateLimit;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn limits(remaining: u64) -> RateLimits {
        let limit = RateLimit {
            limit: Some(60),
            remaining: Some(remaining),
            reset: Some(Duration::from_secs(60 - remaining)),
        };
        RateLimits { requests: limit, tokens: RateLimit::default(), at: SystemTime::UNIX_EPOCH }
    }

    #[test]
    fn the_first_request_shows_the_limits() {
        let mut rates = Rates::default();
        assert_eq!(rates.wait(5, at(0)), at(0));
        let first = rates.take(5, at(0));
        assert_eq!(rates.wait(5, at(500)), at(1500));
        // A server that takes long to respond holds up the others for that time only.
        assert_eq!(rates.wait(5, at(2000)), at(0));
        rates.report(first, None);
        assert_eq!(rates.wait(5, at(500)), at(0));
        // Where it gets no response, the next one is the first.
        let mut rates = Rates::default();
        let first = rates.take(5, at(0));
        rates.cancel(first);
        assert_eq!(rates.wait(5, at(0)), at(0));
    }

    #[test]
    fn a_report_does_not_count_what_was_sent_later() {
        let mut rates = Rates::default();
        let first = rates.take(0, at(0));
        rates.report(first, Some(&limits(10)));
        let numbers: Vec<_> = (0..8).map(|_| rates.take(0, at(0))).collect();
        // A second for each further request and for the margin of 1.2, of which 2 are left.
        assert_eq!(rates.wait(0, at(0)), at(201));
        // The server had 8 left when it got the second of them: the other six are not counted.
        rates.report(numbers[1], Some(&limits(8)));
        assert_eq!(rates.wait(0, at(0)), at(201));
        // An older report changes nothing.
        rates.report(numbers[0], Some(&limits(59)));
        assert_eq!(rates.wait(0, at(0)), at(201));
        rates.cancel(numbers[7]);
        assert_eq!(rates.wait(0, at(0)), at(0));
    }

    #[test]
    fn a_rejection_pauses() {
        let mut rates = Rates::default();
        rates.pause(at(700));
        rates.pause(at(300));
        assert_eq!(rates.wait(0, at(100)), at(600));
        assert_eq!(rates.wait(0, at(700)), at(0));
    }
}
