//! What can go wrong, by category.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use self::text::Shown;

mod text;

/// What kind of failure it was, and so what a caller can do about it.
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
    /// The provider's policy forbids the prompt or the answer: change the prompt.
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
    /// The answer was cut before its end: ask again.
    TruncatedStream,
    /// The answer could not be understood: report it.
    Parse,
    /// The backend is set up wrongly: correct the configuration.
    Configuration,
}

impl ErrorCategory {
    /// The word for it in logs and metrics.
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

    /// Whether the same request may succeed later, where nothing more is known than the category.
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

/// Everything that is known of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDetails {
    /// The server's own words, or the backend's.
    pub message: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// The provider's error code.
    pub code: Option<String>,
    /// The request's field that is to blame.
    pub param: Option<String>,
    /// The id of the request at the provider, for support.
    pub request_id: Option<String>,
    /// How often the request was sent, the first time included; 0 where it was never sent.
    pub attempts: u32,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// What to do next.
    pub hint: Option<String>,
    /// Why the earlier attempts failed, in order.
    pub earlier_failures: Vec<String>,
    /// Whether the server may have processed, and billed, the request all the same.
    pub maybe_processed: bool,
}

impl Default for ErrorDetails {
    fn default() -> Self {
        Self {
            message: String::new(),
            status: None,
            code: None,
            param: None,
            request_id: None,
            attempts: 1,
            retryable: false,
            retry_after: None,
            hint: None,
            earlier_failures: Vec::new(),
            maybe_processed: false,
        }
    }
}

impl ErrorDetails {
    /// Details that hold nothing but a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl fmt::Display for ErrorDetails {
    /// The message, what the server says beside it in parentheses, and what to do next. Control characters are written as
    /// escapes, and long texts are cut, with their length; the fields hold them unchanged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = Shown::message(&self.message).to_string();
        f.write_str(&message)?;
        let is_new = |text: &&String| !self.message.contains(text.as_str());
        let is_status = |code: &str| self.status.is_some_and(|status| status.to_string() == code);
        let notes: Vec<String> = [
            self.status.map(|status| format!("status {status}")),
            self.code
                .as_ref()
                .filter(is_new)
                .filter(|code| !is_status(code))
                .map(|code| format!("code {}", Shown::name(code))),
            self.param.as_ref().filter(is_new).map(|param| format!("param {}", Shown::name(param))),
            self.request_id.as_ref().map(|id| format!("request id {}", Shown::name(id))),
            match (self.attempts, text::failures(&self.earlier_failures)) {
                (0 | 1, earlier) if earlier.is_empty() => None,
                // What failed before was not all sent.
                (0 | 1, earlier) => Some(format!("before: {earlier}")),
                (attempts, earlier) if earlier.is_empty() => Some(format!("{attempts} attempts")),
                (attempts, earlier) => Some(format!("{attempts} attempts; before: {earlier}")),
            },
        ]
        .into_iter()
        .flatten()
        .collect();
        if !notes.is_empty() {
            write!(f, " ({})", notes.join(", "))?;
        }
        let billed = "The request may have been processed and billed all the same.".to_owned();
        let hint = self.hint.as_deref().map(|hint| Shown::hint(hint).to_string());
        let after: Vec<String> = self.maybe_processed.then_some(billed).into_iter().chain(hint).collect();
        if !after.is_empty() {
            let stop = if message.ends_with('.') && notes.is_empty() { "" } else { "." };
            write!(f, "{stop} {}", after.join(" "))?;
        }
        Ok(())
    }
}

/// Why a backend could not answer.
///
/// The text of each holds the server's own words and, where there is one, the request id. Control characters in it are written
/// as escapes, and very long texts are cut.
///
/// | Variant | [Category](ErrorCategory) | Retryable |
/// |---|---|---|
/// | [`Authentication`](Self::Authentication) | authentication | no |
/// | [`Permission`](Self::Permission) | permission | by its details |
/// | [`NotFound`](Self::NotFound) | not_found | by its details |
/// | [`InvalidRequest`](Self::InvalidRequest) | invalid_request | no |
/// | [`ContextLength`](Self::ContextLength) | context_length | by its details |
/// | [`ContentFilter`](Self::ContentFilter) | content_filter | by its details |
/// | [`RateLimit`](Self::RateLimit) | rate_limit | yes |
/// | [`Quota`](Self::Quota) | quota | by its details |
/// | [`Api`](Self::Api) | server | status 408, 409, 429 and from 500 on |
/// | [`ServiceUnavailable`](Self::ServiceUnavailable) | overloaded | yes |
/// | [`Timeout`](Self::Timeout) | timeout | by its details |
/// | [`Network`](Self::Network) | network | yes |
/// | [`TruncatedStream`](Self::TruncatedStream) | truncated_stream | by its details |
/// | [`Parsing`](Self::Parsing) | parse | no |
/// | [`Configuration`](Self::Configuration) | configuration | no |
/// | [`Other`](Self::Other) | its own | by its details |
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendError {
    /// The credentials are missing or wrong.
    #[error("authentication failed: {}", Shown::whole(.0))]
    Authentication(String),
    /// The credentials may not do this.
    #[error("permission denied: {0}")]
    Permission(Box<ErrorDetails>),
    /// The model, or the server's path, does not exist.
    #[error("not found: {0}")]
    NotFound(Box<ErrorDetails>),
    /// The request is wrong.
    #[error("invalid request: {}", Shown::whole(.0))]
    InvalidRequest(String),
    /// The conversation is longer than the model can read.
    #[error("context too long: {0}")]
    ContextLength(Box<ErrorDetails>),
    /// The provider's policy forbids the prompt or the answer.
    #[error("refused by the content filter: {0}")]
    ContentFilter(Box<ErrorDetails>),
    /// Too many requests or tokens.
    #[error("rate limited: {}", Shown::whole(message))]
    RateLimit {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
        /// The server's words.
        message: String,
    },
    /// The account is out of money or quota.
    #[error("quota exhausted: {0}")]
    Quota(Box<ErrorDetails>),
    /// The server failed, or answered with a status that has no variant of its own.
    #[error("server error: {}", Shown::whole(message))]
    Api {
        /// HTTP status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The server has too much to do.
    #[error("server overloaded: {}", Shown::whole(message))]
    ServiceUnavailable {
        /// The server's words.
        message: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// Nothing came in time.
    #[error("timed out: {0}")]
    Timeout(Box<ErrorDetails>),
    /// The server could not be reached, or the connection broke.
    #[error("network failure: {}", Shown::whole(.0))]
    Network(String),
    /// The answer was cut before its end.
    #[error("answer cut short: {0}")]
    TruncatedStream(Box<ErrorDetails>),
    /// The answer could not be understood.
    #[error("unreadable answer: {}", Shown::whole(.0))]
    Parsing(String),
    /// The backend is set up wrongly.
    #[error("wrong configuration: {}", Shown::whole(.0))]
    Configuration(String),
    /// A failure of a known category that the variant of its own cannot describe, for instance a rate limit that
    /// the server says not to retry.
    #[error("{category}: {details}")]
    Other {
        /// Its category.
        category: ErrorCategory,
        /// What is known of it.
        details: Box<ErrorDetails>,
    },
}

impl BackendError {
    /// The variant for a failure of this category: the plain one where it says all that a caller decides by,
    /// else one that carries the details.
    pub fn from_details(category: ErrorCategory, details: ErrorDetails) -> Self {
        let message = details.to_string();
        let plain = match (category, details.status) {
            (ErrorCategory::Authentication, _) => Self::Authentication(message),
            (ErrorCategory::InvalidRequest, _) => Self::InvalidRequest(message),
            (ErrorCategory::RateLimit, _) => Self::RateLimit { retry_after: details.retry_after, message },
            (ErrorCategory::Server, Some(status)) => Self::Api { status, message },
            (ErrorCategory::Overloaded, _) => {
                Self::ServiceUnavailable { message, retry_after: details.retry_after }
            }
            (ErrorCategory::Network, _) => Self::Network(message),
            (ErrorCategory::Parse, _) => Self::Parsing(message),
            (ErrorCategory::Configuration, _) => Self::Configuration(message),
            (ErrorCategory::Permission, _) => return Self::Permission(Box::new(details)),
            (ErrorCategory::NotFound, _) => return Self::NotFound(Box::new(details)),
            (ErrorCategory::ContextLength, _) => return Self::ContextLength(Box::new(details)),
            (ErrorCategory::ContentFilter, _) => return Self::ContentFilter(Box::new(details)),
            (ErrorCategory::Quota, _) => return Self::Quota(Box::new(details)),
            (ErrorCategory::Timeout, _) => return Self::Timeout(Box::new(details)),
            (ErrorCategory::TruncatedStream, _) => return Self::TruncatedStream(Box::new(details)),
            (ErrorCategory::Server, None) => return Self::Other { category, details: Box::new(details) },
        };
        if plain.is_retryable() == details.retryable && plain.retry_after() == details.retry_after {
            plain
        } else {
            Self::Other { category, details: Box::new(details) }
        }
    }

    /// What kind of failure it was.
    pub fn category(&self) -> ErrorCategory {
        match self {
            Self::Authentication(_) => ErrorCategory::Authentication,
            Self::Permission(_) => ErrorCategory::Permission,
            Self::NotFound(_) => ErrorCategory::NotFound,
            Self::InvalidRequest(_) => ErrorCategory::InvalidRequest,
            Self::ContextLength(_) => ErrorCategory::ContextLength,
            Self::ContentFilter(_) => ErrorCategory::ContentFilter,
            Self::RateLimit { .. } => ErrorCategory::RateLimit,
            Self::Quota(_) => ErrorCategory::Quota,
            Self::Api { .. } => ErrorCategory::Server,
            Self::ServiceUnavailable { .. } => ErrorCategory::Overloaded,
            Self::Timeout(_) => ErrorCategory::Timeout,
            Self::Network(_) => ErrorCategory::Network,
            Self::TruncatedStream(_) => ErrorCategory::TruncatedStream,
            Self::Parsing(_) => ErrorCategory::Parse,
            Self::Configuration(_) => ErrorCategory::Configuration,
            Self::Other { category, .. } => *category,
        }
    }

    /// What is known of the failure, where the variant carries it.
    pub fn details(&self) -> Option<&ErrorDetails> {
        match self {
            Self::Permission(details)
            | Self::NotFound(details)
            | Self::ContextLength(details)
            | Self::ContentFilter(details)
            | Self::Quota(details)
            | Self::Timeout(details)
            | Self::TruncatedStream(details)
            | Self::Other { details, .. } => Some(details),
            _ => None,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match (self.details(), self) {
            (Some(details), _) => details.retryable,
            (None, Self::Api { status, .. }) => matches!(status, 408 | 409 | 429 | 500..),
            (None, _) => self.category().is_retryable(),
        }
    }

    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimit { retry_after, .. } | Self::ServiceUnavailable { retry_after, .. } => {
                *retry_after
            }
            _ => self.details().and_then(|details| details.retry_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ErrorCategory; 15] = [
        ErrorCategory::Authentication,
        ErrorCategory::Permission,
        ErrorCategory::NotFound,
        ErrorCategory::InvalidRequest,
        ErrorCategory::ContextLength,
        ErrorCategory::ContentFilter,
        ErrorCategory::RateLimit,
        ErrorCategory::Quota,
        ErrorCategory::Server,
        ErrorCategory::Overloaded,
        ErrorCategory::Timeout,
        ErrorCategory::Network,
        ErrorCategory::TruncatedStream,
        ErrorCategory::Parse,
        ErrorCategory::Configuration,
    ];

    #[test]
    fn details_survive_the_way_into_a_variant() {
        for category in ALL {
            for retryable in [false, true] {
                for status in [None, Some(400), Some(500)] {
                    for retry_after in [None, Some(Duration::from_secs(3))] {
                        let details = ErrorDetails {
                            message: "the server's words".into(),
                            request_id: Some("req_1".into()),
                            status,
                            retryable,
                            retry_after,
                            ..Default::default()
                        };
                        let error = BackendError::from_details(category, details);
                        assert_eq!(error.category(), category, "{error:?}");
                        assert_eq!(error.is_retryable(), retryable, "{error:?}");
                        assert_eq!(error.retry_after(), retry_after, "{error:?}");
                        let text = error.to_string();
                        assert!(text.contains("the server's words") && text.contains("req_1"), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_usual_failures_become_the_plain_variants() {
        let details = |status, retryable| ErrorDetails {
            message: "m".into(),
            status: Some(status),
            retryable,
            ..Default::default()
        };
        let from = BackendError::from_details;
        let limited = from(ErrorCategory::RateLimit, details(429, true));
        assert!(matches!(limited, BackendError::RateLimit { .. }), "{limited:?}");
        let failed = from(ErrorCategory::Server, details(500, true));
        assert!(matches!(failed, BackendError::Api { status: 500, .. }), "{failed:?}");
        let told_not_to = from(ErrorCategory::Server, details(500, false));
        assert!(matches!(told_not_to, BackendError::Other { .. }), "{told_not_to:?}");
    }

    #[test]
    fn details_as_text() {
        #[track_caller]
        fn check(details: ErrorDetails, expected: &str) {
            assert_eq!(details.to_string(), expected);
        }
        check(ErrorDetails::new("Bad."), "Bad.");
        check(
            ErrorDetails {
                status: Some(400),
                code: Some("unsupported_value".into()),
                param: Some("temperature".into()),
                request_id: Some("req_1".into()),
                attempts: 3,
                hint: Some("Leave it out.".into()),
                ..ErrorDetails::new("Unsupported value: 'temperature'")
            },
            "Unsupported value: 'temperature' (status 400, code unsupported_value, request id req_1, 3 attempts). Leave it out.",
        );
        let twice = ErrorDetails { status: Some(401), code: Some("401".into()), ..ErrorDetails::new("No.") };
        check(twice, "No. (status 401)");
    }
}
