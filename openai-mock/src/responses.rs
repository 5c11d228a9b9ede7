//! `POST /v1/responses`: from the request to the response, plain or as a stream. Nothing is stored.

mod events;
mod item;
mod kinds;
mod object;
mod parts;
mod reasoning;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::body::RequestSchema;
use crate::errors::ApiError;
use crate::reply::{self, Content};
use crate::server::Shared;
use crate::{models, stream};
use object::Exchange;
use request::ResponsesRequest;

pub(crate) async fn create(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, ApiError> {
    let request = ResponsesRequest::read(&body, shared.config.schema(RequestSchema::Responses))?;
    models::check(&request.model)?;
    let input_tokens = request.tokens();
    if input_tokens > shared.config.context_tokens {
        let message =
            "Your input exceeds the context window of this model. Please adjust your input and try again.";
        return Err(ApiError::invalid(message).param("input").code("context_length_exceeded"));
    }
    let (answer, headers) = match shared.next_reply() {
        None => (request.prompt().answer(1, 1), Vec::new()),
        Some(reply) => match reply.content {
            Content::Answer(answer) => (answer, reply.headers),
            Content::Http { status, body } => return reply::http(status, body, reply.headers),
        },
    };
    let exchange = Exchange::new(&body, &request, &answer, input_tokens);
    let response = match request.stream {
        Some(true) => stream::respond(shared, events::events(&exchange)),
        _ => Json(exchange.response()).into_response(),
    };
    reply::with_headers(response, headers)
}

/// Refuses to return, cancel or delete a response, or to list its items: none is stored.
pub(crate) async fn stored(id: Result<Path<String>, PathRejection>) -> ApiError {
    match id {
        Ok(Path(id)) => ApiError::new(StatusCode::NOT_FOUND, format!("Response with id '{id}' not found.")),
        Err(error) => ApiError::invalid(error.body_text()),
    }
}
