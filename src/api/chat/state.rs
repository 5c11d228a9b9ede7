//! The state of a response for the next turn: fields of the assistant's message and of its calls that some servers want back, such
//! as the reasoning of DeepSeek and OpenRouter and the thought signatures of Gemini. They are sent back only to the same server,
//! account and model.

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{Message, ProviderState};

/// The fields of a message that are sent back. `reasoning_details` holds all that the others do.
pub(super) const DETAILS: &str = "reasoning_details";
pub(super) const MESSAGE_FIELDS: [&str; 3] = [DETAILS, "reasoning_content", "reasoning"];

/// The field of a call that is sent back.
pub(super) const CALL_FIELD: &str = "extra_content";

/// The keys of the state's data.
const MESSAGE: &str = "message";
const CALLS: &str = "tool_calls";

/// The fields of an assistant's message and of its calls, by the id of the call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct MessageState {
    message: Map<String, Value>,
    calls: Map<String, Value>,
}

impl MessageState {
    /// The state of these fields.
    pub(super) fn new(message: Map<String, Value>, calls: Map<String, Value>) -> Self {
        Self { message, calls }
    }

    /// The state that a message holds, if it is of this origin.
    pub(super) fn of(message: &Message, origin: &str) -> Self {
        let state = message.provider_state.as_ref().filter(|state| state.origin == origin);
        let object = |key: &str| {
            let fields = state.and_then(|state| state.data.get(key)).and_then(Value::as_object);
            fields.cloned().unwrap_or_default()
        };
        Self { message: object(MESSAGE), calls: object(CALLS) }
    }

    /// The state to hand to the caller; `None` if it is empty.
    pub(super) fn into_provider_state(self, origin: &str) -> Option<ProviderState> {
        let Self { mut message, calls } = self;
        if message.contains_key(DETAILS) {
            message.retain(|field, _| field == DETAILS);
        }
        let is_empty = message.is_empty() && calls.is_empty();
        (!is_empty).then(|| ProviderState::new(origin, json!({ MESSAGE: message, CALLS: calls })))
    }

    /// Adds the message's fields to those of the request, which take precedence.
    pub(super) fn add_to(self, extra: &mut Map<String, Value>) {
        for (field, value) in self.message {
            extra.entry(field).or_insert(value);
        }
    }

    /// The fields of the call with this id.
    pub(super) fn call_fields(&self, id: &str) -> Map<String, Value> {
        self.calls.get(id).and_then(Value::as_object).cloned().unwrap_or_default()
    }
}

/// A request's body without the states, which the server no longer accepts. `None` if it has none.
pub(super) fn without_state(body: &[u8]) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let messages = body.get_mut("messages")?.as_array_mut()?.iter_mut().filter_map(Value::as_object_mut);
    let mut is_changed = false;
    for message in messages.filter(|message| message.get("role").is_some_and(|role| role == "assistant")) {
        for field in MESSAGE_FIELDS {
            is_changed |= message.remove(field).is_some();
        }
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten();
        for call in calls.filter_map(Value::as_object_mut) {
            is_changed |= call.remove(CALL_FIELD).is_some();
        }
    }
    is_changed.then(|| serde_json::to_vec(&body).ok()).flatten()
}
