//! [`Attempt`]: one request as it is sent, and its response.

use std::fmt;
use std::sync::{Arc, OnceLock};

use progenitor_client::ResponseValue;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::{AuthHeader, Destination, capture, failure};
use crate::runtime::masked_url;
use crate::runtime::recorder::Exchange;

/// The URL, client and headers of one attempt. The hooks of the generated client apply it.
#[derive(Clone)]
pub(crate) struct Attempt {
    /// The URL to which the path of the operation is appended.
    pub(crate) base: Arc<str>,
    pub(crate) http: reqwest::Client,
    pub(super) destination: Arc<Destination>,
    pub(super) token: Option<AuthHeader>,
    /// The exchange of this attempt, once it is sent, if it is recorded.
    pub(super) exchange: Option<Arc<OnceLock<Exchange>>>,
}

impl Attempt {
    /// Sends the request.
    ///
    /// # Errors
    /// As the client.
    pub(crate) async fn execute(&self, request: reqwest::Request) -> reqwest::Result<reqwest::Response> {
        let (Some(recorder), Some(slot)) = (&self.destination.recorder, &self.exchange) else {
            return self.http.execute(request).await;
        };
        let exchange = recorder.begin(&request);
        slot.get_or_init(|| exchange.clone());
        // Boxed, so that the future of a request that is not recorded stays small.
        Box::pin(capture::execute(&self.http, request, exchange)).await
    }

    /// Checks that a response came from the server of the request.
    ///
    /// # Errors
    /// The caller's own HTTP client followed a redirect to another server.
    pub(crate) fn check_origin(&self, response: &reqwest::Response) -> Result<(), String> {
        failure::check_origin(&self.destination.url, response.url())
    }

    /// Applies it to a request.
    pub(crate) fn apply(&self, request: &mut reqwest::Request) {
        let Destination { query, headers, default_headers, .. } = &*self.destination;
        if let Some((name, value)) = query {
            request.url_mut().query_pairs_mut().append_pair(name, value);
        }
        let target = request.headers_mut();
        for (name, value) in headers {
            target.insert(name, value.clone());
        }
        // The generated operations send their JSON as bytes.
        if let Some(content_type) = target.get_mut(CONTENT_TYPE) {
            *content_type = HeaderValue::from_static("application/json");
        }
        if let Some(AuthHeader { name, value, .. }) = &self.token {
            target.insert(name, value.clone());
        }
        for name in default_headers.keys() {
            target.remove(name);
        }
        for (name, value) in default_headers {
            target.append(name, value.clone());
        }
    }
}

impl fmt::Debug for Attempt {
    /// Without the HTTP client, which prints its default headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("base", &masked_url(&self.base)).finish_non_exhaustive()
    }
}

/// A response, and its exchange if that is recorded.
pub(crate) struct Response<T> {
    pub(super) value: ResponseValue<T>,
    pub(super) exchange: Option<Exchange>,
}
