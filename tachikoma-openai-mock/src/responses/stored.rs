//! `/v1/responses/{id}`: responses that are stored, and those that run in the background.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::{events, json};
use crate::errors::ApiError;
use crate::list::{self, PageQuery};
use crate::server::Shared;
use crate::store::StoredResponse;
use crate::stream::{self, EventStream};

type Id = Result<Path<String>, PathRejection>;

/// How a response is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RetrieveQuery {
    stream: Option<bool>,
    /// The sequence number after which the stream goes on.
    starting_after: Option<usize>,
}

fn find(shared: &Shared, id: Id) -> Result<Arc<StoredResponse>, ApiError> {
    let Path(id) = id.map_err(|error| ApiError::invalid(error.body_text()))?;
    let response = shared.store().response(&id);
    response.ok_or_else(|| not_found(&id))
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("Response with id '{id}' not found."))
}

/// The response object, or its events from a sequence number on.
pub(crate) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    id: Id,
    query: Result<Query<RetrieveQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let response = find(&shared, id)?;
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    if query.stream != Some(true) {
        return Ok(json(response.poll()));
    }
    if !response.is_streamed {
        let message = "This response cannot be streamed: it was not created with stream=true.";
        return Err(ApiError::invalid(message).param("stream").code("invalid_value"));
    }
    let mut events = events::events(&response.exchange);
    events.drain(..query.starting_after.map_or(0, |number| number.saturating_add(1).min(events.len())));
    let events = EventStream::new(shared, events).of(response);
    Ok(stream::respond(events, events::sse))
}

/// Deletes the response; responses after it keep their turns.
pub(crate) async fn delete(State(shared): State<Arc<Shared>>, id: Id) -> Result<Json<Value>, ApiError> {
    let response = find(&shared, id)?;
    let id = &response.exchange.id;
    shared.store().remove(id);
    Ok(Json(serde_json::json!({"id": id, "object": "response", "deleted": true})))
}

/// Cancels a response that runs in the background; one that has ended does not change.
pub(crate) async fn cancel(State(shared): State<Arc<Shared>>, id: Id) -> Result<Response, ApiError> {
    let response = find(&shared, id)?;
    if !response.exchange.is_background() {
        let message = "Cannot cancel a response that was not created with background=true.";
        return Err(ApiError::invalid(message));
    }
    if response.cancel() {
        shared.counters.cancelled();
    }
    Ok(json(response.object()))
}

/// The items of the response's request, with those of the turns before.
pub(crate) async fn input_items(
    State(shared): State<Arc<Shared>>,
    id: Id,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let response = find(&shared, id)?;
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let before = response.chain.len() - response.chain.last().map_or(0, |turn| turn.len());
    let items: Vec<&Value> = response.chain.items().take(before).chain(&response.input).collect();
    Ok(Json(list::page(items.into_iter(), &query)?))
}
