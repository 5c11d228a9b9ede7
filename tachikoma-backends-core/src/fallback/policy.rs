//! What a fallback does after each kind of error.

use std::collections::BTreeMap;
use std::time::Duration;

use super::health::Scope;
use crate::{BackendError, Backoff, ErrorCategory};

/// What a [`Fallback`](super::Fallback) does after an error of some category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackAction {
    /// The caller gets the error.
    ReturnError,
    /// The request goes to the next backend.
    NextBackend,
    /// The request goes to the same backend once more, after the wait that the server states, if that is within
    /// [the limit](super::Fallback::with_max_wait); otherwise, and after a second error, to the next backend.
    WaitOnce,
}

/// The categories after which a request goes on, by default. After all others the caller gets the error.
const DEFAULT_ACTIONS: &[(ErrorCategory, FallbackAction)] = &[
    (ErrorCategory::NotFound, FallbackAction::NextBackend),
    (ErrorCategory::RateLimit, FallbackAction::WaitOnce),
    (ErrorCategory::Quota, FallbackAction::NextBackend),
    (ErrorCategory::Server, FallbackAction::NextBackend),
    (ErrorCategory::Overloaded, FallbackAction::NextBackend),
    (ErrorCategory::Timeout, FallbackAction::NextBackend),
    (ErrorCategory::Network, FallbackAction::NextBackend),
];

/// The categories of a server that has no capacity for now, which an entry may [wait](super::FallbackEntry::with_wait) for.
const BUSY: &[ErrorCategory] = &[ErrorCategory::RateLimit, ErrorCategory::Overloaded];

/// The settings of a fallback.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    actions: BTreeMap<ErrorCategory, FallbackAction>,
    pub(super) max_wait: Duration,
    pub(super) if_maybe_processed: bool,
    pub(super) cool_down: Backoff,
}

impl Default for Policy {
    fn default() -> Self {
        let cool_down = Backoff::new()
            .with_first_wait(Duration::from_secs(30))
            .with_max_wait(Duration::from_secs(300))
            .with_jitter(0.0);
        Self {
            actions: DEFAULT_ACTIONS.iter().copied().collect(),
            max_wait: Duration::from_secs(5),
            if_maybe_processed: false,
            cool_down,
        }
    }
}

impl Policy {
    pub(super) fn set_action(&mut self, category: ErrorCategory, action: FallbackAction) {
        self.actions.insert(category, action);
    }

    /// What the table states for this error.
    fn listed(&self, error: &BackendError) -> FallbackAction {
        // Another thing than the model was not found: another backend does not have it either.
        let is_missing_field = error.category() == ErrorCategory::NotFound
            && error.details().param.as_deref().is_some_and(|param| param != "model");
        let listed = self.actions.get(&error.category()).filter(|_| !is_missing_field);
        listed.copied().unwrap_or(FallbackAction::ReturnError)
    }

    /// What happens after this error.
    pub(super) fn action(&self, error: &BackendError) -> FallbackAction {
        if error.details().maybe_processed && !self.if_maybe_processed {
            FallbackAction::ReturnError
        } else {
            self.listed(error)
        }
    }

    /// What this error makes unhealthy, if anything.
    pub(super) fn scope(&self, error: &BackendError) -> Option<Scope> {
        let scope = if error.category() == ErrorCategory::NotFound { Scope::Model } else { Scope::Backend };
        (self.listed(error) != FallbackAction::ReturnError).then_some(scope)
    }

    /// How long to wait for the same backend after this error; `None` where it is not waited for. `own` is the limit of the entry,
    /// which is also the wait where the server states none.
    pub(super) fn wait(&self, error: &BackendError, own: Option<Duration>) -> Option<Duration> {
        let is_waited_for = match self.action(error) {
            FallbackAction::ReturnError => false,
            FallbackAction::NextBackend => own.is_some() && BUSY.contains(&error.category()),
            FallbackAction::WaitOnce => true,
        };
        let limit = own.unwrap_or(self.max_wait);
        let stated = error.retry_after().map_or(own, |stated| (stated <= limit).then_some(stated))?;
        // Requests that failed together do not come back together.
        let wait = Backoff::new().wait(0, Some(stated), fastrand::f64()).min(limit).max(stated);
        (is_waited_for && !limit.is_zero()).then_some(wait)
    }
}
