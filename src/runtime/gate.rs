//! [`Gate`]: holds requests back until the server has room for them.

mod bucket;
mod rates;
mod slots;

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use tachikoma_backends_core::ErrorCategory;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, sleep, timeout};

use self::rates::Rates;
use self::slots::Slots;
use super::Error;
use super::rate_limit::RateLimits;
use super::reliability::optional_duration;

/// The pause after a rejection that states no wait.
const PAUSE: Duration = Duration::from_secs(1);

/// The gates of accounts in this process.
static ACCOUNTS: LazyLock<Mutex<HashMap<String, Weak<Shared>>>> = LazyLock::new(Mutex::default);

/// Holds requests back until the account has room for them, so that many agents share its limits without being rejected.
///
/// It learns the limits on requests and tokens of each model from the `x-ratelimit-*` headers of its responses, and pauses after a
/// rejection (429) for as long as the server states. Requests of a model pass in the order of their arrival. A request
/// reserves its estimated input tokens and its `max_tokens`; a retry reserves once more. While nothing is known, the first
/// request of a model goes ahead, and others wait for its headers, but at most 2 s. A server without such headers is not limited.
///
/// A dropped request leaves the queue. A clone is the same gate: give it to all backends of the account, or name the account.
///
/// In a file it is a table: `[gate]` with `account`, `max_concurrent_requests` and `max_wait`, all optional.
///
/// ```
/// use tachikoma_backend_codex::{Backend, CodexBackend, CodexBackendConfig, CompletionRequest, Gate};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = tachikoma_openai_mock::MockServer::start().await?;
/// let gate = Gate::new().with_max_concurrent_requests(8);
/// let config = CodexBackendConfig::new("sk-...").with_gate(gate.clone());
/// # let config = config.with_base_url(server.base_url());
/// let large = CodexBackend::new(config.clone())?;
/// let small = CodexBackend::new(config.with_model("small-model"))?;
///
/// let one = large.complete_stream(CompletionRequest::user("Plan the work.")).await?;
/// let other = small.complete_stream(CompletionRequest::user("List the files.")).await?;
/// assert_eq!(gate.requests_in_progress(), 2);
/// drop((one, other));
/// assert_eq!(gate.requests_in_progress(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Deserialize, Serialize)]
#[serde(from = "Settings", into = "Settings")]
pub struct Gate(Arc<Shared>);

/// The form of a gate in files.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent_requests: Option<usize>,
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    max_wait: Option<Duration>,
}

struct Shared {
    settings: Mutex<Settings>,
    models: Mutex<HashMap<String, Arc<Model>>>,
    slots: Slots,
    /// The start of its clock.
    start: Instant,
}

/// The requests of one model.
#[derive(Debug, Default)]
struct Model {
    /// Held by the request that passes next; fair.
    turn: AsyncMutex<()>,
    rates: Mutex<Rates>,
    changed: Notify,
}

impl Model {
    fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A gate of its own, for the backends that get clones of it.
    pub fn new() -> Self {
        Settings::default().into()
    }

    /// The gate of this account: the same for every call with this name in this process, as long as one of them is in use. The name is
    /// any that tells accounts apart; it is not sent.
    pub fn for_account(name: impl Into<String>) -> Self {
        Settings { account: Some(name.into()), ..Settings::default() }.into()
    }

    /// The most requests in progress at a time, streams until their end included. By default they are not limited. 0 counts as 1.
    ///
    /// A stream that its caller has not polled for a second does not count, since the caller may be waiting for further requests,
    /// as an agent does for its subagents.
    #[must_use]
    pub fn with_max_concurrent_requests(self, requests: usize) -> Self {
        self.settings().max_concurrent_requests = Some(requests);
        self
    }

    /// The longest wait of a request. After it, or at once where the wait is known to be longer, the request is not sent and is an
    /// error of the category `rate_limit`, with the wait. By default it waits as long as it takes.
    #[must_use]
    pub fn with_max_wait(self, wait: Duration) -> Self {
        self.settings().max_wait = Some(wait);
        self
    }

    /// The number of requests in progress, if there is a limit on them.
    pub fn requests_in_progress(&self) -> usize {
        self.0.slots.count()
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    fn model(&self, name: &str) -> Arc<Model> {
        let mut models = self.0.models.lock().unwrap_or_else(PoisonError::into_inner);
        match models.get(name) {
            Some(model) => Arc::clone(model),
            None => Arc::clone(models.entry(name.to_owned()).or_default()),
        }
    }

    /// A place among the requests in progress; `None` without a limit on them.
    ///
    /// # Errors
    /// The wait is too long.
    pub(crate) async fn enter(&self) -> Result<Option<Slot>, Error> {
        let settings = self.settings().clone();
        let Some(max) = settings.max_concurrent_requests else { return Ok(None) };
        let max = || self.settings().max_concurrent_requests.unwrap_or(max);
        let place = self.0.slots.take(max, || self.now());
        let place = match settings.max_wait {
            Some(limit) => timeout(limit, place).await.map_err(|_| too_long(limit, None))?,
            None => place.await,
        };
        Ok(Some(Slot { gate: self.clone(), place }))
    }

    /// Waits until this request may be sent.
    ///
    /// # Errors
    /// The wait is too long.
    pub(crate) async fn reserve(&self, load: &Load) -> Result<Reservation, Error> {
        let limit = self.settings().max_wait;
        let deadline = limit.map(|limit| self.now().saturating_add(limit));
        let model = self.model(&load.model);
        let turn = model.turn.lock();
        let turn = match limit {
            Some(limit) => timeout(limit, turn).await.map_err(|_| too_long(limit, None))?,
            None => turn.await,
        };
        let number = loop {
            let now = self.now();
            let wait = {
                let mut rates = model.rates();
                match rates.wait(load.tokens, now) {
                    Duration::ZERO => break rates.take(load.tokens, now),
                    wait => wait,
                }
            };
            if let Some(limit) =
                limit.filter(|_| deadline.is_some_and(|deadline| now.saturating_add(wait) > deadline))
            {
                return Err(too_long(limit, Some(wait)));
            }
            wait_or(wait, model.changed.notified()).await;
        };
        drop(turn);
        Ok(Reservation { model, gate: self.clone(), number, state: State::Unsent })
    }
}

impl From<Settings> for Gate {
    fn from(settings: Settings) -> Self {
        let new = |settings| {
            let (models, slots) = Default::default();
            Arc::new(Shared { settings: Mutex::new(settings), models, slots, start: Instant::now() })
        };
        let Some(account) = settings.account.clone() else { return Self(new(settings)) };
        let mut accounts = ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = accounts.get(&account).and_then(Weak::upgrade) {
            let gate = Self(shared);
            let Settings { max_concurrent_requests, max_wait, .. } = settings;
            let mut current = gate.settings();
            current.max_concurrent_requests = max_concurrent_requests.or(current.max_concurrent_requests);
            current.max_wait = max_wait.or(current.max_wait);
            drop(current);
            return gate;
        }
        let shared = new(settings);
        accounts.insert(account, Arc::downgrade(&shared));
        Self(shared)
    }
}

impl From<Gate> for Settings {
    fn from(gate: Gate) -> Self {
        gate.settings().clone()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings().fmt(f)
    }
}

/// What a request takes of the limits.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) model: String,
    /// Its input tokens, and the most output tokens if they are limited.
    pub(crate) tokens: u32,
}

/// A request that has passed. Dropped before it is sent, it returns what it has reserved.
#[derive(Debug)]
pub(crate) struct Reservation {
    gate: Gate,
    model: Arc<Model>,
    number: u64,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    Unsent,
    Sent,
    Reported,
}

impl Reservation {
    /// The request goes out now.
    pub(crate) fn sent(&mut self) {
        self.state = State::Sent;
    }

    /// Its response, with the status 429 or another one.
    pub(crate) fn report(&mut self, headers: &HeaderMap) {
        self.state = State::Reported;
        let limits = RateLimits::from_headers(headers, SystemTime::now());
        self.model.rates().report(self.number, limits.as_ref());
        self.model.changed.notify_one();
    }

    /// It was rejected because of a limit, with the wait that the server states.
    pub(crate) fn reject(&mut self, wait: Option<Duration>) {
        self.state = State::Reported;
        let until = self.gate.now().saturating_add(wait.unwrap_or(PAUSE));
        self.model.rates().pause(until);
        self.model.changed.notify_one();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        match self.state {
            State::Unsent => self.model.rates().cancel(self.number),
            State::Sent => self.model.rates().end(self.number),
            State::Reported => return,
        }
        self.model.changed.notify_one();
    }
}

/// A place among the requests in progress.
#[derive(Debug)]
pub(crate) struct Slot {
    gate: Gate,
    place: Arc<AtomicU64>,
}

impl Slot {
    /// The caller has got an item of the stream: until the next poll it may be doing anything else.
    pub(crate) fn ready(&self) {
        slots::note_poll(&self.place, Some(self.gate.now()));
    }

    /// The stream waits for its server.
    pub(crate) fn pending(&self) {
        slots::note_poll(&self.place, None);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gate.0.slots.leave(&self.place);
    }
}

/// Waits for this time, or until something has changed.
async fn wait_or(wait: Duration, changed: impl Future<Output = ()>) {
    futures::future::select(pin!(sleep(wait)), pin!(changed)).await;
}

/// The error of a request that was held back for too long.
fn too_long(limit: Duration, wait: Option<Duration>) -> Error {
    let wait_text = wait.map_or_else(String::new, |wait| {
        format!(", the wait would be {}", humantime::format_duration(rounded(wait)))
    });
    let limit = humantime::format_duration(limit);
    let message = format!("the limits of the account have no room for the request within {limit}{wait_text}");
    let mut error = Error::unsent(ErrorCategory::RateLimit, message)
        .with_hint("Gate::with_max_wait sets the longest wait.");
    error.details_mut().retry_after = wait;
    error
}

/// Up to the next second.
fn rounded(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))
}
