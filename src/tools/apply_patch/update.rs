//! Diffs applied to texts.

use super::diff::{DiffLine, diff_lines, parse_sections};
use super::error::quoted;
use super::lines::{TextBuilder, lines, usual_ending};
use super::place::Search;
use super::{ContextMatch, PatchError, check_length};

/// A text that a diff was applied to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchedText {
    /// The whole text.
    pub text: String,
    /// How well the lines of the diff matched those of the file: of the section where it is worst.
    pub context: ContextMatch,
}

/// The text of a new file by a diff of lines that begin with `+`.
///
/// It ends with a line ending unless it is empty, and has CRLF if the diff has.
///
/// # Errors
/// A line begins with something else, or the diff is longer than 8 MiB.
pub fn apply_create(diff: &str) -> Result<String, PatchError> {
    check_length("diff", diff)?;
    let mut text = TextBuilder::new(usual_ending(&lines(diff)));
    for (at, line) in diff_lines(diff).enumerate() {
        let Some(line) = line.strip_prefix('+') else {
            let message = format!(
                "line {} of the diff does not begin with `+`, as all lines of a new file do: {}",
                at + 1,
                quoted(line)
            );
            return Err(PatchError::syntax(message));
        };
        text.push(line);
    }
    Ok(text.build(true))
}

/// Applies the sections of a diff to the text of a file: all of them, or an error.
///
/// # Errors
/// The diff does not follow the format; the text does not have the lines that it looks for, in its order; the text or the diff is
/// longer than 8 MiB, or the search takes more than 20 million comparisons of lines.
pub fn apply_update(text: &str, diff: &str) -> Result<PatchedText, PatchError> {
    check_length("file", text)?;
    let sections = parse_sections(diff)?;
    let old = lines(text);
    let mut search = Search::new(&old);
    let mut new = TextBuilder::new(usual_ending(&old));
    let mut rest = old.iter();
    let mut context = ContextMatch::Exact;
    for section in &sections {
        let from = old.len() - rest.len();
        let place = search.place(section, from)?;
        context = context.max(place.context);
        rest.by_ref().take(place.start - from).for_each(|line| new.push(line));
        for line in section.lines.iter().take(place.lines) {
            match line {
                DiffLine::Added(line) => new.push(line),
                DiffLine::Removed(_) => _ = rest.next(),
                DiffLine::Context(_) | DiffLine::Blank => {
                    rest.by_ref().take(1).for_each(|line| new.push(line))
                }
            }
        }
    }
    rest.for_each(|line| new.push(line));
    Ok(PatchedText { text: new.build(text.is_empty() || text.ends_with('\n')), context })
}
