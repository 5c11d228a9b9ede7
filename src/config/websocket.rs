//! [`WebSocket`]: when requests go over a WebSocket.

use serde::{Deserialize, Serialize};

use super::CodexBackendConfig;

/// When requests of the Responses API go over a WebSocket. In files it is `off`, `auto` or `always`.
///
/// Over a WebSocket a turn of a long conversation sends only what is new, and needs no new connection. Parallel requests share a
/// connection if the server has lanes (`stream_id`): up to 16 at a time, and up to 32 conversations. A dropped stream ends alone;
/// its generation ends with the connection, which closes if no other response is in progress there. Responses, chunks and errors
/// are those of HTTP.
///
/// Where the server does not switch to WebSocket, or the connection breaks before a response has begun, the request goes over
/// HTTP, and so do others for a while. Requests that the caller continues (`previous_response_id`, `conversation` or `background`
/// in `extra`) always do. A client of your own (`with_http_client`) has to speak HTTP/1.1 for it.
///
/// An upgrade that fails and a response that does not begin are warnings in the log, not errors.
///
/// ```
/// use tachikoma_backend_codex::{
///     Api, Backend, CodexBackend, CodexBackendConfig, CompletionRequest, Message, WebSocket,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = tachikoma_openai_mock::MockServer::start().await?;
/// let config = CodexBackendConfig::new("sk-...")
///     .with_base_url(server.base_url())
///     .with_model("gpt-5.6-terra")
///     .with_api(Api::Responses)
///     .with_websocket(WebSocket::Always);
/// let backend = CodexBackend::new(config)?;
/// let first = CompletionRequest::user("Is it snowing?");
/// let answer = backend.complete(first.clone()).await?.to_message();
/// let second = first.with_message(answer).with_message(Message::user("And now?"));
/// backend.complete(second).await?;
///
/// // The second turn has sent its question alone.
/// let requests = server.requests();
/// let sent: Vec<_> = requests.iter().filter(|request| request.is_websocket()).collect();
/// let inputs = sent.iter().filter_map(|request| request.body.as_ref()?["input"].as_array());
/// assert_eq!(inputs.map(Vec::len).collect::<Vec<_>>(), [1, 1]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WebSocket {
    /// Never.
    #[default]
    Off,
    /// To OpenAI's servers, and to Azure's in its v1 form.
    Auto,
    /// To every server.
    Always,
}

impl WebSocket {
    pub(super) fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

impl CodexBackendConfig {
    /// When requests of the Responses API go over a WebSocket. By default never.
    #[must_use]
    pub fn with_websocket(mut self, websocket: WebSocket) -> Self {
        self.websocket = websocket;
        self
    }

    /// When requests go over a WebSocket.
    pub fn websocket(&self) -> WebSocket {
        self.websocket
    }
}
