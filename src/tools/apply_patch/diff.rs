//! The sections of a diff.

use super::error::quoted;
use super::{PatchError, check_length};

pub(crate) const END_OF_FILE: &str = "*** End of File";

/// The lines of a diff, without LF or CRLF.
pub(crate) fn diff_lines(diff: &str) -> impl Iterator<Item = &str> {
    diff.split_terminator('\n').map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// A part of a diff that changes one place.
#[derive(Debug, Default)]
pub(crate) struct Section<'a> {
    /// The texts after `@@`, in order.
    pub(crate) headers: Vec<&'a str>,
    pub(crate) lines: Vec<DiffLine<'a>>,
    /// Whether it is at the end of the file.
    pub(crate) is_at_end: bool,
    /// The number in the diff of its last `@@` line, or of its first line, from 1.
    pub(crate) number: usize,
}

/// A line of a diff without its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiffLine<'a> {
    Context(&'a str),
    /// An empty line, which models also write between sections.
    Blank,
    Removed(&'a str),
    Added(&'a str),
}

impl<'a> DiffLine<'a> {
    /// The line that the file has, if it is not an added one.
    pub(crate) fn old(self) -> Option<&'a str> {
        match self {
            Self::Context(line) | Self::Removed(line) => Some(line),
            Self::Blank => Some(""),
            Self::Added(_) => None,
        }
    }
}

impl<'a> Section<'a> {
    /// The lines that the file has, in order.
    pub(crate) fn old_lines(&self) -> Vec<&'a str> {
        self.lines.iter().filter_map(|line| line.old()).collect()
    }

    /// How many empty lines it ends with.
    pub(crate) fn trailing_blanks(&self) -> usize {
        self.lines.iter().rev().take_while(|line| **line == DiffLine::Blank).count()
    }

    fn is_blank(&self) -> bool {
        self.trailing_blanks() == self.lines.len()
    }
}

/// Parses the diff of an update. At least one section changes something.
///
/// # Errors
/// The diff does not follow the format, or it is too long.
pub(crate) fn parse_sections(diff: &str) -> Result<Vec<Section<'_>>, PatchError> {
    check_length("diff", diff)?;
    let mut sections = Vec::new();
    let mut section = Section { number: 1, ..Section::default() };
    for (number, line) in diff_lines(diff).enumerate().map(|(at, line)| (at + 1, line)) {
        let refuse = |reason: &str| {
            Err(PatchError::syntax(format!("line {number} of the diff {reason}: {}", quoted(line))))
        };
        if section.is_at_end {
            if !line.trim().is_empty() {
                return refuse("follows `*** End of File`");
            }
        } else if line.trim_end() == END_OF_FILE {
            section.is_at_end = true;
        } else if let Some(header) = line.strip_prefix("@@") {
            let header = header.strip_prefix(' ').unwrap_or(header);
            if has_line_numbers(header) {
                return refuse(
                    "has line numbers, which this format does not have; write `@@`, or `@@` and a line of the file",
                );
            }
            if section.is_blank() {
                section.lines.clear();
            } else {
                sections.push(std::mem::take(&mut section));
            }
            section.number = number;
            section.headers.extend(Some(header).filter(|header| !header.trim().is_empty()));
        } else {
            section.lines.push(match line.split_at_checked(1) {
                _ if line.is_empty() => DiffLine::Blank,
                Some((" ", line)) => DiffLine::Context(line),
                Some(("-", line)) => DiffLine::Removed(line),
                Some(("+", line)) => DiffLine::Added(line),
                _ => return refuse("begins with neither ` `, `-`, `+` nor `@@`"),
            });
        }
    }
    if !section.is_blank() {
        sections.push(section);
    } else if !section.headers.is_empty() || section.is_at_end {
        let message = format!("the section at line {} of the diff has no lines", section.number);
        return Err(PatchError::syntax(message));
    }
    let changes = |line: &DiffLine<'_>| matches!(line, DiffLine::Removed(_) | DiffLine::Added(_));
    if !sections.iter().any(|section| section.lines.iter().any(changes)) {
        return Err(PatchError::syntax("the diff changes nothing: none of its lines begins with `-` or `+`"));
    }
    Ok(sections)
}

/// Whether a header is one of a unified diff: `-1,2 +1,3 @@`.
fn has_line_numbers(header: &str) -> bool {
    let is_range = |text: &str, sign: char| {
        text.strip_prefix(sign).is_some_and(|range| {
            !range.is_empty() && range.chars().all(|char| char.is_ascii_digit() || char == ',')
        })
    };
    let mut words = header.split_whitespace();
    let (old, new) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    is_range(old, '-') && is_range(new, '+')
}
