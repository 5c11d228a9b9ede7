//! The setting that broken streams are resumed.

use super::CodexBackendConfig;
#[cfg(doc)]
use crate::Reliability;

impl CodexBackendConfig {
    /// Whether a stream over the Responses API whose connection breaks goes on over a further connection, from its last event on. By
    /// default it does not, and is an error with what had arrived.
    ///
    /// The server must store the response: the request sets `store`, or is one in the background. Nothing is generated or billed
    /// again. The response is retrieved by its id: at most 3 times in a row without a further event, after waits that begin with
    /// [`min_retry_wait`](Reliability::min_retry_wait) and double. Where the server does not have the missing events, which
    /// it may keep only for responses in the background or for a limited time, the error is the same as without it.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackendConfig, CompletionRequest, Message};
    /// let config = CodexBackendConfig::new("sk-...").with_resume(true);
    /// let request = CompletionRequest::new(vec![Message::user("Think")]).with_extra("background", true);
    /// # assert!(config.resume());
    /// ```
    #[must_use]
    pub fn with_resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Whether streams of stored responses are resumed.
    pub fn resume(&self) -> bool {
        self.resume
    }
}
