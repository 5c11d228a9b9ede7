//! The conversation of a run, and the part of it that each request sends.

use serde_json::Value;

use crate::{CompletionRequest, CompletionResponse, Message, ToolCall, ToolChoice, ToolResult};

/// The field of a request that names the conversation that the server keeps.
const CONVERSATION: &str = "conversation";
/// The field of a request that names the response that it follows.
const PREVIOUS_RESPONSE: &str = "previous_response_id";

/// Where the turns before a request are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum History {
    /// In each request.
    Sent,
    /// In the server's conversation, to which the server adds every turn.
    Conversation,
    /// With the response that the request follows.
    PreviousResponse,
}

/// The whole conversation, and how the next request continues it.
#[derive(Debug)]
pub(super) struct Conversation {
    messages: Vec<Message>,
    /// The request without its messages.
    template: CompletionRequest,
    history: History,
    /// How many messages the server has already.
    kept: usize,
}

impl Conversation {
    pub(super) fn new(mut request: CompletionRequest) -> Self {
        let is_set = |field| request.extra.get(field).is_some_and(|value| !value.is_null());
        let history = if is_set(CONVERSATION) {
            History::Conversation
        } else if is_set(PREVIOUS_RESPONSE) {
            History::PreviousResponse
        } else {
            History::Sent
        };
        let messages = std::mem::take(&mut request.messages);
        Self { messages, template: request, history, kept: 0 }
    }

    /// The request for the next response.
    pub(super) fn request(&self) -> CompletionRequest {
        let messages = self.messages.iter().skip(self.kept).cloned().collect();
        CompletionRequest { messages, ..self.template.clone() }
    }

    /// Adds a response, whose calls are these.
    pub(super) fn push_response(&mut self, response: &CompletionResponse, tool_calls: Vec<ToolCall>) {
        self.messages.push(Message { tool_calls, ..response.to_message() });
        match (self.history, &response.id) {
            (History::Sent, _) => {}
            (History::Conversation, _) => self.kept = self.messages.len(),
            (History::PreviousResponse, Some(id)) => {
                self.template.extra.insert(PREVIOUS_RESPONSE.to_owned(), Value::from(id.as_str()));
                self.kept = self.messages.len();
            }
            (History::PreviousResponse, None) => {
                tracing::warn!(
                    "the response has no id to continue from: the messages since the last one are sent again"
                );
            }
        }
        // A choice that forces a call would force one in every response, and the run would never end.
        match &mut self.template.tool_choice {
            Some(ToolChoice::Allowed { required, .. }) => *required = false,
            choice if choice.as_ref().is_some_and(ToolChoice::is_forced) => *choice = None,
            _ => {}
        }
    }

    /// Adds the results of the calls.
    pub(super) fn push_results(&mut self, results: &[ToolResult]) {
        self.messages.extend(results.iter().map(ToolResult::to_message));
    }

    pub(super) fn into_messages(self) -> Vec<Message> {
        self.messages
    }
}
