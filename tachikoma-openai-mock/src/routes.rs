//! The routes, and what happens around each of them: recording, the key, the headers of every response.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use serde::Deserialize;

use crate::config::MockConfig;
use crate::errors::ApiError;
use crate::fault::inject::{IsContinuation, inject};
use crate::idle::Requests;
use crate::record::RecordedRequest;
use crate::server::Shared;
use crate::{chat, control, conversations, embeddings, hash, key, models, replay, responses, websocket};

/// The routes alone, for an application of your own. The address in the settings is not used. What a test reads from a
/// [`MockServer`](crate::MockServer) is at `/mock/requests` and `/mock/counters`.
pub fn router(config: MockConfig) -> Router {
    build(Shared::new(config))
}

pub(crate) fn build(shared: Arc<Shared>) -> Router {
    let body_limit = shared.config.body_limit;
    let router =
        if shared.replay.is_some() { Router::new().fallback(replay::respond) } else { own_routes(&shared) };
    router
        // `observe` holds bodies to the configured limit.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(&shared), observe))
        .merge(control::routes().layer(DefaultBodyLimit::max(body_limit)))
        .with_state(shared)
}

/// The endpoints of OpenAI and Azure.
fn own_routes(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    let azure = model_routes("/openai/deployments/{deployment}").merge(server_routes("/openai"));
    let mut router = azure.route_layer(from_fn(has_version));
    for base in ["/v1", "/openai/v1"] {
        router = router.merge(model_routes(base)).merge(server_routes(base));
    }
    router
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(from_fn_with_state(Arc::clone(shared), inject))
        .route_layer(from_fn_with_state(Arc::clone(shared), authorise))
        .fallback(unknown_url)
}

/// The endpoints of a model, and so of one of Azure's deployments.
fn model_routes(base: &str) -> Router<Arc<Shared>> {
    Router::new()
        .route(&format!("{base}/chat/completions"), post(chat::completions))
        .route(&format!("{base}/embeddings"), post(embeddings::create))
}

/// The endpoints that do not belong to a deployment.
fn server_routes(base: &str) -> Router<Arc<Shared>> {
    Router::new()
        .route(&format!("{base}/responses"), post(responses::create).get(websocket::upgrade))
        .route(&format!("{base}/responses/{{id}}"), get(responses::retrieve).delete(responses::delete))
        .route(&format!("{base}/responses/{{id}}/cancel"), post(responses::cancel))
        .route(&format!("{base}/responses/{{id}}/input_items"), get(responses::input_items))
        .route(&format!("{base}/responses/compact"), post(responses::compact))
        .route(&format!("{base}/responses/input_tokens"), post(responses::input_tokens))
        .route(&format!("{base}/conversations"), post(conversations::create))
        .route(
            &format!("{base}/conversations/{{id}}"),
            get(conversations::retrieve).post(conversations::update).delete(conversations::delete),
        )
        .route(
            &format!("{base}/conversations/{{id}}/items"),
            get(conversations::list).post(conversations::add),
        )
        .route(&format!("{base}/models"), get(models::list))
        .route(&format!("{base}/models/{{*id}}"), get(models::retrieve))
}

/// Azure's paths outside `/openai/v1` exist only together with a version.
async fn has_version(request: Request, next: Next) -> Result<Response, ApiError> {
    let query = request.uri().query().unwrap_or_default();
    let has = |pair: &str| pair.strip_prefix("api-version=").is_some_and(|version| !version.is_empty());
    if query.split('&').any(has) {
        return Ok(next.run(request).await);
    }
    Err(ApiError::new(StatusCode::NOT_FOUND, "Resource not found").code("404"))
}

async fn unknown_url(method: Method, uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("Invalid URL ({method} {})", uri.path()))
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("Not allowed to {method} on {}. (HINT: see the allow header.)", uri.path()),
    )
    .code("method_not_supported")
}

async fn authorise(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let MockConfig { key, key_needed, .. } = &shared.config;
    key::authorise(request.headers(), key.as_ref(), *key_needed)?;
    Ok(next.run(request).await)
}

/// Reads the body once for the record and for the request's id, then responds. The body of a request without a valid key is
/// discarded while the response is sent: anyone could fill the memory with it.
async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let active = request.extensions().get::<ConnectInfo<Requests>>().map(|requests| requests.0.begin());
    let (mut parts, mut body) = request.into_parts();
    let line = format!("{} {}", parts.method, parts.uri.path());
    let limit = shared.config.body_limit;
    let MockConfig { key, key_needed, .. } = &shared.config;
    let is_replay = shared.replay.is_some();
    if !is_replay && key::authorise(&parts.headers, key.as_ref(), *key_needed).is_err() {
        tokio::spawn(discard(std::mem::take(&mut body), limit));
    }
    let body = to_bytes(body, limit).await;
    let mut admission = match &body {
        Ok(body) if is_limited(&parts) => shared.admit(body),
        _ => None,
    };
    let id = hash::id("req_", &[line.as_bytes(), body.as_deref().unwrap_or_default()]);
    let mut response = match body {
        Ok(body) => {
            shared.counters.uploaded(body.len());
            if shared.config.recording {
                shared.record(RecordedRequest::new(&parts, &body), body.len());
            }
            match admission.as_mut().and_then(|admission| admission.refusal.take()) {
                Some(refusal) => refusal.into_response(),
                None => {
                    parts.extensions.insert(IsContinuation(is_continuation(&body)));
                    next.run(Request::from_parts(parts, Body::from(body))).await
                }
            }
        }
        Err(_) => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request's body could not be read, or is larger than the limit of {limit} bytes."),
        )
        .into_response(),
    };
    // A recorded response has its own headers.
    let headers: &[_] = if is_replay { &[] } else { &HEADERS };
    if let Some(id) = HeaderValue::try_from(id).ok().filter(|_| !is_replay) {
        response.headers_mut().entry("x-request-id").or_insert(id);
    }
    for (name, value) in admission.into_iter().flat_map(|admission| admission.headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().entry(name).or_insert(value);
        }
    }
    for &(name, value) in headers {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if shared.config.log {
        eprintln!("{line} {}", response.status().as_u16());
    }
    match active {
        Some(active) => active.until_sent(response),
        None => response,
    }
}

/// Whether the limits of a model apply to a request.
fn is_limited(parts: &Parts) -> bool {
    let path = parts.uri.path();
    parts.method == Method::POST
        && ["/chat/completions", "/responses", "/embeddings"].iter().any(|end| path.ends_with(end))
}

/// Whether a body names a response that it continues.
fn is_continuation(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Continuation {
        #[serde(default)]
        previous_response_id: Option<String>,
    }
    serde_json::from_slice(body).is_ok_and(|body: Continuation| body.previous_response_id.is_some())
}

/// How long a discarded body is read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads a body, up to this many bytes, so that a client that sends all of it before it reads gets its response.
async fn discard(body: Body, limit: usize) {
    let mut pieces = body.into_data_stream();
    let mut left = limit;
    let reading = async {
        while let Some(Ok(piece)) = pieces.next().await {
            let Some(rest) = left.checked_sub(piece.len()) else { break };
            left = rest;
        }
    };
    _ = tokio::time::timeout(DISCARD_TIMEOUT, reading).await;
}

/// The headers that OpenAI sends with every response, with a constant time.
const HEADERS: [(&str, &str); 9] = [
    ("date", "Wed, 01 Jan 2025 00:00:00 GMT"),
    ("openai-processing-ms", "12"),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "2000000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "1999000"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("x-ratelimit-reset-tokens", "30ms"),
];
