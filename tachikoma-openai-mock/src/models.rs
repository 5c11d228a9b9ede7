//! The models: what is listed, and which names are refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use crate::chat::CREATED;
use crate::errors::ApiError;
use crate::server::Shared;

#[derive(Serialize)]
pub(crate) struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

fn model(id: &str) -> Model {
    Model { id: id.to_owned(), object: "model", created: CREATED, owned_by: "openai" }
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<Models> {
    let data = shared.config.models.iter().map(|id| model(id)).collect();
    Json(Models { object: "list", data })
}

pub(crate) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, ApiError> {
    let Path(id) = id.map_err(|error| ApiError::invalid(error.body_text()))?;
    match shared.config.models.contains(&id) {
        true => Ok(Json(model(&id))),
        false => Err(not_found(format!("The model '{id}' does not exist")).param("model")),
    }
}

/// Refuses the names that stand for an unknown model. Every other name is accepted, so that tests can choose theirs.
pub(crate) fn check(id: &str) -> Result<(), ApiError> {
    if id == "no-such-model" || id.starts_with("missing-") {
        let message = format!("The model `{id}` does not exist or you do not have access to it.");
        return Err(not_found(message));
    }
    Ok(())
}

fn not_found(message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, message).code("model_not_found")
}
