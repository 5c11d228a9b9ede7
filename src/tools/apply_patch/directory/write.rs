//! A checked patch, written to the directory.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions, Permissions};

use super::io_error;
use super::plan::PlannedFile;
use crate::tools::apply_patch::PatchError;

/// A new text of a file, in a temporary file beside it.
struct StagedFile<'a> {
    path: &'a Path,
    file: &'a PlannedFile,
    temporary: PathBuf,
}

/// Writes and deletes files. All texts are on the disk before the first file is replaced.
///
/// # Errors
/// The operating system failed. The error names the files that were changed before.
pub(crate) fn write(directory: &Dir, files: BTreeMap<PathBuf, PlannedFile>) -> Result<(), PatchError> {
    let mut staged = Vec::new();
    let mut changed = Vec::new();
    let written = write_all(directory, &files, &mut staged, &mut changed);
    if written.is_err() {
        // Those that replaced a file do not exist any more; a failure to remove one is less than the error at hand.
        staged.iter().for_each(|staged| _ = directory.remove_file(&staged.temporary));
    }
    written.map_err(|error| match changed.is_empty() {
        true => error,
        false => error.after_changes(&changed),
    })
}

fn write_all<'a>(
    directory: &Dir,
    files: &'a BTreeMap<PathBuf, PlannedFile>,
    staged: &mut Vec<StagedFile<'a>>,
    changed: &mut Vec<&'a str>,
) -> Result<(), PatchError> {
    for (path, file) in files {
        if let Some(text) = &file.text {
            let failed = |error| io_error("write the file", &error).with_path(&file.name);
            let temporary = temporary_path(path);
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                directory.create_dir_all(parent).map_err(failed)?;
            }
            let written = write_temporary(directory, &temporary, text, file.permissions.as_ref());
            staged.push(StagedFile { path, file, temporary });
            written.map_err(failed)?;
        }
    }
    for StagedFile { path, file, temporary } in staged.iter() {
        replace(directory, path, file, temporary)
            .map_err(|error| io_error("replace the file", &error).with_path(&file.name))?;
        changed.push(&file.name);
    }
    for (path, file) in files.iter().filter(|(_, file)| file.text.is_none() && file.is_on_disk) {
        directory
            .remove_file(path)
            .map_err(|error| io_error("delete the file", &error).with_path(&file.name))?;
        changed.push(&file.name);
    }
    Ok(())
}

/// A path in the same directory that no file has.
fn temporary_path(path: &Path) -> PathBuf {
    path.with_file_name(format!(".apply-patch-{:016x}.tmp", fastrand::u64(..)))
}

fn write_temporary(
    directory: &Dir,
    path: &Path,
    text: &str,
    permissions: Option<&Permissions>,
) -> io::Result<()> {
    let mut file = directory.open_with(path, OpenOptions::new().write(true).create_new(true))?;
    // Before the text, which others may not be allowed to read.
    if let Some(permissions) = permissions {
        file.set_permissions(permissions.clone())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Puts a temporary file in the place of a file. One that was created since the patch was checked is not replaced.
fn replace(directory: &Dir, path: &Path, file: &PlannedFile, temporary: &Path) -> io::Result<()> {
    if !file.is_on_disk {
        directory.open_with(path, OpenOptions::new().write(true).create_new(true))?;
    }
    let renamed = directory.rename(temporary, directory, path);
    if renamed.is_err() && !file.is_on_disk {
        // The empty file from above.
        _ = directory.remove_file(path);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    /// The second file cannot be replaced: in its place is a directory, or a file that was not there when the patch was checked.
    #[test]
    fn a_failure_names_what_was_changed_and_leaves_no_temporary_file() {
        for is_on_disk in [true, false] {
            let root = tempfile::TempDir::new().unwrap();
            std::fs::write(root.path().join("a"), "old").unwrap();
            if is_on_disk {
                std::fs::create_dir(root.path().join("b")).unwrap();
            } else {
                std::fs::write(root.path().join("b"), "other").unwrap();
            }
            let file = |name: &str, text: Option<&str>, is_on_disk| PlannedFile {
                name: name.to_owned(),
                text: text.map(str::to_owned),
                permissions: None,
                is_on_disk,
            };
            let files = [("a", Some("new"), true), ("b", Some("new"), is_on_disk), ("c", None, true)];
            let files = files.map(|(name, text, is_on_disk)| (name.into(), file(name, text, is_on_disk)));
            let directory = Dir::open_ambient_dir(root.path(), ambient_authority()).unwrap();
            let error = write(&directory, files.into()).unwrap_err();
            assert_eq!(error.path(), Some("b"));
            assert!(error.message().ends_with("these files were changed: a"), "{error}");
            assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
            assert_eq!(std::fs::read_to_string(root.path().join("a")).unwrap(), "new");
            if !is_on_disk {
                assert_eq!(std::fs::read_to_string(root.path().join("b")).unwrap(), "other");
            }
        }
    }
}
