//! Conversations that the server stores: the next turn sends only what is new.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tachikoma_backends_core::{CompletionChunk, CompletionRequest, CompletionResponse};
use tokio::time::Instant;

use super::CodexBackend;
use super::chain::{Chain, Continuation, Conversation};
use super::exchange::{ChunkStream, ProtocolRequest};
use super::prepare::PreparedRequest;
use crate::CodexError;
use crate::api::responses::Storing;
use crate::runtime::transport::Body;
use crate::target::WireApi;

/// The most conversations that are remembered.
const MAX_CHAINS: usize = 64;

/// After this many responses in a row that the server did not have, conversations are sent as a whole for a while.
const MAX_MISSES: u32 = 2;

/// How long that is.
const RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// Fields of `extra` with which the caller decides where the state is.
const OWN_STATE: &[&str] = &["background", "conversation", "previous_response_id", "store"];

/// The newest stored responses of conversations.
#[derive(Debug, Default)]
pub(super) struct StoredChains(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    chains: VecDeque<Chain>,
    misses: u32,
    /// Until then, conversations are sent as a whole.
    paused_until: Option<Instant>,
    /// The server does not continue responses, although it says that it stores them.
    is_unsupported: bool,
}

impl StoredChains {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stored response that this conversation continues.
    fn continuation(&self, conversation: &Conversation) -> Option<Continuation> {
        let state = self.state();
        if state.is_unsupported || state.paused_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        state.chains.iter().rev().find_map(|chain| chain.continuation(conversation))
    }

    /// The server does not have this response.
    fn miss(&self, id: &str) {
        let mut state = self.state();
        state.chains.retain(|chain| chain.id() != id);
        state.misses += 1;
        if state.misses >= MAX_MISSES {
            state.misses = 0;
            state.paused_until = Instant::now().checked_add(RETRY_AFTER);
        }
    }
}

/// A turn of a conversation that the server stores.
#[derive(Debug)]
pub(super) struct StoredTurn {
    chains: Arc<StoredChains>,
    conversation: Conversation,
    continuation: Option<Continuation>,
    storing: Arc<Storing>,
}

impl StoredTurn {
    #[cfg(feature = "websocket")]
    pub(super) fn into_request(self) -> CompletionRequest {
        self.conversation.into_request()
    }

    /// Whether the server does not have the response that was to be continued, by this error. The whole conversation is sent then.
    pub(super) fn is_missing(&mut self, error: &CodexError) -> bool {
        let is_missing = |continuation: &mut Continuation| continuation.is_missing(error);
        let Some(continuation) = self.continuation.take_if(is_missing) else { return false };
        tracing::debug!(
            request_id = error.request_id(),
            "the server does not have the previous response; the whole conversation is sent"
        );
        self.chains.miss(&continuation.id);
        true
    }

    /// Remembers the response, in place of the one that it continues.
    pub(super) fn end(self, chain: impl FnOnce(Conversation) -> Option<Chain>) {
        let Self { chains, conversation, continuation, storing } = self;
        let mut state = chains.state();
        if storing.is_ignored() {
            state.is_unsupported = true;
            state.chains.clear();
        }
        let Some(chain) = storing.is_stored().then(|| chain(conversation)).flatten() else { return };
        if let Some(continuation) = continuation {
            state.misses = 0;
            state.chains.retain(|chain| chain.id() != continuation.id);
        }
        if state.chains.len() >= MAX_CHAINS {
            state.chains.pop_front();
        }
        state.chains.push_back(chain);
    }

    /// Remembers a whole response.
    pub(super) fn respond(self, outcome: &Result<CompletionResponse, CodexError>) {
        self.end(|conversation| conversation.into_chain_after(outcome.as_ref().ok()?));
    }

    /// The same stream, whose end is remembered.
    pub(super) fn observe<E: Send + 'static>(self, chunks: ChunkStream<E>) -> ChunkStream<E> {
        Box::pin(futures::stream::unfold((chunks, Some(self)), |(mut chunks, mut turn)| async move {
            let item = chunks.next().await?;
            let is_last = item.as_ref().map_or(true, |chunk: &CompletionChunk| chunk.is_final);
            if let Some(turn) = turn.take_if(|_| is_last) {
                turn.end(|conversation| conversation.into_chain(item.as_ref().ok()?));
            }
            Some((item, (chunks, turn)))
        }))
    }
}

impl CodexBackend {
    /// Whether the server stores the response to this request, for the next turn.
    pub(super) fn keeps_state(&self, request: &CompletionRequest) -> bool {
        self.config.server_state()
            && request.store != Some(false)
            && !OWN_STATE.iter().any(|field| request.extra.contains_key(*field))
            && self.api_for(request).api == WireApi::Responses
    }

    /// The request over HTTP, and the turn where the server stores the conversation.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(super) fn prepare_turn(
        &self,
        request: CompletionRequest,
        stream: bool,
    ) -> Result<(PreparedRequest, Option<Box<StoredTurn>>), CodexError> {
        if !self.keeps_state(&request) {
            return Ok((self.prepare(request, stream)?, None));
        }
        let mut turn = self.stored_turn(request, stream);
        let prepared = self.prepare_stored(&mut turn, stream)?;
        Ok((prepared, Some(Box::new(turn))))
    }

    /// The turn of a request whose response the server stores.
    pub(super) fn stored_turn(&self, mut request: CompletionRequest, stream: bool) -> StoredTurn {
        request.store = Some(true);
        let origin = self.target(&request, stream).state_origin;
        let conversation = Conversation::new(request, origin);
        let continuation = self.stored_chains.continuation(&conversation);
        let chains = Arc::clone(&self.stored_chains);
        StoredTurn { chains, conversation, continuation, storing: Arc::default() }
    }

    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(super) fn prepare_stored(
        &self,
        turn: &mut StoredTurn,
        stream: bool,
    ) -> Result<PreparedRequest, CodexError> {
        let continuation = turn.continuation.as_ref();
        let mut prepared = self.prepare_conversation(&mut turn.conversation, continuation, stream)?;
        turn.storing = Arc::new(Storing::new(continuation.map(|continuation| continuation.id.clone())));
        prepared.context.storing = Some(Arc::clone(&turn.storing));
        Ok(prepared)
    }

    /// Sends a turn, and once more with the whole conversation if the server does not have the response that it continues.
    pub(super) async fn send_turn(
        &self,
        prepared: &mut PreparedRequest,
        turn: Option<&mut StoredTurn>,
        max_retries: Option<u32>,
    ) -> Result<Body, CodexError> {
        let sent = self.send(&*prepared.protocol, ProtocolRequest::new(prepared, max_retries)).await;
        let (Err(error), Some(turn)) = (&sent, turn) else { return sent };
        if !turn.is_missing(error) {
            return sent;
        }
        *prepared = self.prepare_stored(turn, prepared.target.stream)?;
        self.send(&*prepared.protocol, ProtocolRequest::new(prepared, max_retries)).await
    }
}
