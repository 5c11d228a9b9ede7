//! Counts what became of the requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tachikoma_backends_core::BackendError;

/// What became of a request.
pub(crate) enum Outcome {
    Response,
    /// The caller has dropped the stream after its first chunks.
    Dropped,
    Failed {
        category: &'static str,
        /// Whether the server may have billed it.
        is_maybe_processed: bool,
    },
    /// The response to this prompt has no end or no text.
    Lost(String),
    /// The response is not the one to this request.
    MixedUp(String),
}

impl Outcome {
    pub(crate) fn failed(error: &BackendError) -> Self {
        let is_maybe_processed = error.details().maybe_processed;
        Self::Failed { category: error.category().as_str(), is_maybe_processed }
    }
}

/// The counts.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) begun: u64,
    pub(crate) responses: u64,
    pub(crate) dropped: u64,
    /// Failed requests, by category.
    pub(crate) failures: BTreeMap<&'static str, u64>,
    maybe_processed: u64,
    lost: Vec<String>,
    mixed_up: Vec<String>,
}

impl Counts {
    /// The requests that have ended.
    pub(crate) fn ended(&self) -> u64 {
        let failures: u64 = self.failures.values().sum();
        self.responses + self.dropped + failures + (self.lost.len() + self.mixed_up.len()) as u64
    }

    /// The failures by category, as text.
    pub(crate) fn categories(&self) -> String {
        let failures = self.failures.iter().map(|(category, count)| format!("{category} {count}"));
        let failures: Vec<_> = failures.collect();
        if failures.is_empty() { "none".to_owned() } else { failures.join(", ") }
    }
}

/// The counts of all agents.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts so far.
    pub(crate) fn snapshot(&self) -> Counts {
        self.counts().clone()
    }

    /// A request begins.
    pub(crate) fn begin(&self) {
        self.counts().begun += 1;
    }

    /// A request has ended.
    pub(crate) fn end(&self, outcome: Outcome) {
        let mut counts = self.counts();
        match outcome {
            Outcome::Response => counts.responses += 1,
            Outcome::Dropped => counts.dropped += 1,
            Outcome::Failed { category, is_maybe_processed } => {
                *counts.failures.entry(category).or_default() += 1;
                counts.maybe_processed += u64::from(is_maybe_processed);
            }
            Outcome::Lost(prompt) => counts.lost.push(prompt),
            Outcome::MixedUp(what) => counts.mixed_up.push(what),
        }
    }

    /// The counts as lines.
    pub(crate) fn summary(&self, took: Duration) -> String {
        let counts = self.counts();
        let rate = counts.ended() as f64 / took.as_secs_f64();
        format!(
            "{} requests, {rate:.0} a second\n  responses: {}\n  dropped midway: {}\n  failed: {}\n",
            counts.ended(),
            counts.responses,
            counts.dropped,
            counts.categories(),
        )
    }

    /// What is wrong, where the servers have billed this many requests.
    pub(crate) fn defects(&self, billed: u64) -> Vec<String> {
        let counts = self.counts();
        let mut defects = Vec::new();
        // An example of each is enough to begin with.
        if let Some(example) = counts.lost.first() {
            defects.push(format!("{} responses are lost, such as that to {example:?}", counts.lost.len()));
        }
        if let Some(example) = counts.mixed_up.first() {
            defects.push(format!("{} responses are mixed up: {example}", counts.mixed_up.len()));
        }
        if counts.begun != counts.ended() {
            defects.push(format!("{} requests have not ended", counts.begun - counts.ended()));
        }
        // Each response was billed once, and what has failed at most once where its error says so.
        let least = counts.responses + counts.dropped;
        let most = least + counts.maybe_processed;
        if billed < least || billed > most {
            defects.push(format!("{billed} requests were billed instead of {least} to {most}"));
        }
        if counts.responses == 0 {
            defects.push("not a single response has arrived".to_owned());
        }
        defects
    }
}
