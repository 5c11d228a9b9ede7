//! The failures of one request, and the error that reports all of them.

use crate::{BackendError, ErrorDetails};

/// What happened at the backends before one responded.
#[derive(Debug)]
pub(super) struct Failures {
    /// Whether there is no other entry, so that the error needs no name.
    is_single: bool,
    failed: Vec<Failure>,
    /// The entries without an attempt, and why.
    skipped: Vec<Skipped>,
}

#[derive(Debug)]
struct Failure {
    index: usize,
    name: String,
    error: BackendError,
}

#[derive(Debug)]
struct Skipped {
    index: usize,
    text: String,
}

impl Failures {
    /// Nothing yet, of a list of so many entries.
    pub(super) fn new(entries: usize) -> Self {
        Self { is_single: entries == 1, failed: Vec::new(), skipped: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    /// Whether the entry at this index has failed or was skipped.
    pub(super) fn has(&self, index: usize) -> bool {
        self.failed.iter().any(|failure| failure.index == index)
            || self.skipped.iter().any(|skipped| skipped.index == index)
    }

    pub(super) fn fail(&mut self, index: usize, name: &str, error: BackendError) {
        self.failed.push(Failure { index, name: name.to_owned(), error });
    }

    pub(super) fn skip(&mut self, index: usize, name: &str, reason: &str) {
        self.skipped.push(Skipped { index, text: format!("{name}: {reason}") });
    }

    /// The last failure and the name of its entry.
    pub(super) fn last(&self) -> Option<(&str, &BackendError)> {
        self.failed.last().map(|failure| (failure.name.as_str(), &failure.error))
    }

    /// The last error, which ended the request, with the others.
    pub(super) fn into_last_error(self) -> BackendError {
        let last = self.failed.len().saturating_sub(1);
        self.into_error(last)
    }

    /// The last error that may pass, or the last one, with the others: no backend is left.
    pub(super) fn into_exhausted_error(self) -> BackendError {
        let passing = self.failed.iter().rposition(|failure| failure.error.is_retryable());
        let reported = passing.unwrap_or(self.failed.len().saturating_sub(1));
        self.into_error(reported)
    }

    fn into_error(self, reported: usize) -> BackendError {
        let Self { is_single, mut failed, skipped } = self;
        if failed.is_empty() {
            let message = "a fallback sent the request to no backend";
            return BackendError::Configuration(ErrorDetails::new(message).with_attempts(0).into());
        }
        let Failure { name, mut error, .. } = failed.remove(reported.min(failed.len() - 1));
        if is_single && failed.is_empty() {
            return error;
        }
        let is_retryable = error.is_retryable();
        let details = error.details_mut();
        details.message = format!("{name}: {}", details.message);
        let own = std::mem::take(&mut details.earlier_failures);
        for Failure { name, error, .. } in failed {
            let category = error.category();
            let may_pass = error.is_retryable();
            let other = error.into_details();
            details.attempts = details.attempts.saturating_add(other.attempts);
            details.maybe_processed |= other.maybe_processed;
            // The first backend that is ready again responds.
            let sooner = other.retry_after.filter(|_| is_retryable && may_pass);
            details.retry_after =
                details.retry_after.map(|wait| sooner.map_or(wait, |other| wait.min(other)));
            let id = other.request_id.map(|id| format!(" (request id {id})")).unwrap_or_default();
            let texts =
                other.earlier_failures.into_iter().chain([format!("{category}{id}: {}", other.message)]);
            details.earlier_failures.extend(texts.map(|text| format!("{name}: {text}")));
        }
        details.earlier_failures.extend(skipped.into_iter().map(|skipped| skipped.text));
        details.earlier_failures.extend(own.into_iter().map(|text| format!("{name}: {text}")));
        error
    }
}
