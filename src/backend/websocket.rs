//! Sends requests over WebSockets: the connections of a backend, and what the server knows on each of them.

mod chain;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tachikoma_backends_core::{CompletionChunk, CompletionRequest, CompletionResponse, ErrorCategory};
use tokio::time::Instant;

use self::chain::{Chain, Conversation};
use super::CodexBackend;
use super::exchange::{ChunkStream, warn};
use super::observer::CallObserver;
use super::prepare::PreparedRequest;
use crate::CodexError;
use crate::api::websocket;
use crate::config::WebSocket;
use crate::runtime::decoder::Decoder;
use crate::runtime::transport::timeout::Timeout;
use crate::runtime::websocket::{WebSocketConnection, WebSocketSource};
use crate::runtime::{Reliability, stream};
use crate::server::ERRORS;
use crate::target::WireApi;
use crate::tokens;

/// The age at which an idle connection is replaced. The server closes it at 60 minutes.
const MAX_AGE: Duration = Duration::from_secs(55 * 60);

/// How long requests go over HTTP after a WebSocket has failed.
const RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// The most attempts for one request.
const MAX_ATTEMPTS: usize = 3;

/// The most connections that wait for another request.
const MAX_IDLE: usize = 16;

/// Fields of `extra` with which the caller continues responses, or that WebSockets do not have.
const HTTP_ONLY: &[&str] = &["background", "conversation", "previous_response_id", "stream_options"];

/// The WebSockets of a backend.
#[derive(Debug, Default)]
pub(super) struct WebSockets {
    idle: Mutex<Vec<IdleConnection>>,
    /// The end of the time in which requests go over HTTP.
    failed_until: Mutex<Option<Instant>>,
}

/// A connection without a response in progress, and what its server knows.
#[derive(Debug)]
struct IdleConnection {
    connection: WebSocketConnection,
    chain: Option<Chain>,
}

impl WebSockets {
    fn has_failed(&self) -> bool {
        let until = *self.failed_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn set_failed(&self) {
        let until = Instant::now().checked_add(RETRY_AFTER);
        *self.failed_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// The idle connection whose server knows the beginning of this request, else any.
    fn take(&self, conversation: &Conversation, origin: &str) -> Option<IdleConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.connection.is_open() && idle.connection.age() < MAX_AGE);
        let continues = |idle: &IdleConnection| {
            idle.chain.as_ref().is_some_and(|chain| chain.known_messages(conversation, origin).is_some())
        };
        // Chains of other conversations are left alone as long as a new connection can be opened.
        let index =
            idle.iter().rposition(continues).or_else(|| idle.iter().rposition(|idle| idle.chain.is_none()));
        let index = index.or((idle.len() >= MAX_IDLE).then_some(0));
        index.map(|index| idle.remove(index))
    }

    /// Keeps a connection for other requests, in place of the one that has waited for longest if there are too many.
    fn put_back(&self, connection: WebSocketConnection, chain: Option<Chain>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_open() {
            return;
        }
        if idle.len() >= MAX_IDLE {
            idle.remove(0);
        }
        idle.push(IdleConnection { connection, chain });
    }
}

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

/// A connection with a response in progress. Dropped before the end of that, it closes.
struct OpenTurn {
    sockets: Arc<WebSockets>,
    connection: WebSocketConnection,
    conversation: Conversation,
}

impl OpenTurn {
    /// After a whole response the connection serves others.
    fn end<E>(self, last: &Result<CompletionChunk, E>) {
        let Self { sockets, connection, conversation } = self;
        if let Ok(last) = last {
            sockets.put_back(connection, conversation.into_chain(last));
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
    Open(WebSocketSource, Box<PreparedRequest>, WebSocketConnection),
    /// Nothing of a response has come: once more, on this connection if there is one.
    Again(Option<WebSocketConnection>),
    /// Over HTTP, with this many retries if some have been used up.
    Http(Option<u32>),
}

impl CodexBackend {
    /// Opens a WebSocket and lets the server prepare this conversation, which generates nothing: the first request that begins with
    /// it then has a shorter wait. Returns whether the server did; it does not where such requests go over HTTP.
    ///
    /// # Errors
    /// The request would be refused, or the server rejects it.
    pub async fn warm_up(&self, request: &CompletionRequest) -> Result<bool, CodexError> {
        if !self.uses_websocket(request) {
            return Ok(false);
        }
        let conversation = Conversation::new(request.clone());
        let prepared = self.prepare_continuation(conversation.request_from(0), None)?;
        let Some(connection) = self.connect().await? else { return Ok(false) };
        let mut source = connection.request(websocket::request(&prepared.body, true)).await;
        let limit = self.config.reliability().response_timeout;
        let first =
            source.first(limit).await.map(|first| (websocket::error(first), websocket::response_id(first)));
        let id = match first? {
            (Some(error), _) => return Err(self.transport.redactor().error(error)),
            (None, id) => id,
        };
        let rest = async { while poll_fn(|context| source.poll_rest(context)).await {} };
        Timeout::Response.limit(limit, rest).await?;
        let chain = id.map(|id| conversation.into_warm_chain(id));
        self.websockets.put_back(connection, chain);
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
        let origin = self.target(&request, true).state_origin;
        let conversation = Conversation::new(request);
        let mut idle = self.websockets.take(&conversation, &origin);
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt(idle.take(), &conversation, &origin).await? {
                Attempt::Open(source, prepared, connection) => {
                    let PreparedRequest { protocol, context, .. } = *prepared;
                    let turn = OpenTurn { sockets: Arc::clone(&self.websockets), connection, conversation };
                    let decoder = protocol.decoder(context);
                    return Ok(Route::WebSocket(Box::new(OpenResponse { source, decoder, turn })));
                }
                Attempt::Again(connection) => {
                    idle = connection.map(|connection| IdleConnection { connection, chain: None });
                }
                Attempt::Http(retries) => {
                    let mut request = conversation.into_request();
                    request.max_retries = retries.or(request.max_retries);
                    return Ok(Route::Http(Box::new(request)));
                }
            }
        }
        Ok(Route::Http(Box::new(conversation.into_request())))
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
        idle: Option<IdleConnection>,
        conversation: &Conversation,
        origin: &str,
    ) -> Result<Attempt, CodexError> {
        let chain = idle.as_ref().and_then(|idle| idle.chain.as_ref());
        let known = chain.and_then(|chain| Some((chain, chain.known_messages(conversation, origin)?)));
        let is_continuation = known.is_some();
        let (request, previous) = match known {
            Some((chain, known)) => {
                // The limit is that of the whole conversation.
                let too_long = || {
                    let whole = conversation.request_from(0);
                    tokens::too_long(&whole, &self.target(&whole, true))
                };
                if let Some(warning) = self.check_length(too_long)? {
                    tracing::warn!("{warning}");
                }
                let (request, previous) = chain.continuation(known, conversation);
                (request, Some(previous))
            }
            None => (conversation.request_from(0), None),
        };
        let prepared = self.prepare_continuation(request, previous)?;
        let is_fresh = idle.is_none();
        let connection = match idle {
            Some(idle) => idle.connection,
            None => match self.connect().await? {
                Some(connection) => connection,
                None => return Ok(Attempt::Http(None)),
            },
        };
        let mut source = connection.request(websocket::request(&prepared.body, false)).await;
        let error = match source.first(self.config.reliability().response_timeout).await {
            Ok(first) => websocket::error(first),
            // The server may be generating: it is sent again only where a request over HTTP would be.
            Err(error) if error.is_timeout() => {
                let retries = self.transport.wait_to_retry(error, conversation.max_retries()).await?;
                return Ok(Attempt::Http(Some(retries)));
            }
            Err(error) if is_fresh => {
                self.fail(&error);
                return Ok(Attempt::Http(None));
            }
            // The server had closed it meanwhile.
            Err(_) => return Ok(Attempt::Again(None)),
        };
        let Some(error) = error else {
            warn(&prepared.warnings, &prepared.target);
            return Ok(Attempt::Open(source, Box::new(prepared), connection));
        };
        match error.code() {
            Some(websocket::PREVIOUS_RESPONSE_NOT_FOUND) if is_continuation => {
                return Ok(Attempt::Again(Some(connection)));
            }
            Some(websocket::CONNECTION_LIMIT_REACHED) => return Ok(Attempt::Again(None)),
            _ => self.websockets.put_back(connection, None),
        }
        // HTTP has new tokens, and the way to go on without the state. It also decides about requests that are invalid over a
        // WebSocket, which has further rules, such as one response at a time.
        let is_invalid = matches!(error.category(), ErrorCategory::InvalidRequest | ErrorCategory::NotFound);
        if is_invalid || error.status() == Some(401) || ERRORS.is_stale_state(&error) {
            return Ok(Attempt::Http(None));
        }
        let error = self.transport.redactor().error(error);
        let retries = self.transport.wait_to_retry(error, conversation.max_retries()).await?;
        Ok(Attempt::Http(Some(retries)))
    }

    /// A new connection; `None` if the server does not open one.
    async fn connect(&self) -> Result<Option<WebSocketConnection>, CodexError> {
        let base = self.server.base(None)?;
        let path = WireApi::Responses.protocol().path();
        let connection = self.transport.open_websocket(&base, path, websocket::message_kind).await;
        Ok(connection.inspect_err(|error| self.fail(error)).ok())
    }

    fn fail(&self, error: &CodexError) {
        tracing::warn!(%error, "no response over a WebSocket: requests go over HTTP for a while");
        self.websockets.set_failed();
    }
}
