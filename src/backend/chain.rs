//! [`Chain`]: what the server knows after a response, compared with the next request.

use std::mem;

use tachikoma_backends_core::{
    CompletionChunk, CompletionRequest, CompletionResponse, Message, ProviderState, Role,
};

use crate::CodexError;
use crate::api::responses;
use crate::target::{PreviousResponse, Target};
use crate::tokens;

/// A request, taken apart so that its messages can be compared and sent in part.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The request without its messages, and without the number of retries, which is not sent.
    fields: CompletionRequest,
    messages: Vec<Message>,
    /// Where its state comes from.
    origin: String,
    /// As many tokens as it has at most, once it has been found to fit.
    most_tokens: Option<u32>,
}

impl Conversation {
    /// `origin` is that of the state that may be sent with it.
    pub(super) fn new(mut request: CompletionRequest, origin: String) -> Self {
        let messages = mem::take(&mut request.messages);
        request.max_retries = None;
        Self { fields: request, messages, origin, most_tokens: None }
    }

    /// The whole request.
    #[cfg(feature = "websocket")]
    pub(super) fn into_request(self) -> CompletionRequest {
        let Self { mut fields, messages, .. } = self;
        fields.messages = messages;
        fields
    }

    /// Reads the whole request, without a copy of it.
    pub(super) fn inspect<T>(&mut self, read: impl FnOnce(&CompletionRequest) -> T) -> T {
        mem::swap(&mut self.fields.messages, &mut self.messages);
        let result = read(&self.fields);
        mem::swap(&mut self.fields.messages, &mut self.messages);
        result
    }

    /// What is wrong with the size of the whole conversation, if this target has a limit. `new` is what continues it, which settles in
    /// most turns that it fits.
    pub(super) fn too_long(
        &mut self,
        continuation: &Continuation,
        new: &CompletionRequest,
        target: &Target,
    ) -> Option<String> {
        let known = continuation.most_tokens;
        self.most_tokens = known.and_then(|known| tokens::most(new, target, known));
        if self.most_tokens.is_some() {
            return None;
        }
        self.most_tokens = self.inspect(|whole| tokens::most(whole, target, 0));
        let is_open = self.most_tokens.is_none();
        is_open.then(|| self.inspect(|whole| tokens::too_long(whole, target))).flatten()
    }

    /// The request with the messages from this one on.
    pub(super) fn request_from(&self, start: usize) -> CompletionRequest {
        let mut request = self.fields.clone();
        request.messages = self.messages.get(start..).unwrap_or_default().to_vec();
        request
    }

    /// The request with only what is new after the messages that the server knows. It begins with the last turn of the model, to
    /// whose calls results refer.
    pub(super) fn continuation(&self, continuation: &Continuation) -> (CompletionRequest, PreviousResponse) {
        let known = continuation.known;
        let messages = self.messages.get(..known).unwrap_or_default();
        let start = messages.iter().rposition(|message| message.role == Role::Assistant).unwrap_or(known);
        let previous = PreviousResponse { id: continuation.id.clone(), messages: known - start };
        (self.request_from(start), previous)
    }

    /// The chain after a response to it that ended with this chunk; `None` if the server keeps nothing that can be continued.
    pub(super) fn into_chain(self, last: &CompletionChunk) -> Option<Chain> {
        self.into_chain_of(last.id.clone()?, last.provider_state.clone()?)
    }

    /// The chain after this response to it.
    pub(super) fn into_chain_after(self, response: &CompletionResponse) -> Option<Chain> {
        self.into_chain_of(response.id.clone()?, response.provider_state.clone()?)
    }

    fn into_chain_of(self, id: String, state: ProviderState) -> Option<Chain> {
        let Self { fields, messages, most_tokens, .. } = self;
        Some(Chain { fields, messages, most_tokens, id, state: Some(state) })
    }

    /// The chain after it was prepared under this id, without a response.
    #[cfg(feature = "websocket")]
    pub(super) fn into_warm_chain(self, id: String) -> Chain {
        let Self { fields, messages, most_tokens, .. } = self;
        Chain { fields, messages, most_tokens, id, state: None }
    }
}

/// The response that a request continues.
#[derive(Clone, Debug)]
pub(super) struct Continuation {
    pub(super) id: String,
    /// How many messages of the request the server knows.
    known: usize,
    /// As many tokens as they have at most, if that is known.
    most_tokens: Option<u32>,
}

impl Continuation {
    /// Whether the server does not have the response, by this error.
    pub(super) fn is_missing(&self, error: &CodexError) -> bool {
        responses::is_previous_missing(error, &self.id)
    }
}

/// The last response to a conversation, and what led to it.
#[derive(Debug)]
pub(super) struct Chain {
    fields: CompletionRequest,
    messages: Vec<Message>,
    most_tokens: Option<u32>,
    id: String,
    /// The state of the response, which its message in the next request must have; `None` after a warm-up, which has no response.
    state: Option<ProviderState>,
}

impl Chain {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// How this conversation continues the response: where it begins with all of the earlier one unchanged, followed by the
    /// response. `None` where it has to be sent as a whole.
    pub(super) fn continuation(&self, conversation: &Conversation) -> Option<Continuation> {
        let (known, rest) = conversation.messages.split_at_checked(self.messages.len())?;
        let mut count = known.len();
        if let Some(state) = &self.state {
            let response = rest.first().filter(|message| message.role == Role::Assistant)?;
            if response.provider_state.as_ref() != Some(state)
                || !responses::is_unchanged(response, &conversation.origin)
            {
                return None;
            }
            count += 1;
        }
        let continues = count < conversation.messages.len()
            && self.fields == conversation.fields
            && known == self.messages;
        let most_tokens = self.most_tokens;
        continues.then(|| Continuation { id: self.id.clone(), known: count, most_tokens })
    }
}
