//! Work that would block other tasks, run on a blocking thread.

use tachikoma_backends_core::ErrorCategory;
use tracing::Span;

use super::Error;

/// Bodies of more bytes than this are decoded on a blocking thread: decoding them takes more than a few milliseconds.
const MAX_INLINE_BYTES: usize = 1 << 20;

/// Decodes a body of this many bytes.
///
/// # Errors
/// The runtime ended before the body was decoded.
pub(crate) async fn decode<T: Send + 'static>(
    bytes: usize,
    decode: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if bytes <= MAX_INLINE_BYTES {
        return Ok(decode());
    }
    let span = Span::current();
    let task = tokio::task::spawn_blocking(move || span.in_scope(decode));
    task.await.map_err(|error| {
        let message = "the response was not decoded: the task that decoded it was cancelled";
        Error::new(ErrorCategory::Network, message).maybe_processed().with_source(error)
    })
}
