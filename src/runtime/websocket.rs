//! Connections over WebSocket. A task of its own reads and writes each of them, and hands the messages of a response to its
//! [`WebSocketSource`], so that pings are answered and a closed connection is noticed also between two responses.
//!
//! A connection has up to [`MAX_LANES`] lanes, each with one response at a time.

mod exchanges;
mod task;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tachikoma_backends_core::ErrorCategory;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::exchanges::{Backlog, Command, Exchange};
use super::events::{Event, EventSource};
use super::transport::timeout::{Timeout, WaitLimit};
use super::{Error, Redactor};

/// How many lanes a connection has.
pub(crate) const MAX_LANES: u8 = 32;

/// What a message is to the response that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// A part of it.
    Part,
    /// Its end.
    End,
    /// Its end in a form that some servers send after the first one.
    SecondEnd,
    /// An error, which ends it and may be all of it.
    Error,
}

/// The fields of a message that say where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageHead {
    pub(crate) kind: MessageKind,
    /// The lane, if the message names one.
    pub(crate) lane: Option<u8>,
}

/// The limits and secrets of a connection.
#[derive(Clone, Debug)]
pub(crate) struct WebSocketLimits {
    /// How long a response may pause between two messages. Control frames do not count.
    pub(crate) idle_timeout: Duration,
    pub(crate) redactor: Arc<Redactor>,
    /// The provider's id of the request that opened the connection.
    pub(crate) request_id: Option<String>,
}

/// An open connection, which closes when it and all its lanes are dropped.
#[derive(Debug)]
pub(crate) struct WebSocketConnection {
    commands: mpsc::UnboundedSender<Command>,
    lanes: Arc<LaneSets>,
    opened: Instant,
    limits: WebSocketLimits,
}

/// Sets of lanes, a bit each.
#[derive(Debug, Default)]
struct LaneSets {
    /// Those that a [`Lane`] stands for.
    reserved: AtomicU32,
    /// Those whose response has not ended at the server, although it may have been dropped here.
    running: AtomicU32,
}

impl LaneSets {
    fn busy(&self) -> u32 {
        self.reserved.load(Ordering::Acquire) | self.running.load(Ordering::Acquire)
    }
}

fn bit(lane: u8) -> u32 {
    1_u32.checked_shl(lane.into()).unwrap_or_default()
}

impl WebSocketConnection {
    /// The connection on this socket; `head` reads where a message belongs.
    pub(crate) fn new<S>(
        socket: WebSocketStream<S>,
        limits: WebSocketLimits,
        head: fn(&str) -> MessageHead,
    ) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (commands, received) = mpsc::unbounded_channel();
        let lanes = Arc::new(LaneSets::default());
        tokio::spawn(task::run(socket, received, head, Arc::clone(&lanes)));
        Self { commands, lanes, opened: Instant::now(), limits }
    }

    /// Whether it is open, as far as that is known.
    pub(crate) fn is_open(&self) -> bool {
        !self.commands.is_closed()
    }

    /// How long it has been open.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// How many lanes are busy.
    pub(crate) fn busy_lanes(&self) -> u32 {
        self.lanes.busy().count_ones()
    }

    /// Reserves a lane, if it is not busy.
    pub(crate) fn reserve(self: &Arc<Self>, lane: u8) -> Option<Lane> {
        if lane >= MAX_LANES || self.lanes.busy() & bit(lane) != 0 {
            return None;
        }
        let before = self.lanes.reserved.fetch_or(bit(lane), Ordering::AcqRel);
        (before & bit(lane) == 0).then(|| Lane { connection: Arc::clone(self), number: lane })
    }
}

/// A reserved lane of a connection.
#[derive(Debug)]
pub(crate) struct Lane {
    connection: Arc<WebSocketConnection>,
    number: u8,
}

impl Lane {
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    pub(crate) fn connection(&self) -> &Arc<WebSocketConnection> {
        &self.connection
    }

    /// Sends a request and returns the messages of its response. The response of an earlier request has ended.
    pub(crate) fn request(&self, text: String) -> WebSocketSource {
        let WebSocketConnection { commands, lanes, limits, .. } = &*self.connection;
        let (sender, messages) = mpsc::unbounded_channel();
        let backlog = Arc::new(Backlog::default());
        let exchange = Exchange::new(sender, Arc::clone(&backlog));
        lanes.running.fetch_or(bit(self.number), Ordering::AcqRel);
        // Where the task has ended, the source finds its channel closed.
        let is_sent = commands.send(Command::Request { lane: self.number, text, exchange }).is_ok();
        WebSocketSource {
            messages,
            backlog,
            received: VecDeque::new(),
            current: Utf8Bytes::default(),
            idle: WaitLimit::new(limits.idle_timeout),
            limits: limits.clone(),
            lane: self.number,
            is_sent,
            commands: commands.clone(),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.connection.lanes.reserved.fetch_and(!bit(self.number), Ordering::AcqRel);
    }
}

/// The messages of one response, as events. Dropped before their end, it cancels the response: the rest is not read by anything,
/// and the connection closes if it has no other response, which ends the generation.
#[derive(Debug)]
pub(crate) struct WebSocketSource {
    messages: mpsc::UnboundedReceiver<Result<Utf8Bytes, Error>>,
    backlog: Arc<Backlog>,
    received: VecDeque<Utf8Bytes>,
    /// The message of the last event.
    current: Utf8Bytes,
    idle: WaitLimit,
    limits: WebSocketLimits,
    lane: u8,
    /// False if the connection had ended before.
    is_sent: bool,
    commands: mpsc::UnboundedSender<Command>,
}

impl Drop for WebSocketSource {
    fn drop(&mut self) {
        self.commands.send(Command::Cancel { lane: self.lane }).ok();
    }
}

impl WebSocketSource {
    /// The first message, which stays to be read.
    ///
    /// # Errors
    /// The connection broke, or no message came within this time.
    pub(crate) async fn first(&mut self, limit: Duration) -> Result<&str, Error> {
        if self.received.is_empty() {
            let more = Timeout::Response.limit(limit, poll_fn(|context| self.poll_message(context))).await;
            let size = more.and_then(|more| more).map_err(|error| self.redact(error))?;
            if size.is_none() {
                let error = match self.is_sent {
                    true => lost("the server closed it"),
                    false => Error::unsent(ErrorCategory::Network, "the WebSocket had been closed"),
                };
                return Err(error.with_request_id(self.limits.request_id.clone()));
            }
        }
        Ok(self.received.front().map(Utf8Bytes::as_str).unwrap_or_default())
    }

    /// Skips the next message; false after the last one.
    pub(crate) fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        self.received.clear();
        self.poll_message(context).map(|received| received.is_ok_and(|size| size.is_some()))
    }

    /// Receives a message, and returns its size; `None` after the last one, or if the server closed the connection.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>> {
        Poll::Ready(match ready!(self.messages.poll_recv(context)) {
            Some(Ok(message)) => {
                let size = message.len();
                self.backlog.remove(size);
                self.received.push_back(message);
                Ok(Some(size))
            }
            Some(Err(error)) => Err(error.with_request_id(self.limits.request_id.clone())),
            None => Ok(None),
        })
    }
}

impl EventSource for WebSocketSource {
    fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        let Some(message) = self.received.pop_front() else { return Ok(None) };
        self.current = message;
        Ok(Some(Event { event: "message".into(), data: self.current.as_str().into(), is_bare: false }))
    }

    fn take_skipped(&mut self) -> usize {
        0
    }

    fn has_more(&self) -> bool {
        !self.messages.is_empty()
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Error>> {
        match self.poll_message(context) {
            Poll::Ready(outcome) => {
                self.idle.end();
                Poll::Ready(outcome)
            }
            Poll::Pending if self.idle.poll_elapsed(context).is_pending() => Poll::Pending,
            Poll::Pending => {
                let error = Timeout::Idle.elapsed(self.idle.limit());
                Poll::Ready(Err(error.with_request_id(self.limits.request_id.clone())))
            }
        }
    }

    fn request_id(&self) -> Option<&str> {
        self.limits.request_id.as_deref()
    }

    fn redact(&self, error: Error) -> Error {
        self.limits.redactor.error(error)
    }
}

/// The error of a connection that broke. Whether the server has the request is unknown.
fn lost(cause: impl std::fmt::Display) -> Error {
    Error::new(ErrorCategory::Network, format!("the WebSocket broke within the response: {cause}"))
        .maybe_processed()
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    fn head(_: &str) -> MessageHead {
        MessageHead { kind: MessageKind::Part, lane: None }
    }

    /// The error of a request whose connection is closed before it or after it.
    async fn error(is_closed_before: bool) -> Error {
        let (client, server) = tokio::io::duplex(4096);
        let socket = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let limits = WebSocketLimits {
            idle_timeout: Duration::from_secs(60),
            redactor: Arc::new(Redactor::new(&[])),
            request_id: Some("req_1".to_owned()),
        };
        let connection = Arc::new(WebSocketConnection::new(socket, limits, head));
        let lane = connection.reserve(0).unwrap();
        let mut source;
        if is_closed_before {
            drop(server);
            connection.commands.closed().await;
            source = lane.request("{}".to_owned());
        } else {
            source = lane.request("{}".to_owned());
            tokio::task::yield_now().await;
            drop(server);
        }
        source.first(Duration::from_secs(5)).await.unwrap_err()
    }

    #[tokio::test]
    async fn only_a_request_that_was_sent_may_have_been_processed() {
        for is_closed_before in [true, false] {
            let error = error(is_closed_before).await;
            assert_eq!(error.category(), ErrorCategory::Network);
            assert_eq!(error.details().maybe_processed, !is_closed_before, "{error}");
            assert_eq!(error.attempts(), u32::from(!is_closed_before));
            assert_eq!(error.request_id(), Some("req_1"));
        }
    }
}
