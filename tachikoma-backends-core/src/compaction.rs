//! Compaction: a long conversation becomes a short one that means the same to the model.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::setters::{optional_setters, setters};
use crate::{
    Backend, BackendError, CompletionRequest, CompletionResponse, ContentPart, ErrorCategory, Message,
    MessageContent, ProviderState, Role, ToolChoice, Usage,
};

/// The field of a request that names the conversation that the server keeps.
pub(crate) const CONVERSATION: &str = "conversation";
/// The field of a request that names the response that it follows.
pub(crate) const PREVIOUS_RESPONSE: &str = "previous_response_id";

/// The origin of the state of a message that is a summary. It distinguishes the message from the user's own.
const SUMMARY: &str = "tachikoma/summary";

const INSTRUCTION: &str = "\
Summarize this conversation for a model that continues it. That model still has the system messages and the user's messages word \
for word, but none of your responses, tool calls and tool results. Write down what it needs of those: what was done and why, what was \
found out (names, paths, values, errors, exactly), what was decided, and what remains to be done. Write only the summary, and call no \
tools.";

const HEADING: &str = "This is a summary, written by a model, of the responses and tool results that stood in this conversation \
up to here. It is information, not an instruction of the user. Continue from there.";

/// The longest text of a tool result in a conversation that was too long to be compacted whole, in characters.
const SHORT_RESULT: usize = 2_000;

/// A conversation after [compaction](Backend::compact).
///
/// [`messages`](Self::messages) hold the system messages and every message of the user word for word; responses of the model and
/// results of tools are replaced, by state that the provider understands or by a summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CompactedConversation {
    /// The conversation of the next request, in the place of the compacted one.
    pub messages: Vec<Message>,
    /// What the compaction cost in tokens; `None` where the server did not report it, or nothing was compacted.
    pub usage: Option<Usage>,
    /// The model that compacted the conversation; empty where nothing was compacted.
    pub model: String,
    /// The class of service that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// The id of the HTTP request at the provider, for support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl CompactedConversation {
    /// A conversation that continues with these messages.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }

    setters! {
        with_usage(usage: impl Into<Option<Usage>>);
        with_model(model: impl Into<String>);
    }

    optional_setters! {
        with_service_tier(service_tier: impl Into<String>);
        with_request_id(request_id: impl Into<String>);
    }

    /// What it cost, as a response without content, for functions that compute the price of a response.
    pub fn to_response(&self) -> CompletionResponse {
        CompletionResponse {
            usage: self.usage,
            model: self.model.clone(),
            service_tier: self.service_tier.clone(),
            request_id: self.request_id.clone(),
            ..CompletionResponse::default()
        }
    }
}

/// A request whose conversation is to be compacted, for authors of backends: what to send, and how the result becomes a
/// [`CompactedConversation`].
///
/// Calls of the last turn that have no results yet, and what follows them, are not compacted: a call stays beside its result.
///
/// ```
/// # use tachikoma_backends_core::{CompactionRequest, CompletionRequest, CompletionResponse, Message};
/// let request = CompletionRequest::user("Where is Oslo?").with_message(Message::assistant("In Norway."));
/// let compaction = CompactionRequest::new(request);
/// let summary = CompletionResponse::new("Oslo is in Norway.");
/// let compacted = compaction.with_summary(&summary)?;
/// assert_eq!(compacted.messages[0], Message::user("Where is Oslo?"));
/// assert!(compacted.messages[1].text().ends_with("Oslo is in Norway."));
/// # Ok::<(), tachikoma_backends_core::BackendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CompactionRequest {
    request: CompletionRequest,
    /// The turn whose calls have no results yet, and what follows it.
    pending: Vec<Message>,
}

impl CompactionRequest {
    /// Compacts the conversation of this request.
    pub fn new(mut request: CompletionRequest) -> Self {
        let start = pending_start(&request.messages);
        let pending = request.messages.split_off(start);
        Self { request, pending }
    }

    /// The request with the part of the conversation that is compacted.
    pub fn request(&self) -> &CompletionRequest {
        &self.request
    }

    /// Whether there is nothing to compact: no response of the model and no result of a tool, here or on the server.
    pub fn is_empty(&self) -> bool {
        !self.request.messages.iter().any(is_replaced) && kept_by_server(&self.request).is_none()
    }

    /// The conversation unchanged, where there is [nothing to compact](Self::is_empty).
    pub fn into_unchanged(self) -> CompactedConversation {
        let Self { mut request, mut pending } = self;
        request.messages.append(&mut pending);
        CompactedConversation::new(request.messages)
    }

    /// The same with long tool results shortened, for a conversation that is too long for the model that is to compact it.
    #[must_use]
    pub fn shortened(&self) -> Self {
        let mut shortened = self.clone();
        let messages = shortened.request.messages.iter_mut();
        for message in messages.filter(|message| message.role == Role::Tool) {
            message.content = short(&message.content);
        }
        shortened
    }

    /// The request for a summary: the conversation, with an instruction after it.
    ///
    /// # Errors
    /// The server keeps the conversation (`extra` has `conversation` or `previous_response_id`): the user's messages are not known
    /// here, and would be lost.
    pub fn summary_request(&self) -> Result<CompletionRequest, BackendError> {
        if let Some(field) = kept_by_server(&self.request) {
            let message = format!(
                "a conversation that the server keeps ({field}) cannot be summarized: send all its messages instead"
            );
            return Err(BackendError::InvalidRequest(message.into()));
        }
        let mut request = self.request.clone();
        request.messages.push(Message::user(INSTRUCTION));
        // The tools stay, since servers reject a conversation with calls without them, and their cache keeps its beginning.
        request.tool_choice = (!request.tools.is_empty()).then_some(ToolChoice::None);
        request.stop.clear();
        request.include.clear();
        Ok(CompletionRequest {
            max_tokens: None,
            response_format: None,
            prediction: None,
            logprobs: None,
            top_logprobs: None,
            compaction_threshold: None,
            ..request
        })
    }

    /// The conversation with the summary of this response: system messages, and every message of the user, word for word; the
    /// summary stands where the model's last turn stood.
    ///
    /// # Errors
    /// The response is cut or holds no text.
    pub fn with_summary(self, response: &CompletionResponse) -> Result<CompactedConversation, BackendError> {
        if response.finish_reason.is_cut() {
            return Err(BackendError::TruncatedStream("the summary of the conversation was cut".into()));
        }
        let text = response.content.as_deref().unwrap_or_default().trim();
        if text.is_empty() {
            return Err(BackendError::Parsing("the response holds no summary of the conversation".into()));
        }
        let summary = Message::user(format!("{HEADING}\n\n{text}"))
            .with_provider_state(ProviderState::new(SUMMARY, Value::Null));
        let Self { request: CompletionRequest { mut messages, .. }, mut pending } = self;
        let end = messages.iter().rposition(is_replaced).map_or(0, |last| last + 1);
        let later = messages.split_off(end);
        let mut kept: Vec<_> = messages.into_iter().filter(|message| !is_replaced(message)).collect();
        kept.push(summary);
        kept.extend(later);
        kept.iter_mut().for_each(remove_state);
        kept.append(&mut pending);
        Ok(CompactedConversation {
            messages: kept,
            usage: response.usage,
            model: response.model.clone(),
            service_tier: response.service_tier.clone(),
            request_id: response.request_id.clone(),
        })
    }

    /// The conversation with the provider's own state in the place of what it compacted: system messages, every message of the
    /// user (`further` are those that only the server had), the last of which carries the state. Without a message of the user,
    /// `placeholder` carries it. `state` makes it for the message that carries it.
    #[must_use]
    pub fn with_state(
        self,
        further: Vec<Message>,
        placeholder: Message,
        state: impl FnOnce(&Message) -> ProviderState,
    ) -> CompactedConversation {
        let Self { request: CompletionRequest { messages, .. }, mut pending } = self;
        let is_kept = |message: &Message| matches!(message.role, Role::System | Role::User);
        let (system, users): (Vec<_>, Vec<_>) =
            messages.into_iter().filter(is_kept).partition(|message| message.role == Role::System);
        let mut kept: Vec<_> = [system, further, users].concat();
        for message in kept.iter_mut().filter(|message| !is_summary(message)) {
            message.provider_state = None;
        }
        let is_own = |message: &Message| message.role == Role::User && !is_summary(message);
        let last = kept.iter().rposition(is_own);
        // A message after the one with the state would be sent a second time.
        let mut carrier = last.map_or(placeholder, |last| kept.remove(last));
        carrier.provider_state = Some(state(&carrier));
        kept.push(carrier);
        kept.append(&mut pending);
        CompactedConversation::new(kept)
    }
}

/// Asks the model of this backend for a summary.
///
/// # Errors
/// The request fails, or the response holds no summary.
pub(crate) async fn by_summary(
    backend: &(impl Backend + ?Sized),
    request: CompletionRequest,
) -> Result<CompactedConversation, BackendError> {
    let compaction = CompactionRequest::new(request);
    if compaction.is_empty() {
        return Ok(compaction.into_unchanged());
    }
    let response = match backend.complete(compaction.summary_request()?).await {
        Err(error) if error.category() == ErrorCategory::ContextLength => {
            backend.complete(compaction.shortened().summary_request()?).await?
        }
        response => response?,
    };
    compaction.with_summary(&response)
}

/// The field by which the server keeps the conversation of a request.
pub(crate) fn kept_by_server(request: &CompletionRequest) -> Option<&'static str> {
    let is_set = |field: &&str| request.extra.get(*field).is_some_and(|value| !value.is_null());
    [CONVERSATION, PREVIOUS_RESPONSE].into_iter().find(is_set)
}

/// Where the last turn of the model begins, if not all its calls have results; else the length of the conversation.
fn pending_start(messages: &[Message]) -> usize {
    let last = messages.iter().rposition(|message| message.role == Role::Assistant);
    let is_pending = |start: &usize| {
        let (turn, later) = messages.get(*start..).and_then(<[_]>::split_first)?;
        let results: BTreeSet<_> =
            later.iter().filter_map(|message| message.tool_call_id.as_deref()).collect();
        Some(turn.tool_calls.iter().any(|call| !results.contains(call.id.as_str())))
    };
    last.filter(|start| is_pending(start) == Some(true)).unwrap_or(messages.len())
}

/// Whether a summary replaces this message.
fn is_replaced(message: &Message) -> bool {
    matches!(message.role, Role::Assistant | Role::Tool) || is_summary(message)
}

fn is_summary(message: &Message) -> bool {
    message.provider_state.as_ref().is_some_and(is_summary_mark)
}

/// Whether this state only marks a summary: it holds nothing of a provider.
pub(crate) fn is_summary_mark(state: &ProviderState) -> bool {
    state.origin == SUMMARY
}

/// Removes the state of an earlier compaction, which the summary replaces.
fn remove_state(message: &mut Message) {
    if !is_summary(message) {
        message.provider_state = None;
    }
}

/// The text of a tool result, shortened in its middle.
fn short(content: &MessageContent) -> MessageContent {
    let text = content.to_text();
    let attachments = match content {
        MessageContent::Parts(parts) => parts.iter().filter(|part| part.as_text().is_none()).count(),
        MessageContent::Text(_) => 0,
    };
    let length = text.chars().count();
    let mut text = if length > SHORT_RESULT {
        let half = SHORT_RESULT / 2;
        let (start, end): (String, String) =
            (text.chars().take(half).collect(), text.chars().skip(length - half).collect());
        format!("{start}\n[{} characters left out]\n{end}", length - SHORT_RESULT)
    } else if attachments == 0 {
        return content.clone();
    } else {
        text
    };
    if attachments > 0 {
        text.push_str(&format!("\n[{attachments} images or files left out]"));
    }
    vec![ContentPart::text(text)].into()
}
