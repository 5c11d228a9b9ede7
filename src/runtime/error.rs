//! [`Error`], and the one place where it becomes a [`BackendError`].

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tachikoma_backends_core::{BackendError, ErrorCategory, ErrorDetails, Transcript};

use super::recorder::Exchange;

/// A failure with all its details. The inherent methods of a backend return it; through the
/// [`Backend`](tachikoma_backends_core::Backend) trait it arrives as a [`BackendError`].
///
/// Neither its text nor its `Debug` form holds the credentials of the backend, the values of the caller's own headers or keys
/// in the base URL, even where a server echoes them: `***` replaces them. Values of fewer than 6 characters are not
/// replaced.
///
/// ```
/// use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest, ErrorCategory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = tachikoma_openai_mock::MockServer::start().await?;
/// # let config = CodexBackendConfig::new("sk-...").with_base_url(server.base_url());
/// let backend = CodexBackend::new(config)?;
/// let request = CompletionRequest::user("Hi").with_model("no-such-model");
/// let error = backend.try_complete(request).await.unwrap_err();
/// assert_eq!(error.category(), ErrorCategory::NotFound);
/// assert_eq!((error.status(), error.code()), (Some(404), Some("model_not_found")));
/// assert!(error.request_id().is_some() && !error.is_retryable());
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    category: ErrorCategory,
    details: ErrorDetails,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(category: ErrorCategory, message: impl Into<String>) -> Self {
        let details = ErrorDetails::new(message).with_retryable(category.is_retryable());
        Self(Box::new(Inner { category, details, source: None }))
    }

    /// A failure before anything was sent.
    pub(crate) fn unsent(category: ErrorCategory, message: impl Into<String>) -> Self {
        let mut error = Self::new(category, message);
        error.details_mut().attempts = 0;
        error
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::unsent(ErrorCategory::Configuration, message)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.details.hint = Some(hint.into());
        self
    }

    /// Marks that the server may have processed, and billed, the request.
    pub(crate) fn maybe_processed(mut self) -> Self {
        self.0.details.maybe_processed = true;
        self
    }

    /// Marks an error within a response that had begun: the server has processed the request, even if the response is cut off or
    /// malformed.
    pub(crate) fn within_response(self) -> Self {
        use ErrorCategory::{Network, Parse, Timeout, TruncatedStream};
        let is_local = matches!(self.category(), Network | Parse | Timeout | TruncatedStream);
        if is_local { self.maybe_processed() } else { self }
    }

    /// Adds an earlier failure of the same request, after which it was sent once more in another form.
    pub(crate) fn after(mut self, earlier: Self) -> Self {
        let Inner { category, details, .. } = *earlier.0;
        self.0.details = self.0.details.with_earlier_failure(category, details);
        self
    }

    pub(crate) fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.0.details.request_id = request_id.or(self.0.details.request_id);
        self
    }

    /// Adds the transcript of the exchange that failed, if it is kept and the error has none.
    pub(crate) fn with_exchange(mut self, exchange: Option<&Exchange>) -> Self {
        if self.0.details.transcript.is_none() {
            self.0.details.transcript = exchange.and_then(Exchange::transcript);
        }
        self
    }

    /// Applies `rewrite` to every text, also those of the causes. Unchanged causes remain the original errors.
    pub(crate) fn rewrite(mut self, rewrite: &dyn Fn(&str) -> Cow<'_, str>) -> Self {
        for text in self.0.details.texts_mut() {
            if let Cow::Owned(rewritten) = rewrite(text) {
                *text = rewritten;
            }
        }
        let is_changed = |text: String| matches!(rewrite(&text), Cow::Owned(_));
        if let Some(source) = &self.0.source
            && causes(&**source)
                .any(|cause| is_changed(cause.to_string()) || is_changed(format!("{cause:?}")))
        {
            let texts: Vec<_> =
                causes(&**source).map(|cause| rewrite(&cause.to_string()).into_owned()).collect();
            let rewritten =
                texts.into_iter().rfold(None, |source, text| Some(Box::new(RewrittenCause { text, source })));
            self.0.source = rewritten.map(|cause| cause as _);
        }
        self
    }

    pub(crate) fn details_mut(&mut self) -> &mut ErrorDetails {
        &mut self.0.details
    }

    /// The category of the failure.
    pub fn category(&self) -> ErrorCategory {
        self.0.category
    }

    /// All details from the server and this crate.
    pub fn details(&self) -> &ErrorDetails {
        &self.0.details
    }

    /// The server's message, or this crate's if there was no response.
    pub fn message(&self) -> &str {
        &self.0.details.message
    }

    /// HTTP status, if there was a response.
    pub fn status(&self) -> Option<u16> {
        self.0.details.status
    }

    /// The server's error code, for example `model_not_found`.
    pub fn code(&self) -> Option<&str> {
        self.0.details.code.as_deref()
    }

    /// The provider's id of the request, for its support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.details.request_id.as_deref()
    }

    /// The exchange that failed, the last one of several attempts, if transcripts are kept (`with_transcripts`). Written to a file,
    /// it can be played back, to the same error.
    pub fn transcript(&self) -> Option<&Transcript> {
        self.0.details.transcript.as_ref()
    }

    /// How often the request was sent; 0 if never.
    pub fn attempts(&self) -> u32 {
        self.0.details.attempts
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.details.retry_after
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.details.retryable.unwrap_or(self.0.category.is_retryable())
    }

    /// Whether a timeout ended it.
    pub fn is_timeout(&self) -> bool {
        self.0.category == ErrorCategory::Timeout
    }

    /// Whether the server could not be reached or the connection broke.
    pub fn is_network(&self) -> bool {
        self.0.category == ErrorCategory::Network
    }

    /// Whether other credentials are needed.
    pub fn is_authentication(&self) -> bool {
        self.0.category == ErrorCategory::Authentication
    }

    /// Whether there were too many requests; an exhausted quota is not meant.
    pub fn is_rate_limit(&self) -> bool {
        self.0.category == ErrorCategory::RateLimit
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.category, self.0.details)
    }
}

impl fmt::Debug for Error {
    /// The text of [`Display`](fmt::Display) and its causes, since a `main` that returns the error prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        causes(self).skip(1).try_for_each(|cause| write!(f, "\ncaused by: {cause}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// An error and what caused it, the innermost last.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The replacement for a cause whose text was rewritten.
#[derive(Debug)]
struct RewrittenCause {
    text: String,
    source: Option<Box<RewrittenCause>>,
}

impl fmt::Display for RewrittenCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for RewrittenCause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for BackendError {
    fn from(error: Error) -> Self {
        let Inner { category, details, .. } = *error.0;
        Self::from_details(category, details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_details_reach_the_caller() {
        let mut error = Error::new(ErrorCategory::RateLimit, "Slow down.")
            .with_source("the cause")
            .with_request_id(Some("req_1".into()))
            .with_hint("Wait.");
        error.details_mut().retry_after = Some(Duration::from_secs(2));
        assert!(error.is_rate_limit() && error.is_retryable() && !error.is_timeout());
        assert_eq!(error.to_string(), "rate_limit: Slow down. (request id req_1). Wait.");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the cause"));
        let details = error.details().clone();
        let error = BackendError::from(error);
        assert_eq!(error, BackendError::RateLimit(details.into()));
    }

    #[test]
    fn the_trait_keeps_request_id_code_and_attempts_of_every_category() {
        for &category in ErrorCategory::ALL {
            for retryable in [None, Some(false), Some(true)] {
                let mut error = Error::new(category, "m").maybe_processed().with_hint("Wait.");
                let details = error.details_mut();
                details.status = Some(500);
                details.code = Some("code".into());
                details.param = Some("param".into());
                details.request_id = Some("req_1".into());
                details.attempts = 3;
                details.retryable = retryable;
                details.retry_after = Some(Duration::from_secs(1));
                details.earlier_failures = vec!["network: reset".into()];
                let details = details.clone();
                let is_retryable = error.is_retryable();
                let error = BackendError::from(error);
                assert_eq!((error.category(), error.details()), (category, &details));
                if category != ErrorCategory::Server || retryable.is_some() {
                    assert_eq!(error.is_retryable(), is_retryable, "{category}, {retryable:?}");
                }
            }
        }
    }
}
