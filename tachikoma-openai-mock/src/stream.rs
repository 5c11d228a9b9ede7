//! Events on their way to a client: paced, counted while they are open, and dropped when their client leaves.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::vec;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream;

use crate::reply::Delivery;
use crate::server::Shared;
use crate::store::StoredResponse;
use crate::tokens::whole_characters;

/// Sends events as server-sent events, one by one.
pub(crate) fn respond<T: Send + 'static>(events: EventStream<T>, text: fn(T) -> String) -> Response {
    let cut = events.cut.clone();
    // The stream owns the events: dropping the stream, at its end or before, closes them.
    let chunks = stream::unfold(events, move |mut events| async move {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text(event))), events))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    let mut response = (headers, Body::from_stream(chunks.fuse())).into_response();
    response.extensions_mut().insert(cut);
    response
}

/// Whether the server itself ends a stream early, by a fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct CutByServer(Arc<AtomicBool>);

impl CutByServer {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The events of one response, and one count in [`MockServer::open_streams`](crate::MockServer::open_streams).
pub(crate) struct EventStream<T> {
    events: vec::IntoIter<T>,
    shared: Arc<Shared>,
    response: Option<Arc<StoredResponse>>,
    is_generated: bool,
    /// Before the next event.
    delay: Duration,
    /// Before each event after it.
    chunk_delay: Duration,
    pub(crate) cut: CutByServer,
}

impl<T> EventStream<T> {
    /// Events that were generated before.
    pub(crate) fn new(shared: Arc<Shared>, events: Vec<T>) -> Self {
        shared.open_streams.send_modify(|open| *open += 1);
        Self {
            events: events.into_iter(),
            delay: Duration::ZERO,
            chunk_delay: shared.config.chunk_delay,
            shared,
            response: None,
            is_generated: true,
            cut: CutByServer::default(),
        }
    }

    /// Events of a request that is billed with the first of them.
    pub(crate) fn billed(shared: Arc<Shared>, events: Vec<T>) -> Self {
        let mut stream = Self::new(shared, events);
        stream.is_generated = false;
        stream
    }

    /// This response is complete once the events are sent. They end early if it is cancelled.
    pub(crate) fn of(mut self, response: Arc<StoredResponse>) -> Self {
        self.response = Some(response);
        self
    }

    /// Sent with the delays of a scripted reply.
    pub(crate) fn paced(mut self, delivery: &Delivery) -> Self {
        self.delay = delivery.delay;
        self.chunk_delay = delivery.chunk_delay.unwrap_or(self.chunk_delay);
        self
    }

    /// The next event, after its delay.
    pub(crate) async fn next(&mut self) -> Option<T> {
        let delay = std::mem::replace(&mut self.delay, self.chunk_delay);
        if self.events.len() > 0 {
            self.shared.pause(delay).await;
        }
        if self.response.as_ref().is_some_and(|response| response.is_cancelled()) {
            self.cut.set();
            return None;
        }
        let event = self.events.next()?;
        if !std::mem::replace(&mut self.is_generated, true) {
            self.shared.counters.billed();
        }
        if let (0, Some(response)) = (self.events.len(), &self.response) {
            response.complete();
        }
        Some(event)
    }
}

impl<T> Drop for EventStream<T> {
    fn drop(&mut self) {
        self.shared.open_streams.send_modify(|open| *open -= 1);
        // A response in the background goes on without its stream.
        let goes_on = self.response.as_ref().is_some_and(|response| response.exchange.is_background());
        let is_stopping = *self.shared.stopping.borrow();
        if self.events.len() > 0 && self.is_generated && !(goes_on || self.cut.is_set() || is_stopping) {
            self.shared.counters.cancelled();
        }
    }
}

/// Cuts a text before each space, and after this many bytes without one, but never within a character.
pub(crate) fn pieces(text: &str, longest: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.chars().next()?.len_utf8();
        let after = rest.get(start..).unwrap_or_default();
        let end = after.find(char::is_whitespace).map_or(rest.len(), |space| start + space);
        let (piece, more) = rest.split_at(whole_characters(rest, end.min(longest)));
        rest = more;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_before_its_spaces() {
        let check = |text, expected: &[&str]| assert_eq!(pieces(text, 16).collect::<Vec<_>>(), expected);
        check("", &[]);
        check("Hello!", &["Hello!"]);
        check("Hello! I am", &["Hello!", " I", " am"]);
        check("a  b\n", &["a", " ", " b", "\n"]);
        check(r#"{"location":"example"}"#, &[r#"{"location":"exa"#, r#"mple"}"#]);
        check("漢字漢字漢字", &["漢字漢字漢", "字"]);
    }
}
