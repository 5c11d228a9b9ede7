//! What an answer leaves behind for the next turn: its items, above all the reasoning, which no plain message can say.

use serde_json::{Map, Value};
use tachikoma_backends_core::{Message, ProviderState};

use super::item::{self, Said};

/// Who made the state. Other backends, and Chat Completions, leave it out.
const ORIGIN: &str = "codex/responses";

/// The state of a whole answer of these items; `None` where there is nothing to send again.
pub(super) fn of(items: Vec<Value>) -> Option<ProviderState> {
    let items: Vec<Value> = items.into_iter().filter_map(kept).collect();
    (!items.is_empty()).then(|| ProviderState { origin: ORIGIN.to_owned(), data: Value::Array(items) })
}

/// An item as it goes back: without nulls, which servers send but do not all take.
fn kept(item: Value) -> Option<Value> {
    let Value::Object(mut fields) = item else { return None };
    fields.retain(|_, value| !value.is_null());
    let has = |key: &str| {
        fields.get(key).is_some_and(|value| match value {
            Value::String(text) => !text.is_empty(),
            Value::Array(parts) => !parts.is_empty(),
            _ => true,
        })
    };
    // Reasoning without its content is a reference to what a server that stores nothing does not have.
    let is_empty = fields.get("type").is_some_and(|kind| kind == "reasoning")
        && !has("encrypted_content")
        && !has("content");
    (!is_empty).then_some(Value::Object(fields))
}

/// The items that say this turn, if they still do: whoever has changed the text or the calls since means the change.
pub(super) fn items(message: &Message) -> Option<Vec<Map<String, Value>>> {
    let state = message.provider_state.as_ref().filter(|state| state.origin == ORIGIN)?;
    let items = state.data.as_array()?;
    let said = Said::of(items);
    let calls = message.tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str()));
    let agrees = said.text == message.content.to_text()
        && said.refusal == message.refusal.as_deref().unwrap_or_default()
        && calls.eq(item::calls(items).map(|call| (call.text("call_id"), call.text("name"))));
    agrees.then(|| items.iter().filter_map(Value::as_object).cloned().collect())
}
