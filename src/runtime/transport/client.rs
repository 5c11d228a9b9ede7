//! This crate's own HTTP client, and the redirects that it follows.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

use super::failure::{self, RedirectError};
use super::tls;
use crate::runtime::Error;

/// This crate's own HTTP client, with further options.
///
/// # Errors
/// It cannot be built.
pub(super) fn build_client(
    connect_timeout: Duration,
    options: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, Error> {
    let builder = Client::builder().connect_timeout(connect_timeout).redirect(redirect_policy());
    options(tls::with_tls(builder)?).build().map_err(failure::client_error)
}

/// Redirects are followed within a server, or to its `https`: another server must see neither the conversation nor the
/// credentials, of which `reqwest` removes only some. Redirects that would turn the request into a GET are not followed: its
/// result would be taken for the response.
fn redirect_policy() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
        let is_same =
            attempt.previous().last().is_some_and(|from| failure::is_same_server(from, attempt.url()));
        match attempt.previous().len() {
            requests if requests > failure::MAX_REDIRECTS => {
                attempt.error(RedirectError { message: "more than 10 redirects", requests })
            }
            _ if is_same && keeps_method => attempt.follow(),
            _ => attempt.stop(),
        }
    })
}
