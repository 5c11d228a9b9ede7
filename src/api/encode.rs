//! The JSON of requests.

use serde::Serialize;
use tachikoma_backends_core::ErrorCategory;

use crate::CodexError;
use crate::runtime::transport::Bytes;

/// The JSON of a generated request.
///
/// # Errors
/// It cannot be represented in JSON.
pub(crate) fn json(request: &impl Serialize) -> Result<Bytes, CodexError> {
    serde_json::to_vec(request).map(Into::into).map_err(unencodable)
}

/// The error for a request that cannot be represented in JSON.
pub(crate) fn unencodable(error: serde_json::Error) -> CodexError {
    let message = format!("the request cannot be encoded as JSON: {error}");
    CodexError::unsent(ErrorCategory::InvalidRequest, message).with_source(error)
}
