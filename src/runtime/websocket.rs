//! Connections over WebSocket. A task of its own reads and writes each of them, and hands the messages of one response at a time
//! to a [`WebSocketSource`], so that pings are answered and a closed connection is noticed also between two responses.

mod task;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tachikoma_backends_core::ErrorCategory;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::task::Exchange;
use super::events::{Event, EventSource};
use super::transport::timeout::{Timeout, WaitLimit};
use super::{Error, Redactor};

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

/// The limits and secrets of a connection.
#[derive(Clone, Debug)]
pub(crate) struct WebSocketLimits {
    /// How long a response may pause between two messages. Control frames do not count.
    pub(crate) idle_timeout: Duration,
    pub(crate) redactor: Arc<Redactor>,
    /// The provider's id of the request that opened the connection.
    pub(crate) request_id: Option<String>,
}

/// An open connection, which closes when it is dropped.
#[derive(Debug)]
pub(crate) struct WebSocketConnection {
    exchanges: mpsc::Sender<Exchange>,
    opened: Instant,
    limits: WebSocketLimits,
}

impl WebSocketConnection {
    /// The connection on this socket; `kind` classifies its messages.
    pub(crate) fn new<S>(
        socket: WebSocketStream<S>,
        limits: WebSocketLimits,
        kind: fn(&str) -> MessageKind,
    ) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (exchanges, received) = mpsc::channel(1);
        tokio::spawn(task::run(socket, received, kind));
        Self { exchanges, opened: Instant::now(), limits }
    }

    /// Whether it is open, as far as that is known.
    pub(crate) fn is_open(&self) -> bool {
        !self.exchanges.is_closed()
    }

    /// How long it has been open.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Sends a request and returns the messages of its response. One response at a time: the earlier source has ended, or the
    /// connection is closed by dropping it.
    pub(crate) async fn request(&self, text: String) -> WebSocketSource {
        let (sender, messages) = mpsc::channel(QUEUED_MESSAGES);
        // Where the task has ended, the source finds its channel closed.
        self.exchanges.send(Exchange { text, messages: sender }).await.ok();
        WebSocketSource {
            messages,
            received: VecDeque::new(),
            current: Utf8Bytes::default(),
            idle: WaitLimit::new(self.limits.idle_timeout),
            limits: self.limits.clone(),
        }
    }
}

/// How many messages wait for a slow reader before reading from the connection pauses.
const QUEUED_MESSAGES: usize = 64;

/// The messages of one response, as events. Dropped before their end, it closes the connection.
#[derive(Debug)]
pub(crate) struct WebSocketSource {
    messages: mpsc::Receiver<Result<Utf8Bytes, Error>>,
    received: VecDeque<Utf8Bytes>,
    /// The message of the last event.
    current: Utf8Bytes,
    idle: WaitLimit,
    limits: WebSocketLimits,
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
                return Err(lost("the server closed it").with_request_id(self.limits.request_id.clone()));
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
