//! `POST /v1/responses/input_tokens`: what a request would cost.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::turn;
use crate::body;
use crate::errors::ApiError;
use crate::server::Shared;

/// The fields of a body for this endpoint.
const FIELDS: [&str; 12] = [
    "model", "input", "previous_response_id", "tools", "text", "reasoning", "truncation", "instructions",
    "personality", "conversation", "tool_choice", "parallel_tool_calls",
];

/// Counts the input by the same rule as a response's usage.
pub(crate) async fn input_tokens(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    if shared.config.schema_check {
        turn::check_fields(&body, &FIELDS)?;
    }
    let mut fields: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|error| body::unreadable(&error))?;
    // A request for a response has no personality and cannot do without a model and an input.
    fields.remove("personality");
    fields.entry("model").or_insert("any".into());
    fields.entry("input").or_insert(json!([]));
    let prepared = turn::prepare(&shared, Value::Object(fields).to_string().as_bytes(), |_| None)?;
    Ok(Json(json!({"object": "response.input_tokens", "input_tokens": prepared.input_tokens})))
}
