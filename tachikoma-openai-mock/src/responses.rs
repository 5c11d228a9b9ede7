//! `/v1/responses`: from a request to its response, plain or as a stream, and the responses that are stored.

mod compaction;
mod count;
mod events;
mod item;
mod kinds;
mod object;
mod parts;
mod reasoning;
mod request;
mod stored;
mod turn;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::errors::ApiError;
use crate::reply;
use crate::server::Shared;
use crate::stream::{self, EventStream};

pub(crate) use compaction::compact;
pub(crate) use count::input_tokens;
pub(crate) use events::{EventText, events};
pub(crate) use object::Exchange;
pub(crate) use stored::{cancel, delete, input_items, retrieve};
pub(crate) use turn::{Outcome, previous_not_found, run, store, warm_up, with_ids};

pub(crate) async fn create(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, ApiError> {
    let (response, delivery) = match run(&shared, &body, |_| None)? {
        Outcome::Response(response, delivery) => (response, delivery),
        Outcome::Http { status, body, delivery } => {
            return reply::http(&shared, status, body, delivery).await;
        }
    };
    store(&shared, &response);
    let sent = if response.is_streamed {
        let events = events(&response.exchange);
        stream::respond(EventStream::billed(shared, events).of(response).paced(&delivery), events::sse)
    } else {
        shared.pause(delivery.delay).await;
        shared.counters.billed();
        json(response.object())
    };
    delivery.finish(sent)
}

/// A body that is JSON already.
fn json(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}
