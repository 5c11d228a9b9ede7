//! The settings that exchanges are recorded.

use super::CodexBackendConfig;
use crate::runtime::Recorder;

impl CodexBackendConfig {
    /// Records every exchange to a file: a path, which is added to, or a [`Recorder`] with options. The recording is redacted, and
    /// `tachikoma-openai-mock` can play it back.
    ///
    /// Several backends may share a recorder. With one, requests go over HTTP alone, also where WebSockets are set. It is not
    /// part of the settings in a file.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CodexError, Recorder};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("exchanges.jsonl");
    /// let recorder = Recorder::create(path).with_redacted_texts(true);
    /// let backend = CodexBackend::new(CodexBackendConfig::new("sk-...").with_recorder(recorder))?;
    /// # Ok::<(), CodexError>(())
    /// ```
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<Recorder>) -> Self {
        self.recorder = Some(recorder.into());
        self
    }

    /// Whether an error holds the exchange that failed, as [`transcript`](crate::CodexError::transcript), also through the trait, in
    /// [`ErrorDetails`](tachikoma_backends_core::ErrorDetails::transcript). By default it does not.
    ///
    /// Each exchange is kept in memory until it ends; one of more than 4 MiB gets no transcript. It holds the conversation, but
    /// no secrets, and errors do not print it. Errors without an exchange of their own have none: those of requests that were not
    /// sent, over WebSockets, or that a total timeout ended.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let reply = tachikoma_openai_mock::Reply::error(400, "invalid_prompt", "Not this prompt.");
    /// # let server = tachikoma_openai_mock::MockServer::builder().with_reply(reply).start().await?;
    /// # let config = CodexBackendConfig::new("sk-...").with_base_url(server.base_url());
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("failed.jsonl");
    /// let backend = CodexBackend::new(config.with_transcripts(true))?;
    /// if let Err(error) = backend.try_complete(CompletionRequest::user("Hi")).await
    ///     && let Some(transcript) = error.transcript()
    /// {
    ///     transcript.write_to(&path)?;
    /// }
    /// assert!(path.exists());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_transcripts(mut self, transcripts: bool) -> Self {
        self.transcripts = transcripts;
        self
    }

    /// The recorder, if exchanges are recorded.
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// Whether errors hold the exchange that failed.
    pub fn transcripts(&self) -> bool {
        self.transcripts
    }
}
