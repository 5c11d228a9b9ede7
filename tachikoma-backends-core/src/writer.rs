//! A response whose text is written as it arrives.

use std::io;

use futures::StreamExt;
use thiserror::Error;

use crate::{Backend, BackendError, CollectError, CollectingStream, CompletionRequest, CompletionResponse};

/// Why a response was not written whole: see [`BackendExt::complete_to_writer`](crate::BackendExt::complete_to_writer).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There was no response, or its stream broke.
    #[error("{error}")]
    Backend {
        /// Why.
        #[source]
        error: BackendError,
        /// What had arrived, and was written.
        partial: Box<CompletionResponse>,
    },
    /// The writer failed. The rest of the response was cancelled.
    #[error("the text of the response cannot be written: {error}")]
    Writer {
        /// Why.
        #[source]
        error: io::Error,
        /// What had arrived. The last piece of its text was not written, or not whole.
        partial: Box<CompletionResponse>,
    },
}

impl WriteError {
    /// What had arrived of the response.
    pub fn partial(&self) -> &CompletionResponse {
        match self {
            Self::Backend { partial, .. } | Self::Writer { partial, .. } => partial,
        }
    }
}

impl From<CollectError> for WriteError {
    fn from(CollectError { error, partial }: CollectError) -> Self {
        Self::Backend { error, partial }
    }
}

/// Streams the response to `request` and writes its text.
///
/// # Errors
/// The response or the writer fails.
pub(crate) async fn complete(
    backend: &(impl Backend + ?Sized),
    request: CompletionRequest,
    mut writer: impl io::Write + Send,
) -> Result<CompletionResponse, WriteError> {
    let stream = backend.complete_stream(request).await;
    let stream = stream.map_err(|error| CollectError::new(error, CompletionResponse::default()))?;
    let mut chunks = CollectingStream::new(stream);
    // An error is the stream's last item, and `collect` returns it.
    while let Some(Ok(chunk)) = chunks.next().await {
        for text in [Some(&chunk.delta), chunk.refusal.as_ref()].into_iter().flatten() {
            if let Err(error) = write(&mut writer, text) {
                return Err(WriteError::Writer { error, partial: Box::new(chunks.into_partial()) });
            }
        }
    }
    Ok(chunks.collect().await?)
}

fn write(writer: &mut impl io::Write, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    writer.write_all(text.as_bytes())?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::{BackendExt, CompletionChunk, FinishReason, ScriptedBackend, ScriptedReply};

    /// Fails with the write after `left` more, and counts what was flushed.
    #[derive(Default)]
    struct Limited {
        left: usize,
        pieces: Vec<String>,
        flushed: usize,
    }

    impl io::Write for Limited {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("the disk is full"))?;
            self.pieces.push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushed = self.pieces.len();
            Ok(())
        }
    }

    fn chunks() -> [CompletionChunk; 4] {
        [
            CompletionChunk::default().with_reasoning("Hm."),
            CompletionChunk::text("Os"),
            CompletionChunk::text("lo").with_refusal("No."),
            CompletionChunk::last(FinishReason::Stop, None),
        ]
    }

    fn run(
        reply: impl Into<ScriptedReply>,
        left: usize,
    ) -> (Result<CompletionResponse, WriteError>, Limited) {
        let backend = ScriptedBackend::new().with_reply(reply);
        let mut writer = Limited { left, ..Limited::default() };
        (block_on(backend.complete_to_writer(CompletionRequest::user("Hi"), &mut writer)), writer)
    }

    #[test]
    fn each_piece_of_text_is_written_and_flushed() {
        let (response, writer) = run(chunks().map(Ok).to_vec(), 9);
        assert_eq!((writer.pieces.concat(), writer.flushed), ("OsloNo.".to_owned(), writer.pieces.len()));
        assert_eq!(writer.pieces, ["Os", "lo", "No."]);
        assert_eq!(response.unwrap(), CompletionResponse::from_chunks(chunks()));
    }

    #[test]
    fn a_writer_that_fails_cancels_the_response() {
        let (response, writer) = run(chunks().map(Ok).to_vec(), 1);
        let error = response.unwrap_err();
        assert_eq!(error.to_string(), "the text of the response cannot be written: the disk is full");
        assert_eq!((error.partial().text(), writer.pieces.as_slice()), ("Oslo", &["Os".to_owned()][..]));
    }

    #[test]
    fn a_backend_that_fails_returns_what_had_arrived() {
        let reset = || BackendError::Network("reset".into());
        let [_, first, ..] = chunks();
        for (reply, arrived) in
            [(ScriptedReply::from(reset()), ""), (vec![Ok(first), Err(reset())].into(), "Os")]
        {
            let (response, writer) = run(reply, 9);
            let error = response.unwrap_err();
            assert_eq!(error.to_string(), reset().to_string());
            assert_eq!((error.partial().text(), writer.pieces.concat().as_str()), (arrived, arrived));
        }
    }
}
