//! What a patch does to one file.

use serde::{Deserialize, Serialize};

/// What a patch does to one file: the `operation` of an `apply_patch_call` of the Responses API.
///
/// ```
/// use tachikoma_backend_codex::tools::apply_patch::PatchOperation;
///
/// let json = r#"{"type": "update_file", "path": "a.txt", "diff": "@@\n-one\n+two\n"}"#;
/// let operation: PatchOperation = serde_json::from_str(json)?;
/// assert_eq!(operation, PatchOperation::update_file("a.txt", "@@\n-one\n+two\n"));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PatchOperation {
    /// Creates a file that does not exist yet.
    #[non_exhaustive]
    CreateFile {
        /// The file's path, relative to the directory that is patched.
        path: String,
        /// The file's lines, each after a `+`.
        diff: String,
    },
    /// Changes a file, and moves it if `move_to` is set.
    #[non_exhaustive]
    UpdateFile {
        /// The file's path, relative to the directory that is patched.
        path: String,
        /// The changes as sections. May be empty if the file is moved.
        diff: String,
        /// The file's new path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        move_to: Option<String>,
    },
    /// Deletes a file.
    #[non_exhaustive]
    DeleteFile {
        /// The file's path, relative to the directory that is patched.
        path: String,
    },
}

impl PatchOperation {
    /// Creates a file of these lines, each after a `+`.
    pub fn create_file(path: impl Into<String>, diff: impl Into<String>) -> Self {
        Self::CreateFile { path: path.into(), diff: diff.into() }
    }

    /// Changes a file by these sections.
    pub fn update_file(path: impl Into<String>, diff: impl Into<String>) -> Self {
        Self::UpdateFile { path: path.into(), diff: diff.into(), move_to: None }
    }

    /// Changes a file by these sections, which may be empty, and moves it.
    pub fn move_file(path: impl Into<String>, move_to: impl Into<String>, diff: impl Into<String>) -> Self {
        Self::UpdateFile { path: path.into(), diff: diff.into(), move_to: Some(move_to.into()) }
    }

    /// Deletes a file.
    pub fn delete_file(path: impl Into<String>) -> Self {
        Self::DeleteFile { path: path.into() }
    }

    /// The path of the file that it creates, changes or deletes.
    pub fn path(&self) -> &str {
        match self {
            Self::CreateFile { path, .. } | Self::UpdateFile { path, .. } | Self::DeleteFile { path } => path,
        }
    }
}
