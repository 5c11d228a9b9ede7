//! Server-sent events: paced, counted while they are open, and given up with their client.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream;

use crate::server::Shared;

/// Sends the events one by one, each as `data: ...`.
pub(crate) fn respond(shared: Arc<Shared>, events: Vec<String>) -> Response {
    let open = OpenStream::new(shared);
    // The stream owns `open`: whoever drops the stream, at its end or before it, closes it.
    let chunks = stream::unfold((events.into_iter(), open, true), |(mut events, open, first)| async move {
        let event = events.next()?;
        if !first {
            open.0.pause(open.0.config.chunk_delay).await;
        }
        let chunk = Bytes::from(format!("data: {event}\n\n"));
        Some((Ok::<_, Infallible>(chunk), (events, open, false)))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(chunks.fuse())).into_response()
}

/// One count in [`MockServer::open_streams`](crate::MockServer::open_streams).
struct OpenStream(Arc<Shared>);

impl OpenStream {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open_streams.send_modify(|open| *open += 1);
        Self(shared)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.send_modify(|open| *open -= 1);
    }
}
