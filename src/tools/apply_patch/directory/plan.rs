//! All operations of a patch, applied in memory.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, Metadata, Permissions};

use super::change::PatchChange;
use super::io_error;
use super::path::resolve;
use crate::tools::apply_patch::{
    ContextMatch, MAX_BYTES, PatchError, PatchErrorKind, PatchOperation, PatchedText, apply_create,
    apply_update,
};

/// How many operations a patch may have.
const MAX_OPERATIONS: usize = 1000;

/// How long the texts of all changed files may be, in bytes.
const MAX_TOTAL_BYTES: usize = 64 << 20;

/// The files that a patch changes, by their resolved paths.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    directory: &'a Dir,
    files: BTreeMap<PathBuf, PlannedFile>,
    operations: usize,
    bytes: usize,
}

/// A file as the patch leaves it.
#[derive(Debug)]
pub(crate) struct PlannedFile {
    /// The path as the patch has it.
    pub(crate) name: String,
    /// Its text, if the patch does not delete it.
    pub(crate) text: Option<String>,
    /// The permissions to keep, if it was not created by the patch.
    pub(crate) permissions: Option<Permissions>,
    /// Whether the file existed before the patch.
    pub(crate) is_on_disk: bool,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(directory: &'a Dir) -> Self {
        Self { directory, files: BTreeMap::new(), operations: 0, bytes: 0 }
    }

    /// Applies an operation in memory.
    ///
    /// # Errors
    /// It cannot be applied, or the patch is too large.
    pub(crate) fn add(&mut self, operation: &PatchOperation) -> Result<PatchChange, PatchError> {
        self.operations += 1;
        if self.operations > MAX_OPERATIONS {
            let message = format!("the patch has more than {MAX_OPERATIONS} operations");
            return Err(PatchError::new(PatchErrorKind::TooLarge, message));
        }
        let change = match operation {
            PatchOperation::CreateFile { path, diff } => self.create(path, diff),
            PatchOperation::UpdateFile { path, diff, move_to: Some(to) } => self.rename(path, diff, to),
            PatchOperation::UpdateFile { path, diff, move_to: None } => self.update(path, diff),
            PatchOperation::DeleteFile { path } => self.delete(path),
        };
        change.map_err(|error| error.with_path(operation.path()))
    }

    /// The files to write and to delete.
    ///
    /// # Errors
    /// A file is the directory of another one.
    pub(crate) fn finish(self) -> Result<BTreeMap<PathBuf, PlannedFile>, PatchError> {
        for (path, file) in self.files.iter().filter(|(_, file)| file.text.is_some()) {
            let is_file = |path: &Path| self.files.get(path).is_some_and(|file| file.text.is_some());
            if path.ancestors().skip(1).any(is_file) {
                let message = "the patch also creates a file in the place of its directory";
                return Err(PatchError::new(PatchErrorKind::PathRefused, message).with_path(&file.name));
            }
        }
        Ok(self.files)
    }

    fn create(&mut self, path: &str, diff: &str) -> Result<PatchChange, PatchError> {
        let text = apply_create(diff)?;
        let resolved = resolve(self.directory, path)?.path;
        self.check_absent(&resolved)?;
        self.put(resolved, path, Some(text), None)?;
        Ok(PatchChange::Created { path: path.to_owned() })
    }

    fn update(&mut self, path: &str, diff: &str) -> Result<PatchChange, PatchError> {
        let resolved = resolve(self.directory, path)?.path;
        let (old, permissions) = self.read(&resolved)?;
        let PatchedText { text, context, .. } = apply_update(&old, diff)?;
        self.put(resolved, path, Some(text), permissions)?;
        Ok(PatchChange::Updated { path: path.to_owned(), context })
    }

    fn rename(&mut self, path: &str, diff: &str, to: &str) -> Result<PatchChange, PatchError> {
        let from = self.resolve_own(path)?;
        let (old, permissions) = self.read(&from)?;
        let PatchedText { text, context, .. } = match diff.trim() {
            "" => PatchedText { text: old, context: ContextMatch::Exact },
            _ => apply_update(&old, diff)?,
        };
        let target = resolve(self.directory, to).map_err(|error| error.with_path(to))?.path;
        if target != from {
            self.check_absent(&target).map_err(|error| error.with_path(to))?;
            self.put(from, path, None, None)?;
        }
        self.put(target, to, Some(text), permissions)?;
        Ok(PatchChange::Moved { path: path.to_owned(), to: to.to_owned(), context })
    }

    fn delete(&mut self, path: &str) -> Result<PatchChange, PatchError> {
        let resolved = self.resolve_own(path)?;
        match self.files.get(&resolved) {
            Some(file) if file.text.is_none() => return Err(missing()),
            Some(_) => {}
            None => _ = self.file_metadata(&resolved)?,
        }
        self.put(resolved, path, None, None)?;
        Ok(PatchChange::Deleted { path: path.to_owned() })
    }

    /// Resolves the path of a file to remove, which is not that of a link to it.
    fn resolve_own(&self, path: &str) -> Result<PathBuf, PatchError> {
        let resolved = resolve(self.directory, path)?;
        if resolved.is_link {
            let message = "the path is a symbolic link, which can be neither deleted nor moved; use the path of its file";
            return Err(PatchError::new(PatchErrorKind::PathRefused, message));
        }
        Ok(resolved.path)
    }

    /// Records a file's text, or that it is deleted.
    fn put(
        &mut self,
        resolved: PathBuf,
        name: &str,
        text: Option<String>,
        permissions: Option<Permissions>,
    ) -> Result<(), PatchError> {
        self.bytes += text.as_ref().map_or(0, String::len);
        if self.bytes > MAX_TOTAL_BYTES {
            let message = format!("the files of the patch have more than {MAX_TOTAL_BYTES} bytes");
            return Err(PatchError::new(PatchErrorKind::TooLarge, message));
        }
        let is_on_disk = match self.files.get(&resolved) {
            Some(file) => file.is_on_disk,
            None => self.metadata(&resolved)?.is_some(),
        };
        self.files.insert(resolved, PlannedFile { name: name.to_owned(), text, permissions, is_on_disk });
        Ok(())
    }

    /// The text of a file, as earlier operations left it, with the permissions to keep.
    fn read(&self, resolved: &Path) -> Result<(String, Option<Permissions>), PatchError> {
        if let Some(file) = self.files.get(resolved) {
            return Ok((file.text.clone().ok_or_else(missing)?, file.permissions.clone()));
        }
        let failed = |error| io_error("read the file", &error);
        let metadata = self.file_metadata(resolved)?;
        if metadata.permissions().readonly() {
            return Err(PatchError::new(PatchErrorKind::Io, "the file is read-only"));
        }
        let mut bytes = Vec::new();
        let file = self.directory.open(resolved).map_err(failed)?;
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > MAX_BYTES {
            let message = format!("the file has more than {MAX_BYTES} bytes");
            return Err(PatchError::new(PatchErrorKind::TooLarge, message));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let message = format!(
                "the file is not UTF-8 text: byte {} is not valid",
                error.utf8_error().valid_up_to() + 1
            );
            PatchError::new(PatchErrorKind::NotText, message)
        })?;
        Ok((text, Some(metadata.permissions())))
    }

    /// Fails if a file or directory of this path exists after the operations so far.
    fn check_absent(&self, resolved: &Path) -> Result<(), PatchError> {
        let exists = match self.files.get(resolved) {
            Some(file) => file.text.is_some(),
            None => self.metadata(resolved)?.is_some(),
        };
        match exists {
            true => Err(PatchError::new(PatchErrorKind::FileExists, "the file exists already")),
            false => Ok(()),
        }
    }

    fn metadata(&self, resolved: &Path) -> Result<Option<Metadata>, PatchError> {
        match self.directory.symlink_metadata(resolved) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read the file's metadata", &error)),
        }
    }

    /// The metadata of a regular file: a device or a pipe could block the read.
    fn file_metadata(&self, resolved: &Path) -> Result<Metadata, PatchError> {
        let metadata = self.metadata(resolved)?.ok_or_else(missing)?;
        match metadata.is_file() {
            true => Ok(metadata),
            false => Err(PatchError::new(PatchErrorKind::NotText, "the path is not that of a regular file")),
        }
    }
}

fn missing() -> PatchError {
    PatchError::new(PatchErrorKind::FileMissing, "the file does not exist")
}
