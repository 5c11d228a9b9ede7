//! The responses in progress on a connection, a lane each, and the way of a message to the one that it belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Error, LaneSets, MessageHead, MessageKind, bit, lost};

/// How many bytes wait for a slow reader before reading from the connection pauses.
const MAX_BACKLOG: usize = 256 * 1024;

/// What the task of a connection has to do.
#[derive(Debug)]
pub(super) enum Command {
    Request {
        lane: u8,
        text: String,
        exchange: Exchange,
    },
    /// The response of this lane is read by nothing any more.
    Cancel {
        lane: u8,
    },
}

/// The bytes of the messages that the reader of a response has not received.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    shortened: Notify,
}

impl Backlog {
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn remove(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before >= MAX_BACKLOG && before - bytes < MAX_BACKLOG {
            self.shortened.notify_one();
        }
    }

    /// Waits until reading may go on.
    pub(super) async fn shortened(&self) {
        while self.bytes.load(Ordering::Acquire) >= MAX_BACKLOG {
            self.shortened.notified().await;
        }
    }
}

/// A response in progress.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Its reader; `None` once that is dropped.
    messages: Option<mpsc::UnboundedSender<Result<Utf8Bytes, Error>>>,
    backlog: Arc<Backlog>,
    has_begun: bool,
}

impl Exchange {
    pub(super) fn new(
        messages: mpsc::UnboundedSender<Result<Utf8Bytes, Error>>,
        backlog: Arc<Backlog>,
    ) -> Self {
        Self { messages: Some(messages), backlog, has_begun: false }
    }

    fn send(&mut self, message: Result<Utf8Bytes, Error>) {
        self.has_begun = true;
        let Some(messages) = &self.messages else { return };
        if let Ok(message) = &message {
            self.backlog.add(message.len());
        }
        messages.send(message).ok();
    }
}

/// The responses in progress.
#[derive(Debug)]
pub(super) struct Exchanges {
    running: BTreeMap<u8, Exchange>,
    lanes: Arc<LaneSets>,
}

impl Exchanges {
    pub(super) fn new(lanes: Arc<LaneSets>) -> Self {
        Self { running: BTreeMap::new(), lanes }
    }

    pub(super) fn begin(&mut self, lane: u8, exchange: Exchange) {
        self.running.insert(lane, exchange);
    }

    pub(super) fn cancel(&mut self, lane: u8) {
        if let Some(exchange) = self.running.get_mut(&lane) {
            exchange.messages = None;
        }
    }

    /// Whether the server generates only for readers that are gone.
    pub(super) fn is_abandoned(&self) -> bool {
        !self.running.is_empty() && self.running.values().all(|exchange| exchange.messages.is_none())
    }

    /// The backlog of a slow reader, for which reading pauses. Where other responses are in progress, it does not pause.
    pub(super) fn slow_reader(&self) -> Option<Arc<Backlog>> {
        let exchange = self.running.values().next().filter(|_| self.running.len() == 1)?;
        let is_slow = exchange.backlog.bytes.load(Ordering::Acquire) >= MAX_BACKLOG;
        is_slow.then(|| Arc::clone(&exchange.backlog))
    }

    /// Passes on a message.
    ///
    /// # Errors
    /// It may belong to several responses.
    pub(super) fn receive(&mut self, text: Utf8Bytes, head: MessageHead) -> Result<(), &'static str> {
        for lane in self.receivers(head)? {
            let Some(exchange) = self.running.get_mut(&lane) else { continue };
            // It is that of the response before.
            if head.kind == MessageKind::SecondEnd && !exchange.has_begun {
                continue;
            }
            if head.kind == MessageKind::Part {
                exchange.send(Ok(text.clone()));
                continue;
            }
            // The lane is free before its reader knows the end.
            self.lanes.running.fetch_and(!bit(lane), Ordering::AcqRel);
            if let Some(mut exchange) = self.running.remove(&lane) {
                exchange.send(Ok(text.clone()));
            }
        }
        Ok(())
    }

    /// The lanes that a message is for: none where it is a late one of a response that has ended.
    fn receivers(&self, head: MessageHead) -> Result<Vec<u8>, &'static str> {
        if let Some(lane) = head.lane {
            return Ok(vec![lane]);
        }
        let is_waiting = |exchange: &Exchange| !exchange.has_begun;
        let has_waiting = self.running.values().any(is_waiting);
        match (self.running.len(), head.kind) {
            (0 | 1, _) => Ok(self.running.keys().copied().collect()),
            // An error of the connection: the responses that have begun may go on, but no other one will begin.
            (_, MessageKind::Error) => {
                let concerned =
                    self.running.iter().filter(|(_, exchange)| !has_waiting || is_waiting(exchange));
                Ok(concerned.map(|(lane, _)| *lane).collect())
            }
            _ => Err("a message belongs to one of several responses, and does not name it"),
        }
    }

    /// Ends all responses, with this cause if the connection did not close regularly.
    pub(super) fn end(&mut self, cause: Option<&str>) {
        for exchange in self.running.values_mut() {
            if let Some(cause) = cause {
                exchange.send(Err(lost(cause)));
            }
        }
        self.running.clear();
        self.lanes.running.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: MessageKind, lane: Option<u8>) -> MessageHead {
        MessageHead { kind, lane }
    }

    type Reader = mpsc::UnboundedReceiver<Result<Utf8Bytes, Error>>;

    /// Responses on the first lanes, with their readers.
    fn running(count: u8) -> (Exchanges, Vec<Reader>) {
        let mut exchanges = Exchanges::new(Arc::default());
        let readers = (0..count).map(|lane| {
            let (sender, reader) = mpsc::unbounded_channel();
            exchanges.begin(lane, Exchange::new(sender, Arc::default()));
            reader
        });
        let readers = readers.collect();
        (exchanges, readers)
    }

    /// What each reader has received.
    fn received(readers: &mut [Reader]) -> Vec<String> {
        let texts = readers.iter_mut().map(|reader| {
            std::iter::from_fn(|| reader.try_recv().ok())
                .map(|message| message.map_or_else(|error| error.to_string(), |text| text.to_string()))
                .collect::<Vec<_>>()
                .join(" ")
        });
        texts.collect()
    }

    #[test]
    fn messages_go_to_their_lane() {
        let (mut exchanges, mut readers) = running(3);
        let mut receive = |text: &'static str, kind, lane| exchanges.receive(text.into(), head(kind, lane));
        receive("a", MessageKind::Part, Some(2)).unwrap();
        receive("b", MessageKind::Part, Some(0)).unwrap();
        receive("late", MessageKind::Part, Some(9)).unwrap();
        receive("end", MessageKind::End, Some(2)).unwrap();
        receive("late", MessageKind::SecondEnd, Some(2)).unwrap();
        assert!(receive("?", MessageKind::Part, None).is_err());
        assert_eq!(received(&mut readers), ["b", "", "a end"]);
    }

    #[test]
    fn an_error_of_the_connection_is_for_those_that_wait() {
        let (mut exchanges, mut readers) = running(3);
        exchanges.receive("a".into(), head(MessageKind::Part, Some(0))).unwrap();
        exchanges.receive("limit".into(), head(MessageKind::Error, None)).unwrap();
        assert_eq!(received(&mut readers), ["a", "limit", "limit"]);
        exchanges.receive("b".into(), head(MessageKind::Part, None)).unwrap();
        assert_eq!(received(&mut readers), ["b", "", ""]);
        let (mut exchanges, mut readers) = running(2);
        for lane in 0..2 {
            exchanges.receive("a".into(), head(MessageKind::Part, Some(lane))).unwrap();
        }
        exchanges.receive("gone".into(), head(MessageKind::Error, None)).unwrap();
        assert_eq!(received(&mut readers), ["a gone", "a gone"]);
    }

    #[test]
    fn a_connection_is_abandoned_with_its_last_reader() {
        let (mut exchanges, mut readers) = running(2);
        exchanges.cancel(0);
        assert!(!exchanges.is_abandoned());
        exchanges.receive("a".into(), head(MessageKind::Part, Some(0))).unwrap();
        exchanges.cancel(1);
        assert!(exchanges.is_abandoned());
        exchanges.receive("end".into(), head(MessageKind::End, Some(0))).unwrap();
        exchanges.receive("end".into(), head(MessageKind::End, Some(1))).unwrap();
        assert!(!exchanges.is_abandoned());
        assert_eq!(received(&mut readers), ["", ""]);
    }

    #[test]
    fn reading_pauses_for_a_slow_reader_alone() {
        let (mut exchanges, _readers) = running(1);
        exchanges.receive("x".repeat(MAX_BACKLOG).into(), head(MessageKind::Part, None)).unwrap();
        let backlog = exchanges.slow_reader().unwrap();
        let (sender, _reader) = mpsc::unbounded_channel();
        exchanges.begin(7, Exchange::new(sender, Arc::default()));
        assert!(exchanges.slow_reader().is_none());
        exchanges.receive("end".into(), head(MessageKind::End, Some(7))).unwrap();
        assert!(exchanges.slow_reader().is_some());
        backlog.remove(MAX_BACKLOG);
        assert!(exchanges.slow_reader().is_none());
    }

    #[test]
    fn a_broken_connection_ends_every_response() {
        let (mut exchanges, mut readers) = running(2);
        exchanges.end(Some("reset"));
        assert!(received(&mut readers).iter().all(|text| text.contains("reset")));
        assert!(readers.iter().all(Reader::is_closed));
        assert_eq!(exchanges.lanes.busy(), 0);
    }
}
