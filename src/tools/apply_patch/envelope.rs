//! A whole patch as text: the operations between `*** Begin Patch` and `*** End Patch`.

use super::diff::{END_OF_FILE, diff_lines};
use super::error::quoted;
use super::{PatchError, PatchOperation, check_length};

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ADD: &str = "*** Add File:";
const UPDATE: &str = "*** Update File:";
const DELETE: &str = "*** Delete File:";
const MOVE: &str = "*** Move to:";

/// Whether a text begins as a whole patch.
pub(crate) fn is_envelope(text: &str) -> bool {
    text.trim_start().starts_with(BEGIN)
}

/// Parses a whole patch, from `*** Begin Patch` to `*** End Patch`, as models write it in the input of a custom tool.
///
/// The diffs are not checked here, but where they are applied.
///
/// # Errors
/// The text does not follow the format, or it is longer than 8 MiB.
pub fn parse_patch(text: &str) -> Result<Vec<PatchOperation>, PatchError> {
    check_length("patch", text)?;
    let lines: Vec<(usize, &str)> = diff_lines(text).enumerate().map(|(at, line)| (at + 1, line)).collect();
    let is_blank = |(_, line): &&(usize, &str)| line.trim().is_empty();
    let mut lines = lines.iter().skip_while(is_blank).copied();
    if lines.next().is_none_or(|(_, line)| line.trim() != BEGIN) {
        return Err(PatchError::syntax(format!("a patch begins with the line `{BEGIN}`")));
    }
    let mut operations: Vec<PatchOperation> = Vec::new();
    for (number, line) in lines.by_ref() {
        let marker = line.trim_end();
        if marker == END {
            let Some((number, line)) = lines.find(|(_, line)| !line.trim().is_empty()) else {
                return match operations.is_empty() {
                    true => Err(PatchError::syntax("the patch has no operations")),
                    false => Ok(operations),
                };
            };
            let message = format!("line {number} of the patch follows `{END}`: {}", quoted(line));
            return Err(PatchError::syntax(message));
        }
        if let Some(path) = marker.strip_prefix(ADD) {
            operations.push(PatchOperation::create_file(file_path(path, number)?, ""));
        } else if let Some(path) = marker.strip_prefix(UPDATE) {
            operations.push(PatchOperation::update_file(file_path(path, number)?, ""));
        } else if let Some(path) = marker.strip_prefix(DELETE) {
            operations.push(PatchOperation::delete_file(file_path(path, number)?));
        } else if let Some(path) = marker.strip_prefix(MOVE) {
            set_move(operations.last_mut(), file_path(path, number)?, number)?;
        } else if line.starts_with("***") && marker != END_OF_FILE {
            let message = format!(
                "line {number} of the patch is not a valid marker: {}; use `{ADD} path`, `{UPDATE} path`, `{DELETE} path`, `{MOVE} \
                 path`, `{END_OF_FILE}` or `{END}`",
                quoted(line)
            );
            return Err(PatchError::syntax(message));
        } else {
            add_line(operations.last_mut(), line, number)?;
        }
    }
    Err(PatchError::syntax(format!("the patch does not end with the line `{END}`: it may be cut short")))
}

fn file_path(path: &str, number: usize) -> Result<&str, PatchError> {
    match path.trim() {
        "" => Err(PatchError::syntax(format!("line {number} of the patch has no path"))),
        path => Ok(path),
    }
}

fn set_move(operation: Option<&mut PatchOperation>, path: &str, number: usize) -> Result<(), PatchError> {
    match operation {
        Some(PatchOperation::UpdateFile { diff, move_to: move_to @ None, .. }) if diff.is_empty() => {
            *move_to = Some(path.to_owned());
            Ok(())
        }
        _ => {
            let message = format!("line {number} of the patch: `{MOVE}` follows a line with `{UPDATE}` only");
            Err(PatchError::syntax(message))
        }
    }
}

fn add_line(operation: Option<&mut PatchOperation>, line: &str, number: usize) -> Result<(), PatchError> {
    match operation {
        Some(PatchOperation::CreateFile { diff, .. } | PatchOperation::UpdateFile { diff, .. }) => {
            diff.push_str(line);
            diff.push('\n');
            Ok(())
        }
        _ if line.trim().is_empty() => Ok(()),
        operation => {
            let before = if operation.is_some() { format!("`{DELETE}`") } else { format!("`{BEGIN}`") };
            let message = format!(
                "line {number} of the patch: no text may follow {before}, but it has {}",
                quoted(line)
            );
            Err(PatchError::syntax(message))
        }
    }
}
