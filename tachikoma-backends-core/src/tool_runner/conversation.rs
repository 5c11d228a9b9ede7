//! The conversation of a run, and the part of it that each request sends.

use serde_json::Value;

use crate::compaction::{CONVERSATION, PREVIOUS_RESPONSE, kept_by_server};
use crate::{CompletionRequest, CompletionResponse, Message, ToolCall, ToolChoice, ToolResult};

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
    /// The same without compaction, where there was one.
    uncompacted: Option<Vec<Message>>,
    /// The request without its messages.
    template: CompletionRequest,
    history: History,
    /// How many messages the server has already.
    kept: usize,
}

impl Conversation {
    pub(super) fn new(mut request: CompletionRequest) -> Self {
        let history = match kept_by_server(&request) {
            Some(CONVERSATION) => History::Conversation,
            Some(_) => History::PreviousResponse,
            None => History::Sent,
        };
        let messages = std::mem::take(&mut request.messages);
        Self { messages, uncompacted: None, template: request, history, kept: 0 }
    }

    /// The request for the next response.
    pub(super) fn request(&self) -> CompletionRequest {
        let messages = self.messages.iter().skip(self.kept).cloned().collect();
        CompletionRequest { messages, ..self.template.clone() }
    }

    /// Adds a response, whose calls are these.
    pub(super) fn push_response(&mut self, response: &CompletionResponse, tool_calls: Vec<ToolCall>) {
        self.push(Message { tool_calls, ..response.to_message() });
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
        results.iter().map(ToolResult::to_message).for_each(|message| self.push(message));
    }

    fn push(&mut self, message: Message) {
        if let Some(all) = &mut self.uncompacted {
            all.push(message.clone());
        }
        self.messages.push(message);
    }

    /// Whether the whole conversation is here, so that it can be compacted.
    pub(super) fn is_sent(&self) -> bool {
        self.history == History::Sent
    }

    /// Continues with these messages in the place of those so far. Returns whether they differ.
    pub(super) fn compact(&mut self, messages: &[Message]) -> bool {
        let is_changed = self.messages != messages;
        if is_changed {
            let before = std::mem::replace(&mut self.messages, messages.to_vec());
            self.uncompacted.get_or_insert(before);
        }
        is_changed
    }

    /// The messages, and those without compaction, where there was one.
    pub(super) fn into_messages(self) -> (Vec<Message>, Option<Vec<Message>>) {
        (self.messages, self.uncompacted)
    }
}
