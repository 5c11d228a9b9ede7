//! Work that would keep other tasks waiting, done on a thread of its own.

use tachikoma_backends_core::ErrorCategory;
use tracing::Span;

use super::Error;

/// Bodies of more bytes than this are read on a thread of their own: reading them takes more than a few milliseconds.
const LARGE: usize = 1 << 20;

/// Reads a body of this many bytes.
///
/// # Errors
/// The runtime ended before the body was read.
pub(crate) async fn read<T: Send + 'static>(
    bytes: usize,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if bytes <= LARGE {
        return Ok(read());
    }
    let span = Span::current();
    let task = tokio::task::spawn_blocking(move || span.in_scope(read));
    task.await.map_err(|error| {
        let message = "the response was not read to its end: the task that read it was cancelled";
        Error::new(ErrorCategory::Network, message).maybe_processed().with_source(error)
    })
}
