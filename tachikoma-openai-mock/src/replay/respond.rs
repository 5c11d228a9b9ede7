//! Sends a recorded response: its pieces, each with a flush of its own, and its end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::format::{self, EndKind, Exchange};
use super::{ReplayState, RequestParts};
use crate::errors::ApiError;
use crate::idle::Requests;
use crate::server::Shared;

/// Headers that concern one connection alone.
const CONNECTION_HEADERS: [HeaderName; 4] =
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")];

/// The last events of streams, after which clients do not read on.
const LAST_EVENTS: &[&str] =
    &["data: [DONE]", "\"response.completed\"", "\"response.incomplete\"", "\"response.failed\""];

/// Responds to a request from the recording.
pub(crate) async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let start = Instant::now();
    let Some(state) = &shared.replay else { return StatusCode::NOT_FOUND.into_response() };
    let (parts, body) = request.into_parts();
    // The layer around it has limited the body.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = RequestParts { method: parts.method.as_str(), path, body: format::body_value(&body) };
    let connection = parts.extensions.get::<ConnectInfo<Requests>>().map(|ConnectInfo(requests)| requests);
    match state.next(&request) {
        Ok(exchange) => play(exchange, state, start, Arc::clone(&shared), connection).await,
        Err(message) => ApiError::invalid(message).code("no_recorded_exchange").into_response(),
    }
}

/// Waits for a time since the start of the request, if times are kept.
async fn wait(shared: &Shared, keeps_times: bool, start: Instant, time: Duration) {
    if keeps_times {
        shared.pause(time.saturating_sub(start.elapsed())).await;
    }
}

async fn play(
    exchange: Exchange,
    state: &ReplayState,
    start: Instant,
    shared: Arc<Shared>,
    connection: Option<&Requests>,
) -> Response {
    let Exchange { response, end, end_at, is_reset, .. } = exchange;
    let keeps_times = state.replay.keeps_times;
    let resetting = connection.filter(|_| is_reset).cloned();
    let Some(response) = response else {
        match end {
            EndKind::Dropped | EndKind::Timeout => stopped(&shared).await,
            _ => wait(&shared, keeps_times, start, end_at).await,
        }
        resetting.iter().for_each(Requests::reset_connection);
        if let Some(connection) = connection {
            connection.break_connection();
        }
        return (StatusCode::BAD_GATEWAY, Body::from_stream(stream::iter([Err::<Bytes, _>(reset())])))
            .into_response();
    };
    wait(&shared, keeps_times, start, response.at).await;
    let is_complete = end == EndKind::Complete
        || end == EndKind::Dropped && is_at_last_event(response.pieces.iter().map(|(_, piece)| piece));
    let headers = headers(response.headers, is_complete, response.pieces.len());
    let pieces = stream::iter(response.pieces).then({
        let shared = Arc::clone(&shared);
        move |(at, piece)| {
            let shared = Arc::clone(&shared);
            async move {
                wait(&shared, keeps_times, start, at).await;
                // The piece before it is flushed meanwhile.
                tokio::task::yield_now().await;
                Ok(piece)
            }
        }
    });
    let end = stream::once(async move {
        if is_complete {
            return None;
        }
        tokio::task::yield_now().await;
        match end {
            EndKind::Dropped | EndKind::Timeout => stopped(&shared).await,
            _ => wait(&shared, keeps_times, start, end_at).await,
        }
        resetting.iter().for_each(Requests::reset_connection);
        Some(Err(reset()))
    });
    let body = Body::from_stream(pieces.chain(end.filter_map(async |end| end)));
    (response.status, headers, body).into_response()
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// Waits until the server stops; a client that leaves ends it as well.
async fn stopped(shared: &Shared) {
    _ = shared.stopping.subscribe().wait_for(|stopping| *stopping).await;
}

/// The recorded headers. A body in several pieces has no length: in chunks they stay apart. A body that is cut keeps it, so that it breaks
/// in the same way.
fn headers(mut headers: HeaderMap, is_complete: bool, pieces: usize) -> HeaderMap {
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
    if is_complete && pieces != 1 {
        headers.remove(CONTENT_LENGTH);
    }
    headers
}

/// Whether a stream has sent its last event, so that its client left with the whole response.
fn is_at_last_event<'a>(pieces: impl Iterator<Item = &'a Bytes>) -> bool {
    let body = pieces.flat_map(|piece| piece.iter().copied()).collect::<Vec<u8>>();
    let text = String::from_utf8_lossy(&body);
    let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let is_whole = text.ends_with("\n\n") || text.ends_with("\r\n\r\n");
    is_whole && LAST_EVENTS.iter().any(|event| last.contains(event))
}
