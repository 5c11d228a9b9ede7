//! Opens WebSockets: by the same HTTP client as other requests, hence with the same TLS, proxies, credentials and redirects.

use std::sync::Arc;
use std::time::SystemTime;

use reqwest::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use reqwest::{ClientBuilder, StatusCode, Upgraded, Version};
use tachikoma_backends_core::ErrorCategory;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::client::build_client;
use super::retry::{Decision, RetryPolicy};
use super::timeout::Timeout;
use super::{Attempt, Body, Transport, failure, tokio_runtime};
use crate::runtime::rate_limit;
use crate::runtime::websocket::{MessageHead, WebSocketConnection, WebSocketLimits};
use crate::runtime::{Error, Reliability};

/// How much is read from a WebSocket at once, in bytes. Every connection keeps a buffer of this size, which is overwritten with
/// zeros before each read: the default of 128 KB cost more than decoding the usual events.
const READ_BUFFER: usize = 16 << 10;

impl Transport {
    /// Opens a WebSocket at this path below `base`, once, without retries.
    ///
    /// # Errors
    /// The server does not switch to WebSocket, or cannot be reached.
    pub(crate) async fn open_websocket(
        &self,
        base: &str,
        path: &str,
        head: fn(&str) -> MessageHead,
    ) -> Result<WebSocketConnection, Error> {
        tokio_runtime::check()?;
        let token = self.destination.authorization.header().await?;
        let attempt = Attempt {
            base: base.into(),
            http: self.upgrade_client(),
            destination: Arc::clone(&self.destination),
            token: token.clone(),
            exchange: None,
        };
        let open = tokio_runtime::guard(upgrade(&attempt, path, &self.reliability));
        // The server only has to switch: what a response may take does not apply.
        let opened = Timeout::Connect.limit(self.reliability.connect_timeout, open).await;
        let error = match opened.and_then(|opened| opened).and_then(|opened| opened) {
            Ok((socket, headers)) => {
                self.record_rate_limits(&headers);
                let redactor = Arc::clone(self.redactor());
                let request_id = rate_limit::request_id(&headers, self.destination.errors.request_id_headers);
                let request_id = request_id.map(|id| redactor.text(&id).into_owned());
                let idle_timeout = self.reliability.idle_timeout;
                let limits = WebSocketLimits { idle_timeout, redactor, request_id };
                let config = WebSocketConfig::default()
                    .read_buffer_size(READ_BUFFER)
                    .max_message_size(Some(self.reliability.max_event_bytes))
                    .max_frame_size(Some(self.reliability.max_event_bytes));
                let socket = WebSocketStream::from_raw_socket(socket, Role::Client, Some(config)).await;
                return Ok(WebSocketConnection::new(socket, limits, head));
            }
            Err(error) => error,
        };
        if let (Some(token), Some(401)) = (&token, error.status()) {
            self.destination.authorization.invalidate(token);
        }
        Err(self.destination.redactor.error(error))
    }

    /// Waits until a request may be retried after this failure over a WebSocket, and returns how many retries are left.
    ///
    /// # Errors
    /// It is not retried: this error.
    pub(crate) async fn wait_to_retry(&self, error: Error, max_retries: Option<u32>) -> Result<u32, Error> {
        let mut policy = RetryPolicy::new(self.reliability, max_retries);
        let category = error.category();
        match policy.decide(error, fastrand::f64(), |max_retries| self.take_retry(max_retries)) {
            Decision::Stop(error) => Err(error),
            Decision::Retry(wait) => {
                self.metrics().count_retry(category);
                tokio::time::sleep(wait).await;
                Ok(max_retries.unwrap_or(self.reliability.max_retries).saturating_sub(1))
            }
        }
    }

    /// The client of upgrades, which HTTP/2 does not have.
    fn upgrade_client(&self) -> reqwest::Client {
        if self.unpooled.is_none() {
            return self.http.clone();
        }
        let client = self.upgrades.get_or_init(|| {
            let client = build_client(self.reliability.connect_timeout, ClientBuilder::http1_only);
            client.unwrap_or_else(|_| self.http.clone())
        });
        client.clone()
    }
}

/// Asks the server to switch to WebSocket.
async fn upgrade(
    attempt: &Attempt,
    path: &str,
    reliability: &Reliability,
) -> Result<(Upgraded, HeaderMap), Error> {
    let Attempt { base, http, destination, .. } = attempt;
    let server = destination.url.origin().ascii_serialization();
    let key = generate_key();
    let request = http
        .get(format!("{base}/{path}"))
        .version(Version::HTTP_11)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key)
        .build();
    let mut request = request.map_err(|error| failure::send_error(error, &server))?;
    attempt.apply(&mut request);
    let response = http.execute(request).await.map_err(|error| failure::send_error(error, &server))?;
    attempt.check_origin(&response).map_err(Error::configuration)?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let body = Body::from_error(response, reliability, &destination.redactor).read_prefix().await;
        return Err(match status.is_success() {
            true => refused(format!(
                "the server responded with status {status} instead of switching to WebSocket"
            )),
            false => destination.errors.response_error(status.as_u16(), &headers, &body, SystemTime::now()),
        });
    }
    let accepted = headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(refused("the server accepted a WebSocket that was not requested".to_owned()));
    }
    let socket = response.upgrade().await.map_err(|error| failure::send_error(error, &server))?;
    Ok((socket, headers))
}

fn refused(message: String) -> Error {
    Error::new(ErrorCategory::Network, message)
}
