//! TLS of this crate's own HTTP client.

use reqwest::ClientBuilder;

use crate::runtime::Error;

/// Sets up rustls, which trusts the certificates of the system. The program's default provider of cryptography is used if
/// it has installed one, else ring, which takes a fraction of the time to build that `reqwest`'s default takes.
///
/// # Errors
/// The system has no certificates, or the provider supports no version of TLS.
#[cfg(all(feature = "rustls-ring", not(any(feature = "rustls", feature = "native-tls"))))]
pub(super) fn with_tls(builder: ClientBuilder) -> Result<ClientBuilder, Error> {
    use std::sync::Arc;

    use rustls::ClientConfig;
    use rustls::crypto::{CryptoProvider, ring};
    use rustls_platform_verifier::BuilderVerifierExt;

    let provider =
        CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| Error::configuration(format!("cannot set up TLS: {error}")).with_source(error))?;
    Ok(builder.tls_backend_preconfigured(config.with_no_client_auth()))
}

/// Leaves TLS as `reqwest` sets it up.
#[cfg(not(all(feature = "rustls-ring", not(any(feature = "rustls", feature = "native-tls")))))]
pub(super) fn with_tls(builder: ClientBuilder) -> Result<ClientBuilder, Error> {
    Ok(builder)
}
