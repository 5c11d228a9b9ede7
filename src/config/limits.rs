//! The settings of [`Reliability`], each by a method of its own.

use std::time::Duration;

use super::CodexBackendConfig;
#[cfg(doc)]
use crate::Reliability;

impl CodexBackendConfig {
    /// Sets [`Reliability::max_retries`].
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.reliability.max_retries = max_retries;
        self
    }

    /// Sets [`Reliability::min_retry_wait`].
    #[must_use]
    pub fn with_min_retry_wait(mut self, min_retry_wait: Duration) -> Self {
        self.reliability.min_retry_wait = min_retry_wait;
        self
    }

    /// Sets [`Reliability::max_retry_wait`].
    #[must_use]
    pub fn with_max_retry_wait(mut self, max_retry_wait: Duration) -> Self {
        self.reliability.max_retry_wait = max_retry_wait;
        self
    }

    /// Sets [`Reliability::retry_budget`].
    ///
    /// ```
    /// # use tachikoma_backend_codex::CodexBackendConfig;
    /// let config = CodexBackendConfig::new("sk-...").with_retry_budget(0.1);
    /// assert_eq!(config.reliability().retry_budget, Some(0.1));
    /// assert_eq!(config.with_retry_budget(None).reliability().retry_budget, None);
    /// ```
    #[must_use]
    pub fn with_retry_budget(mut self, retry_budget: impl Into<Option<f64>>) -> Self {
        self.reliability.retry_budget = retry_budget.into();
        self
    }

    /// Sets [`Reliability::retry_if_maybe_processed`].
    #[must_use]
    pub fn with_retry_if_maybe_processed(mut self, retry_if_maybe_processed: bool) -> Self {
        self.reliability.retry_if_maybe_processed = retry_if_maybe_processed;
        self
    }

    /// Sets [`Reliability::connect_timeout`].
    #[must_use]
    pub fn with_connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.reliability.connect_timeout = connect_timeout;
        self
    }

    /// Sets [`Reliability::response_timeout`].
    #[must_use]
    pub fn with_response_timeout(mut self, response_timeout: Duration) -> Self {
        self.reliability.response_timeout = response_timeout;
        self
    }

    /// Sets [`Reliability::first_content_timeout`].
    #[must_use]
    pub fn with_first_content_timeout(mut self, first_content_timeout: impl Into<Option<Duration>>) -> Self {
        self.reliability.first_content_timeout = first_content_timeout.into();
        self
    }

    /// Sets [`Reliability::idle_timeout`].
    #[must_use]
    pub fn with_idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.reliability.idle_timeout = idle_timeout;
        self
    }

    /// Sets [`Reliability::progress_timeout`].
    #[must_use]
    pub fn with_progress_timeout(mut self, progress_timeout: impl Into<Option<Duration>>) -> Self {
        self.reliability.progress_timeout = progress_timeout.into();
        self
    }

    /// Sets [`Reliability::total_timeout`].
    #[must_use]
    pub fn with_total_timeout(mut self, total_timeout: impl Into<Option<Duration>>) -> Self {
        self.reliability.total_timeout = total_timeout.into();
        self
    }

    /// Sets [`Reliability::token_timeout`].
    #[must_use]
    pub fn with_token_timeout(mut self, token_timeout: Duration) -> Self {
        self.reliability.token_timeout = token_timeout;
        self
    }

    /// Sets [`Reliability::max_event_bytes`].
    #[must_use]
    pub fn with_max_event_bytes(mut self, max_event_bytes: usize) -> Self {
        self.reliability.max_event_bytes = max_event_bytes;
        self
    }

    /// Sets [`Reliability::max_body_bytes`].
    #[must_use]
    pub fn with_max_body_bytes(mut self, max_body_bytes: usize) -> Self {
        self.reliability.max_body_bytes = max_body_bytes;
        self
    }

    /// Sets [`Reliability::max_tool_calls`].
    #[must_use]
    pub fn with_max_tool_calls(mut self, max_tool_calls: usize) -> Self {
        self.reliability.max_tool_calls = max_tool_calls;
        self
    }
}
