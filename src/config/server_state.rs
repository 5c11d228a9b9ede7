//! The setting that the server keeps conversations.

use super::CodexBackendConfig;

impl CodexBackendConfig {
    /// Whether the server stores responses over the Responses API, so that the next turn of a conversation sends only what is new, by
    /// `previous_response_id`. By default it stores nothing, and each request holds the whole conversation; over a WebSocket only
    /// what is new is sent in either case.
    ///
    /// Requests that do not say otherwise get `store: true`: the provider keeps the conversation, as its data policy has it. The
    /// messages of the caller remain what counts: where they are not an earlier conversation of this backend with something added,
    /// or the server does not have the response, the whole conversation is sent. Only responses that the server reports as
    /// stored are continued, and a response to a part of the conversation is an error.
    ///
    /// The input that the server keeps is billed like input that is sent.
    ///
    /// ```
    /// # use tachikoma_backend_codex::CodexBackendConfig;
    /// let config = CodexBackendConfig::new("sk-...").with_server_state(true);
    /// # assert!(config.server_state());
    /// ```
    #[must_use]
    pub fn with_server_state(mut self, server_state: bool) -> Self {
        self.server_state = server_state;
        self
    }

    /// Whether the server stores responses, which the next turn continues.
    pub fn server_state(&self) -> bool {
        self.server_state
    }
}
