//! The `apply_patch` tool: files changed by diffs in the V4A format.
//!
//! A diff of this format names places by their lines, not by line numbers:
//!
//! ```text
//! @@ class Stack:
//! @@     def pop(self):
//!          self.check()
//! -        return self.items.pop(0)
//! +        return self.items.pop()
//! ```
//!
//! - An `@@` line begins a section. With text it moves the search forward, past the next line of the file that has this text; several
//!   may follow each other. Text that only occurs in a part of the file that was passed leaves the search where it is.
//! - ` ` begins a line of context, `-` a line to remove, `+` a line to add; an empty line is empty context.
//! - `*** End of File` as the last line of a diff ties its last section to the end of the file.
//!
//! Sections are in the order of the file. A section's place is the first one from the end of the section before where its context and
//! removed lines are equal to the file's; if there is none in the whole rest of the file, the first one where they are equal without
//! whitespace at their ends, then without whitespace at both sides, and at last the same without the empty lines that end the section:
//! see [`ContextMatch`]. If the first line of a section repeats the text of its `@@` line, both are the same line. A section that only
//! adds lines requires text after `@@`, behind which it adds them, or the end of the file.
//!
//! Lines of context stay as the file has them. Added lines get the line ending that most lines of the file have, and whether the file
//! ends in a line ending does not change.
//!
//! ```
//! use tachikoma_backend_codex::tools::apply_patch::{apply_update, parse_patch};
//!
//! let patched = apply_update("fn main() {\n    run();\n}\n", "@@ fn main() {\n-    run();\n+    run_all();\n")?;
//! assert_eq!(patched.text, "fn main() {\n    run_all();\n}\n");
//!
//! let patch = "*** Begin Patch\n*** Add File: a.txt\n+one\n*** Delete File: b.txt\n*** End Patch";
//! assert_eq!(parse_patch(patch)?.len(), 2);
//! # Ok::<_, tachikoma_backend_codex::tools::apply_patch::PatchError>(())
//! ```

mod arguments;
mod diff;
#[cfg(feature = "apply-patch")]
mod directory;
mod envelope;
mod error;
mod index;
mod lines;
mod operation;
mod place;
mod update;

pub use self::arguments::parse_arguments;
#[cfg(feature = "apply-patch")]
pub use self::directory::{PatchChange, PatchDirectory};
pub use self::envelope::parse_patch;
pub use self::error::{PatchError, PatchErrorKind};
pub use self::index::ContextMatch;
pub use self::operation::PatchOperation;
pub use self::update::{PatchedText, apply_create, apply_update};

/// Longest text or diff, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// Fails for a text or diff above the limit.
fn check_length(noun: &str, text: &str) -> Result<(), PatchError> {
    if text.len() > MAX_BYTES {
        let message = format!("the {noun} has {} bytes, more than the limit of {MAX_BYTES}", text.len());
        return Err(PatchError::new(PatchErrorKind::TooLarge, message));
    }
    Ok(())
}
