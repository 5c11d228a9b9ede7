//! Errors for requests without a response. Their URLs hold only an origin, or the path of a redirect.

use std::error::Error as StdError;
use std::fmt;
use std::time::SystemTime;

use progenitor_client::Error as ClientError;
use reqwest::Url;
use reqwest::header::LOCATION;
use tachikoma_backends_core::ErrorCategory;

use super::timeout::Timeout;
use crate::runtime::{Error, error_body::ErrorTable, masked_url};

/// Converts an error of the generated client. `server` is the origin.
pub(super) fn from_client(error: ClientError<()>, server: &str, errors: &ErrorTable) -> Error {
    match error {
        ClientError::InvalidResponsePayload(body, error) => errors.not_json(&body, &error).with_source(error),
        ClientError::CommunicationError(error) | ClientError::InvalidUpgrade(error) => {
            send_error(error, server)
        }
        ClientError::ResponseBodyError(error) => body_error(error),
        ClientError::ErrorResponse(response) => {
            errors.response_error(response.status().as_u16(), response.headers(), b"", SystemTime::now())
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

/// Whether an established connection broke before a response began.
pub(super) fn is_lost_connection(error: &ClientError<()>) -> bool {
    let (ClientError::CommunicationError(error) | ClientError::InvalidUpgrade(error)) = error else {
        return false;
    };
    !(error.is_connect() || error.is_timeout() || error.is_builder() || error.is_redirect())
}

/// How many redirects are followed.
pub(super) const MAX_REDIRECTS: usize = 10;

const OWN_CLIENT_HINT: &str = "Build the client of with_http_client with redirect::Policy::none(), replace the credentials if \
     that server must not have them, and set the final URL by with_base_url.";

/// Whether a redirect between these URLs stays at the server, or goes to its `https`.
pub(super) fn is_same_server(from: &Url, to: &Url) -> bool {
    let has_default_port = |url: &Url| url.port().is_none();
    let is_upgrade = to.scheme() == "https" && has_default_port(from) && has_default_port(to);
    from.origin() == to.origin() || from.host() == to.host() && is_upgrade
}

/// Checks that the response comes from the server of the request.
///
/// # Errors
/// It comes from another server, which the message names.
pub(super) fn check_origin(server: &Url, response: &Url) -> Result<(), String> {
    if is_same_server(server, response) {
        return Ok(());
    }
    let [from, to] = [server, response].map(|url| url.origin().ascii_serialization());
    Err(format!(
        "the HTTP client followed a redirect from {from} to {to}, which received the conversation, and may have received the credentials"
    ))
}

/// The error of a redirect that was not followed.
pub(super) fn redirect_error(response: &reqwest::Response) -> Option<Error> {
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
        "If the API is there, set its URL by with_base_url. A redirect is followed only within a server, and only if the \
         request stays a POST (status 307 or 308).",
    );
    error.details_mut().status = Some(status.as_u16());
    Some(error)
}

/// The error of a request without a response.
pub(super) fn send_error(error: reqwest::Error, server: &str) -> Error {
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
        let message = format!("the request to {server} cannot be sent: {cause}");
        let requests = if error.is_redirect() { requests_before(&error) } else { 0 };
        let mut error = Error::configuration(message).with_source(error);
        error.details_mut().attempts = requests;
        return error;
    }
    let message = format!("the connection to {server} broke before a response arrived: {cause}");
    let category = if error.is_timeout() { ErrorCategory::Timeout } else { ErrorCategory::Network };
    Error::new(category, message).maybe_processed().with_source(error)
}

/// Why a redirect was not followed, and how many requests were sent before it.
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

/// The error of a connection that broke within a response.
pub(super) fn body_error(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let message = format!("the connection broke within the response: {}", root_cause(&error));
    Error::new(ErrorCategory::Network, message).maybe_processed().with_source(error)
}

pub(super) fn client_error(error: reqwest::Error) -> Error {
    Error::configuration(format!("cannot build the HTTP client: {}", root_cause(&error))).with_source(error)
}

/// The innermost error, which states the cause; the outer ones state only the place.
pub(super) fn root_cause(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
