//! The settings of [`Reliability`], each by a method of its own.

use std::time::Duration;

use super::CodexBackendConfig;
#[cfg(doc)]
use crate::Reliability;

/// Makes a method for each setting.
macro_rules! setters {
    ($($(#[$doc:meta])* $method:ident($field:ident: $type:ty);)*) => {
        impl CodexBackendConfig {
            $(
                #[doc = concat!("Sets [`Reliability::", stringify!($field), "`].")]
                $(#[$doc])*
                #[must_use]
                pub fn $method(mut self, $field: $type) -> Self {
                    self.reliability.$field = $field.into();
                    self
                }
            )*
        }
    };
}

setters! {
    with_max_retries(max_retries: u32);
    with_min_retry_wait(min_retry_wait: Duration);
    with_max_retry_wait(max_retry_wait: Duration);
    ///
    /// ```
    /// # use tachikoma_backend_codex::CodexBackendConfig;
    /// let config = CodexBackendConfig::new("sk-...").with_retry_budget(0.1);
    /// assert_eq!(config.reliability().retry_budget, Some(0.1));
    /// assert_eq!(config.with_retry_budget(None).reliability().retry_budget, None);
    /// ```
    with_retry_budget(retry_budget: impl Into<Option<f64>>);
    with_retry_if_maybe_processed(retry_if_maybe_processed: bool);
    with_connect_timeout(connect_timeout: Duration);
    with_response_timeout(response_timeout: Duration);
    with_first_content_timeout(first_content_timeout: impl Into<Option<Duration>>);
    with_idle_timeout(idle_timeout: Duration);
    with_progress_timeout(progress_timeout: impl Into<Option<Duration>>);
    with_total_timeout(total_timeout: impl Into<Option<Duration>>);
    with_token_timeout(token_timeout: Duration);
    with_max_event_bytes(max_event_bytes: usize);
    with_max_body_bytes(max_body_bytes: usize);
    with_max_tool_calls(max_tool_calls: usize);
}
