//! Sends requests over WebSockets: the connections of a backend, and what the server knows on each of them.

mod pool;

use std::future::poll_fn;
use std::sync::Arc;

use futures::StreamExt;
use tachikoma_backends_core::{CompletionChunk, CompletionRequest, CompletionResponse, ErrorCategory};
use tokio::time::Instant;

pub(super) use self::pool::Pool;
use self::pool::ReservedLane;
use super::CodexBackend;
use super::chain::Conversation;
use super::exchange::{ChunkStream, warn};
use super::observer::CallObserver;
use super::prepare::PreparedRequest;
use super::server_state::StoredTurn;
use crate::CodexError;
use crate::api::websocket;
use crate::config::WebSocket;
use crate::runtime::decoder::Decoder;
use crate::runtime::transport::timeout::Timeout;
use crate::runtime::websocket::WebSocketSource;
use crate::runtime::{Reliability, stream};
use crate::server::ERRORS;
use crate::target::WireApi;

/// The most attempts for one request.
const MAX_ATTEMPTS: usize = 3;

/// Fields of `extra` with which the caller continues responses, or that WebSockets do not have.
const HTTP_ONLY: &[&str] = &["background", "conversation", "previous_response_id", "stream_options"];

/// How a request goes to the server.
pub(super) enum Route<T> {
    /// Over a WebSocket, with its response.
    WebSocket(Box<T>),
    Http(Box<CompletionRequest>),
}

/// A response that has begun.
pub(super) struct OpenResponse {
    source: WebSocketSource,
    decoder: Box<dyn Decoder + Send>,
    turn: OpenTurn,
}

/// The lane of a response in progress. Dropped before the end of that, its conversation is forgotten.
struct OpenTurn {
    lane: ReservedLane,
    memory: Memory,
}

/// What remembers a conversation: the lane, or the server in its store.
enum Memory {
    Lane(Box<Conversation>),
    Store(Box<StoredTurn>),
}

impl Memory {
    /// The conversation that a lane may know.
    fn of_lane(&self) -> Option<&Conversation> {
        match self {
            Self::Lane(conversation) => Some(conversation),
            Self::Store(_) => None,
        }
    }

    fn into_request(self) -> CompletionRequest {
        match self {
            Self::Lane(conversation) => conversation.into_request(),
            Self::Store(turn) => turn.into_request(),
        }
    }
}

impl OpenTurn {
    /// After a whole response the lane serves the next turn.
    fn end<E>(self, last: &Result<CompletionChunk, E>) {
        let Self { lane, memory } = self;
        match (memory, last) {
            (Memory::Lane(conversation), Ok(last)) => lane.end(conversation.into_chain(last)),
            (Memory::Store(turn), last) => {
                turn.end(|conversation| conversation.into_chain(last.as_ref().ok()?))
            }
            (Memory::Lane(_), Err(_)) => {}
        }
    }
}

impl OpenResponse {
    /// The response as a stream.
    pub(super) fn into_stream<E: From<CodexError> + Send + 'static>(
        self,
        limits: &Reliability,
        observer: CallObserver,
    ) -> ChunkStream<E> {
        let Self { source, decoder, turn } = self;
        let chunks = stream::chunks(source, decoder, limits, observer);
        // The last item ends the turn.
        Box::pin(futures::stream::unfold((chunks, Some(turn)), |(mut chunks, mut turn)| async move {
            let item = chunks.next().await?;
            if item.as_ref().map_or(true, |chunk: &CompletionChunk| chunk.is_final)
                && let Some(turn) = turn.take()
            {
                turn.end(&item);
            }
            Some((item, (chunks, turn)))
        }))
    }

    /// The whole response.
    ///
    /// # Errors
    /// It is an error, or the connection breaks.
    pub(super) async fn read(
        self,
        limits: &Reliability,
        observer: CallObserver,
    ) -> Result<CompletionResponse, CodexError> {
        let mut chunks = self.into_stream::<CodexError>(limits, observer);
        let mut received = Vec::new();
        while let Some(chunk) = chunks.next().await {
            received.push(chunk?);
        }
        Ok(CompletionResponse::from_chunks(received))
    }
}

/// What an attempt over a connection came to.
enum Attempt {
    Open(WebSocketSource, Box<PreparedRequest>, ReservedLane),
    /// Nothing of a response has come: once more, in this lane if there is one, else over a new connection.
    Again(Option<ReservedLane>),
    /// Over HTTP, with this many retries if some have been used up.
    Http(Option<u32>),
}

impl CodexBackend {
    /// Opens a WebSocket and lets the server prepare this conversation, which generates nothing: the first request that begins with
    /// it then has a shorter wait, and so have others beside it. Returns whether the server did; it does not where such requests
    /// go over HTTP.
    ///
    /// # Errors
    /// The request would be refused, or the server rejects it.
    pub async fn warm_up(&self, request: &CompletionRequest) -> Result<bool, CodexError> {
        if !self.uses_websocket(request) {
            return Ok(false);
        }
        let origin = self.target(request, false).state_origin;
        let mut conversation = Conversation::new(request.clone(), origin);
        let prepared = self.prepare_conversation(&mut conversation, None, false)?;
        let Some(mut lane) = self.lane(None, None).await? else { return Ok(false) };
        let mut source = lane.request(&prepared.body, true);
        let limit = self.config.reliability().response_timeout;
        let first = source.first(limit).await?;
        if let Some(error) = websocket::error(first) {
            return Err(self.transport.redactor().error(error));
        }
        lane.begin(Some(first));
        let id = websocket::response_id(first);
        let rest = async { while poll_fn(|context| source.poll_rest(context)).await {} };
        Timeout::Response.limit(limit, rest).await?;
        lane.end(id.map(|id| conversation.into_warm_chain(id)));
        Ok(true)
    }

    /// Whether this request may go over a WebSocket now.
    pub(super) fn uses_websocket(&self, request: &CompletionRequest) -> bool {
        let is_wanted = match self.config.websocket() {
            WebSocket::Off => return false,
            WebSocket::Auto => self.server.is_official() && self.server.query().is_none(),
            WebSocket::Always => true,
        };
        // Over HTTP such a stream goes on after its connection has broken.
        let is_resumable = self.config.resume() && request.store == Some(true);
        is_wanted
            && !is_resumable
            && self.config.recorder().is_none()
            && self.api_for(request).api == WireApi::Responses
            && !HTTP_ONLY.iter().any(|field| request.extra.contains_key(*field))
            && !self.websockets.has_failed()
    }

    /// Sends a request over a WebSocket and waits for the beginning of its response, if it goes that way. Where the server does not
    /// know what it was taken to know, nothing of a response has come, and the whole request is sent.
    ///
    /// # Errors
    /// The request cannot succeed, or the server rejects it.
    pub(super) async fn open_websocket(
        &self,
        request: CompletionRequest,
    ) -> Result<Route<OpenResponse>, CodexError> {
        let mut max_retries = request.max_retries;
        let mut memory = match self.keeps_state(&request) {
            true => Memory::Store(Box::new(self.stored_turn(request, false))),
            false => {
                let origin = self.target(&request, false).state_origin;
                Memory::Lane(Box::new(Conversation::new(request, origin)))
            }
        };
        let mut lane = self.lane(memory.of_lane(), None).await?;
        for _ in 0..MAX_ATTEMPTS {
            let Some(reserved) = lane else { break };
            let begun = Instant::now();
            match self.attempt(reserved, &mut memory, max_retries).await? {
                Attempt::Open(source, prepared, lane) => {
                    let PreparedRequest { protocol, context, .. } = *prepared;
                    let decoder = protocol.decoder(context);
                    let turn = OpenTurn { lane, memory };
                    return Ok(Route::WebSocket(Box::new(OpenResponse { source, decoder, turn })));
                }
                Attempt::Again(again @ Some(_)) => lane = again,
                Attempt::Again(None) => lane = self.lane(memory.of_lane(), Some(begun)).await?,
                Attempt::Http(retries) => {
                    max_retries = retries.or(max_retries);
                    break;
                }
            }
        }
        let mut request = memory.into_request();
        request.max_retries = max_retries;
        Ok(Route::Http(Box::new(request)))
    }

    /// The whole response to a request, within the total timeout.
    ///
    /// # Errors
    /// As [`open_websocket`](Self::open_websocket), or the response is an error or does not end.
    pub(super) async fn respond_over_websocket(
        &self,
        request: CompletionRequest,
    ) -> Result<Route<CompletionResponse>, CodexError> {
        if !self.uses_websocket(&request) {
            return Ok(Route::Http(Box::new(request)));
        }
        let limits = self.config.reliability();
        let respond = async {
            Ok(match self.open_websocket(request).await? {
                Route::WebSocket(open) => {
                    // The caller observes the whole response.
                    let observer = CallObserver::new(None, Arc::clone(&self.unknown_fields));
                    Route::WebSocket(Box::new(open.read(limits, observer).await?))
                }
                Route::Http(request) => Route::Http(request),
            })
        };
        self.within_total(respond).await
    }

    async fn attempt(
        &self,
        mut lane: ReservedLane,
        memory: &mut Memory,
        max_retries: Option<u32>,
    ) -> Result<Attempt, CodexError> {
        let prepared = match memory {
            Memory::Lane(conversation) => {
                self.prepare_conversation(conversation, lane.continuation.as_ref(), false)?
            }
            Memory::Store(turn) => self.prepare_stored(turn, false)?,
        };
        let mut reservation = self.transport.reserve(prepared.load.as_ref()).await?;
        if let Some(reservation) = &mut reservation {
            reservation.sent();
        }
        let mut source = lane.request(&prepared.body, false);
        let error = match source.first(self.config.reliability().response_timeout).await {
            Ok(first) => {
                let error = websocket::error(first);
                lane.begin(error.is_none().then_some(first));
                error
            }
            // The server may be generating: it is sent again only where a request over HTTP would be.
            Err(error) if error.is_timeout() => {
                let retries = self.transport.wait_to_retry(error, max_retries).await?;
                return Ok(Attempt::Http(Some(retries)));
            }
            Err(error) if lane.is_new => {
                self.fail(&error);
                return Ok(Attempt::Http(None));
            }
            // The server had closed it meanwhile.
            Err(_) => return Ok(Attempt::Again(None)),
        };
        if let (Some(reservation), Some(error)) = (&mut reservation, &error)
            && error.category() == ErrorCategory::RateLimit
        {
            reservation.reject(error.details().retry_after);
        }
        let Some(error) = error else {
            warn(&prepared.warnings, &prepared.target);
            return Ok(Attempt::Open(source, Box::new(prepared), lane));
        };
        let is_missing = match memory {
            Memory::Lane(_) => lane.is_missing(&error),
            Memory::Store(turn) => turn.is_missing(&error),
        };
        if is_missing || lane.is_unsupported(&error) {
            return Ok(Attempt::Again(Some(lane)));
        }
        if error.code() == Some(websocket::CONNECTION_LIMIT_REACHED) {
            return Ok(Attempt::Again(None));
        }
        drop((source, lane));
        // HTTP has new tokens, and the way to go on without the state. It also decides about requests that are invalid over a
        // WebSocket, which has further rules, such as one response at a time.
        let is_invalid = matches!(error.category(), ErrorCategory::InvalidRequest | ErrorCategory::NotFound);
        if is_invalid || error.status() == Some(401) || ERRORS.is_stale_state(&error) {
            return Ok(Attempt::Http(None));
        }
        let error = self.transport.redactor().error(error);
        let retries = self.transport.wait_to_retry(error, max_retries).await?;
        Ok(Attempt::Http(Some(retries)))
    }

    /// A lane for a request: one that knows the beginning of this conversation, or any, of a connection that was opened after `since`
    /// if that is set. `None` if the server opens no connection.
    async fn lane(
        &self,
        known: Option<&Conversation>,
        since: Option<Instant>,
    ) -> Result<Option<ReservedLane>, CodexError> {
        if let lane @ Some(_) = self.websockets.reserve(known, since) {
            return Ok(lane);
        }
        // Another request may open a connection, or fail to.
        let opening = self.websockets.opening().await;
        if self.websockets.has_failed() {
            return Ok(None);
        }
        if let lane @ Some(_) = self.websockets.reserve(known, since) {
            return Ok(lane);
        }
        let base = self.server.base(None)?;
        let path = WireApi::Responses.protocol().path();
        let connection = self.transport.open_websocket(&base, path, websocket::message_head).await;
        let connection = connection.inspect_err(|error| self.fail(error)).ok();
        Ok(connection.and_then(|connection| self.websockets.add(connection, opening)))
    }

    fn fail(&self, error: &CodexError) {
        tracing::warn!(%error, "no response over a WebSocket: requests go over HTTP for a while");
        self.websockets.set_failed();
    }
}
