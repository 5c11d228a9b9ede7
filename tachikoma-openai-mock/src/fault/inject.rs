//! Injects the fault: in place of the response, or in its body.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::Response;
use futures::stream::{self, BoxStream, StreamExt};

use super::{Kind, Target, duplicate};
use crate::errors::{ApiError, ErrorBody};
use crate::reply::{self, Delivery, Headers, ScriptedFault};
use crate::responses::previous_not_found;
use crate::server::Shared;
use crate::stream::CutByServer;
use crate::websocket;

/// The header in which a request names its own fault.
pub(crate) const HEADER: &str = "x-mock-fault";

/// Whether a request names a response that it continues.
#[derive(Clone, Copy)]
pub(crate) struct IsContinuation(pub(crate) bool);

/// The bytes of a chunk, if the response is not a stream.
const CHUNK: usize = 64;

type Piece = Result<Bytes, io::Error>;

pub(crate) async fn inject(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let target = match request.extensions().get::<IsContinuation>() {
        _ if websocket::is_upgrade(request.headers()) => Target::Upgrade,
        is_continuation => {
            Target::Http { is_continuation: is_continuation.is_some_and(|continuation| continuation.0) }
        }
    };
    let own = request.headers().get(HEADER).map(|spec| String::from_utf8_lossy(spec.as_bytes()).into_owned());
    match shared.next_fault(own.as_deref(), target) {
        Err(error) => Err(ApiError::invalid(format!("{HEADER}: {error}.")).param(HEADER)),
        Ok(Some(Kind::Status { status, code, headers })) => {
            in_place(&shared, status, on_purpose(status, code).to_json(), headers).await
        }
        Ok(Some(Kind::Refuse { status, headers })) => {
            let body = if status == 200 { "{}".to_owned() } else { on_purpose(status, None).to_json() };
            in_place(&shared, status, body, headers).await
        }
        Ok(Some(Kind::PreviousNotFound)) => Err(previous_not_found("of this request")),
        Ok(Some(Kind::HalfOpen)) => {
            request.extensions_mut().insert(websocket::HalfOpen);
            Ok(next.run(request).await)
        }
        Ok(fault) => {
            // Below every prefix, Azure's and that of an application which nests the router.
            let responses = request.uri().path().ends_with("/responses");
            let mut response = next.run(request).await;
            if let Some(ScriptedFault(kind)) = response.extensions_mut().remove() {
                response = apply(kind, response, responses, Arc::clone(&shared)).await;
            }
            match fault {
                // A refused request has its error already.
                Some(kind) if response.status() == StatusCode::OK => {
                    Ok(apply(kind, response, responses, shared).await)
                }
                _ => Ok(response),
            }
        }
    }
}

/// The response of a fault that takes the place of one.
async fn in_place(
    shared: &Shared,
    status: u16,
    body: String,
    headers: Headers,
) -> Result<Response, ApiError> {
    let kind = ("content-type".to_owned(), "application/json".to_owned());
    let headers = std::iter::once(kind).chain(headers).collect();
    reply::http(shared, status, body, Delivery { headers, ..Delivery::default() }).await
}

/// The error of a fault with this status.
pub(crate) fn on_purpose(status: u16, code: Option<String>) -> ErrorBody {
    let body = ErrorBody::new(status, format!("The mock returns status {status} on purpose."));
    match code.or((status == 429).then(|| "rate_limit_exceeded".to_owned())) {
        Some(code) => body.code(code),
        None => body,
    }
}

/// The error of a fault in the middle of a response.
pub(crate) fn in_the_middle(code: Option<String>) -> ErrorBody {
    let message = "The server had an error while processing your request. Sorry about that!";
    let error = ErrorBody::new(500, message);
    match code {
        Some(code) => error.code(code),
        None => error,
    }
}

/// Changes the response; `responses` is whether its events are those of the Responses API.
async fn apply(kind: Kind, response: Response, responses: bool, shared: Arc<Shared>) -> Response {
    let (mut parts, body) = response.into_parts();
    if let (Kind::Truncate { .. } | Kind::Error { .. }, Some(cut)) =
        (&kind, parts.extensions.get::<CutByServer>())
    {
        cut.set();
    }
    parts.headers.remove(CONTENT_LENGTH);
    let content_type = parts.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let streamed = content_type.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
    let whole = body.into_data_stream().map(|piece| piece.map_err(io::Error::other)).boxed();
    let chunks = |whole| if streamed { whole } else { cut(whole, CHUNK) };
    let pieces = match kind {
        // Those that take the response's place, and those of a WebSocket.
        Kind::Status { .. }
        | Kind::PreviousNotFound
        | Kind::Refuse { .. }
        | Kind::HalfOpen
        | Kind::ConnectionLimit { .. }
        | Kind::Busy => whole,
        Kind::ContentType(kind) => {
            parts.headers.insert(CONTENT_TYPE, kind);
            whole
        }
        Kind::Truncate { after, reset, bytes } => {
            let pieces = if bytes { cut(whole, 1) } else { chunks(whole) };
            match reset {
                false => pieces.take(after).boxed(),
                true => pieces.take(after).chain(broken()).boxed(),
            }
        }
        Kind::Stall { after, pings: _ } => stalled(chunks(whole), after, shared),
        Kind::Garbage { after } => {
            let garbage = match (streamed, responses) {
                (true, true) => {
                    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text\n\n"
                }
                (true, false) => "data: {\"choices\":[{\"delta\":{\"content\n\n",
                (false, _) => "\u{0}{[",
            };
            before(chunks(whole), after, Bytes::from_static(garbage.as_bytes()))
        }
        Kind::Error { after, code } => {
            let error = in_the_middle(code);
            match streamed {
                true if responses => {
                    let event = error.to_event(after);
                    whole.take(after).chain(one(format!("event: error\ndata: {event}\n\n"))).boxed()
                }
                true => whole.take(after).chain(one(format!("data: {}\n\n", error.to_json()))).boxed(),
                // Half a response with an error in it is garbage: this one is nothing but the error.
                false => one(error.to_json()).boxed(),
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
        Kind::Duplicate(field) => {
            let mut first = None;
            whole.map(move |piece| piece.map(|piece| duplicate::calls(field, &mut first, piece))).boxed()
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

/// Cuts into pieces of this many bytes.
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

/// Sends this many pieces and then nothing until the client leaves or the server stops. It keeps the rest, so that the
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
