//! [`ServerAuthorization`]: the credentials of a backend for its server.

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tachikoma_backends_core::ErrorCategory;

use super::Server;
use crate::CodexError;
use crate::auth::{Credentials, TokenCache};
use crate::runtime::transport::{AuthHeader, Authorization};

/// Authenticates the requests to a server, and has the hints for its errors.
#[derive(Debug)]
pub(crate) struct ServerAuthorization {
    pub(crate) server: Server,
    pub(crate) credentials: Credentials,
    /// For credentials that change; others are among the fixed headers.
    pub(crate) tokens: Option<std::sync::Arc<TokenCache>>,
}

impl Authorization for ServerAuthorization {
    fn header(&self) -> BoxFuture<'_, Result<Option<AuthHeader>, CodexError>> {
        match &self.tokens {
            Some(tokens) => tokens.get().map(|header| header.map(Some)).boxed(),
            None => ready(Ok(None)).boxed(),
        }
    }

    fn invalidate(&self, header: &AuthHeader) {
        if let Some(tokens) = &self.tokens {
            tokens.invalidate(header);
        }
    }

    fn hint(&self, category: ErrorCategory) -> Option<String> {
        let own = self.credentials.hint(category);
        own.or_else(|| self.server.hint(category, self.credentials.is_token()).map(str::to_owned))
    }
}
