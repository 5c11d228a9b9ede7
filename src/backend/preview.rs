//! [`RequestPreview`]: a request as it would be sent.

use std::fmt;

use serde_json::Value;

use crate::runtime::masked_url;
use crate::target::WireApi;

/// What would be sent: see [`CodexBackend::preview`](crate::CodexBackend::preview).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RequestPreview {
    /// Chat Completions or the Responses API.
    pub api: WireApi,
    /// The URL. `Debug` masks what looks like a key.
    pub url: String,
    /// The JSON body.
    pub body: Value,
    /// What was omitted or added for the model, and why. When sending, these are logged.
    pub warnings: Vec<String>,
}

impl fmt::Debug for RequestPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestPreview")
            .field("api", &self.api)
            .field("url", &masked_url(&self.url))
            .field("body", &self.body)
            .field("warnings", &self.warnings)
            .finish()
    }
}
