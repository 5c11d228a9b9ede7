//! `POST /v1/chat/completions`: from the request to the response, plain or as a stream.

mod chunks;
mod completion;
mod message;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::answer::Answer;
use crate::body::RequestSchema;
use crate::errors::ApiError;
use crate::reply::{self, Content};
use crate::server::Shared;
use crate::stream::{self, EventStream};
use crate::{hash, models};
use completion::{Exchange, Usage};
use message::ChatMessage;
use request::ChatRequest;

/// The creation time of everything that the mock sends, in Unix seconds: a constant, so that bytes do not change.
pub(crate) const CREATED: u64 = 1_735_689_600;

pub(crate) async fn completions(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let request = ChatRequest::read(&body, shared.config.schema(RequestSchema::Chat))?;
    models::check(&request.model)?;
    let prompt_tokens = request.tokens();
    let limit = shared.config.context_tokens;
    if prompt_tokens > limit {
        return Err(ApiError::invalid(format!(
            "This model's maximum context length is {limit} tokens. However, your messages resulted in \
             {prompt_tokens} tokens. Please reduce the length of the messages."
        ))
        .param("messages")
        .code("context_length_exceeded"));
    }

    let choices = request.choices();
    let (answers, headers): (Vec<Answer>, _) = match shared.next_reply() {
        None => {
            let prompt = request.prompt();
            ((1..=choices).map(|choice| prompt.answer(choice, choices)).collect(), Vec::new())
        }
        Some(reply) => match reply.content {
            Content::Answer(answer) => (vec![*answer; choices], reply.headers),
            Content::Http { status, body } => return reply::http(status, body, reply.headers),
        },
    };
    let messages: Vec<ChatMessage> = answers.iter().map(ChatMessage::new).collect();
    let usage = Usage::new(prompt_tokens, &messages);
    let exchange = Exchange { id: hash::id("chatcmpl-", &[&body]), request: &request, messages, usage };
    let response = match request.stream {
        Some(true) => {
            let events = EventStream::billed(shared, chunks::events(&exchange));
            stream::respond(events, std::convert::identity)
        }
        _ => {
            shared.counters.billed();
            Json(exchange.completion()).into_response()
        }
    };
    reply::with_headers(response, headers)
}
