//! The categories of failure.

use std::fmt;

/// The kind of a failure, which decides what a caller can do about it.
///
/// ```
/// use tachikoma_backends_core::{BackendError, ErrorCategory};
///
/// fn next_step(error: &BackendError) -> &'static str {
///     match error.category() {
///         ErrorCategory::Authentication | ErrorCategory::Permission => "check the key",
///         ErrorCategory::ContextLength => "compact the conversation",
///         category if category.is_retryable() => "try again later",
///         _ => "show the error",
///     }
/// }
/// assert_eq!(next_step(&BackendError::ContextLength("128,001 tokens".into())), "compact the conversation");
/// assert_eq!(next_step(&BackendError::TruncatedStream("no end".into())), "try again later");
/// assert_eq!(next_step(&BackendError::Quota("no credit".into())), "show the error");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorCategory {
    /// The credentials are missing or wrong: set others.
    Authentication,
    /// The credentials may not do this: use others, or ask for access.
    Permission,
    /// The model, or the server's path, does not exist: correct its name.
    NotFound,
    /// The request is wrong: correct it.
    InvalidRequest,
    /// The conversation is longer than the model can read: shorten it.
    ContextLength,
    /// The provider's policy forbids the prompt or the response: change the prompt.
    ContentFilter,
    /// Too many requests or tokens: wait, then try again.
    RateLimit,
    /// The account is out of money or quota: waiting does not help.
    Quota,
    /// The server failed: try again.
    #[default]
    Server,
    /// The server has too much to do: wait, then try again.
    Overloaded,
    /// Nothing came in time: try again, or allow more time.
    Timeout,
    /// The server could not be reached, or the connection broke: try again.
    Network,
    /// The response was cut before its end: try again.
    TruncatedStream,
    /// The response could not be parsed: report it.
    Parse,
    /// The backend is configured wrongly: correct the configuration.
    Configuration,
}

impl ErrorCategory {
    /// All of them, in order.
    pub const ALL: &[Self] = &[
        Self::Authentication,
        Self::Permission,
        Self::NotFound,
        Self::InvalidRequest,
        Self::ContextLength,
        Self::ContentFilter,
        Self::RateLimit,
        Self::Quota,
        Self::Server,
        Self::Overloaded,
        Self::Timeout,
        Self::Network,
        Self::TruncatedStream,
        Self::Parse,
        Self::Configuration,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::InvalidRequest => "invalid_request",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Server => "server",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::TruncatedStream => "truncated_stream",
            Self::Parse => "parse",
            Self::Configuration => "configuration",
        }
    }

    /// Whether the same request may succeed later, where only the category is known.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimit
                | Self::Server
                | Self::Overloaded
                | Self::Timeout
                | Self::Network
                | Self::TruncatedStream
        )
    }
}

impl fmt::Display for ErrorCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
