//! The server: it owns the listening socket and the state that its routes share.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::MockConfig;
use crate::counters::{Counters, SharedCounters};
use crate::errors::ApiError;
use crate::fault::schedule::Schedule;
use crate::fault::{Fault, InvalidFault, Kind, Target};
use crate::idle::{IdleListener, Requests};
use crate::rate_limit::{Admission, RateLimiter};
use crate::record::{RecordedRequest, Recording};
use crate::replay::{Replay, ReplayState};
use crate::reply::Reply;
use crate::routes;
use crate::script::{Script, ScriptRequest};
use crate::store::Store;

/// How long [`MockServer::shutdown`] waits for clients that do not read their responses.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// The state that the routes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: MockConfig,
    script: Mutex<Script>,
    faults: Mutex<Schedule>,
    recording: Mutex<Recording>,
    store: Mutex<Store>,
    pub(crate) replay: Option<ReplayState>,
    rate_limiter: Mutex<RateLimiter>,
    pub(crate) counters: SharedCounters,
    pub(crate) open_streams: watch::Sender<usize>,
    pub(crate) open_websockets: watch::Sender<usize>,
    pub(crate) stopping: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(config: MockConfig) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(config.script.clone()),
            replay: config.replay.clone().map(ReplayState::new),
            rate_limiter: Mutex::new(RateLimiter::new(config.rate_limits)),
            faults: Mutex::new(Schedule::new(config.faults.clone())),
            config,
            recording: Mutex::default(),
            store: Mutex::default(),
            counters: SharedCounters::default(),
            open_streams: watch::Sender::new(0),
            open_websockets: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        })
    }

    /// The scripted reply to a request; `None` leaves it to the general rules.
    pub(crate) fn next_reply(&self, request: &ScriptRequest<'_>) -> Result<Option<Reply>, ApiError> {
        let next = lock(&self.script).next(request);
        next.map_err(|reason| ApiError::invalid(reason).code("no_scripted_reply"))
    }

    pub(crate) fn set_script(&self, script: Script) {
        *lock(&self.script) = script;
    }

    /// Puts everything but open connections back to where it was at the start.
    pub(crate) fn reset(&self) {
        self.set_script(self.config.script.clone());
        *lock(&self.faults) = Schedule::new(self.config.faults.clone());
        *lock(&self.rate_limiter) = RateLimiter::new(self.config.rate_limits);
        *lock(&self.recording) = Recording::default();
        *lock(&self.store) = Store::default();
        if let Some(replay) = &self.replay {
            replay.restart();
        }
        self.counters.reset();
    }

    /// The fault of this request: the one that its header names, else the next of the server's own.
    pub(crate) fn next_fault(
        &self,
        header: Option<&str>,
        target: Target,
    ) -> Result<Option<Kind>, InvalidFault> {
        let mut faults = lock(&self.faults);
        match header {
            Some(spec) => faults.next_from_header(spec, target),
            None => Ok(faults.next(target)),
        }
    }

    /// Waits for this time; not at all when the server is stopping.
    pub(crate) async fn pause(&self, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    /// What is stored. Do not hold it while another method of this state is called.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    /// Charges a request with this body; `None` without limits.
    pub(crate) fn admit(&self, body: &[u8]) -> Option<Admission> {
        let admission = lock(&self.rate_limiter).admit(body)?;
        if admission.refusal.is_some() {
            self.counters.rate_limited();
        }
        Some(admission)
    }

    /// Records a request with a body of this many bytes.
    pub(crate) fn record(&self, request: RecordedRequest, bytes: usize) {
        lock(&self.recording).push(request, bytes);
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.recording).requests()
    }
}

/// No code holds these locks across anything that could leave the data half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct MockServer {
    base_url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<io::Result<()>>,
}

impl MockServer {
    /// Starts a server with the default settings on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Starts a server that responds from this recording, as fast as possible, see [`MockConfig::with_replay`].
    ///
    /// # Errors
    /// The file cannot be read, or is not a recording, or no port can be bound.
    pub async fn replay(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::builder().with_replay(Replay::read(path)?).start().await
    }

    /// Settings to change before [`MockConfig::start`].
    pub fn builder() -> MockConfig {
        MockConfig::default()
    }

    pub(crate) async fn bind(config: MockConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.address).await?;
        let base_url = format!("http://{}/v1", reachable(listener.local_addr()?));
        let shared = Shared::new(config);
        let mut stopping = shared.stopping.subscribe();
        let counters = shared.counters.clone();
        let listener = IdleListener { listener, limit: shared.config.idle_timeout, counters };
        let service = routes::build(Arc::clone(&shared)).into_make_service_with_connect_info::<Requests>();
        let serving = axum::serve(listener, service)
            .with_graceful_shutdown(async move { _ = stopping.wait_for(|stopping| *stopping).await });
        Ok(Self { base_url, shared, serving: tokio::spawn(async move { serving.await }) })
    }

    /// What a client takes as its base URL, for instance `http://127.0.0.1:8080/v1`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where a client of the Responses API opens a WebSocket, for instance `ws://127.0.0.1:8080/v1/responses`.
    pub fn websocket_url(&self) -> String {
        format!("{}/responses", self.base_url.replacen("http", "ws", 1))
    }

    /// What a client of Azure OpenAI takes as its endpoint, for instance `http://127.0.0.1:8080`.
    pub fn azure_endpoint(&self) -> &str {
        self.base_url.trim_end_matches("/v1")
    }

    /// The requests that have arrived so far, the oldest first, refused ones too. `GET /mock/requests` returns the same as JSON. See
    /// [`MockConfig::with_recording`] for how many are kept.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.requests()
    }

    /// Queues a reply behind those that are still waiting, see [`MockConfig::with_reply`].
    pub fn push_reply(&self, reply: Reply) {
        lock(&self.shared.script).push(reply);
    }

    /// Replaces the script, with the replies that are still waiting. `PUT /mock/script` does the same with a script in JSON.
    pub fn set_script(&self, script: Script) {
        self.shared.set_script(script);
    }

    /// Puts the server back to where it was at its start: script, faults, limits, recorded requests, stored responses and
    /// conversations, and the counters, except for what is open. `POST /mock/reset` does the same.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Adds a fault behind those of [`MockConfig::with_fault`].
    pub fn push_fault(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }

    /// Changes the limits of [`MockConfig::with_rate_limits`]: no model has more left than the new ones.
    pub fn set_rate_limits(&self, requests: u32, tokens: u32) {
        lock(&self.shared.rate_limiter).set(requests, tokens);
    }

    /// What was billed, uploaded, opened and cancelled so far. `GET /mock/counters` returns the same as JSON.
    pub fn counters(&self) -> Counters {
        self.shared.counters.get()
    }

    /// The number of streams that are being sent, to look at or to wait for:
    /// `server.open_streams().wait_for(|open| *open == 0).await` returns once every stream has been
    /// sent to its end or given up by its client.
    pub fn open_streams(&self) -> watch::Receiver<usize> {
        self.shared.open_streams.subscribe()
    }

    /// The number of WebSockets that are open, to look at or to wait for, as [`open_streams`](Self::open_streams).
    pub fn open_websockets(&self) -> watch::Receiver<usize> {
        self.shared.open_websockets.subscribe()
    }

    /// Takes no new requests, sends the rest of the running streams without further delays, and returns
    /// when all is sent. A client that does not read is given up after five seconds.
    pub async fn shutdown(mut self) {
        self.shared.stopping.send_replace(true);
        let mut websockets = self.shared.open_websockets.subscribe();
        let ended = async {
            _ = (&mut self.serving).await;
            _ = websockets.wait_for(|open| *open == 0).await;
        };
        _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await;
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
    }
}

/// Where a client on this machine finds a socket that is bound to every address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}
