//! The body of a request, encoded once for all attempts.

use serde::Serialize;
use tachikoma_backends_core::ErrorCategory;

use crate::error::CodexError;
use crate::transport::Bytes;

/// The JSON of a generated request.
///
/// # Errors
/// It cannot be said in JSON.
pub(super) fn encode(request: &impl Serialize) -> Result<Bytes, CodexError> {
    serde_json::to_vec(request).map(Bytes::from).map_err(unwritten)
}

/// The error that a request cannot be said in JSON.
pub(super) fn unwritten(error: serde_json::Error) -> CodexError {
    let message = format!("the request cannot be written: {error}");
    CodexError::unsent(ErrorCategory::InvalidRequest, message).with_source(error)
}
