//! The task of a connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use super::exchanges::{Command, Exchanges};
use super::{LaneSets, MessageHead};

/// Between pings, which keep proxies from closing the connection. Without any frame for two of them the peer is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long the closing handshake may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// The socket with its pings.
struct Socket<S> {
    stream: WebSocketStream<S>,
    /// Messages that are not in the socket's buffer.
    outgoing: VecDeque<Message>,
    /// Whether the socket's buffer may hold a part of a message.
    is_sending: bool,
    ping: Interval,
    /// Pings since the last frame from the peer.
    unanswered: u32,
}

/// What a wait on the socket ended with.
enum Incoming {
    Text(Utf8Bytes),
    Control,
    /// The connection has ended, without a cause if the server closed it.
    Closed(Option<String>),
}

/// Serves the lanes of a connection until it breaks, its last response is cancelled, or it is dropped.
pub(super) async fn run<S>(
    stream: WebSocketStream<S>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    head: fn(&str) -> MessageHead,
    lanes: Arc<LaneSets>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut socket = Socket { stream, outgoing: VecDeque::new(), is_sending: false, ping, unanswered: 0 };
    let mut exchanges = Exchanges::new(lanes);
    let cause = loop {
        let slow_reader = exchanges.slow_reader();
        let shortened = async {
            match &slow_reader {
                Some(backlog) => backlog.shortened().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = commands.recv() => {
                let Some(command) = command else { break None };
                serve(command, &mut exchanges, &mut socket);
                // A response that is cancelled and one that begins may come together.
                while let Ok(command) = commands.try_recv() {
                    serve(command, &mut exchanges, &mut socket);
                }
            }
            incoming = socket.next(slow_reader.is_none()) => match incoming {
                Incoming::Text(text) => {
                    let head = head(&text);
                    if let Err(cause) = exchanges.receive(text, head) {
                        break Some(cause.to_owned());
                    }
                }
                Incoming::Control => {}
                Incoming::Closed(cause) => break cause,
            },
            () = shortened => {}
        }
        if exchanges.is_abandoned() {
            break None;
        }
    };
    commands.close();
    exchanges.end(cause.as_deref());
    timeout(CLOSE_TIME, socket.stream.close(None)).await.ok();
}

fn serve<S>(command: Command, exchanges: &mut Exchanges, socket: &mut Socket<S>) {
    match command {
        Command::Request { lane, text, exchange } => {
            exchanges.begin(lane, exchange);
            socket.outgoing.push_back(Message::text(text));
        }
        Command::Cancel { lane } => exchanges.cancel(lane),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Sends what there is to send, and returns the next frame, with pings while there is none. It can be dropped at any time
    /// without a loss.
    async fn next(&mut self, is_reading: bool) -> Incoming {
        let Self { stream, outgoing, is_sending, ping, unanswered } = self;
        let mut frame = poll_fn(|context| {
            *is_sending |= !outgoing.is_empty();
            if *is_sending && let Poll::Ready(sent) = poll_send(stream, outgoing, context) {
                *is_sending = false;
                if let Err(error) = sent {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match is_reading {
                true => stream.poll_next_unpin(context),
                false => Poll::Pending,
            }
        });
        let frame = tokio::select! {
            frame = &mut frame => frame,
            _ = ping.tick(), if is_reading => {
                *unanswered += 1;
                if *unanswered > 2 {
                    return Incoming::Closed(Some("the server answers no pings".to_owned()));
                }
                outgoing.push_back(Message::Ping(Default::default()));
                return Incoming::Control;
            }
        };
        *unanswered = 0;
        match frame {
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Close(_))) | None => Incoming::Closed(None),
            Some(Ok(_)) => Incoming::Control,
            Some(Err(error)) => Incoming::Closed(Some(error.to_string())),
        }
    }
}

/// Writes these messages while the socket takes them. Reading goes on meanwhile: a peer that waits to be read does not read.
fn poll_send<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut WebSocketStream<S>,
    outgoing: &mut VecDeque<Message>,
    context: &mut Context<'_>,
) -> Poll<tungstenite::Result<()>> {
    while !outgoing.is_empty() {
        ready!(stream.poll_ready_unpin(context))?;
        if let Some(message) = outgoing.pop_front() {
            stream.start_send_unpin(message)?;
        }
    }
    stream.poll_flush_unpin(context)
}
