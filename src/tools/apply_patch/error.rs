//! Why a patch was not applied.

use thiserror::Error;

/// Why a patch was not applied. Its text can be sent back to the model.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}{message}", .path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default())]
pub struct PatchError {
    kind: PatchErrorKind,
    path: Option<String>,
    message: String,
}

/// The kind of a [`PatchError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatchErrorKind {
    /// The patch or one of its diffs does not follow the format.
    Syntax,
    /// The file does not have the lines that the diff looks for.
    ContextNotFound,
    /// A text, a diff, a patch or the search for its lines is above a limit.
    TooLarge,
    /// The path leads outside of the directory, or it is not valid.
    PathRefused,
    /// The file to update or to delete does not exist.
    FileMissing,
    /// A file to create exists already.
    FileExists,
    /// The path does not name a file that holds UTF-8 text.
    NotText,
    /// The operating system returned an error.
    Io,
}

impl PatchError {
    pub(crate) fn new(kind: PatchErrorKind, message: impl Into<String>) -> Self {
        Self { kind, path: None, message: message.into() }
    }

    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new(PatchErrorKind::Syntax, message)
    }

    /// Sets the path of the file concerned, unless the error has one.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The same error, after these files were changed.
    #[cfg(feature = "apply-patch")]
    pub(crate) fn after_changes(mut self, paths: &[&str]) -> Self {
        self.message.push_str(&format!("; before that, these files were changed: {}", paths.join(", ")));
        self
    }

    /// Its kind.
    pub fn kind(&self) -> PatchErrorKind {
        self.kind
    }

    /// The path of the file concerned, as the patch has it, if it concerns one.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// What is wrong, without the path.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Text of a file or a diff for a message: one line, at most 200 characters.
pub(crate) fn quoted(line: &str) -> String {
    const LONGEST: usize = 200;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}...`", line.get(..end).unwrap_or_default()),
        None => format!("`{line}`"),
    }
}
