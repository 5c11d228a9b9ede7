//! One turn: from the body of a request and what is stored to the response, whichever way they travel.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::compaction::CompactedContext;
use super::kinds;
use super::object::Exchange;
use super::request::{ResponsesRequest, as_items, parsed};
use crate::body::RequestSchema;
use crate::errors::ApiError;
use crate::reply::{Content, Delivery, Reply};
use crate::script::{Endpoint, ScriptRequest};
use crate::server::Shared;
use crate::store::{Chain, StoredResponse};
use crate::{body, hash, models};

/// A request that is valid in its context.
pub(super) struct PreparedRequest {
    pub(super) request: ResponsesRequest,
    pub(super) input_tokens: usize,
    /// The turns before.
    chain: Chain,
    /// The items of the request itself.
    input: Vec<Value>,
}

impl PreparedRequest {
    /// All items, those of the turns before first.
    pub(super) fn items(&self) -> Vec<Value> {
        self.chain.items().chain(&self.input).cloned().collect()
    }
}

/// What a request gets.
pub(crate) enum Outcome {
    /// A response with the turn that it ends, not yet stored.
    Response(Arc<StoredResponse>, Delivery),
    /// A scripted HTTP response.
    Http { status: u16, body: String, delivery: Delivery },
}

/// Reads a body, finds the turns before it and checks the whole. `memory` has further responses than those that are stored.
pub(super) fn prepare(
    shared: &Shared,
    body: &[u8],
    memory: impl Fn(&str) -> Option<Chain>,
) -> Result<PreparedRequest, ApiError> {
    let mut request = ResponsesRequest::read(body, shared.config.schema(RequestSchema::Responses))?;
    models::check(&request.model)?;
    let chain = chain(shared, &request, memory)?;
    let (input, is_resolved) = input(shared, body, &chain);
    let stored = chain.len();
    if stored > 0 || is_resolved {
        let items: Vec<Value> = chain.items().chain(&input).cloned().collect();
        request.set_items(parsed(&items)?);
    }
    request.check_input(stored)?;
    let input_tokens = request.tokens();
    if input_tokens > shared.config.context_tokens {
        let message =
            "Your input exceeds the context window of this model. Please adjust your input and try again.";
        return Err(ApiError::invalid(message).param("input").code("context_length_exceeded"));
    }
    Ok(PreparedRequest { request, input_tokens, chain, input })
}

/// The turns that the request continues.
fn chain(
    shared: &Shared,
    request: &ResponsesRequest,
    memory: impl Fn(&str) -> Option<Chain>,
) -> Result<Chain, ApiError> {
    if let Some(id) = &request.previous_response_id {
        let stored = || shared.store().response(id).map(|response| response.chain.clone());
        return memory(id).or_else(stored).ok_or_else(|| previous_not_found(id));
    }
    match request.conversation() {
        Some(id) => Ok(shared.store().conversation(id)?.chain.clone()),
        None => Ok(Chain::default()),
    }
}

/// The error for a response that cannot be continued.
pub(crate) fn previous_not_found(id: &str) -> ApiError {
    ApiError::invalid(format!("Previous response with id '{id}' not found."))
        .param("previous_response_id")
        .code("previous_response_not_found")
}

/// The items of the body's input, and whether a reference in it was replaced by what it refers to.
fn input(shared: &Shared, body: &[u8], chain: &Chain) -> (Vec<Value>, bool) {
    let fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let mut items = as_items(fields.get("input"));
    let mut is_resolved = false;
    for item in &mut items {
        let is_reference = item.get("type").is_some_and(|kind| kind == "item_reference");
        let Some(id) = item.get("id").and_then(Value::as_str).filter(|_| is_reference) else { continue };
        let found = chain.item(id).cloned().or_else(|| shared.store().item(id));
        if let Some(found) = found {
            *item = found;
            is_resolved = true;
        }
    }
    (items, is_resolved)
}

/// The response to a body, and what it adds to the turns before.
pub(crate) fn run(
    shared: &Shared,
    body: &[u8],
    memory: impl Fn(&str) -> Option<Chain>,
) -> Result<Outcome, ApiError> {
    let prepared = prepare(shared, body, memory)?;
    let prompt = prepared.request.prompt();
    let (endpoint, model) = (Endpoint::Responses, prepared.request.model.as_str());
    let scripted = shared.next_reply(&ScriptRequest { endpoint, model, prompt: &prompt, body })?;
    let (mut answer, delivery) = match scripted {
        None => (prompt.answer(1, 1), Delivery::default()),
        Some(Reply { content, delivery, .. }) => match content {
            Content::Answer(answer) => (*answer, delivery),
            Content::Http { status, body } => return Ok(Outcome::Http { status, body, delivery }),
        },
    };
    if prepared.request.compact_threshold().is_some_and(|threshold| prepared.input_tokens > threshold) {
        let context = CompactedContext { user: prepared.request.last_user_text(), kept: 0 };
        answer.compaction = Some(context.item());
    }
    let PreparedRequest { request, input_tokens, chain, input } = prepared;
    let exchange = Exchange::new(body, request, &answer, input_tokens, chain.len());
    Ok(Outcome::Response(Arc::new(completed(shared, exchange, chain, input)), delivery))
}

/// A turn that generates nothing: a response without output that can be continued.
pub(crate) fn warm_up(
    shared: &Shared,
    body: &[u8],
    memory: impl Fn(&str) -> Option<Chain>,
) -> Result<Arc<StoredResponse>, ApiError> {
    let PreparedRequest { request, chain, input, .. } = prepare(shared, body, memory)?;
    let answer = crate::answer::Answer::default();
    let exchange = Exchange::new(body, request, &answer, 0, chain.len());
    Ok(Arc::new(completed(shared, exchange, chain, input)))
}

fn completed(shared: &Shared, exchange: Exchange, chain: Chain, mut input: Vec<Value>) -> StoredResponse {
    with_ids(&mut input, &exchange.id);
    let turn: Vec<Value> = input.iter().cloned().chain(exchange.output_json()).collect();
    StoredResponse::new(exchange, input, chain.and(turn), shared.config.background_polls)
}

/// Stores a response, if its request wants that, and adds its turn to its conversation.
pub(crate) fn store(shared: &Shared, response: &Arc<StoredResponse>) {
    let mut store = shared.store();
    if let Some(conversation) = response.exchange.conversation() {
        store.extend_conversation(conversation, response.chain.last());
    }
    if response.exchange.is_stored() {
        store.insert(Arc::clone(response));
    }
}

/// Gives items without an id one that follows from the response's.
pub(crate) fn with_ids(items: &mut [Value], response: &str) {
    for (index, item) in items.iter_mut().enumerate() {
        let Some(fields) = item.as_object_mut() else { continue };
        let kind = fields.entry("type").or_insert("message".into()).as_str().unwrap_or_default().to_owned();
        let id = hash::id(kinds::kind(&kind).prefix, &[response.as_bytes(), &index.to_le_bytes(), b"input"]);
        match fields.get("id") {
            None | Some(Value::Null) => _ = fields.insert("id".to_owned(), id.into()),
            Some(_) => {}
        }
    }
}

/// Refuses a body that has other fields than these.
pub(super) fn check_fields(body: &[u8], allowed: &[&str]) -> Result<(), ApiError> {
    let fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| body::unreadable(&error))?;
    match fields.keys().find(|name| !allowed.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ApiError::invalid(format!("Unrecognized request argument supplied: {name}"))
            .param(name)
            .code("unknown_parameter")),
    }
}
