//! Makes the fault: in place of the answer, or in its body.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::Response;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::Value;

use super::{Double, Kind};
use crate::errors::{ApiError, ErrorBody};
use crate::reply;
use crate::server::Shared;

/// The header with which a request brings its own fault.
const HEADER: &str = "x-mock-fault";

/// So many bytes of an answer that is no stream are a chunk.
const CHUNK: usize = 64;

type Piece = Result<Bytes, io::Error>;

pub(crate) async fn inject(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let brought =
        request.headers().get(HEADER).map(|spec| String::from_utf8_lossy(spec.as_bytes()).into_owned());
    match shared.next_fault(brought.as_deref()) {
        Err(error) => Err(ApiError::invalid(format!("{HEADER}: {error}.")).param(HEADER)),
        Ok(None) => Ok(next.run(request).await),
        Ok(Some(Kind::Status { status, code, headers })) => {
            let message = format!("The mock was told to answer with status {status}.");
            let mut body = ErrorBody::new(status, message);
            if let Some(code) = code.or((status == 429).then(|| "rate_limit_exceeded".to_owned())) {
                body = body.code(code);
            }
            let kind = [("content-type".to_owned(), "application/json".to_owned())];
            reply::http(status, body.to_json(), kind.into_iter().chain(headers).collect())
        }
        Ok(Some(kind)) => {
            let response = next.run(request).await;
            // A request that is refused has its error already.
            if response.status() != StatusCode::OK {
                return Ok(response);
            }
            Ok(spoil(kind, response, shared).await)
        }
    }
}

async fn spoil(kind: Kind, response: Response, shared: Arc<Shared>) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let content_type = parts.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let streamed = content_type.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
    let whole = body.into_data_stream().map(|piece| piece.map_err(io::Error::other)).boxed();
    let chunks = |whole| if streamed { whole } else { cut(whole, CHUNK) };
    let pieces = match kind {
        Kind::Status { .. } => whole,
        Kind::ContentType(kind) => {
            parts.headers.insert(CONTENT_TYPE, kind);
            whole
        }
        Kind::Truncate { after, reset: false } => chunks(whole).take(after).boxed(),
        Kind::Truncate { after, reset: true } => chunks(whole).take(after).chain(broken()).boxed(),
        Kind::Stall { after } => stalled(chunks(whole), after, shared),
        Kind::Garbage { after } => {
            let garbage = if streamed { "data: {\"choices\":[{\"delta\":{\"content\n\n" } else { "\u{0}{[" };
            before(chunks(whole), after, Bytes::from_static(garbage.as_bytes()))
        }
        Kind::Error { after, code } => {
            let message = "The server had an error while processing your request. Sorry about that!";
            let mut error = ErrorBody::new(500, message);
            if let Some(code) = code {
                error = error.code(code);
            }
            let error = error.to_json();
            match streamed {
                true => whole.take(after).chain(one(format!("data: {error}\n\n"))).boxed(),
                // Half an answer with an error in it is garbage: this one is nothing but the error.
                false => one(error).boxed(),
            }
        }
        // Each piece is flushed while the next one waits for its turn.
        Kind::Split { bytes } => cut(whole, bytes)
            .then(async |piece| {
                tokio::task::yield_now().await;
                piece
            })
            .boxed(),
        Kind::Slow(delay) if streamed => {
            let late = stream::once(async move { shared.pause(delay).await }).filter_map(async |()| None);
            late.chain(whole).boxed()
        }
        Kind::Slow(delay) => {
            shared.pause(delay).await;
            whole
        }
        Kind::Duplicate(double) => {
            let mut first = None;
            whole.map(move |piece| piece.map(|piece| duplicate(double, &mut first, piece))).boxed()
        }
    };
    Response::from_parts(parts, Body::from_stream(pieces))
}

fn one(text: String) -> impl futures::Stream<Item = Piece> + Send + 'static {
    stream::once(async move { Ok(Bytes::from(text)) })
}

/// Ends the connection in the middle of the body. What was sent before is flushed first.
fn broken() -> impl futures::Stream<Item = Piece> + Send + 'static {
    stream::once(async {
        tokio::task::yield_now().await;
        Err(io::ErrorKind::ConnectionReset.into())
    })
}

/// Cuts into pieces of so many bytes.
fn cut(pieces: BoxStream<'static, Piece>, bytes: usize) -> BoxStream<'static, Piece> {
    let cut = move |piece: Piece| match piece {
        Ok(whole) => whole.chunks(bytes).map(|part| Ok(whole.slice_ref(part))).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    };
    pieces.flat_map(move |piece| stream::iter(cut(piece))).boxed()
}

/// Puts `inserted` in front of the piece at this place.
fn before(pieces: BoxStream<'static, Piece>, place: usize, inserted: Bytes) -> BoxStream<'static, Piece> {
    let with = move |(index, piece)| {
        let inserted = (index == place).then(|| Ok(inserted.clone()));
        stream::iter(inserted.into_iter().chain([piece]))
    };
    pieces.enumerate().flat_map(with).boxed()
}

/// Sends so many pieces and then nothing until the client leaves or the server stops. It keeps the rest, so that the
/// stream counts as open.
fn stalled(
    pieces: BoxStream<'static, Piece>,
    after: usize,
    shared: Arc<Shared>,
) -> BoxStream<'static, Piece> {
    let step = |(mut pieces, left, shared): (BoxStream<'static, Piece>, usize, Arc<Shared>)| async move {
        if left == 0 {
            _ = shared.stopping.subscribe().wait_for(|stopping| *stopping).await;
            return Some((Err(io::ErrorKind::ConnectionReset.into()), (stream::empty().boxed(), 1, shared)));
        }
        let piece = pieces.next().await?;
        Some((piece, (pieces, left - 1, shared)))
    };
    stream::unfold((pieces, after, shared), step).boxed()
}

/// Gives every call in an event, or in an answer, the index 0 or the id of the first one.
fn duplicate(double: Double, first: &mut Option<Value>, piece: Bytes) -> Bytes {
    let text = String::from_utf8_lossy(&piece);
    let (start, json) = text.strip_prefix("data: ").map_or(("", &*text), |json| ("data: ", json));
    let Ok(mut answer) = serde_json::from_str::<Value>(json) else { return piece };
    let choices = answer.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten();
    let messages = choices.flat_map(|choice| choice.as_object_mut()).flat_map(|choice| choice.values_mut());
    let calls = messages.filter_map(|message| message.get_mut("tool_calls")?.as_array_mut()).flatten();
    for call in calls {
        match double {
            Double::Index => {
                if let Some(index) = call.get_mut("index") {
                    *index = 0.into();
                }
            }
            Double::Id => {
                if let Some(id) = call.get_mut("id") {
                    *id = first.get_or_insert_with(|| id.clone()).clone();
                }
            }
        }
    }
    let end = if start.is_empty() { "" } else { "\n\n" };
    Bytes::from(format!("{start}{answer}{end}"))
}
