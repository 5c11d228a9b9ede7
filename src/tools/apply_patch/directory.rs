//! Patches applied to the files of a directory.

mod change;
mod path;
mod plan;
mod write;

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

pub use self::change::PatchChange;
use self::plan::Plan;
use super::{PatchError, PatchErrorKind, PatchOperation, parse_arguments};

/// A directory whose files patches may create, change and delete. No file outside of it is read or changed.
///
/// Absolute paths, `..` and symbolic links that lead outside are refused, also if a link is put in place while a patch is applied. All
/// files inside are within reach, hidden ones such as those of `.git` included: whether a call may run is for the caller to decide.
///
/// A patch is first applied in memory. Only if all of its operations succeed are files written, each to a temporary file that replaces
/// the old one and keeps its permissions, but not its owner. Patches on the same value run one after the other. The methods block.
///
/// ```
/// use tachikoma_backend_codex::tools::apply_patch::PatchDirectory;
///
/// # let path = std::env::temp_dir().join(format!("patch-directory-{}", std::process::id()));
/// # std::fs::create_dir_all(&path)?;
/// let directory = PatchDirectory::open(&path)?;
/// let patch = "*** Begin Patch\n*** Add File: notes/a.txt\n+one\n*** End Patch";
/// assert_eq!(directory.apply_json(patch)?, "Created notes/a.txt");
/// assert_eq!(std::fs::read_to_string(path.join("notes/a.txt"))?, "one\n");
/// # std::fs::remove_dir_all(&path)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PatchDirectory {
    directory: Mutex<Dir>,
}

impl PatchDirectory {
    /// Opens a directory. Moved later, it is still the one that patches change.
    ///
    /// # Errors
    /// The path is not that of a directory that can be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PatchError> {
        let path = path.as_ref();
        match Dir::open_ambient_dir(path, ambient_authority()) {
            Ok(directory) => Ok(Self { directory: Mutex::new(directory) }),
            Err(error) => Err(io_error("open the directory", &error).with_path(&path.to_string_lossy())),
        }
    }

    /// Applies operations in their order, later ones to what earlier ones left.
    ///
    /// # Errors
    /// An operation cannot be applied, and no file was changed; or the operating system failed while files were written, and the error
    /// names those that were changed before. New directories may remain.
    pub fn apply(&self, operations: &[PatchOperation]) -> Result<Vec<PatchChange>, PatchError> {
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plan = Plan::new(&directory);
        let changes = operations.iter().map(|operation| plan.add(operation)).collect::<Result<_, _>>()?;
        write::write(&directory, plan.finish()?)?;
        Ok(changes)
    }

    /// Applies what a model wrote as the arguments of a call, in each form that [`parse_arguments`] takes, and returns what changed, one
    /// line for each operation.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and for arguments that do not follow the format.
    pub fn apply_json(&self, arguments: &str) -> Result<String, PatchError> {
        let changes = self.apply(&parse_arguments(arguments)?)?;
        Ok(changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

/// The error for what the operating system refused, or for a path that led outside.
fn io_error(action: &str, error: &io::Error) -> PatchError {
    // The confinement makes its own errors of this kind, without a code of the operating system.
    if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
        return PatchError::new(PatchErrorKind::PathRefused, "the path leads outside of the directory");
    }
    PatchError::new(PatchErrorKind::Io, format!("cannot {action}: {error}"))
}
