//! What is known of a failure.

use std::fmt;
use std::time::Duration;

use super::text::{self, EscapedText};
use super::{ErrorCategory, Transcript};
use crate::setters::{optional_setters, setters};

/// What is known of a failure.
///
/// Built from a message and the `with_*` methods; a `&str` or a `String` becomes the details of a [`BackendError`] that hold
/// nothing else.
///
/// [`BackendError`]: crate::BackendError
///
/// ```
/// use std::time::Duration;
/// use tachikoma_backends_core::{BackendError, ErrorDetails};
///
/// // A backend states what it knows of a response with the status 429.
/// let details = ErrorDetails::new("Rate limit reached.")
///     .with_status(429)
///     .with_request_id("req_1")
///     .with_retry_after(Duration::from_secs(20));
/// let error = BackendError::RateLimit(details.into());
///
/// // A caller decides by it.
/// let details = error.details();
/// assert_eq!(details.retry_after, Some(Duration::from_secs(20)));
/// assert_eq!((details.status, details.attempts, details.maybe_processed), (Some(429), 1, false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorDetails {
    /// The server's message, or the backend's where the server sent none.
    pub message: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// The provider's error code.
    pub code: Option<String>,
    /// The field of the request that is wrong.
    pub param: Option<String>,
    /// The id of the request at the provider, for support.
    pub request_id: Option<String>,
    /// How often the request was sent, the first time included: 1, unless set otherwise, and 0 where it was never sent.
    pub attempts: u32,
    /// Whether the same request may succeed later. Where this is `None`, the category decides:
    /// [`BackendError::is_retryable`](crate::BackendError::is_retryable).
    pub retryable: Option<bool>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// What to do next.
    pub hint: Option<String>,
    /// Why the earlier attempts failed, in order.
    pub earlier_failures: Vec<String>,
    /// Whether the server may have processed, and billed, the request all the same.
    pub maybe_processed: bool,
    /// The exchange that failed, where the backend keeps it.
    pub transcript: Option<Transcript>,
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
            retryable: None,
            retry_after: None,
            hint: None,
            earlier_failures: Vec::new(),
            maybe_processed: false,
            transcript: None,
        }
    }
}

impl ErrorDetails {
    /// Details of which only the message is known.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    setters! {
        with_attempts(attempts: u32);
        with_maybe_processed(maybe_processed: bool);
    }

    optional_setters! {
        with_status(status: u16);
        with_code(code: impl Into<String>);
        with_param(param: impl Into<String>);
        with_request_id(request_id: impl Into<String>);
        with_retryable(retryable: bool);
        with_retry_after(retry_after: Duration);
        with_hint(hint: impl Into<String>);
        with_transcript(transcript: Transcript);
    }

    /// Adds an earlier failure of the same request, and what failed before it, to
    /// [`earlier_failures`](Self::earlier_failures) and [`attempts`](Self::attempts).
    #[must_use]
    pub fn with_earlier_failure(mut self, category: ErrorCategory, earlier: Self) -> Self {
        self.attempts = self.attempts.saturating_add(earlier.attempts);
        let mut failures = earlier.earlier_failures;
        failures.push(format!("{category}: {}", earlier.message));
        failures.append(&mut self.earlier_failures);
        self.earlier_failures = failures;
        self
    }

    /// All texts, for example to mask secrets in them.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        // Without `..`, so that a text more cannot be forgotten.
        let Self {
            message,
            status: _,
            code,
            param,
            request_id,
            attempts: _,
            retryable: _,
            retry_after: _,
            hint,
            earlier_failures,
            maybe_processed: _,
            // Its maker has masked it.
            transcript: _,
        } = self;
        let optional = [code, param, request_id, hint].into_iter().flatten();
        std::iter::once(message).chain(optional).chain(earlier_failures)
    }
}

impl From<&str> for Box<ErrorDetails> {
    fn from(message: &str) -> Self {
        Self::new(ErrorDetails::new(message))
    }
}

impl From<String> for Box<ErrorDetails> {
    fn from(message: String) -> Self {
        Self::new(ErrorDetails::new(message))
    }
}

impl fmt::Display for ErrorDetails {
    /// The message, the other details in parentheses, and what to do next. Control characters are written as
    /// escapes, and long texts are cut, with their length; the fields hold them unchanged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = EscapedText::message(&self.message).to_string();
        f.write_str(&message)?;
        let is_new = |text: &&String| !self.message.contains(text.as_str());
        let is_status = |code: &str| self.status.is_some_and(|status| status.to_string() == code);
        let notes: Vec<String> = [
            self.status.map(|status| format!("status {status}")),
            self.code
                .as_ref()
                .filter(is_new)
                .filter(|code| !is_status(code))
                .map(|code| format!("code {}", EscapedText::name(code))),
            self.param.as_ref().filter(is_new).map(|param| format!("param {}", EscapedText::name(param))),
            self.request_id.as_ref().map(|id| format!("request id {}", EscapedText::name(id))),
            match (self.attempts, text::failures(&self.earlier_failures)) {
                (0 | 1, earlier) if earlier.is_empty() => None,
                // Not every earlier failure was sent.
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
        let hint = self.hint.as_deref().map(|hint| EscapedText::hint(hint).to_string());
        let after: Vec<String> = self.maybe_processed.then_some(billed).into_iter().chain(hint).collect();
        if !after.is_empty() {
            let stop = if message.ends_with('.') && notes.is_empty() { "" } else { "." };
            write!(f, "{stop} {}", after.join(" "))?;
        }
        Ok(())
    }
}
