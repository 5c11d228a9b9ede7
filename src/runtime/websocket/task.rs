//! The task of a connection.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{Error, MessageKind, lost};

/// Between pings, which keep proxies from closing the connection. Without any frame for two of them the peer is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long the closing handshake may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A request, and where the messages of its response go.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) text: String,
    pub(super) messages: mpsc::Sender<Result<Utf8Bytes, Error>>,
}

/// The socket with its pings.
struct Socket<S> {
    stream: WebSocketStream<S>,
    ping: Interval,
    /// Pings since the last frame from the peer.
    unanswered: u32,
}

/// What a wait on the socket ended with.
enum Incoming {
    Text(Utf8Bytes),
    Control,
    /// The connection has ended; without an error if the server closed it.
    Closed(Option<Error>),
}

/// Serves one exchange after the other until the connection breaks or is dropped.
pub(super) async fn run<S>(
    stream: WebSocketStream<S>,
    mut exchanges: mpsc::Receiver<Exchange>,
    kind: fn(&str) -> MessageKind,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut socket = Socket { stream, ping, unanswered: 0 };
    loop {
        let exchange = tokio::select! {
            exchange = exchanges.recv() => exchange,
            incoming = socket.next() => match incoming {
                // A late message of a response that has ended.
                Incoming::Text(_) | Incoming::Control => continue,
                Incoming::Closed(_) => None,
            },
        };
        let Some(exchange) = exchange else { break };
        if !socket.exchange(exchange, kind).await {
            break;
        }
    }
    exchanges.close();
    timeout(CLOSE_TIME, socket.stream.close(None)).await.ok();
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Sends a request and passes on the messages of its response. Returns whether the connection can serve another one.
    async fn exchange(&mut self, exchange: Exchange, kind: fn(&str) -> MessageKind) -> bool {
        let Exchange { text, messages } = exchange;
        let sent = tokio::select! {
            sent = self.stream.send(Message::text(text)) => sent,
            () = messages.closed() => return false,
        };
        if let Err(error) = sent {
            messages.send(Err(lost(error))).await.ok();
            return false;
        }
        let mut has_begun = false;
        loop {
            let incoming = tokio::select! {
                incoming = self.next() => incoming,
                () = messages.closed() => return false,
            };
            match incoming {
                Incoming::Text(text) => {
                    let kind = kind(&text);
                    // It is that of the response before.
                    if kind == MessageKind::SecondEnd && !has_begun {
                        continue;
                    }
                    has_begun = true;
                    let is_read = messages.send(Ok(text)).await.is_ok();
                    if kind != MessageKind::Part {
                        return true;
                    }
                    if !is_read {
                        return false;
                    }
                }
                Incoming::Control => {}
                Incoming::Closed(error) => {
                    if let Some(error) = error {
                        messages.send(Err(error)).await.ok();
                    }
                    return false;
                }
            }
        }
    }

    /// The next frame, with pings while there is none. It can be dropped at any time without a loss.
    async fn next(&mut self) -> Incoming {
        let frame = tokio::select! {
            frame = self.stream.next() => frame,
            _ = self.ping.tick() => {
                self.unanswered += 1;
                if self.unanswered > 2 {
                    return Incoming::Closed(Some(lost("the server answers no pings")));
                }
                return match self.stream.send(Message::Ping(Default::default())).await {
                    Ok(()) => Incoming::Control,
                    Err(error) => Incoming::Closed(Some(lost(error))),
                };
            }
        };
        self.unanswered = 0;
        match frame {
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Close(_))) | None => Incoming::Closed(None),
            Some(Ok(_)) => Incoming::Control,
            Some(Err(error)) => Incoming::Closed(Some(lost(error))),
        }
    }
}
