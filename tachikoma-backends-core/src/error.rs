//! What can go wrong, by category.

use std::time::Duration;

use thiserror::Error;

pub use self::category::ErrorCategory;
pub use self::details::ErrorDetails;
pub use self::transcript::Transcript;

mod category;
mod details;
#[cfg(test)]
mod tests;
mod text;
mod transcript;

/// Why a backend returned no response.
///
/// There is one variant for each [category](ErrorCategory), and each holds [what is known](ErrorDetails) of the failure: the
/// server's message, request id, code, attempts. Control characters in the text are written as escapes, and very long texts are
/// cut; the fields of the details hold them unchanged.
///
/// | Variant | [Category](ErrorCategory) | [Retryable](Self::is_retryable), unless the details say otherwise |
/// |---|---|---|
/// | [`Authentication`](Self::Authentication) | authentication | no |
/// | [`Permission`](Self::Permission) | permission | no |
/// | [`NotFound`](Self::NotFound) | not_found | no |
/// | [`InvalidRequest`](Self::InvalidRequest) | invalid_request | no |
/// | [`ContextLength`](Self::ContextLength) | context_length | no |
/// | [`ContentFilter`](Self::ContentFilter) | content_filter | no |
/// | [`RateLimit`](Self::RateLimit) | rate_limit | yes |
/// | [`Quota`](Self::Quota) | quota | no |
/// | [`Api`](Self::Api) | server | yes; with a status, if it is 408, 409, 429 or at least 500 |
/// | [`ServiceUnavailable`](Self::ServiceUnavailable) | overloaded | yes |
/// | [`Timeout`](Self::Timeout) | timeout | yes |
/// | [`Network`](Self::Network) | network | yes |
/// | [`TruncatedStream`](Self::TruncatedStream) | truncated_stream | yes |
/// | [`Parsing`](Self::Parsing) | parse | no |
/// | [`Configuration`](Self::Configuration) | configuration | no |
///
/// ```
/// # use tachikoma_backends_core::{BackendError, ErrorCategory, ErrorDetails};
/// // A message is enough.
/// let error = BackendError::Network("connection reset".into());
/// assert!(error.is_retryable());
///
/// let details = ErrorDetails::new("No such model.").with_status(404).with_request_id("req_1");
/// let error = BackendError::from_details(ErrorCategory::NotFound, details);
/// assert_eq!(error.details().request_id.as_deref(), Some("req_1"));
/// assert_eq!(error.to_string(), "not found: No such model. (status 404, request id req_1)");
/// ```
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendError {
    /// The credentials are missing or wrong.
    #[error("authentication failed: {0}")]
    Authentication(Box<ErrorDetails>),
    /// The credentials may not do this.
    #[error("permission denied: {0}")]
    Permission(Box<ErrorDetails>),
    /// The model, or the server's path, does not exist.
    #[error("not found: {0}")]
    NotFound(Box<ErrorDetails>),
    /// The request is wrong.
    #[error("invalid request: {0}")]
    InvalidRequest(Box<ErrorDetails>),
    /// The conversation is longer than the model can read.
    #[error("context too long: {0}")]
    ContextLength(Box<ErrorDetails>),
    /// The provider's policy forbids the prompt or the response.
    #[error("refused by the content filter: {0}")]
    ContentFilter(Box<ErrorDetails>),
    /// Too many requests or tokens.
    #[error("rate limited: {0}")]
    RateLimit(Box<ErrorDetails>),
    /// The account is out of money or quota.
    #[error("quota exhausted: {0}")]
    Quota(Box<ErrorDetails>),
    /// The server failed, or responded with a status that has no variant of its own.
    #[error("{}: {}", if .0.status.is_some() { "server error" } else { "server" }, .0)]
    Api(Box<ErrorDetails>),
    /// The server has too much to do.
    #[error("server overloaded: {0}")]
    ServiceUnavailable(Box<ErrorDetails>),
    /// Nothing came in time.
    #[error("timed out: {0}")]
    Timeout(Box<ErrorDetails>),
    /// The server could not be reached, or the connection broke.
    #[error("network failure: {0}")]
    Network(Box<ErrorDetails>),
    /// The response was cut before its end.
    #[error("response cut short: {0}")]
    TruncatedStream(Box<ErrorDetails>),
    /// The response could not be parsed.
    #[error("unreadable response: {0}")]
    Parsing(Box<ErrorDetails>),
    /// The backend is configured wrongly.
    #[error("wrong configuration: {0}")]
    Configuration(Box<ErrorDetails>),
}

/// Writes the functions that have an arm for each variant: one row a variant, with its category.
macro_rules! variants {
    ($($variant:ident: $category:ident;)*) => {
        impl BackendError {
            /// A failure of this category.
            pub fn from_details(category: ErrorCategory, details: impl Into<Box<ErrorDetails>>) -> Self {
                match category {
                    $(ErrorCategory::$category => Self::$variant(details.into()),)*
                }
            }

            /// What kind of failure it was.
            pub fn category(&self) -> ErrorCategory {
                match self {
                    $(Self::$variant(_) => ErrorCategory::$category,)*
                }
            }

            /// What is known of the failure: the server's message, request id, code, attempts.
            pub fn details(&self) -> &ErrorDetails {
                match self {
                    $(Self::$variant(details) => details,)*
                }
            }

            /// The details, to add to them.
            pub fn details_mut(&mut self) -> &mut ErrorDetails {
                match self {
                    $(Self::$variant(details) => details,)*
                }
            }
        }
    };
}

variants! {
    Authentication: Authentication;
    Permission: Permission;
    NotFound: NotFound;
    InvalidRequest: InvalidRequest;
    ContextLength: ContextLength;
    ContentFilter: ContentFilter;
    RateLimit: RateLimit;
    Quota: Quota;
    Api: Server;
    ServiceUnavailable: Overloaded;
    Timeout: Timeout;
    Network: Network;
    TruncatedStream: TruncatedStream;
    Parsing: Parse;
    Configuration: Configuration;
}

impl BackendError {
    /// A failure of this category of which only a message is known.
    pub fn new(category: ErrorCategory, message: impl Into<String>) -> Self {
        Self::from_details(category, ErrorDetails::new(message))
    }

    /// The details alone.
    pub fn into_details(mut self) -> ErrorDetails {
        std::mem::take(self.details_mut())
    }

    /// Whether the same request may succeed later: as the details say, else by the category and, of a server error, its status.
    pub fn is_retryable(&self) -> bool {
        match (self, self.details()) {
            (_, ErrorDetails { retryable: Some(retryable), .. }) => *retryable,
            (Self::Api(_), ErrorDetails { status: Some(status), .. }) => {
                matches!(status, 408 | 409 | 429 | 500..)
            }
            _ => self.category().is_retryable(),
        }
    }

    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.details().retry_after
    }
}
