//! One backend of a fallback, and the request as it is sent there.

use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::health::EntryHealth;
use super::state;
use crate::{Backend, CompletionRequest};

type Adjustment = Arc<dyn Fn(CompletionRequest) -> CompletionRequest + Send + Sync>;

/// One entry of a [`Fallback`](super::Fallback): a backend, and how requests are sent to it. The same backend may have several
/// entries, for several models or service tiers.
///
/// ```
/// # use std::sync::Arc;
/// # use tachikoma_backends_core::{Backend, FallbackEntry, ScriptedBackend, ToolSpec};
/// # let local: Arc<dyn Backend> = Arc::new(ScriptedBackend::new());
/// let entry = FallbackEntry::new(local)
///     .with_name("local")
///     .with_model("qwen3-coder")
///     // The local server has no tools of its own, such as web search.
///     .with_adjustment(|mut request| {
///         request.tools.retain(|tool| !matches!(tool, ToolSpec::Hosted(_)));
///         request
///     });
/// ```
#[derive(Clone)]
pub struct FallbackEntry {
    backend: Arc<dyn Backend>,
    name: String,
    model: Option<String>,
    adjustment: Option<Adjustment>,
    pub(super) wait: Option<Duration>,
}

impl fmt::Debug for FallbackEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackEntry")
            .field("backend", &self.backend)
            .field("name", &self.name)
            .field("model", &self.model)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl FallbackEntry {
    /// Requests to this backend, unchanged.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        let name = backend.name().to_owned();
        Self { backend, name, model: None, adjustment: None, wait: None }
    }

    /// The name in errors, events and [`FallbackHealth`](super::FallbackHealth). By default the backend's own.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The model that this backend is asked for, whatever the request names.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Changes each request to this backend, for example its service tier, its tools, or what only another server has. It is the
    /// last change before the request is sent.
    #[must_use]
    pub fn with_adjustment(
        mut self,
        adjustment: impl Fn(CompletionRequest) -> CompletionRequest + Send + Sync + 'static,
    ) -> Self {
        self.adjustment = Some(Arc::new(adjustment));
        self
    }

    /// How long this backend is waited for where it is overloaded or limits the rate, before it is asked once more: as long as its
    /// server states, up to this limit, or this long where it states nothing. By default only
    /// [`WaitOnce`](super::FallbackAction::WaitOnce) waits, and only as long as the server states.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }
}

impl From<Arc<dyn Backend>> for FallbackEntry {
    fn from(backend: Arc<dyn Backend>) -> Self {
        Self::new(backend)
    }
}

impl<B: Backend + 'static> From<Arc<B>> for FallbackEntry {
    fn from(backend: Arc<B>) -> Self {
        Self::new(backend)
    }
}

/// An entry in its place in the list.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) entry: FallbackEntry,
    pub(super) health: Arc<EntryHealth>,
    /// The name of the backend in the route of its state: entries of one backend share it, and no other has it.
    pub(super) route: Arc<str>,
    /// Whether it has the backend of the first entry.
    is_first_backend: bool,
}

impl Slot {
    /// The entry after these ones.
    pub(super) fn new(entry: FallbackEntry, earlier: &[Self]) -> Self {
        let is_same = |slot: &&Self| {
            let (own, other) = (Arc::as_ptr(&entry.backend), Arc::as_ptr(&slot.entry.backend));
            ptr::addr_eq(own, other)
        };
        let route = earlier.iter().find(is_same).map(|slot| Arc::clone(&slot.route));
        let is_first_backend = earlier.first().is_none_or(|slot| is_same(&slot));
        let unused = |route: &String| earlier.iter().all(|slot| *slot.route != **route);
        let name = entry.backend.name();
        let numbered = (2..).map(|number: u64| format!("{name}#{number}"));
        let new = || std::iter::once(name.to_owned()).chain(numbered).find(unused).unwrap_or_default();
        let route = route.unwrap_or_else(|| new().into());
        Self { entry, health: Arc::default(), route, is_first_backend }
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.entry.backend
    }

    pub(super) fn name(&self) -> &str {
        &self.entry.name
    }

    /// The model of requests that name none.
    pub(super) fn default_model(&self) -> &str {
        self.entry.model.as_deref().unwrap_or(&self.entry.backend.info().default_model)
    }

    /// The model that this request gets here.
    pub(super) fn model_of<'a>(&'a self, request: &'a CompletionRequest) -> &'a str {
        let own = self.entry.model.as_deref().or(request.model.as_deref());
        own.unwrap_or(&self.entry.backend.info().default_model)
    }

    pub(super) fn supports_model(&self, model: &str) -> bool {
        self.entry.model.as_deref() == Some(model) || self.entry.backend.supports_model(model)
    }

    /// Whether the request may be sent here, as far as can be known before the adjustment.
    pub(super) fn may_take(&self, request: &CompletionRequest) -> bool {
        self.is_first_backend || self.entry.adjustment.is_some() || state::bound_part(request).is_none()
    }

    /// The request as it is sent here.
    ///
    /// # Errors
    /// It must not be sent here, and why.
    pub(super) fn prepare(
        &self,
        request: &CompletionRequest,
        has_next: bool,
    ) -> Result<CompletionRequest, String> {
        let mut request = request.clone();
        state::restore(&mut request.messages, &self.route, self.entry.backend.name());
        if let Some(model) = &self.entry.model {
            request.model = Some(model.clone());
        }
        if has_next {
            request.max_retries = Some(0);
        }
        if let Some(adjustment) = &self.entry.adjustment {
            request = adjustment(request);
        }
        match state::bound_part(&request) {
            Some(part) if !self.is_first_backend => Err(format!("not tried: {part}")),
            _ => Ok(request),
        }
    }
}
