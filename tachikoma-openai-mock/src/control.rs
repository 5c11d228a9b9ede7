//! `/mock/...`: how tests in other languages control a running server.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};

use crate::counters::Counters;
use crate::errors::ApiError;
use crate::record::RecordedRequest;
use crate::script::Script;
use crate::server::Shared;

/// The endpoints of the mock itself. They need no key, and are neither counted nor recorded.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/mock/counters", get(counters))
        .route("/mock/requests", get(requests))
        .route("/mock/script", put(set_script))
        .route("/mock/reset", post(reset))
}

async fn counters(State(shared): State<Arc<Shared>>) -> Json<Counters> {
    Json(shared.counters.get())
}

async fn requests(State(shared): State<Arc<Shared>>) -> Json<Vec<RecordedRequest>> {
    Json(shared.requests())
}

async fn set_script(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<StatusCode, ApiError> {
    let script = Script::from_json(&String::from_utf8_lossy(&body));
    shared.set_script(script.map_err(|error| ApiError::invalid(error.to_string()).code("invalid_script"))?);
    Ok(StatusCode::NO_CONTENT)
}

async fn reset(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.reset();
    StatusCode::NO_CONTENT
}
