//! The paths of a patch, resolved within the directory.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;

use super::io_error;
use crate::tools::apply_patch::{PatchError, PatchErrorKind};

/// A path within the directory.
#[derive(Debug)]
pub(crate) struct ResolvedPath {
    /// The same for all paths of a file: without symbolic links, `.` and repeated separators.
    pub(crate) path: PathBuf,
    /// Whether its last part was a symbolic link.
    pub(crate) is_link: bool,
}

fn refused(message: &str) -> PatchError {
    PatchError::new(PatchErrorKind::PathRefused, message)
}

/// Resolves the path of an operation, of a file that may not exist yet.
///
/// # Errors
/// The path is not a valid one, or it leads outside.
pub(crate) fn resolve(directory: &Dir, path: &str) -> Result<ResolvedPath, PatchError> {
    let path = relative(path)?;
    let failed = |error| io_error("resolve the path", &error);
    // The longest part that exists. The rest are directories and a file to create.
    let mut existing = path.as_path();
    let metadata = loop {
        if existing.as_os_str().is_empty() {
            return Ok(ResolvedPath { path, is_link: false });
        }
        match directory.symlink_metadata(existing) {
            Ok(metadata) => break metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                existing = existing.parent().unwrap_or(Path::new(""));
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(refused("a part of the path is a file, not a directory"));
            }
            Err(error) => return Err(failed(error)),
        }
    };
    let canonical = match directory.canonicalize(existing) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(refused("a part of the path is a symbolic link to a file that does not exist"));
        }
        canonical => canonical.map_err(failed)?,
    };
    let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
    if rest.as_os_str().is_empty() {
        return Ok(ResolvedPath { path: canonical, is_link: metadata.is_symlink() });
    }
    if !directory.metadata(&canonical).map_err(failed)?.is_dir() {
        return Err(refused("a part of the path is a file, not a directory"));
    }
    Ok(ResolvedPath { path: canonical.join(rest), is_link: false })
}

/// A path that names a file below the directory by its text.
fn relative(path: &str) -> Result<PathBuf, PatchError> {
    let mut relative = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) if cfg!(windows) && is_another_on_windows(&name.to_string_lossy()) => {
                return Err(refused("a part of the path has a colon, or ends in a dot or a space"));
            }
            Component::Normal(name) => relative.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(refused("the path has `..`; write it without")),
            Component::RootDir | Component::Prefix(_) => {
                return Err(refused("the path is absolute; write it relative to the directory"));
            }
        }
    }
    if relative.as_os_str().is_empty() || path.ends_with(std::path::is_separator) {
        return Err(refused("the path does not name a file"));
    }
    if path.contains('\0') {
        return Err(refused("the path has a zero character"));
    }
    Ok(relative)
}

/// Whether Windows would take this name for a stream of a file, or for the name without its last characters.
fn is_another_on_windows(name: &str) -> bool {
    name.contains(':') || name.ends_with(['.', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_changes() {
        let changed = ["a.txt:b", "a.txt.", "a.txt ", "a.txt", ".a", "a b"].map(is_another_on_windows);
        assert_eq!(changed, [true, true, true, false, false, false]);
    }
}
