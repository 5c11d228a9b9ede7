//! The state of a response for the next turn: fields of the assistant's message and of its calls that some servers want back, such
//! as the reasoning of DeepSeek and OpenRouter and the thought signatures of Gemini. They are sent back only to the same server,
//! account and model.

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{Message, ProviderState};

use crate::runtime::json;

/// The fields of a message that are sent back. `reasoning_details` holds all that the others do.
pub(super) const DETAILS: &str = "reasoning_details";
pub(super) const MESSAGE_FIELDS: [&str; 3] = [DETAILS, "reasoning_content", "reasoning"];

/// The field of a call that is sent back.
const CALL_FIELD: &str = "extra_content";

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
    /// Adds a field of the message, or replaces it where it comes as a whole.
    pub(super) fn add(&mut self, field: &str, value: &Value, is_delta: bool) {
        if json::is_empty(value) {
            return;
        }
        match self.message.get_mut(field).filter(|_| is_delta) {
            Some(held) => append(held, value),
            None => {
                self.message.insert(field.to_owned(), value.clone());
            }
        }
    }

    /// Adds a piece of a text.
    pub(super) fn add_text(&mut self, field: &str, text: &str) {
        match self.message.get_mut(field) {
            Some(Value::String(held)) => held.push_str(text),
            _ if text.is_empty() => {}
            _ => {
                self.message.insert(field.to_owned(), text.into());
            }
        }
    }

    /// Adds the field of the call with this id.
    pub(super) fn add_call(&mut self, id: &str, extra_content: Value) {
        self.calls.insert(id.to_owned(), json!({ CALL_FIELD: extra_content }));
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

/// Appends a delta: texts grow, and so do the elements of a list with the same index, or without one of the same type.
fn append(held: &mut Value, delta: &Value) {
    match (held, delta) {
        (Value::String(held), Value::String(delta)) => held.push_str(delta),
        (Value::Array(held), Value::Array(deltas)) => {
            for delta in deltas {
                let is_same = |held: &Value| {
                    ["index", "type"].iter().all(|field| held.get(*field) == delta.get(*field))
                        && (held.get("id").is_none_or(Value::is_null)
                            || delta.get("id").is_none_or(Value::is_null)
                            || held.get("id") == delta.get("id"))
                };
                match held.last_mut().filter(|last| is_same(last)) {
                    Some(Value::Object(held)) => extend(held, delta),
                    _ => held.push(delta.clone()),
                }
            }
        }
        (held, delta) => *held = delta.clone(),
    }
}

/// The fields of an element that are its content, and come in pieces.
const CONTENT: [&str; 5] = ["data", "signature", "summary", "text", "thinking"];

fn extend(held: &mut Map<String, Value>, delta: &Value) {
    for (field, value) in delta.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        match (held.get_mut(field), value) {
            (Some(Value::String(held)), Value::String(value)) if CONTENT.contains(&field.as_str()) => {
                held.push_str(value);
            }
            _ => {
                held.insert(field.clone(), value.clone());
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole_state() {
        #[track_caller]
        fn check(field: &str, pieces: &[Value], expected: Value) {
            let mut state = MessageState::default();
            pieces.iter().for_each(|piece| state.add(field, piece, true));
            let found =
                state.into_provider_state("o").map_or(Value::Null, |state| state.data[MESSAGE].clone());
            assert_eq!(found, expected);
        }
        check("reasoning_content", &[json!("a"), json!(""), json!("b")], json!({"reasoning_content": "ab"}));
        check("reasoning_content", &[json!(null)], json!(null));
        let text = |index: u8, text: &str| json!([{"type": "reasoning.text", "index": index, "text": text}]);
        check(
            DETAILS,
            &[
                text(0, "a"),
                text(0, "b"),
                json!([{"type": "reasoning.text", "index": 0, "text": null, "signature": "s"}]),
                text(1, "c"),
                json!([{"type": "reasoning.encrypted", "index": 1, "data": "x"}]),
            ],
            json!({DETAILS: [
                {"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"},
                {"type": "reasoning.text", "index": 1, "text": "c"},
                {"type": "reasoning.encrypted", "index": 1, "data": "x"},
            ]}),
        );
    }

    #[test]
    fn the_details_hold_all_that_other_fields_do() {
        let mut state = MessageState::default();
        state.add_text("reasoning", "a");
        state.add(DETAILS, &json!([{"text": "a"}]), false);
        let state = state.into_provider_state("o").unwrap();
        assert_eq!(*state.data, json!({"message": {DETAILS: [{"text": "a"}]}, "tool_calls": {}}));
    }

    #[test]
    fn a_body_without_its_states() {
        let with = json!({"messages": [
            {"role": "user", "content": "Hi", "reasoning": "kept"},
            {"role": "assistant", "reasoning_content": "a", "tool_calls": [{"id": "c", "extra_content": {}}]},
        ]});
        let without = json!({"messages": [
            {"role": "user", "content": "Hi", "reasoning": "kept"},
            {"role": "assistant", "tool_calls": [{"id": "c"}]},
        ]});
        let body = without_state(with.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), without);
        assert_eq!(without_state(&body), None);
        assert_eq!(without_state(b"{}"), None);
    }
}
