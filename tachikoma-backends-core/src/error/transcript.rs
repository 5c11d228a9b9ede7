//! [`Transcript`]: the exchange that failed.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The exchange with a server that ended in an error, as the backend has recorded it: a line of JSON with the request, the response as
/// it arrived, and how it ended. It is for a file that is played back later, and may hold the conversation, but no credentials. `Debug`
/// does not print it.
///
/// ```
/// # use tachikoma_backends_core::Transcript;
/// let transcript = Transcript::new(r#"{"version":1}"#);
/// assert_eq!(format!("{transcript:?}"), "Transcript(13 bytes)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Transcript(Arc<str>);

impl Transcript {
    /// A transcript from its text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Writes it to a file, as one line, in place of what the file held.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_to(&self, path: impl AsRef<Path>) -> io::Result<()> {
        fs::write(path, format!("{}\n", self.0))
    }
}

impl fmt::Debug for Transcript {
    /// The size alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({} bytes)", self.0.len())
    }
}
