//! The health of a backend: a circuit that opens with a failure, lets one request through after a while, and closes with a success.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{BackendError, Backoff, ErrorCategory};

/// A server that states a longer wait is tried again after this one.
const LONGEST_STATED_WAIT: Duration = Duration::from_secs(3600);

/// The most models of a backend that are remembered as missing: their names come from the callers.
const MAX_MISSING_MODELS: usize = 256;

/// The health of one backend of a [`Fallback`](super::Fallback).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FallbackHealth {
    /// The [name](super::FallbackEntry::with_name) of the entry.
    pub name: String,
    /// Whether the next request may go there.
    pub is_healthy: bool,
    /// For how long it is still skipped; `None` where its cool-down is over, or it has none.
    pub cool_down: Option<Duration>,
    /// How many cool-downs it has had since its last success.
    pub failures: u32,
    /// What it failed with; `None` after a success.
    pub category: Option<ErrorCategory>,
    /// The models that were not found there and are not asked for until their own cool-down ends, in alphabetical order.
    pub missing_models: Vec<String>,
}

/// What a failure says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Backend,
    Model,
}

#[derive(Debug, Default)]
struct Circuit {
    failures: u32,
    /// The end of the cool-down; `None` where the circuit is closed.
    until: Option<Instant>,
    category: Option<ErrorCategory>,
    is_probing: bool,
}

impl Circuit {
    fn is_cooling(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    fn is_available(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now && !self.is_probing)
    }

    fn open(&mut self, error: &BackendError, cool_down: &Backoff, now: Instant) {
        // Requests that failed together are one failure.
        let earlier = self.failures.saturating_sub(u32::from(self.is_cooling(now)));
        self.failures = earlier.saturating_add(1);
        self.category = Some(error.category());
        let stated = error.retry_after().filter(|stated| !stated.is_zero());
        let own = || cool_down.wait(earlier, None, fastrand::f64());
        let wait = stated.map_or_else(own, |stated| stated.min(LONGEST_STATED_WAIT));
        if !wait.is_zero() {
            self.until = self.until.max(now.checked_add(wait));
        }
    }
}

/// The circuits of one entry.
#[derive(Debug, Default)]
pub(super) struct EntryHealth {
    circuits: Mutex<Circuits>,
}

#[derive(Debug, Default)]
struct Circuits {
    backend: Circuit,
    /// The models that were not found.
    models: HashMap<String, Circuit>,
}

impl Circuits {
    fn is_available(&self, model: &str, now: Instant) -> bool {
        let has_model = self.models.get(model).is_none_or(|circuit| circuit.is_available(now));
        has_model && self.backend.is_available(now)
    }

    /// The circuit that keeps requests for this model away for longest.
    fn latest(&self, model: &str) -> &Circuit {
        let of_model = self.models.get(model).filter(|circuit| circuit.until > self.backend.until);
        of_model.unwrap_or(&self.backend)
    }
}

impl EntryHealth {
    fn circuits(&self) -> MutexGuard<'_, Circuits> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_available(&self, model: &str) -> bool {
        self.circuits().is_available(model, Instant::now())
    }

    /// When the next request for this model may be sent; `None` for at once.
    pub(super) fn available_at(&self, model: &str) -> Option<Instant> {
        self.circuits().latest(model).until
    }

    /// Why no request for this model is sent.
    pub(super) fn reason(&self, model: &str) -> String {
        let circuits = self.circuits();
        let circuit = circuits.latest(model);
        let category = circuit.category.map_or("a failure", ErrorCategory::as_str);
        match circuit.until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(left) => format!("not tried for another {} s after {category}", left.as_secs() + 1),
            None => format!("not tried while another request tests it after {category}"),
        }
    }

    /// Permission to send a request for this model, unless the backend is unhealthy.
    pub(super) fn acquire(self: &Arc<Self>, model: &str) -> Option<Permit> {
        let mut circuits = self.circuits();
        let is_available = circuits.is_available(model, Instant::now());
        is_available.then(|| self.permit(&mut circuits, model))
    }

    /// Permission to send a request for this model to a backend that may be unhealthy.
    pub(super) fn acquire_anyway(self: &Arc<Self>, model: &str) -> Permit {
        self.permit(&mut self.circuits(), model)
    }

    fn permit(self: &Arc<Self>, circuits: &mut Circuits, model: &str) -> Permit {
        let circuit = &mut circuits.backend;
        let is_probe = circuit.until.is_some() && !circuit.is_probing;
        circuit.is_probing |= is_probe;
        Permit { health: Arc::clone(self), model: model.to_owned(), is_probe }
    }

    pub(super) fn report(&self, name: &str) -> FallbackHealth {
        let now = Instant::now();
        let circuits = self.circuits();
        let missing = circuits.models.iter().filter(|(_, circuit)| circuit.is_cooling(now));
        let mut missing_models: Vec<_> = missing.map(|(model, _)| model.clone()).collect();
        missing_models.sort();
        let Circuit { failures, until, category, .. } = circuits.backend;
        FallbackHealth {
            name: name.to_owned(),
            is_healthy: circuits.backend.is_available(now),
            cool_down: until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero()),
            failures,
            category,
            missing_models,
        }
    }
}

/// Permission to send one request. Dropped without an outcome, the request was cancelled, which says nothing about the backend.
#[derive(Debug)]
pub(super) struct Permit {
    health: Arc<EntryHealth>,
    model: String,
    /// Whether this request is the one that tests the backend after its cool-down.
    is_probe: bool,
}

impl Permit {
    /// The response has begun: the backend takes requests again, but its failures count until a response is whole.
    pub(super) fn begin(&mut self) {
        let mut circuits = self.health.circuits();
        circuits.backend.until = None;
        circuits.backend.is_probing = false;
        circuits.models.remove(&self.model);
        self.is_probe = false;
    }

    /// The response is whole.
    pub(super) fn succeed(&mut self) {
        self.begin();
        self.health.circuits().backend = Circuit::default();
    }

    pub(super) fn fail(&mut self, error: &BackendError, scope: Scope, cool_down: &Backoff) {
        let now = Instant::now();
        let mut circuits = self.health.circuits();
        match scope {
            Scope::Backend => circuits.backend.open(error, cool_down, now),
            Scope::Model => {
                let models = &mut circuits.models;
                if models.len() >= MAX_MISSING_MODELS {
                    models.retain(|_, circuit| circuit.is_cooling(now));
                }
                if models.len() < MAX_MISSING_MODELS || models.contains_key(&self.model) {
                    models.entry(self.model.clone()).or_default().open(error, cool_down, now);
                }
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe {
            self.health.circuits().backend.is_probing = false;
        }
    }
}
