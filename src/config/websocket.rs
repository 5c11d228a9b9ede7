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
