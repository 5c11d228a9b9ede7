//! Why no response came, in words. No URL in them shows more than an origin, or the path that a server redirects to.

use std::error::Error as StdError;
use std::fmt;
use std::time::SystemTime;

use progenitor_client::Error as ClientError;
use reqwest::Url;
use reqwest::header::LOCATION;
use tachikoma_backends_core::ErrorCategory;

use super::timeout::Timeout;
use crate::runtime::{Error, error_body::ErrorTable, masked_url};

/// The error that the generated client's is. `server` is its origin.
pub(super) fn from_client(error: ClientError<()>, server: &str, errors: &ErrorTable) -> Error {
    match error {
        ClientError::InvalidResponsePayload(body, error) => errors.not_json(&body, &error).with_source(error),
        ClientError::CommunicationError(error) | ClientError::InvalidUpgrade(error) => {
            unreachable(error, server)
        }
        ClientError::ResponseBodyError(error) => broken(error),
        ClientError::ErrorResponse(answer) => {
            errors.response_error(answer.status().as_u16(), answer.headers(), b"", SystemTime::now())
        }
        ClientError::UnexpectedResponse(response) => {
            errors.response_error(response.status().as_u16(), response.headers(), b"", SystemTime::now())
        }
        ClientError::InvalidRequest(message) => Error::unsent(ErrorCategory::InvalidRequest, message),
        // Only `check_origin` makes these.
        ClientError::Custom(message) => {
            Error::new(ErrorCategory::Configuration, message).with_hint(OWN_CLIENT_HINT)
        }
    }
}

/// Whether a connection that stood broke before a response began.
pub(super) fn is_lost_connection(error: &ClientError<()>) -> bool {
    let (ClientError::CommunicationError(error) | ClientError::InvalidUpgrade(error)) = error else {
        return false;
    };
    !(error.is_connect() || error.is_timeout() || error.is_builder() || error.is_redirect())
}

/// How many redirects are followed.
pub(super) const MAX_REDIRECTS: usize = 10;

const OWN_CLIENT_HINT: &str = "Build the client of with_http_client with redirect::Policy::none(), replace the credentials if \
     that server is not to know them, and give the final URL with_base_url.";

/// Whether a redirect from one URL to the other stays at the server, or goes to its `https`.
pub(super) fn is_same_server(from: &Url, to: &Url) -> bool {
    let is_usual = |url: &Url| url.port().is_none();
    let is_upgrade = to.scheme() == "https" && is_usual(from) && is_usual(to);
    from.origin() == to.origin() || from.host() == to.host() && is_upgrade
}

/// Whether the response is that of the server that was asked.
///
/// # Errors
/// It is the response of another server, which the message names.
pub(super) fn check_origin(server: &Url, response: &Url) -> Result<(), String> {
    if is_same_server(server, response) {
        return Ok(());
    }
    let [from, to] = [server, response].map(|url| url.origin().ascii_serialization());
    Err(format!(
        "the HTTP client followed a redirect from {from} to {to}, which got the conversation, and may have got the credentials"
    ))
}

/// The error that a redirect is which was not followed.
pub(super) fn redirect(response: &reqwest::Response) -> Option<Error> {
    let status = response.status();
    let location = response.headers().get(LOCATION).filter(|_| status.is_redirection())?;
    let target = std::str::from_utf8(location.as_bytes()).ok().and_then(|to| response.url().join(to).ok());
    let message = match target {
        Some(mut target) => {
            target.set_query(None);
            format!("the server redirects to {}", masked_url(target.as_str()))
        }
        None => "the server redirects to a location that is not a valid URL".to_owned(),
    };
    let mut error = Error::new(ErrorCategory::Configuration, message).with_hint(
        "If the API is there, give its URL with_base_url. A redirect is followed only within a server, and only if the \
         request stays a POST (status 307 or 308).",
    );
    error.details_mut().status = Some(status.as_u16());
    Some(error)
}

/// No answer came.
fn unreachable(error: reqwest::Error, server: &str) -> Error {
    let error = error.without_url();
    let cause = root_cause(&error);
    if error.is_timeout() && error.is_connect() {
        return Timeout::Connect.error(format!("no connection to {server}: {cause}")).with_source(error);
    }
    if error.is_connect() {
        return Error::new(ErrorCategory::Network, format!("no connection to {server}: {cause}"))
            .with_hint("Check the server's URL, the network and the proxy settings.")
            .with_source(error);
    }
    if error.is_builder() || error.is_redirect() {
        let message = format!("no request can go to {server}: {cause}");
        let requests = if error.is_redirect() { requests_before(&error) } else { 0 };
        let mut error = Error::configuration(message).with_source(error);
        error.details_mut().attempts = requests;
        return error;
    }
    let message = format!("the connection to {server} broke before an answer came: {cause}");
    let category = if error.is_timeout() { ErrorCategory::Timeout } else { ErrorCategory::Network };
    Error::new(category, message).maybe_processed().with_source(error)
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
pub(super) fn broken(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let message = format!("the connection broke within the answer: {}", root_cause(&error));
    Error::new(ErrorCategory::Network, message).maybe_processed().with_source(error)
}

pub(super) fn no_client(error: reqwest::Error) -> Error {
    Error::configuration(format!("no HTTP client can be made: {}", root_cause(&error))).with_source(error)
}

/// The innermost error says what happened; the outer ones only where.
fn root_cause(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
