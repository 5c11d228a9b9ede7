//! One connection: it receives requests, runs their lanes side by side and sends their events.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};

use super::Socket;
use super::lane::{LaneName, Lanes, busy};
use super::message::{CreateEvent, parse};
use super::reply::{LaneReply, Step};
use crate::errors::{ApiError, to_message};
use crate::fault::inject::on_purpose;
use crate::fault::{Kind, Target};
use crate::rate_limit::Admission;
use crate::record::RecordedRequest;
use crate::reply::{Delivery, Headers};
use crate::responses::{self, Outcome, events, previous_not_found};
use crate::server::Shared;
use crate::store::StoredResponse;
use crate::stream::{CutByServer, EventStream};

/// How long the server waits for the end of a closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The state of one connection.
pub(super) struct Session {
    shared: Arc<Shared>,
    /// The upgrade, which each message is recorded with.
    upgrade: RecordedRequest,
    /// The fault in the header of the upgrade.
    own_fault: Option<String>,
    lanes: Lanes,
    replies: SelectAll<BoxStream<'static, (LaneName, Step)>>,
    /// Set once the server itself ends the connection.
    cut: CutByServer,
}

/// A request that gets no response.
enum Refusal {
    /// The turn has failed: its lane loses its memory.
    Failed(String),
    /// The request was not looked at.
    Ignored(String),
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, upgrade: RecordedRequest, own_fault: Option<String>) -> Self {
        let (lanes, replies, cut) = (Lanes::default(), SelectAll::new(), CutByServer::default());
        Self { shared, upgrade, own_fault, lanes, replies, cut }
    }

    /// Serves the connection until one side ends it.
    pub(super) async fn run(mut self, mut socket: Socket) {
        let mut stopping = self.shared.stopping.subscribe();
        loop {
            let is_free = self.replies.is_empty();
            let outcome = tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.receive(&mut socket, &text).await,
                    Some(Ok(Message::Binary(_))) => {
                        let error = ApiError::invalid("Only text messages are supported.");
                        send(&mut socket, error.to_message(None)).await
                    }
                    // Pings are answered, and a close frame is returned, by the library.
                    Some(Ok(_)) => Ok(()),
                    Some(Err(error)) => Err(error),
                    None => return,
                },
                next = self.replies.next(), if !is_free => match next {
                    Some((_, Step::Close { reset })) => {
                        self.cut.set();
                        if !reset {
                            close(socket).await;
                        }
                        return;
                    }
                    Some((lane, step)) => self.step(&mut socket, &lane, step).await,
                    // The last response has ended.
                    None => Ok(()),
                },
                () = async { _ = stopping.wait_for(|stopping| *stopping).await }, if is_free => {
                    return close(socket).await;
                }
            };
            if outcome.is_err() {
                return;
            }
        }
    }

    async fn receive(&mut self, socket: &mut Socket, text: &str) -> tungstenite::Result<()> {
        self.shared.counters.received(text.len());
        if self.shared.config.recording {
            self.shared.record(self.upgrade.message(text), text.len());
        }
        if self.shared.config.log {
            eprintln!("WEBSOCKET {} {} bytes", self.upgrade.path, text.len());
        }
        let event = match parse(text, self.shared.config.schema_check) {
            Ok(event) => event,
            Err((stream_id, error)) => return send(socket, error.to_message(stream_id.as_deref())).await,
        };
        let stream_id = event.stream_id.clone();
        match self.lanes.admit(event) {
            Ok(Some(event)) => self.begin(socket, event).await,
            Ok(None) => Ok(()),
            Err(error) => send(socket, error.to_message(stream_id.as_deref())).await,
        }
    }

    async fn step(&mut self, socket: &mut Socket, lane: &LaneName, step: Step) -> tungstenite::Result<()> {
        match step {
            Step::Send(text) => send(socket, text).await,
            Step::SendInFrames(text, bytes) => send_in_frames(socket, &text, bytes).await,
            Step::Ping => socket.send(Message::Ping(Default::default())).await,
            Step::Close { .. } => Ok(()),
            Step::End(response) => {
                match response {
                    Some(response) if !response.exchange.has_failed() => {
                        let StoredResponse { exchange, chain, .. } = &*response;
                        self.lanes.remember(lane, exchange.id.clone(), chain.clone());
                    }
                    _ => self.lanes.forget(lane),
                }
                match self.lanes.next(lane) {
                    Some(next) => self.begin(socket, next).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Begins a request of a lane that is free, and those behind it while each is refused.
    async fn begin(&mut self, socket: &mut Socket, event: CreateEvent) -> tungstenite::Result<()> {
        let mut next = Some(event);
        while let Some(event) = next {
            let lane = event.stream_id.clone();
            let error = match self.start(event) {
                Ok(()) => return Ok(()),
                Err(Refusal::Failed(error)) => {
                    self.lanes.forget(&lane);
                    error
                }
                Err(Refusal::Ignored(error)) => error,
            };
            send(socket, error).await?;
            next = self.lanes.next(&lane);
        }
        Ok(())
    }

    fn start(&mut self, event: CreateEvent) -> Result<(), Refusal> {
        let CreateEvent { stream_id, generates, previous_response_id, body } = event;
        let lane = stream_id.as_deref();
        let failed = |error: ApiError| Refusal::Failed(error.to_message(lane));
        let target = Target::Message { is_continuation: previous_response_id.is_some() };
        let fault = self.shared.next_fault(self.own_fault.as_deref(), target);
        let fault = match fault.map_err(|error| failed(ApiError::invalid(error.to_string())))? {
            Some(Kind::Status { status, code, headers }) => {
                let error = to_message(Some(status), on_purpose(status, code), headers, lane);
                return Err(Refusal::Failed(error));
            }
            Some(Kind::PreviousNotFound) => {
                return Err(failed(previous_not_found(&previous_response_id.unwrap_or_default())));
            }
            Some(Kind::Busy) => return Err(Refusal::Ignored(busy().to_message(lane))),
            fault => fault,
        };
        if let Some(Admission { headers, refusal: Some(refusal) }) = self.shared.admit(&body) {
            return Err(Refusal::Ignored(refusal.to_message_with(headers, lane)));
        }
        let memory = |id: &str| self.lanes.memory(id);
        let (response, delivery) = match generates {
            true => match responses::run(&self.shared, &body, memory).map_err(failed)? {
                Outcome::Response(response, delivery) => (response, delivery),
                Outcome::Http { status, body, delivery } => {
                    return Err(Refusal::Failed(scripted(status, &body, delivery.headers, lane)));
                }
            },
            false => (responses::warm_up(&self.shared, &body, memory).map_err(failed)?, Delivery::default()),
        };
        responses::store(&self.shared, &response);
        let shared = Arc::clone(&self.shared);
        let events = events(&response.exchange);
        let mut events = match generates {
            true => EventStream::billed(shared, events),
            false => EventStream::new(shared, events),
        };
        events = events.paced(&delivery);
        events.cut = self.cut.clone();
        let fault = fault.or(delivery.fault);
        let reply = LaneReply::new(stream_id, Arc::clone(&self.shared), response, events, fault);
        let steps = stream::unfold(reply, |mut reply| async move {
            let step = reply.next().await?;
            Some(((reply.lane.clone(), step), reply))
        });
        self.replies.push(steps.boxed());
        Ok(())
    }
}

/// A scripted HTTP response over a WebSocket: the error in its body, or the body as the error's message.
fn scripted(status: u16, body: &str, headers: Headers, lane: Option<&str>) -> String {
    let mut parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let error = match parsed.get_mut("error") {
        Some(error) => error.take(),
        None => json!({"type": "server_error", "code": null, "message": body, "param": null}),
    };
    // The message is JSON, whatever the script's body is.
    let headers = headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    to_message(Some(status), error, headers, lane)
}

async fn send(socket: &mut Socket, text: String) -> tungstenite::Result<()> {
    socket.send(Message::text(text)).await
}

async fn send_in_frames(socket: &mut Socket, text: &str, bytes: usize) -> tungstenite::Result<()> {
    let pieces = text.as_bytes().chunks(bytes);
    let last = pieces.len().saturating_sub(1);
    for (number, piece) in pieces.enumerate() {
        let kind = if number == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), number == last);
        socket.send(Message::Frame(frame)).await?;
    }
    Ok(())
}

/// Ends the connection by a closing handshake.
async fn close(mut socket: Socket) {
    let frame = CloseFrame { code: CloseCode::Away, reason: Default::default() };
    let handshake = async {
        socket.close(Some(frame)).await?;
        while let Some(message) = socket.next().await {
            message?;
        }
        Ok::<_, tungstenite::Error>(())
    };
    _ = tokio::time::timeout(CLOSE_TIMEOUT, handshake).await;
}
