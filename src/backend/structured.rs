//! Answers as Rust types.

use futures::StreamExt;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tachikoma_backends_core::{BackendError, CompletionRequest, ResponseFormat};

use super::CodexBackend;
use crate::schema::ResponseFormatExt;
use crate::structured::{Structured, StructuredError, StructuredStream};

impl CodexBackend {
    /// Asks for an answer that is a `T`, by its [strict schema](crate::strict_schema). The schema takes the place of the
    /// request's own response format.
    ///
    /// ```no_run
    /// # async fn run(backend: tachikoma_backend_codex::CodexBackend) -> Result<(), Box<dyn std::error::Error>> {
    /// use tachikoma_backends_core::{CompletionRequest, Message};
    ///
    /// #[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
    /// struct City {
    ///     name: String,
    ///     /// In thousands
    ///     population: Option<u32>,
    /// }
    ///
    /// let request = CompletionRequest::new(vec![Message::user("The capital of Norway?")]);
    /// let city = backend.complete_as::<City>(request).await?.value;
    /// println!("{}", city.name);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `T` has no strict schema, or [as a whole answer](Self::try_complete); a refusal, a cut answer and one that does not fit
    /// are errors of their own, with the answer in them.
    pub async fn complete_as<T: JsonSchema + DeserializeOwned>(
        &self,
        request: CompletionRequest,
    ) -> Result<Structured<T>, StructuredError> {
        let request = request.with_response_format(ResponseFormat::json_schema::<T>()?);
        Structured::from_response(self.try_complete(request).await?)
    }

    /// Like [`complete_as`](Self::complete_as), streamed: the text as it comes, and in the end a `T`.
    ///
    /// # Errors
    /// `T` has no strict schema, or what fails before the first chunk.
    pub async fn complete_stream_as<T: JsonSchema + DeserializeOwned>(
        &self,
        request: CompletionRequest,
    ) -> Result<StructuredStream<T>, StructuredError> {
        let request = request.with_response_format(ResponseFormat::json_schema::<T>()?);
        let chunks = self.try_complete_stream(request).await?;
        Ok(StructuredStream::new(chunks.map(|chunk| chunk.map_err(BackendError::from)).boxed()))
    }
}
