//! Captures the exchange of an attempt, where it is recorded.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use reqwest::ResponseBuilderExt;

use super::failure;
use crate::runtime::recorder::{Exchange, StreamEnd};

/// Sends a request and captures its exchange.
///
/// # Errors
/// As the client.
pub(super) async fn execute(
    http: &reqwest::Client,
    request: reqwest::Request,
    exchange: Exchange,
) -> reqwest::Result<reqwest::Response> {
    let guard = EndGuard(exchange);
    let EndGuard(exchange) = &guard;
    let response = match http.execute(request).await {
        Ok(response) => response,
        Err(error) => {
            let kind = match &error {
                error if error.is_connect() => "connect",
                error if error.is_timeout() => "timeout",
                _ => "lost",
            };
            exchange.end(failed(kind, &error));
            return Err(error);
        }
    };
    exchange.respond(response.status().as_u16(), response.headers());
    let url = response.url().clone();
    let (mut head, body) = http::Response::from(response).into_parts();
    // The conversion loses the URL.
    if let Ok(with_url) = http::Response::builder().url(url).body(()) {
        head.extensions.extend(with_url.into_parts().0.extensions);
    }
    let body = reqwest::Response::from(http::Response::new(body)).bytes_stream();
    let body = reqwest::Body::wrap_stream(CapturedBody { body: Box::pin(body), guard });
    Ok(http::Response::from_parts(head, body).into())
}

/// The end of an exchange that failed.
fn failed(kind: &'static str, error: &reqwest::Error) -> StreamEnd {
    let causes = std::iter::successors(Some(error as &dyn StdError), |error| (*error).source());
    let is_reset = causes
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionReset);
    StreamEnd::Failed { kind, cause: failure::root_cause(error), is_reset }
}

/// Ends the exchange when it is dropped.
struct EndGuard(Exchange);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end(StreamEnd::Dropped);
    }
}

/// The body of a response, whose pieces are captured.
struct CapturedBody<S> {
    body: Pin<Box<S>>,
    guard: EndGuard,
}

impl<S: Stream<Item = reqwest::Result<Bytes>>> Stream for CapturedBody<S> {
    type Item = reqwest::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The URL may hold a secret, and the error becomes a cause of another.
        let item = self.body.as_mut().poll_next(context).map_err(reqwest::Error::without_url);
        let exchange = &self.guard.0;
        match &item {
            Poll::Ready(Some(Ok(piece))) => exchange.piece(piece),
            Poll::Ready(Some(Err(error))) => {
                let kind = if error.is_timeout() { "timeout" } else { "broken" };
                exchange.end(failed(kind, error));
            }
            Poll::Ready(None) => exchange.end(StreamEnd::Complete),
            Poll::Pending => {}
        }
        item
    }
}
