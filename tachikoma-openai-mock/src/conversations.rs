//! `/v1/conversations`: conversations that responses are added to.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::body::{self, RequestSchema};
use crate::chat::CREATED;
use crate::errors::ApiError;
use crate::list::{self, PageQuery};
use crate::responses::with_ids;
use crate::server::Shared;
use crate::store::{Chain, Conversation};
use crate::{hash, request_schema};

/// The most items that one request adds.
const MOST_ITEMS: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    items: Option<Vec<Value>>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

type Id = Result<Path<String>, PathRejection>;

fn text(id: Id) -> Result<String, ApiError> {
    id.map(|Path(id)| id).map_err(|error| ApiError::invalid(error.body_text()))
}

/// Reads a body, which may be empty, and checks its items as those of a request for a response.
fn read(shared: &Shared, bytes: &[u8]) -> Result<Body, ApiError> {
    let bytes = if bytes.is_empty() { b"{}".as_slice() } else { bytes };
    let parsed: Body = body::read(bytes, &[], None)?;
    let items = parsed.items.as_deref().unwrap_or_default();
    if items.len() > MOST_ITEMS {
        let message =
            format!("Invalid 'items': array too long. Expected an array with maximum length {MOST_ITEMS}.");
        return Err(ApiError::invalid(message).param("items").code("array_above_max_length"));
    }
    if let Some(schema) = shared.config.schema(RequestSchema::Responses)
        && !items.is_empty()
    {
        request_schema::check(schema, &json!({"model": "any", "input": items}))?;
    }
    Ok(parsed)
}

fn object(id: &str, conversation: &Conversation) -> Value {
    json!({"id": id, "object": "conversation", "created_at": CREATED, "metadata": conversation.metadata})
}

pub(crate) async fn create(State(shared): State<Arc<Shared>>, bytes: Bytes) -> Result<Json<Value>, ApiError> {
    let body = read(&shared, &bytes)?;
    let mut store = shared.store();
    let number = store.conversations_created();
    let id = hash::id("conv_", &[&bytes, &number.to_le_bytes()]);
    let mut items = body.items.unwrap_or_default();
    with_ids(&mut items, &id);
    let chain = if items.is_empty() { Chain::default() } else { Chain::default().and(items) };
    let conversation = Conversation { chain, metadata: body.metadata.unwrap_or_default() };
    let object = object(&id, &conversation);
    store.insert_conversation(id, conversation);
    Ok(Json(object))
}

pub(crate) async fn retrieve(State(shared): State<Arc<Shared>>, id: Id) -> Result<Json<Value>, ApiError> {
    let id = text(id)?;
    Ok(Json(object(&id, shared.store().conversation(&id)?)))
}

pub(crate) async fn update(
    State(shared): State<Arc<Shared>>,
    id: Id,
    bytes: Bytes,
) -> Result<Json<Value>, ApiError> {
    let (id, body) = (text(id)?, read(&shared, &bytes)?);
    let mut store = shared.store();
    let conversation = store.conversation(&id)?;
    conversation.metadata = body.metadata.unwrap_or_default();
    Ok(Json(object(&id, conversation)))
}

pub(crate) async fn delete(State(shared): State<Arc<Shared>>, id: Id) -> Result<Json<Value>, ApiError> {
    let id = text(id)?;
    shared.store().remove_conversation(&id)?;
    Ok(Json(json!({"id": id, "object": "conversation.deleted", "deleted": true})))
}

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    id: Id,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    Ok(Json(list::page(shared.store().conversation(&text(id)?)?.chain.items(), &query)?))
}

pub(crate) async fn add(
    State(shared): State<Arc<Shared>>,
    id: Id,
    bytes: Bytes,
) -> Result<Json<Value>, ApiError> {
    let (id, body) = (text(id)?, read(&shared, &bytes)?);
    let mut items = body.items.ok_or_else(|| ApiError::missing_parameter("items"))?;
    let mut store = shared.store();
    let conversation = store.conversation(&id)?;
    with_ids(&mut items, &format!("{id}{}", conversation.chain.len()));
    let added = json!({
        "object": "list",
        "data": items,
        "first_id": items.first().and_then(|item| item.get("id")),
        "last_id": items.last().and_then(|item| item.get("id")),
        "has_more": false,
    });
    conversation.chain = std::mem::take(&mut conversation.chain).and(items);
    Ok(Json(added))
}
