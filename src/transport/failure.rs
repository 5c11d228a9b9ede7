//! Why no answer came, in words. No URL in them carries more than the server's origin.

use std::error::Error as StdError;
use std::fmt;
use std::time::SystemTime;

use progenitor_client::Error;
use tachikoma_backends_core::ErrorCategory;

use super::timeout::Timeout;
use crate::decode::error_body;
use crate::error::CodexError;

/// The error that the generated client's is. `server` is its origin.
pub(super) fn of(error: Error<()>, server: &str) -> CodexError {
    match error {
        Error::InvalidResponsePayload(body, error) => error_body::not_json(&body, &error).with_source(error),
        Error::CommunicationError(error) | Error::InvalidUpgrade(error) => unreachable(error, server),
        Error::ResponseBodyError(error) => broken(error),
        Error::ErrorResponse(answer) => {
            error_body::from_response(answer.status().as_u16(), answer.headers(), b"", SystemTime::now())
        }
        Error::UnexpectedResponse(response) => {
            error_body::from_response(response.status().as_u16(), response.headers(), b"", SystemTime::now())
        }
        Error::InvalidRequest(message) | Error::Custom(message) => {
            CodexError::unsent(ErrorCategory::InvalidRequest, message)
        }
    }
}

/// Whether a connection that stood broke before a response began.
pub(super) fn is_lost_connection(error: &Error<()>) -> bool {
    let (Error::CommunicationError(error) | Error::InvalidUpgrade(error)) = error else { return false };
    !(error.is_connect() || error.is_timeout() || error.is_builder() || error.is_redirect())
}

/// No answer came.
fn unreachable(error: reqwest::Error, server: &str) -> CodexError {
    let error = error.without_url();
    let cause = root_cause(&error);
    if error.is_timeout() && error.is_connect() {
        return Timeout::Connect.error(format!("no connection to {server}: {cause}")).with_source(error);
    }
    if error.is_connect() {
        return CodexError::new(ErrorCategory::Network, format!("no connection to {server}: {cause}"))
            .with_hint("Check the server's URL, the network and the proxy settings.")
            .with_source(error);
    }
    if error.is_builder() || error.is_redirect() {
        let message = format!("no request can go to {server}: {cause}");
        let requests = if error.is_redirect() { requests_before(&error) } else { 0 };
        let mut error = CodexError::configuration(message).with_source(error);
        error.details_mut().attempts = requests;
        return error;
    }
    let message = format!("the connection to {server} broke before an answer came: {cause}");
    let category = if error.is_timeout() { ErrorCategory::Timeout } else { ErrorCategory::Network };
    CodexError::new(category, message).maybe_processed().with_source(error)
}

/// Why a redirect is not followed, and how many requests were sent up to it.
#[derive(Debug)]
pub(super) struct RedirectError {
    pub(super) message: &'static str,
    pub(super) requests: usize,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl StdError for RedirectError {}

/// How many requests were sent before a redirect was not followed: at least one.
fn requests_before(error: &reqwest::Error) -> u32 {
    let redirect = error.source().and_then(|source| source.downcast_ref::<RedirectError>());
    redirect.and_then(|redirect| u32::try_from(redirect.requests).ok()).unwrap_or(1)
}

/// The answer broke off.
pub(super) fn broken(error: reqwest::Error) -> CodexError {
    let error = error.without_url();
    let message = format!("the connection broke within the answer: {}", root_cause(&error));
    CodexError::new(ErrorCategory::Network, message).maybe_processed().with_source(error)
}

pub(super) fn no_client(error: reqwest::Error) -> CodexError {
    CodexError::configuration(format!("no HTTP client can be made: {}", root_cause(&error)))
        .with_source(error)
}

/// The innermost error says what happened; the outer ones only where.
fn root_cause(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
