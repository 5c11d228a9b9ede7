//! A simple model of the rules, for requests one after another.

use std::collections::HashMap;

use super::*;

/// What the model of the rules remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Circuit {
    pub(super) failures: u32,
    until: Option<Instant>,
}

impl Circuit {
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    fn fail(&mut self, retry_after: Option<u64>, now: Instant) {
        if !self.is_open(now) {
            self.failures += 1;
        }
        let own = seconds(30 << (self.failures - 1).min(4)).min(seconds(300));
        let wait = retry_after.filter(|stated| *stated > 0).map_or(own, seconds);
        self.until = self.until.max(Some(now + wait));
    }
}

/// The rules, for requests one after another.
pub(super) struct Rules<'a> {
    case: &'a Case,
    pub(super) circuits: Vec<Circuit>,
    models: HashMap<(usize, String), Circuit>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(case: &'a Case) -> Self {
        Self { case, circuits: vec![Circuit::default(); case.entries.len()], models: HashMap::new() }
    }

    fn model(&self, entry: usize, turn: &Turn) -> String {
        self.case.entries[entry].1.or(turn.model).unwrap_or("scripted-model").to_owned()
    }

    fn until(&self, entry: usize, turn: &Turn) -> Option<Instant> {
        let model = self.models.get(&(entry, self.model(entry, turn)));
        self.circuits[entry].until.max(model.and_then(|circuit| circuit.until))
    }

    fn candidates(&self, turn: &Turn, tried: &[usize]) -> Vec<usize> {
        let entries = &self.case.entries;
        let may_take = |entry: &usize| !turn.is_bound || entries[*entry].0 == entries[0].0;
        (0..entries.len()).filter(|entry| !tried.contains(entry)).filter(may_take).collect()
    }

    fn next(&self, turn: &Turn, tried: &[usize], now: Instant) -> Option<usize> {
        let candidates = self.candidates(turn, tried);
        let healthy =
            candidates.iter().find(|entry| self.until(**entry, turn).is_none_or(|until| until <= now));
        let soonest = candidates.iter().min_by_key(|entry| self.until(**entry, turn));
        healthy.or(soonest.filter(|_| tried.is_empty())).copied()
    }

    fn listed(&self, failure: &Failure) -> FallbackAction {
        let changed = self.case.action.filter(|(category, _)| *category == failure.category);
        changed.map_or_else(
            || match failure.category {
                ErrorCategory::RateLimit => FallbackAction::WaitOnce,
                ErrorCategory::NotFound
                | ErrorCategory::Quota
                | ErrorCategory::Server
                | ErrorCategory::Overloaded
                | ErrorCategory::Timeout
                | ErrorCategory::Network => FallbackAction::NextBackend,
                _ => FallbackAction::ReturnError,
            },
            |(_, action)| action,
        )
    }

    fn action(&self, failure: &Failure) -> FallbackAction {
        if failure.maybe_processed && !self.case.if_maybe_processed {
            return FallbackAction::ReturnError;
        }
        self.listed(failure)
    }

    pub(super) fn fail(&mut self, entry: usize, turn: &Turn, failure: &Failure, now: Instant) {
        if self.listed(failure) == FallbackAction::ReturnError {
            return;
        }
        if failure.category == ErrorCategory::NotFound {
            let key = (entry, self.model(entry, turn));
            self.models.entry(key).or_default().fail(failure.retry_after, now);
        } else {
            self.circuits[entry].fail(failure.retry_after, now);
        }
    }

    pub(super) fn begin(&mut self, entry: usize, turn: &Turn) {
        self.circuits[entry].until = None;
        let model = self.model(entry, turn);
        self.models.remove(&(entry, model));
    }

    /// Checks the attempts of one turn up to the last, whose outcome is the caller's, and returns that.
    pub(super) fn check_order(&mut self, turn: &Turn, attempts: &[Attempt]) -> Attempt {
        let mut tried = Vec::new();
        let mut rest = attempts.iter().peekable();
        loop {
            let attempt = rest.next().expect("a request is sent");
            assert_eq!(self.next(turn, &tried, attempt.time), Some(attempt.entry), "{attempts:#?}");
            tried.push(attempt.entry);
            let is_last = self.next(turn, &tried, attempt.time).is_none();
            let retries = if is_last { (!turn.has_retries).then_some(0) } else { Some(0) };
            // Whether an adjustment replaces what binds a request is not known before.
            assert!(turn.is_bound || attempt.request.max_retries == retries, "{attempts:#?}");
            let mut attempt = attempt;
            if let Some(again) = rest.next_if(|next| next.entry == attempt.entry) {
                assert!(attempt.fails_before_chunks(turn.is_streamed) && turn.has_retries);
                let failure = attempt.plan.failure.as_ref().unwrap();
                assert_eq!(self.action(failure), FallbackAction::WaitOnce);
                let waited = again.time - attempt.time;
                let stated = seconds(failure.retry_after.unwrap());
                assert!(stated <= seconds(5) && waited >= stated + seconds(attempt.plan.delay));
                assert!(waited <= seconds(5) + seconds(attempt.plan.delay) + Duration::from_millis(5));
                attempt = again;
            }
            let Some(next) = rest.peek() else { return attempt.clone() };
            assert!(
                attempt.fails_before_chunks(turn.is_streamed),
                "after a chunk or a success: {attempts:#?}"
            );
            let failure = attempt.plan.failure.as_ref().unwrap();
            assert_ne!(self.action(failure), FallbackAction::ReturnError, "{attempts:#?}");
            self.fail(attempt.entry, turn, failure, next.time);
        }
    }

    /// Whether the request must have ended after this attempt.
    pub(super) fn check_end(&self, turn: &Turn, attempts: &[Attempt], last: &Attempt, now: Instant) {
        let failure = last.plan.failure.as_ref().unwrap();
        if !last.fails_before_chunks(turn.is_streamed) || self.action(failure) == FallbackAction::ReturnError
        {
            return;
        }
        let tried: Vec<_> = attempts.iter().map(|attempt| attempt.entry).collect();
        assert_eq!(self.next(turn, &tried, now), None, "{attempts:#?}");
        let is_waited_for = self.action(failure) == FallbackAction::WaitOnce
            && failure.retry_after.is_some_and(|stated| stated <= 5)
            && turn.has_retries;
        let is_second = attempts.iter().filter(|attempt| attempt.entry == last.entry).count() == 2;
        assert!(is_second || !is_waited_for, "{attempts:#?}");
    }
}
