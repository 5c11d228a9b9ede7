//! The connections of a backend: their lanes, and the response that the server knows on each of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout};

use crate::CodexError;
use crate::api::websocket;
use crate::backend::chain::{Chain, Continuation, Conversation};
use crate::runtime::websocket::{Lane, MAX_LANES, WebSocketConnection, WebSocketSource};

/// The age at which a connection without a response is replaced. The server closes it at 60 minutes.
const MAX_AGE: Duration = Duration::from_secs(55 * 60);

/// How long requests go over HTTP after a WebSocket has failed.
const RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// The most responses in progress on a connection, by the documentation.
const MAX_BUSY: u32 = 16;

/// The most connections that wait for another request.
const MAX_IDLE: usize = 16;

/// The most conversations that are remembered.
const MAX_CHAINS: usize = 64;

/// How long a request waits for the connection that another one opens, which may have a lane for it.
const OPENING_WAIT: Duration = Duration::from_secs(1);

/// The WebSockets of a backend.
#[derive(Debug, Default)]
pub(in crate::backend) struct Pool {
    state: Mutex<State>,
    /// Held by the request that opens a connection.
    opening: Arc<AsyncMutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    connections: Vec<PooledConnection>,
    /// Whether the server has lanes; `None` until its first response.
    has_lanes: Option<bool>,
    /// The end of the time in which requests go over HTTP.
    failed_until: Option<Instant>,
    uses: u64,
}

#[derive(Debug)]
struct PooledConnection {
    connection: Arc<WebSocketConnection>,
    /// By lane: the newest response, which stays until the next one has ended, so that others can begin with it as well.
    chains: BTreeMap<u8, KnownChain>,
    last_use: u64,
}

#[derive(Debug)]
struct KnownChain {
    chain: Chain,
    last_use: u64,
}

impl State {
    /// How many responses a connection may have at once, and how many lanes.
    fn limits(&self) -> (u32, u8) {
        if self.has_lanes == Some(true) { (MAX_BUSY, MAX_LANES) } else { (1, 1) }
    }

    /// Removes connections that are closed or too old.
    fn prune(&mut self) {
        self.connections.retain(|PooledConnection { connection, .. }| {
            connection.is_open() && (connection.age() < MAX_AGE || connection.busy_lanes() > 0)
        });
    }

    fn connection(&mut self, connection: &Arc<WebSocketConnection>) -> Option<&mut PooledConnection> {
        self.connections.iter_mut().find(|pooled| Arc::ptr_eq(&pooled.connection, connection))
    }

    /// The connections where another request may begin.
    fn open(&self, since: Option<Instant>) -> impl DoubleEndedIterator<Item = &PooledConnection> + Clone {
        let (max_busy, _) = self.limits();
        self.connections.iter().filter(move |PooledConnection { connection, .. }| {
            let age = connection.age();
            age < MAX_AGE
                && since.is_none_or(|since| age < since.elapsed())
                && connection.busy_lanes() < max_busy
        })
    }

    /// The lane whose response this conversation continues, else a lane beside it.
    fn continued(&self, conversation: &Conversation, since: Option<Instant>) -> Option<(Lane, Continuation)> {
        let (_, lanes) = self.limits();
        let mut fork = None;
        for pooled in self.open(since).rev() {
            for (number, known) in &pooled.chains {
                let Some(continuation) = known.chain.continuation(conversation) else { continue };
                match pooled.connection.reserve(*number) {
                    Some(lane) => return Some((lane, continuation)),
                    None => fork = fork.or(pooled.free_lane(lanes).map(|lane| (lane, continuation))),
                }
            }
        }
        fork
    }

    /// Any lane without a conversation, or that of the conversation which has waited for longest if there are too many.
    fn any(&self, since: Option<Instant>) -> Option<Lane> {
        let (_, lanes) = self.limits();
        let max_chains = if lanes > 1 { MAX_CHAINS } else { MAX_IDLE };
        let mut open = self.open(since);
        let all = open.clone();
        if let Some(lane) = open.find_map(|pooled| pooled.free_lane(lanes)) {
            return Some(lane);
        }
        if self.connections.iter().map(|pooled| pooled.chains.len()).sum::<usize>() < max_chains {
            return None;
        }
        let mut waiting: Vec<_> = all
            .flat_map(|pooled| pooled.chains.iter().map(move |(lane, known)| (known.last_use, pooled, *lane)))
            .collect();
        waiting.sort_by_key(|(last_use, ..)| *last_use);
        waiting.into_iter().find_map(|(_, pooled, lane)| pooled.connection.reserve(lane))
    }
}

impl PooledConnection {
    /// A lane without a conversation.
    fn free_lane(&self, lanes: u8) -> Option<Lane> {
        let mut free = (0..lanes).filter(|lane| !self.chains.contains_key(lane));
        free.find_map(|lane| self.connection.reserve(lane))
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether requests go over HTTP, since a WebSocket failed a short time ago.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failed_until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn set_failed(&self) {
        self.state().failed_until = Instant::now().checked_add(RETRY_AFTER);
    }

    /// A lane of an open connection, opened after `since` if that is set: that which the conversation continues, or any.
    pub(super) fn reserve(
        self: &Arc<Self>,
        conversation: Option<&Conversation>,
        since: Option<Instant>,
    ) -> Option<ReservedLane> {
        let mut state = self.state();
        state.prune();
        let (lane, continuation) =
            match conversation.and_then(|conversation| state.continued(conversation, since)) {
                Some((lane, continuation)) => (lane, Some(continuation)),
                None => (state.any(since)?, None),
            };
        drop(state);
        let pool = Arc::clone(self);
        Some(ReservedLane { pool, lane, continuation, is_new: false, opening: None, chain: None })
    }

    /// Waits while another request opens a connection, but not for long. The guard is that of the request which opens the next.
    pub(super) async fn opening(&self) -> Option<OwnedMutexGuard<()>> {
        timeout(OPENING_WAIT, Arc::clone(&self.opening).lock_owned()).await.ok()
    }

    /// The first lane of a connection that was opened.
    pub(super) fn add(
        self: &Arc<Self>,
        connection: WebSocketConnection,
        opening: Option<OwnedMutexGuard<()>>,
    ) -> Option<ReservedLane> {
        let connection = Arc::new(connection);
        let lane = connection.reserve(0)?;
        let mut state = self.state();
        state.uses += 1;
        let last_use = state.uses;
        state.connections.push(PooledConnection { connection, chains: BTreeMap::new(), last_use });
        // Until it is known whether the server has lanes, others wait for the first response.
        let opening = opening.filter(|_| state.has_lanes.is_none());
        drop(state);
        let pool = Arc::clone(self);
        Some(ReservedLane { pool, lane, continuation: None, is_new: true, opening, chain: None })
    }

    /// The lane is free: with this response, or without one.
    fn release(&self, lane: &Lane, chain: Option<Chain>) {
        let mut state = self.state();
        state.uses += 1;
        let last_use = state.uses;
        if let Some(pooled) = state.connection(lane.connection()) {
            pooled.last_use = last_use;
            pooled.chains.remove(&lane.number());
            if let Some(chain) = chain {
                pooled.chains.insert(lane.number(), KnownChain { chain, last_use });
            }
        }
        let idle =
            state.connections.iter().enumerate().filter(|(_, pooled)| pooled.connection.busy_lanes() == 0);
        if idle.clone().count() > MAX_IDLE
            && let Some((oldest, _)) = idle.min_by_key(|(_, pooled)| pooled.last_use)
        {
            state.connections.remove(oldest);
        }
    }
}

/// A lane for one request. Dropped before the response has ended, its conversation is forgotten.
#[derive(Debug)]
pub(super) struct ReservedLane {
    pool: Arc<Pool>,
    lane: Lane,
    /// What the request continues.
    pub(super) continuation: Option<Continuation>,
    /// Whether its connection was opened for this request.
    pub(super) is_new: bool,
    /// Others wait as long as this request opens a connection.
    opening: Option<OwnedMutexGuard<()>>,
    /// The response that the lane has in memory afterwards.
    chain: Option<Chain>,
}

impl ReservedLane {
    /// Sends a request with this body; `is_warm_up` generates nothing.
    pub(super) fn request(&self, body: &[u8], is_warm_up: bool) -> WebSocketSource {
        let name = (self.pool.state().has_lanes != Some(false)).then(|| self.lane.number());
        self.lane.request(websocket::request(body, name, is_warm_up))
    }

    /// The first message has come, which was an error or names the lane if the server has lanes: other requests need not wait.
    pub(super) fn begin(&mut self, message: Option<&str>) {
        if let Some(message) = message {
            self.pool.state().has_lanes = Some(websocket::message_head(message).lane.is_some());
        }
        self.opening = None;
    }

    /// Whether the server does not know the response that was to be continued, by this error.
    pub(super) fn is_missing(&mut self, error: &CodexError) -> bool {
        let is_missing = |continuation: &mut Continuation| continuation.is_missing(error);
        let Some(continuation) = self.continuation.take_if(is_missing) else { return false };
        if let Some(pooled) = self.pool.state().connection(self.lane.connection()) {
            pooled.chains.retain(|_, known| known.chain.id() != continuation.id);
        }
        true
    }

    /// Whether the server rejects the name of the lane, by this error. Requests do not have one then.
    pub(super) fn is_unsupported(&self, error: &CodexError) -> bool {
        let mut state = self.pool.state();
        let is_unsupported = state.has_lanes.is_none() && error.message().contains(websocket::LANE);
        if is_unsupported {
            state.has_lanes = Some(false);
        }
        is_unsupported
    }

    /// The response has ended: it is kept for the next turn.
    pub(super) fn end(mut self, chain: Option<Chain>) {
        self.chain = chain;
    }
}

impl Drop for ReservedLane {
    fn drop(&mut self) {
        let chain = self.chain.take();
        self.pool.release(&self.lane, chain);
    }
}
