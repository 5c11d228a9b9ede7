//! [`Chain`]: what the server knows on a connection after a response, compared with the next request.

use std::mem;

use tachikoma_backends_core::{CompletionChunk, CompletionRequest, Message, ProviderState, Role};

use crate::api::websocket;
use crate::target::PreviousResponse;

/// A request, taken apart so that its messages can be compared and sent in part.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The request without its messages, and without the number of retries, which is not sent.
    fields: CompletionRequest,
    messages: Vec<Message>,
    max_retries: Option<u32>,
}

impl Conversation {
    pub(super) fn new(mut request: CompletionRequest) -> Self {
        let (messages, max_retries) = (mem::take(&mut request.messages), request.max_retries.take());
        Self { fields: request, messages, max_retries }
    }

    pub(super) fn max_retries(&self) -> Option<u32> {
        self.max_retries
    }

    /// The whole request.
    pub(super) fn into_request(self) -> CompletionRequest {
        let Self { mut fields, messages, max_retries } = self;
        (fields.messages, fields.max_retries) = (messages, max_retries);
        fields
    }

    /// The request with the messages from this one on.
    pub(super) fn request_from(&self, start: usize) -> CompletionRequest {
        let mut request = self.fields.clone();
        request.messages = self.messages.get(start..).unwrap_or_default().to_vec();
        request
    }

    /// The chain after a response to it that ended with this chunk; `None` if the server keeps nothing that can be continued.
    pub(super) fn into_chain(self, last: &CompletionChunk) -> Option<Chain> {
        let Self { fields, messages, .. } = self;
        Some(Chain { fields, messages, id: last.id.clone()?, state: Some(last.provider_state.clone()?) })
    }

    /// The chain after it was prepared under this id, without a response.
    pub(super) fn into_warm_chain(self, id: String) -> Chain {
        let Self { fields, messages, .. } = self;
        Chain { fields, messages, id, state: None }
    }
}

/// The last response on a connection, and the conversation that led to it.
#[derive(Debug)]
pub(super) struct Chain {
    fields: CompletionRequest,
    messages: Vec<Message>,
    id: String,
    /// The state of the response, which its message in the next request must have; `None` after a warm-up, which has no response.
    state: Option<ProviderState>,
}

impl Chain {
    /// How many messages of a conversation the server knows: where it begins with all of the earlier one unchanged, followed by the
    /// response. `None` where it has to be sent as a whole.
    pub(super) fn known_messages(&self, conversation: &Conversation, origin: &str) -> Option<usize> {
        let (mut known, rest) = conversation.messages.split_at_checked(self.messages.len())?;
        if let Some(state) = &self.state {
            let response = rest.first().filter(|message| message.role == Role::Assistant)?;
            if response.provider_state.as_ref() != Some(state) || !websocket::is_unchanged(response, origin) {
                return None;
            }
            known = conversation.messages.get(..=known.len())?;
        }
        let continues = known.len() < conversation.messages.len()
            && self.fields == conversation.fields
            && conversation.messages.starts_with(&self.messages);
        continues.then_some(known.len())
    }

    /// The request with only what is new after the messages that the server knows. It begins with the last turn of the model, to
    /// whose calls results refer.
    pub(super) fn continuation(
        &self,
        known: usize,
        conversation: &Conversation,
    ) -> (CompletionRequest, PreviousResponse) {
        let messages = conversation.messages.get(..known).unwrap_or_default();
        let start = messages.iter().rposition(|message| message.role == Role::Assistant).unwrap_or(known);
        let previous = PreviousResponse { id: self.id.clone(), messages: known - start };
        (conversation.request_from(start), previous)
    }
}
