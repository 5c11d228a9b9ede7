//! Compaction: `POST /responses/compact`, and what a compaction item replaces in the conversation that is sent.
//!
//! The output of the endpoint is the next input: it is kept whole as the state of one message, which replaces everything before it
//! where it came from. The state of a response is a list of items; the one of a compaction is an object, with the text of the
//! message that carries it.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tachikoma_backends_core::{
    CompletionRequest, ContentPart, ErrorCategory, ImageDetail, Message, MessageContent, ProviderState, Role,
    Usage,
};

use super::hosted_call::PendingCall;
use super::item::Item;
use super::{request, state};
use crate::CodexError;
use crate::api::{ClientResult, Protocol, ResponseContext, body, encode, usage};
use crate::openai::{Client, types};
use crate::runtime::transport::Bytes;
use crate::target::Target;

/// The type of the item that replaces a conversation.
const COMPACTION: &str = "compaction";

/// The keys of the state of a compaction: its items, and the text of the message that carries it.
const ITEMS: &str = "compacted";
const TEXT: &str = "text";

/// The fields of `extra` that the endpoint takes.
const FURTHER_FIELDS: &[&str] = &[
    "instructions", "previous_response_id", "prompt_cache_options", "prompt_cache_retention", "service_tier",
];

/// What the endpoint made of a conversation.
#[derive(Debug)]
pub(crate) struct CompactedOutput {
    items: Vec<Value>,
    pub(crate) usage: Option<Usage>,
}

impl CompactedOutput {
    /// The state for the message that carries it.
    pub(crate) fn state(&self, origin: &str, carrier: &Message) -> ProviderState {
        let items = self.items.iter().cloned().filter_map(state::without_output_fields);
        let items: Vec<_> = items.map(Value::Object).collect();
        ProviderState::new(origin, json!({ITEMS: items, TEXT: carrier.content.to_text()}))
    }

    /// The messages of the user in it, as plain ones.
    pub(crate) fn user_messages(&self) -> impl Iterator<Item = Message> {
        let users = self.items.iter().filter(|item| Item(item).text("role") == "user");
        users.map(|item| Message::user(content(&item["content"])))
    }

    /// The model's plain text in it.
    pub(crate) fn text(&self) -> Option<String> {
        let is_text = |item: &&Value| Item(item).text("role") == "assistant";
        let texts = self.items.iter().filter(is_text).map(|item| content(&item["content"]).to_text());
        Some(texts.collect::<Vec<_>>().join("\n\n")).filter(|text| !text.trim().is_empty())
    }
}

/// The content of a message of the user; parts of a kind that the core does not have are kept unchanged.
fn content(value: &Value) -> MessageContent {
    let Value::Array(parts) = value else { return value.as_str().unwrap_or_default().into() };
    let part = |part: &Value| {
        let text = |name: &str| part.get(name).and_then(Value::as_str);
        let plain = match text("type") {
            Some("input_text" | "output_text" | "text") => text("text").map(ContentPart::text),
            Some("input_image") => text("image_url").map(ContentPart::image_url).map(|image| {
                let detail = part.get("detail").cloned().unwrap_or_default();
                match serde_json::from_value::<ImageDetail>(detail) {
                    Ok(detail) => image.with_detail(detail),
                    Err(_) => image,
                }
            }),
            _ => None,
        };
        plain.or_else(|| Some(ContentPart::Other { part: part.as_object()?.clone() }))
    };
    let parts: Vec<_> = parts.iter().filter_map(part).collect();
    match parts.as_slice() {
        [ContentPart::Text { text, .. }] => text.as_str().into(),
        _ => parts.into(),
    }
}

/// `POST /responses/compact`.
pub(crate) struct Compact;

impl Compact {
    /// The body of a request. System messages are sent as instructions, so that the output does not hold them: they stay messages of
    /// the caller.
    ///
    /// # Errors
    /// The request cannot be expressed in the Responses API.
    pub(crate) fn encode(mut request: CompletionRequest, target: &Target) -> Result<Bytes, CodexError> {
        let capacity = encode::capacity(&request.messages);
        let is_system = |message: &mut Message| message.role == Role::System;
        let system: Vec<_> = request.messages.extract_if(.., is_system).collect();
        let types::CreateResponse {
            input,
            prompt_cache_key,
            prompt_cache_options,
            service_tier,
            mut extra,
            ..
        } = request::convert(request, target)?;
        extra.retain(|field, _| FURTHER_FIELDS.contains(&field.as_str()));
        if let Some(tier) = service_tier {
            extra.insert("service_tier".to_owned(), Value::from(tier.to_string()));
        }
        let own = extra.get("instructions").and_then(Value::as_str).map(str::to_owned);
        let instructions: Vec<_> = own.into_iter().chain(system.iter().map(Message::text)).collect();
        if !instructions.is_empty() {
            extra.insert("instructions".to_owned(), Value::from(instructions.join("\n\n")));
        }
        let body = types::CompactResponseMethodPublicBody {
            input,
            model: target.model_in_body.clone(),
            prompt_cache_key,
            prompt_cache_options,
            extra,
        };
        encode::json(&body, capacity)
    }
}

impl Protocol for Compact {
    type Response = CompactedOutput;

    fn path(&self) -> &'static str {
        "responses/compact"
    }

    fn is_in_deployment(&self) -> bool {
        false
    }

    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, ClientResult> {
        async move { client.compactconversation(body).await }.boxed()
    }

    fn decode(&self, body: &[u8], _: ResponseContext) -> Result<CompactedOutput, CodexError> {
        let types::CompactResource { output, usage } = body::read_body(body)?;
        let Some(Value::Array(items)) = output else {
            return Err(body::absent(&serde_json::from_slice(body).unwrap_or_default(), "output"));
        };
        if !items.iter().any(is_compaction) {
            let message = "the server's output holds no compaction item";
            return Err(CodexError::new(ErrorCategory::Parse, message));
        }
        let usage = usage.and_then(|value| usage::read(&value, &usage::RESPONSES));
        Ok(CompactedOutput { items, usage })
    }

    fn without_state(&self, body: &[u8]) -> Option<Bytes> {
        state::without_state(body).map(Into::into)
    }
}

fn is_compaction(item: &Value) -> bool {
    Item(item).text("type") == COMPACTION
}

/// The items of a compaction that this message carries, unless the message was changed since.
pub(super) fn items(message: &Message, data: &Value) -> Option<Vec<Map<String, Value>>> {
    let items = data.get(ITEMS)?.as_array()?;
    let is_same = data.get(TEXT).and_then(Value::as_str) == Some(message.content.to_text().as_str());
    is_same.then(|| items.iter().filter_map(Value::as_object).cloned().collect())
}

/// The items of a response from its newest compaction item on. Calls whose results follow stay, and so does what stands before them.
pub(super) fn from_newest(items: &[Value]) -> &[Value] {
    let start = items.iter().rposition(is_compaction).unwrap_or_default();
    let (before, after) = items.split_at_checked(start).unwrap_or((&[], items));
    if before.iter().any(|item| PendingCall::from_item(Item(item)).is_some()) { items } else { after }
}

/// Whether a message holds a compaction from this origin.
pub(crate) fn is_compacted(message: &Message, origin: &str) -> bool {
    let state = message.provider_state.as_ref().filter(|state| state.origin == origin);
    let has_item = |state: &ProviderState| match &*state.data {
        Value::Array(items) => items.iter().any(is_compaction),
        data => data.get(ITEMS).is_some(),
    };
    state.is_some_and(has_item) && state::items(message, origin).is_some()
}

/// Removes from a conversation what its newest compaction from this origin replaces: everything before it but system messages. A
/// call whose result stands after the compaction keeps all of it.
pub(crate) fn prune(messages: &mut Vec<Message>, origin: &str) {
    let Some(newest) = messages.iter().rposition(|message| is_compacted(message, origin)) else { return };
    let (before, after) = messages.split_at_checked(newest).unwrap_or((&[], messages));
    let calls = |messages: &[Message]| -> BTreeSet<String> {
        messages.iter().flat_map(|message| &message.tool_calls).map(|call| call.id.clone()).collect()
    };
    let (replaced, kept) = (calls(before), calls(after));
    let is_orphan = |id: &String| replaced.contains(id) && !kept.contains(id);
    if after.iter().filter_map(|message| message.tool_call_id.as_ref()).any(is_orphan) {
        return;
    }
    let mut index = 0;
    messages.retain(|message| {
        index += 1;
        index > newest || message.role == Role::System
    });
}

#[cfg(test)]
mod tests;
