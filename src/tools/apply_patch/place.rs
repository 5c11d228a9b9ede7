//! The place of a section in a file.

use super::diff::Section;
use super::error::quoted;
use super::index::{ContextMatch, LineIndex};
use super::lines::content;
use super::{PatchError, PatchErrorKind};

/// How many lines an error quotes.
const MAX_QUOTED: usize = 30;

/// Where a section belongs.
#[derive(Debug)]
pub(crate) struct Place {
    /// The first line of the file that the section describes.
    pub(crate) start: usize,
    /// How many lines of the section are to be applied: all but empty ones at its end that the file does not have.
    pub(crate) lines: usize,
    pub(crate) context: ContextMatch,
}

/// Where the search for a section's lines begins.
struct SearchStart {
    /// The first line, counted from 0.
    line: usize,
    /// The line of the last header, if it is not before the section before.
    header: Option<usize>,
    context: ContextMatch,
}

/// The search for the sections of one diff in the lines of one file.
pub(crate) struct Search<'a> {
    lines: &'a [&'a str],
    index: LineIndex<'a>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(lines: &'a [&'a str]) -> Self {
        Self { lines, index: LineIndex::new(lines) }
    }

    /// Finds the place of a section, not before the line `from`.
    ///
    /// # Errors
    /// The file does not have its lines there, or the search takes too long.
    pub(crate) fn place(&mut self, section: &Section<'_>, from: usize) -> Result<Place, PatchError> {
        let search = self.follow_headers(section, from)?;
        let old = section.old_lines();
        if old.is_empty() {
            return self.insertion(section, &search);
        }
        let blanks = section.trailing_blanks();
        let kept = old.get(..old.len() - blanks).unwrap_or_default();
        let lines = section.lines.len();
        if let Some((start, context)) = self.find(section, &search, &old)? {
            return Ok(Place { start, lines, context: context.max(search.context) });
        }
        if blanks > 0
            && !kept.is_empty()
            && let Some((start, _)) = self.find(section, &search, kept)?
        {
            return Ok(Place { start, lines: lines - blanks, context: ContextMatch::Partial });
        }
        Err(self.not_found(section, &search, &old))
    }

    fn follow_headers(&mut self, section: &Section<'_>, from: usize) -> Result<SearchStart, PatchError> {
        let mut search = SearchStart { line: from, header: None, context: ContextMatch::Exact };
        for header in &section.headers {
            let Some((place, context)) = self.index.find_header(header, search.line)? else {
                let message = format!(
                    "the file does not have the line {} of an `@@` before the section at line {} of the diff; write a whole line of \
                     the file after `@@`, or nothing",
                    quoted(header),
                    section.number,
                );
                return Err(PatchError::new(PatchErrorKind::ContextNotFound, message));
            };
            search.context = search.context.max(context);
            search.header = place;
            search.line = place.map_or(search.line, |place| place + 1);
        }
        Ok(search)
    }

    /// The place of a section that only adds lines.
    fn insertion(&self, section: &Section<'_>, search: &SearchStart) -> Result<Place, PatchError> {
        let place = |start| Place { start, lines: section.lines.len(), context: search.context };
        if section.is_at_end {
            return Ok(place(self.lines.len()));
        }
        if search.header.is_some() || self.lines.is_empty() {
            return Ok(place(search.line));
        }
        let message = format!(
            "the section at line {} of the diff only adds lines, without a place for them: write a line of context above them, `@@` \
             and a line of the file that they follow, or `*** End of File` after them",
            section.number
        );
        Err(PatchError::new(PatchErrorKind::ContextNotFound, message))
    }

    fn find(
        &mut self,
        section: &Section<'_>,
        search: &SearchStart,
        old: &[&str],
    ) -> Result<Option<(usize, ContextMatch)>, PatchError> {
        let is_repeated = section.headers.last().zip(old.first()).is_some_and(|(a, b)| a.trim() == b.trim());
        let from = search.header.filter(|_| is_repeated).unwrap_or(search.line);
        let from = match self.lines.len().checked_sub(old.len()) {
            Some(last) if section.is_at_end => from.max(last),
            _ => from,
        };
        self.index.find(old, from..self.lines.len())
    }

    fn not_found(&mut self, section: &Section<'_>, search: &SearchStart, old: &[&str]) -> PatchError {
        let from = search.line;
        let place = match section.is_at_end {
            true => "at the end of the file".to_owned(),
            false => format!("at or below line {}", from + 1),
        };
        let mut message = format!(
            "the file does not have these lines {place}, which the section at line {} of the diff looks for:",
            section.number
        );
        for line in old.iter().take(MAX_QUOTED) {
            message.push_str(&format!("\n{}", quoted(line)));
        }
        if old.len() > MAX_QUOTED {
            message.push_str(&format!("\nand {} more", old.len() - MAX_QUOTED));
        }
        if let Some(hint) = self.hint(section, from, old) {
            message.push('\n');
            message.push_str(&hint);
        }
        PatchError::new(PatchErrorKind::ContextNotFound, message)
    }

    /// Where the file has such lines all the same, or nearly.
    fn hint(&mut self, section: &Section<'_>, from: usize, old: &[&str]) -> Option<String> {
        if section.is_at_end {
            let tail = self.lines.len().saturating_sub(old.len().min(MAX_QUOTED));
            let last: Vec<String> = self.lines.iter().skip(tail).map(|line| quoted(content(line))).collect();
            return Some(match last.is_empty() {
                true => "The file is empty.".to_owned(),
                false => format!("The file ends with:\n{}", last.join("\n")),
            });
        }
        if let Ok(Some((place, _))) = self.index.find(old, 0..self.lines.len()) {
            return Some(format!(
                "The file has them at line {}, above that: write the sections in the order of the file.",
                place + 1
            ));
        }
        let (place, different) = self.index.nearest(old, from..self.lines.len())?;
        let line = self.lines.get(place + different)?;
        Some(format!(
            "Nearly the same lines begin at line {}, where line {} is {}.",
            place + 1,
            place + different + 1,
            quoted(content(line))
        ))
    }
}
