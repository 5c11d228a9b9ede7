//! Creates the transport from the configuration.

use std::sync::Arc;

use reqwest::header::{HeaderValue, USER_AGENT};

use crate::CodexError;
use crate::auth::{KEY_PREFIXES, RequestAuth};
use crate::config::CodexBackendConfig;
use crate::runtime::Redactor;
use crate::runtime::recorder::ExchangeRecorder;
use crate::runtime::transport::{Destination, Transport};
use crate::server::{ERRORS, Server, ServerAuthorization};

/// The transport to this server, with the configured credentials and headers.
///
/// # Errors
/// The configuration has an invalid value.
pub(super) fn connect(config: &CodexBackendConfig, server: &Server) -> Result<Transport, CodexError> {
    let mut headers = server.billing_headers(config.organization(), config.project())?;
    let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    let default_headers = config.checked_headers()?.clone();
    let redactor = Arc::new(Redactor::new(KEY_PREFIXES));
    default_headers.iter().for_each(|(name, value)| redactor.add_header(name, value));
    server.secrets().into_iter().for_each(|secret| redactor.add_secret(secret));
    let (credentials, has_auth_header) = (config.credentials(), config.may_headers_authenticate());
    if credentials.is_none() && !has_auth_header && server.is_official() {
        return Err(CodexError::configuration(format!("{} needs credentials", server.origin()))
            .with_hint("Set an API key; Credentials::none() is for servers that need none."));
    }
    let timeout = config.reliability().token_timeout;
    let tokens = match credentials.prepare(server.key_header(), has_auth_header, timeout, &redactor)? {
        RequestAuth::None => None,
        RequestAuth::Fixed(name, value) => {
            headers.insert(name, value);
            None
        }
        RequestAuth::Cached(tokens) => Some(tokens),
    };
    let recorder = ExchangeRecorder::new(config.recorder(), config.transcripts(), &redactor)?;
    let destination = Destination {
        url: server.url().clone(),
        query: server.query().map(|(name, value)| (name, value.to_owned())),
        headers,
        default_headers,
        authorization: Box::new(ServerAuthorization {
            server: server.clone(),
            credentials: credentials.clone(),
            tokens,
        }),
        errors: &ERRORS,
        redactor,
        http_client: config.http_client().cloned(),
        record_content: config.record_content(),
        recorder,
        gate: config.gate().cloned(),
    };
    Transport::new(destination, *config.reliability())
}
