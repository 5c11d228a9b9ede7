//! What the server has counted: what was billed, uploaded, opened and cancelled.

use std::sync::Arc;
use std::sync::Mutex;

use serde::Serialize;

use crate::server::lock;

/// What a server has counted since it was started. See [`MockServer::counters`](crate::MockServer::counters).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Requests for completions and responses for which generation began: the first event of a stream, or a plain response.
    pub billed_requests: u64,
    /// Compactions by `POST /v1/responses/compact`.
    pub compactions: u64,
    /// Bytes of HTTP request bodies.
    pub http_bytes: u64,
    /// Bytes of text messages that WebSocket clients have sent.
    pub websocket_bytes: u64,
    /// TCP connections that are open, those of WebSockets among them.
    pub open_connections: u64,
    /// TCP connections that were opened.
    pub opened_connections: u64,
    /// WebSocket connections that are open.
    pub open_websockets: u64,
    /// WebSocket connections that were opened.
    pub opened_websockets: u64,
    /// Responses that a client has cancelled: by the endpoint, or by leaving before the end of the stream.
    pub cancelled_responses: u64,
    /// Requests that were refused because of [`with_rate_limits`](crate::MockConfig::with_rate_limits).
    pub rate_limited_requests: u64,
}

/// The counters that all parts of a server share.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedCounters(Arc<Mutex<Counters>>);

impl SharedCounters {
    pub(crate) fn get(&self) -> Counters {
        *lock(&self.0)
    }

    /// Begins anew, with what is open.
    pub(crate) fn reset(&self) {
        self.change(|counters| {
            let Counters { open_connections, open_websockets, .. } = *counters;
            *counters = Counters { open_connections, open_websockets, ..Counters::default() };
        });
    }

    fn change(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.0));
    }

    pub(crate) fn billed(&self) {
        self.change(|counters| counters.billed_requests += 1);
    }

    pub(crate) fn compacted(&self) {
        self.change(|counters| counters.compactions += 1);
    }

    pub(crate) fn cancelled(&self) {
        self.change(|counters| counters.cancelled_responses += 1);
    }

    pub(crate) fn rate_limited(&self) {
        self.change(|counters| counters.rate_limited_requests += 1);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.change(|counters| counters.websocket_bytes += bytes as u64);
    }

    pub(crate) fn websocket_opened(&self) {
        self.change(|counters| {
            counters.open_websockets += 1;
            counters.opened_websockets += 1;
        });
    }

    pub(crate) fn websocket_closed(&self) {
        self.change(|counters| counters.open_websockets -= 1);
    }

    pub(crate) fn uploaded(&self, bytes: usize) {
        self.change(|counters| counters.http_bytes += bytes as u64);
    }

    /// Counts a connection for as long as the result lives.
    pub(crate) fn connection(&self) -> CountedConnection {
        self.change(|counters| {
            counters.open_connections += 1;
            counters.opened_connections += 1;
        });
        CountedConnection(self.clone())
    }
}

/// A TCP connection that is open.
#[derive(Debug)]
pub(crate) struct CountedConnection(SharedCounters);

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.change(|counters| counters.open_connections -= 1);
    }
}
