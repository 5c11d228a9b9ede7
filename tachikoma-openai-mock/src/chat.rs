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
use crate::reply::{self, Content, Delivery, Reply};
use crate::script::{Endpoint, ScriptRequest};
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
    let prompt = request.prompt();
    let (endpoint, model) = (Endpoint::Chat, request.model.as_str());
    let scripted = shared.next_reply(&ScriptRequest { endpoint, model, prompt: &prompt, body: &body })?;
    let (answers, delivery): (Vec<Answer>, _) = match scripted {
        None => ((1..=choices).map(|choice| prompt.answer(choice, choices)).collect(), Delivery::default()),
        Some(Reply { content, delivery, .. }) => match content {
            Content::Answer(answer) => (vec![*answer; choices], delivery),
            Content::Http { status, body } => return reply::http(&shared, status, body, delivery).await,
        },
    };
    let messages: Vec<ChatMessage> = answers.iter().map(ChatMessage::new).collect();
    let usage = match answers.first().and_then(|answer| answer.usage) {
        Some(usage) => Usage::scripted(usage),
        None => Usage::new(prompt_tokens, &messages),
    };
    let exchange = Exchange { id: hash::id("chatcmpl-", &[&body]), request: &request, messages, usage };
    let response = match request.stream {
        Some(true) => {
            let events = EventStream::billed(shared, chunks::events(&exchange)).paced(&delivery);
            stream::respond(events, std::convert::identity)
        }
        _ => {
            shared.pause(delivery.delay).await;
            shared.counters.billed();
            Json(exchange.completion()).into_response()
        }
    };
    delivery.finish(response)
}
