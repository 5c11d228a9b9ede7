//! [`ServerAuthorization`]: the credentials of a backend as its server takes them.

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tachikoma_backends_core::ErrorCategory;

use super::Server;
use crate::CodexError;
use crate::auth::{Credentials, TokenCache};
use crate::runtime::transport::{AuthHeader, Authorization};

/// What authenticates the requests to a server, and what its errors about that mean.
#[derive(Debug)]
pub(crate) struct ServerAuthorization {
    pub(crate) server: Server,
    pub(crate) credentials: Credentials,
    /// Where the credentials change; what does not is among the fixed headers.
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
            tokens.refused(header);
        }
    }

    fn hint(&self, category: ErrorCategory) -> Option<String> {
        let own = self.credentials.hint(category);
        own.or_else(|| self.server.hint(category, self.credentials.is_token()).map(str::to_owned))
    }
}
