//! The way of one request through the list.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use super::Fallback;
use super::entry::Slot;
use super::failures::Failures;
use super::health::Permit;
use super::policy::FallbackAction;
use crate::{Backend, BackendError, CompletionRequest};

/// A method of a backend.
pub(super) type Call<T> =
    for<'a> fn(&'a dyn Backend, CompletionRequest) -> BoxFuture<'a, Result<T, BackendError>>;

/// A backend with what it responded.
pub(super) struct Reply<'a, T> {
    pub(super) value: T,
    pub(super) slot: &'a Slot,
    pub(super) permit: Permit,
}

/// A backend that may be asked, and the request for it.
struct Candidate<'a> {
    index: usize,
    slot: &'a Slot,
    permit: Permit,
    request: CompletionRequest,
}

impl Fallback {
    /// Sends the request to one backend after another.
    ///
    /// # Errors
    /// No backend responded.
    pub(super) async fn run<T>(
        &self,
        request: &CompletionRequest,
        call: Call<T>,
    ) -> Result<Reply<'_, T>, BackendError> {
        let mut failures = Failures::new(self.slots.len());
        while let Some(candidate) = self.next_candidate(request, &mut failures) {
            let Candidate { index, slot, mut permit, request: prepared } = candidate;
            let name = slot.name();
            if let Some((backend, error)) = failures.last() {
                // Without the server's message, which may quote the prompt.
                tracing::warn!(
                    backend,
                    next = name,
                    category = error.category().as_str(),
                    status = error.details().status,
                    request_id = error.details().request_id,
                    "falling back to another backend"
                );
            }
            let mut error = match call(slot.backend(), prepared.clone()).await {
                Ok(value) => return Ok(Reply { value, slot, permit }),
                Err(error) => error,
            };
            if let Some(wait) = self.wait(request, slot, &error) {
                tracing::info!(backend = name, category = error.category().as_str(), ?wait, "trying again");
                failures.fail(index, name, error);
                tokio::time::sleep(wait).await;
                error = match call(slot.backend(), prepared).await {
                    Ok(value) => return Ok(Reply { value, slot, permit }),
                    Err(error) => error,
                };
            }
            self.policy.record(&mut permit, &error);
            let action = self.policy.action(&error);
            failures.fail(index, name, error);
            if action == FallbackAction::ReturnError {
                return Err(failures.into_last_error());
            }
        }
        for (index, slot) in self.slots.iter().enumerate() {
            if !failures.has(index) {
                failures.skip(index, slot.name(), &slot.health.reason(slot.model_of(request)));
            }
        }
        Err(failures.into_exhausted_error())
    }

    /// How long to wait before the same backend gets the request once more; `None` where it does not.
    fn wait(&self, request: &CompletionRequest, slot: &Slot, error: &BackendError) -> Option<Duration> {
        let is_allowed = request.max_retries != Some(0) && Handle::try_current().is_ok();
        self.policy.wait(error, slot.entry.wait).filter(|_| is_allowed)
    }

    /// The next healthy backend; without one, and if nothing was sent yet, that whose cool-down ends first.
    fn next_candidate<'a>(
        &'a self,
        request: &CompletionRequest,
        failures: &mut Failures,
    ) -> Option<Candidate<'a>> {
        let slots = || self.slots.iter().enumerate();
        for (index, slot) in slots() {
            if failures.has(index) {
                continue;
            }
            let Some(permit) = slot.health.acquire(slot.model_of(request)) else { continue };
            let candidate = self.candidate(index, slot, permit, request, failures);
            if candidate.is_some() {
                return candidate;
            }
        }
        if !failures.is_empty() {
            return None;
        }
        let mut unhealthy: Vec<_> = slots().filter(|(index, _)| !failures.has(*index)).collect();
        unhealthy.sort_by_key(|(_, slot)| slot.health.available_at(slot.model_of(request)));
        unhealthy.into_iter().find_map(|(index, slot)| {
            let permit = slot.health.acquire_anyway(slot.model_of(request));
            self.candidate(index, slot, permit, request, failures)
        })
    }

    fn candidate<'a>(
        &self,
        index: usize,
        slot: &'a Slot,
        permit: Permit,
        request: &CompletionRequest,
        failures: &mut Failures,
    ) -> Option<Candidate<'a>> {
        let has_next = self.slots.iter().enumerate().any(|(other, slot)| {
            let is_untried = other != index && !failures.has(other);
            is_untried && slot.health.is_available(slot.model_of(request)) && slot.may_take(request)
        });
        match slot.prepare(request, has_next) {
            Ok(request) => Some(Candidate { index, slot, permit, request }),
            Err(reason) => {
                failures.skip(index, slot.name(), &reason);
                None
            }
        }
    }
}
