//! [`Recorder`]: writes the exchanges of backends to a file, and keeps them for the transcripts of errors.

mod exchange;
mod line;
mod redaction;
mod scanner;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use self::exchange::{Exchange, ExchangeRecorder, StreamEnd};
use super::Error;

/// Writes every exchange of the backends that share it to a file, redacted.
///
/// The file is opened when the first backend with it is made, which fails with an error of the category `configuration` if the file
/// cannot be opened. Each exchange is one line of JSON, which is written when it ends or its response is dropped: requests that are sent
/// again, connections that break and streams that the caller cancels are exchanges as well. Clones write to the same file.
///
/// A line holds `version` (1), the `time` of the request, the `request` (`method`, `path` with the query, `headers`, `body`), the
/// `response` (`ms`, `status`, `headers`, and the `pieces` of its body, decompressed, as they arrived) and the `end`: `complete`,
/// `dropped` by the caller or a timeout, `connect` (no connection), `lost` (the connection broke before the response), `broken`
/// (within it), or `timeout`, one of the caller's own HTTP client; with `reset` where the server reset the connection. Times are in
/// milliseconds since the request. A body or a piece is `json`, `text`, or `base64` where it is not valid UTF-8, as with a character
/// that is cut between two pieces.
///
/// # Secrets
/// The credentials of the backend, the values of headers that carry credentials, cookies, the organization and the project
/// are replaced by `***`, also where the server echoes them, cut between two pieces or not, and so are the credentials for other servers
/// that a request carries for its tools. Not recognized are a secret that a model spells over several events in parts of fewer than 8
/// characters, and the default headers of an HTTP client of your own. The conversation is recorded unless
/// [`with_redacted_texts`](Self::with_redacted_texts) is set.
///
/// # Cost
/// An exchange is kept in memory until it ends, then redacted and written by the task that reads the response, with one write under a
/// lock. A write that fails is a warning in the log, once, and never fails a request.
///
/// ```
/// use tachikoma_backend_codex::{Backend, CodexBackend, CodexBackendConfig, CompletionRequest, Recorder};
/// use tachikoma_openai_mock::MockServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = MockServer::start().await?; // or a real one
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("recording.jsonl");
/// let config = CodexBackendConfig::new("sk-...").with_base_url(server.base_url());
/// let backend = CodexBackend::new(config.clone().with_recorder(Recorder::create(&path)))?;
/// let recorded = backend.complete(CompletionRequest::user("Hello")).await?;
///
/// // Later, without the server:
/// let replay = MockServer::replay(&path).await?;
/// let backend = CodexBackend::new(config.with_base_url(replay.base_url()))?;
/// let replayed = backend.complete(CompletionRequest::user("Hello")).await?;
/// assert_eq!(replayed.content, recorded.content);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Recorder {
    file: Arc<RecordingFile>,
    redacts_texts: bool,
}

struct RecordingFile {
    path: PathBuf,
    replaces: bool,
    state: Mutex<FileState>,
}

#[derive(Default)]
struct FileState {
    file: Option<File>,
    has_failed: bool,
}

impl Recorder {
    /// Adds to this file, which is made if it does not exist. Nothing that was recorded earlier is lost.
    pub fn append(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), false)
    }

    /// Replaces this file, or makes it, as soon as the first backend is made.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), true)
    }

    fn new(path: PathBuf, replaces: bool) -> Self {
        let file = RecordingFile { path, replaces, state: Mutex::default() };
        Self { file: Arc::new(file), redacts_texts: false }
    }

    /// Whether the texts of the conversation are replaced, so that the recording can be shared: of every string in a body each
    /// character becomes `x`, except for the values of structural fields (`type`, `role`, `id`, `model`, `name`, ...) that are
    /// identifiers. Names of fields, numbers and usage stay. The recording can be replayed; arguments of tools and structured outputs in it
    /// are not valid JSON. By default texts are recorded unchanged.
    #[must_use]
    pub fn with_redacted_texts(mut self, redacts_texts: bool) -> Self {
        self.redacts_texts = redacts_texts;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Opens the file, unless it is open.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&self) -> Result<(), Error> {
        let mut state = self.lock();
        if state.file.is_some() {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.create(true);
        if self.file.replaces {
            options.write(true).truncate(true);
        } else {
            options.append(true);
        }
        let file = options.open(self.path()).map_err(|error| {
            Error::configuration(format!("cannot open the recording {}: {error}", self.path().display()))
                .with_hint("Set a file in an existing, writable directory by with_recorder.")
                .with_source(error)
        })?;
        state.file = Some(file);
        Ok(())
    }

    /// Writes a line, which ends with a line break.
    fn write(&self, line: &[u8]) {
        let mut state = self.lock();
        let outcome = match &mut state.file {
            Some(file) => file.write_all(line),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        let Err(error) = outcome else { return };
        if !std::mem::replace(&mut state.has_failed, true) {
            tracing::warn!(path = %self.path().display(), %error, "an exchange could not be recorded");
        }
    }

    /// Ignores poisoning: no panic can leave the state inconsistent.
    fn lock(&self) -> MutexGuard<'_, FileState> {
        self.file.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("path", &self.file.path)
            .field("redacts_texts", &self.redacts_texts)
            .finish_non_exhaustive()
    }
}

impl From<&str> for Recorder {
    /// Adds to this file.
    fn from(path: &str) -> Self {
        Self::append(path)
    }
}

impl From<&Path> for Recorder {
    /// Adds to this file.
    fn from(path: &Path) -> Self {
        Self::append(path)
    }
}

impl From<PathBuf> for Recorder {
    /// Adds to this file.
    fn from(path: PathBuf) -> Self {
        Self::append(path)
    }
}

impl From<String> for Recorder {
    /// Adds to this file.
    fn from(path: String) -> Self {
        Self::append(path)
    }
}
