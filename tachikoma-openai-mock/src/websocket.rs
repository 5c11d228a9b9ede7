//! `GET /v1/responses`: the Responses API over a WebSocket.

mod lane;
mod message;
mod reply;
mod session;

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::errors::ApiError;
use crate::fault::inject::HEADER;
use crate::idle::Requests;
use crate::record::RecordedRequest;
use crate::routes::method_not_allowed;
use crate::server::Shared;
use session::Session;

/// A mark of a request: its WebSocket is opened, and then nothing is ever sent.
#[derive(Clone, Copy)]
pub(crate) struct HalfOpen;

/// A server's end of a WebSocket.
type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether a request wants to become a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens a WebSocket. Any other `GET` is a method that does not exist here.
pub(crate) async fn upgrade(State(shared): State<Arc<Shared>>, mut request: Request) -> Response {
    if !is_upgrade(request.headers()) {
        return method_not_allowed(request.method().clone(), request.uri().clone()).await.into_response();
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let own_fault =
        parts.headers.get(HEADER).map(|spec| String::from_utf8_lossy(spec.as_bytes()).into_owned());
    let record = RecordedRequest::new(&parts, &axum::body::Bytes::new());
    let is_half_open = parts.extensions.get::<HalfOpen>().is_some();
    // Nothing has happened on a silent WebSocket, yet it is not idle.
    let active = parts.extensions.get::<ConnectInfo<Requests>>().map(|requests| requests.0.begin());
    let response = match create_response(&Request::from_parts(parts, ())) {
        Ok(response) => response.map(|()| axum::body::Body::empty()),
        Err(error) => {
            return ApiError::invalid(format!("The upgrade is not valid: {error}.")).into_response();
        }
    };
    tokio::spawn(async move {
        let open = OpenWebSocket::new(Arc::clone(&shared));
        if is_half_open {
            stay_silent(upgrade, &shared).await;
        } else if let Ok(socket) = accept(upgrade, &shared).await {
            Session::new(shared, record, own_fault).run(socket).await;
        }
        drop((open, active));
    });
    response
}

async fn accept(upgrade: OnUpgrade, shared: &Shared) -> hyper::Result<Socket> {
    let limit = Some(shared.config.body_limit);
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let io = TokioIo::new(upgrade.await?);
    Ok(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await)
}

/// Reads without an answer, so that the end of the connection is noticed.
async fn stay_silent(upgrade: OnUpgrade, shared: &Shared) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut stopping = shared.stopping.subscribe();
    let mut io = TokioIo::new(upgraded);
    let mut sink = tokio::io::sink();
    tokio::select! {
        _ = tokio::io::copy(&mut io, &mut sink) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

/// One of the WebSockets that are open.
struct OpenWebSocket(Arc<Shared>);

impl OpenWebSocket {
    fn new(shared: Arc<Shared>) -> Self {
        shared.counters.websocket_opened();
        shared.open_websockets.send_modify(|open| *open += 1);
        Self(shared)
    }
}

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        self.0.counters.websocket_closed();
        self.0.open_websockets.send_modify(|open| *open -= 1);
    }
}
