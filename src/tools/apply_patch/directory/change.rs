//! What was done to a file.

use std::fmt;

use crate::tools::apply_patch::ContextMatch;

/// What an operation did to a file. Its text can be sent back to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchChange {
    /// A file was created.
    #[non_exhaustive]
    Created {
        /// Its path, as the operation has it.
        path: String,
    },
    /// A file was changed.
    #[non_exhaustive]
    Updated {
        /// Its path, as the operation has it.
        path: String,
        /// How well the lines of the diff matched those of the file.
        context: ContextMatch,
    },
    /// A file was moved, and changed unless the diff was empty.
    #[non_exhaustive]
    Moved {
        /// Its old path, as the operation has it.
        path: String,
        /// Its new path, as the operation has it.
        to: String,
        /// How well the lines of the diff matched those of the file.
        context: ContextMatch,
    },
    /// A file was deleted.
    #[non_exhaustive]
    Deleted {
        /// Its path, as the operation has it.
        path: String,
    },
}

impl fmt::Display for PatchChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = match self {
            Self::Created { path } => return write!(formatter, "Created {path}"),
            Self::Deleted { path } => return write!(formatter, "Deleted {path}"),
            Self::Updated { path, context } => {
                write!(formatter, "Updated {path}")?;
                context
            }
            Self::Moved { path, to, context } => {
                write!(formatter, "Moved {path} to {to}")?;
                context
            }
        };
        match context {
            ContextMatch::Exact => Ok(()),
            _ => write!(formatter, " (lines matched except for whitespace or the rest of a line)"),
        }
    }
}
