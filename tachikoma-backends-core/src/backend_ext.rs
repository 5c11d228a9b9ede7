//! What every backend can do on top of the trait.

use std::io;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{
    Backend, BackendError, CompletionRequest, CompletionResponse, ResponseFormat, Structured,
    StructuredError, StructuredStream, WriteError, retry, writer,
};

/// What every backend can do on top of the trait.
///
/// ```
/// use tachikoma_backends_core::{BackendError, BackendExt, CompletionRequest, ScriptedBackend};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BackendError> {
/// let backend = ScriptedBackend::new()
///     .with_reply(BackendError::ServiceUnavailable("overloaded".into()))
///     .with_reply("Hello");
///
/// let response = backend.complete_with_retry(CompletionRequest::user("Hi"), 2).await?;
/// assert_eq!(response.content.as_deref(), Some("Hello"));
/// assert_eq!(backend.requests().len(), 2);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait BackendExt: Backend {
    /// Like [`Backend::complete`], tried again up to `max_retries` times while the error is
    /// [retryable](BackendError::is_retryable).
    ///
    /// The request is sent at most `max_retries + 1` times: the backend is asked not to retry
    /// ([`CompletionRequest::max_retries`]), and where it does so nevertheless, the attempts that its error
    /// [states](crate::ErrorDetails::attempts) are counted. A call that sent nothing counts as one retry. [`Backoff`] decides how
    /// long to wait: 0.5 s, doubled every time up to 8 s, or what the server asks for. A server that asks for more than 60 s is
    /// not waited for, and nothing is waited for outside of a Tokio runtime: the error is returned.
    ///
    /// # Errors
    /// The last attempt's, with the number of all attempts and the earlier failures.
    ///
    /// [`Backoff`]: crate::Backoff
    async fn complete_with_retry(
        &self,
        request: CompletionRequest,
        max_retries: u32,
    ) -> Result<CompletionResponse, BackendError> {
        retry::complete(self, request, max_retries).await
    }

    /// Like [`complete`](Backend::complete), with the text written to `writer` as it arrives, and flushed after each piece: the
    /// answer, remarks on the way to it and a refusal, but no reasoning. For anything else read the chunks of
    /// [`complete_stream`](Backend::complete_stream). A write may block; a writer that would block for long belongs in a task
    /// of its own.
    ///
    /// ```no_run
    /// # use tachikoma_backends_core::{Backend, BackendExt, CompletionRequest, WriteError};
    /// # async fn run(backend: &dyn Backend) -> Result<(), WriteError> {
    /// let response = backend.complete_to_writer(CompletionRequest::user("Hi"), std::io::stdout()).await?;
    /// println!("\n[{:?}]", response.usage);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`WriteError`], with what had arrived: the response failed, or the writer did, which cancels the rest of the response.
    async fn complete_to_writer<W: io::Write + Send>(
        &self,
        request: CompletionRequest,
        writer: W,
    ) -> Result<CompletionResponse, WriteError> {
        writer::complete(self, request, writer).await
    }

    /// Asks for a response that is a `T`, by its [strict schema](crate::strict_schema), which takes the place of the request's own
    /// response format.
    ///
    /// ```
    /// use tachikoma_backends_core::{BackendExt, CompletionRequest, ScriptedBackend};
    ///
    /// #[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
    /// struct City {
    ///     name: String,
    ///     /// In thousands
    ///     population: Option<u32>,
    /// }
    ///
    /// let backend = ScriptedBackend::new().with_reply(r#"{"name": "Oslo", "population": 725}"#);
    /// # futures::executor::block_on(async {
    /// let city = backend.complete_as::<City>(CompletionRequest::user("The capital of Norway?")).await?.value;
    /// assert_eq!((city.name.as_str(), city.population), ("Oslo", Some(725)));
    /// # Ok::<(), tachikoma_backends_core::StructuredError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `T` has no strict schema, or [as a whole response](Backend::complete); a response that was cut, a refusal, calls of tools and
    /// text that does not fit are errors of their own, with the response in them.
    async fn complete_as<T: JsonSchema + DeserializeOwned>(
        &self,
        request: CompletionRequest,
    ) -> Result<Structured<T>, StructuredError> {
        let request = request.with_response_format(ResponseFormat::json_schema::<T>()?);
        Structured::from_response(self.complete(request).await?)
    }

    /// Like [`complete_as`](Self::complete_as), streamed: the text as it comes, and in the end a `T`.
    ///
    /// # Errors
    /// `T` has no strict schema, or what fails before the first chunk.
    async fn complete_stream_as<T: JsonSchema + DeserializeOwned>(
        &self,
        request: CompletionRequest,
    ) -> Result<StructuredStream<T>, StructuredError> {
        let request = request.with_response_format(ResponseFormat::json_schema::<T>()?);
        Ok(StructuredStream::new(self.complete_stream(request).await?))
    }
}

impl<B: Backend + ?Sized> BackendExt for B {}
