//! The setting of the gate.

use super::CodexBackendConfig;
use crate::runtime::gate::Gate;

impl CodexBackendConfig {
    /// Holds requests back until the account has room for them. By default they are sent at once.
    ///
    /// It applies to requests for text and embeddings. The time in the gate does not count for the timeouts of a response, but does
    /// for that of the whole request.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tachikoma_backend_codex::{CodexBackendConfig, Gate};
    ///
    /// let gate = Gate::for_account("team")
    ///     .with_max_concurrent_requests(32)
    ///     .with_max_wait(Duration::from_secs(120));
    /// let config = CodexBackendConfig::new("sk-...").with_gate(gate);
    /// # assert!(config.gate().is_some());
    /// ```
    #[must_use]
    pub fn with_gate(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    /// The gate, if there is one.
    pub fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }
}
