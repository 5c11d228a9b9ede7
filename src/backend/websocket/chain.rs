//! [`Chain`]: what the server knows on a connection after a response, compared with the next request.

use std::mem;

use tachikoma_backends_core::{CompletionChunk, CompletionRequest, Message, ProviderState, Role};

use crate::api::websocket;
use crate::target::PreviousResponse;

/// A request, taken apart so that its messages can be compared and sent in part.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The request without its messages.
    fields: CompletionRequest,
    messages: Vec<Message>,
}

impl Conversation {
    pub(super) fn new(mut request: CompletionRequest) -> Self {
        let messages = mem::take(&mut request.messages);
        Self { fields: request, messages }
    }

    /// The whole request.
    pub(super) fn into_request(self) -> CompletionRequest {
        let Self { mut fields, messages } = self;
        fields.messages = messages;
        fields
    }

    /// The request with the messages from this one on.
    pub(super) fn request_from(&self, start: usize) -> CompletionRequest {
        let mut request = self.fields.clone();
        request.messages = self.messages.get(start..).unwrap_or_default().to_vec();
        request
    }

    /// Whether all but the messages is the same. How often a request may be retried is not sent.
    fn has_same_fields(&self, other: &CompletionRequest) -> bool {
        let max_retries = other.max_retries;
        self.fields.max_retries == max_retries && self.fields == *other || {
            let mut fields = self.fields.clone();
            fields.max_retries = max_retries;
            fields == *other
        }
    }

    /// The chain after a response to it that ended with this chunk; `None` if the server keeps nothing that can be continued.
    pub(super) fn into_chain(self, last: &CompletionChunk) -> Option<Chain> {
        let Self { fields, messages } = self;
        Some(Chain { fields, messages, id: last.id.clone()?, state: last.provider_state.clone()? })
    }
}

/// The last response on a connection, and the conversation that led to it.
#[derive(Debug)]
pub(super) struct Chain {
    fields: CompletionRequest,
    messages: Vec<Message>,
    id: String,
    /// The state of the response, which its message in the next request must have.
    state: ProviderState,
}

impl Chain {
    /// The response that a conversation continues, and how many of its messages the server knows: where it begins with all of the
    /// earlier one unchanged, followed by the response. `None` where it has to be sent as a whole.
    pub(super) fn continued_by(&self, conversation: &Conversation, origin: &str) -> Option<(&str, usize)> {
        let (known, rest) = conversation.messages.split_at_checked(self.messages.len())?;
        let (response, new) = rest.split_first()?;
        let is_response = response.role == Role::Assistant
            && response.provider_state.as_ref() == Some(&self.state)
            && websocket::is_unchanged(response, origin);
        let continues = is_response
            && !new.is_empty()
            && conversation.has_same_fields(&self.fields)
            && self.messages == known;
        continues.then_some((&self.id, known.len() + 1))
    }

    /// The request with only what is new after the messages that the server knows. It begins with the response, to whose calls the
    /// results refer.
    pub(super) fn continuation(
        id: &str,
        known: usize,
        conversation: &Conversation,
    ) -> (CompletionRequest, PreviousResponse) {
        let request = conversation.request_from(known.saturating_sub(1));
        (request, PreviousResponse { id: id.to_owned(), messages: 1 })
    }
}
