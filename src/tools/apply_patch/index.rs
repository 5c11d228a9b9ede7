//! The lines of a file by number, in which a diff's lines are looked up.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;

use super::lines::content;
use super::{PatchError, PatchErrorKind};

/// How well the lines of a diff match those of the file, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ContextMatch {
    /// They are equal.
    #[default]
    Exact,
    /// They are equal without the whitespace at the end of lines.
    TrailingWhitespace,
    /// They are equal without the whitespace at both sides of lines.
    SurroundingWhitespace,
    /// They are equal without this whitespace and the empty lines at the end of a section, or the text after an `@@` is only the
    /// first words of the file's line.
    Partial,
}

const LEVELS: [ContextMatch; 3] =
    [ContextMatch::Exact, ContextMatch::TrailingWhitespace, ContextMatch::SurroundingWhitespace];

/// How many comparisons of lines the search for all sections of a diff may take.
const MAX_COMPARISONS: usize = 20_000_000;

/// How many comparisons the description of an error may take.
const MAX_HINT_COMPARISONS: usize = 2_000_000;

/// The lines of a file as numbers, which are equal where the lines are.
#[derive(Debug)]
pub(crate) struct LineIndex<'a> {
    lines: &'a [&'a str],
    exact: OnceCell<Level<'a>>,
    without_trailing: OnceCell<Level<'a>>,
    trimmed: OnceCell<Level<'a>>,
    /// The lines without whitespace at both sides, set on first use.
    trimmed_lines: OnceCell<Vec<&'a str>>,
    comparisons: usize,
}

#[derive(Debug, Default)]
struct Level<'a> {
    numbers: HashMap<&'a str, u32>,
    lines: Vec<u32>,
}

/// A line without what a level ignores.
fn key(line: &str, level: ContextMatch) -> &str {
    match level {
        ContextMatch::Exact => line,
        ContextMatch::TrailingWhitespace => line.trim_end(),
        ContextMatch::SurroundingWhitespace | ContextMatch::Partial => line.trim(),
    }
}

impl<'a> LineIndex<'a> {
    pub(crate) fn new(lines: &'a [&'a str]) -> Self {
        Self {
            lines,
            exact: OnceCell::new(),
            without_trailing: OnceCell::new(),
            trimmed: OnceCell::new(),
            trimmed_lines: OnceCell::new(),
            comparisons: 0,
        }
    }

    /// Finds the first place within these lines where lines match, at the best level that has one.
    ///
    /// # Errors
    /// The search takes too many comparisons.
    pub(crate) fn find(
        &mut self,
        pattern: &[&str],
        within: Range<usize>,
    ) -> Result<Option<(usize, ContextMatch)>, PatchError> {
        for level in LEVELS {
            let Some(pattern) = self.level(level).numbers_of(pattern, level) else { continue };
            if let Some(place) = self.find_numbers(level, &pattern, within.clone())? {
                return Ok(Some((place, level)));
            }
        }
        Ok(None)
    }

    /// Finds the line of a header at the best level that has one: the first from `from` on, else one before it, for which the place
    /// is `None`.
    ///
    /// # Errors
    /// The search takes too many comparisons.
    pub(crate) fn find_header(
        &mut self,
        header: &str,
        from: usize,
    ) -> Result<Option<(Option<usize>, ContextMatch)>, PatchError> {
        for level in LEVELS {
            let Some(number) = self.level(level).numbers_of(&[header], level) else { continue };
            if let Some(place) = self.find_numbers(level, &number, from..self.lines.len())? {
                return Ok(Some((Some(place), level)));
            }
            // A known line that does not follow is one before.
            return Ok(Some((None, level)));
        }
        // A long header costs more than a comparison for each line.
        self.count(self.lines.len().saturating_mul(1 + header.len() / 64))?;
        let header = header.trim();
        let trim = || self.lines.iter().map(|line| content(line).trim()).collect();
        let lines = self.trimmed_lines.get_or_init(trim);
        let mut places = (0..).zip(lines).filter(|(_, line)| begins_with(line, header)).map(|(at, _)| at);
        let first = places.next();
        let next = first.into_iter().chain(places).find(|at| *at >= from);
        Ok(first.map(|_| (next, ContextMatch::Partial)))
    }

    /// The place within these lines where most lines of a pattern match, and the number of the first that does not; not set if
    /// none matches, or if the search is too long for a message.
    pub(crate) fn nearest(&self, pattern: &[&str], within: Range<usize>) -> Option<(usize, usize)> {
        let starts = within.len().checked_sub(pattern.len())? + 1;
        if starts.saturating_mul(pattern.len()) > MAX_HINT_COMPARISONS {
            return None;
        }
        let level = self.level(ContextMatch::SurroundingWhitespace);
        let lines = level.lines.get(within.clone())?;
        let blank = level.numbers.get("");
        let pattern: Vec<Option<&u32>> = pattern.iter().map(|line| level.numbers.get(line.trim())).collect();
        let is_equal = |(line, old): &(&u32, &Option<&u32>)| Some(*line) == **old;
        let score = |window: &[u32]| {
            window.iter().zip(&pattern).filter(is_equal).filter(|(line, _)| Some(*line) != blank).count()
        };
        let scores = lines.windows(pattern.len().max(1)).map(score);
        // The first of the best ones, of which `max_by_key` would return the last.
        let (place, best) =
            (0..).zip(scores).reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        let window = lines.get(place..)?;
        let different = window.iter().zip(&pattern).position(|pair| !is_equal(&pair))?;
        (best > 0).then_some((within.start + place, different))
    }

    /// The lines by this level, numbered on first use.
    fn level(&self, level: ContextMatch) -> &Level<'a> {
        let cell = match level {
            ContextMatch::Exact => &self.exact,
            ContextMatch::TrailingWhitespace => &self.without_trailing,
            ContextMatch::SurroundingWhitespace | ContextMatch::Partial => &self.trimmed,
        };
        cell.get_or_init(|| Level::new(self.lines, level))
    }

    fn find_numbers(
        &mut self,
        level: ContextMatch,
        pattern: &[u32],
        within: Range<usize>,
    ) -> Result<Option<usize>, PatchError> {
        let mut comparisons = self.comparisons;
        let lines = self.level(level).lines.get(within.clone()).unwrap_or_default();
        let place = lines.windows(pattern.len().max(1)).position(|window| {
            let equal = window.iter().zip(pattern).take_while(|(line, old)| line == old).count();
            comparisons += equal + 1;
            equal == pattern.len() || comparisons > MAX_COMPARISONS
        });
        self.comparisons = comparisons;
        self.count(0)?;
        Ok(place.map(|place| within.start + place))
    }

    fn count(&mut self, comparisons: usize) -> Result<(), PatchError> {
        self.comparisons += comparisons;
        if self.comparisons > MAX_COMPARISONS {
            let message = "the search for the lines of the diff takes too long: write fewer sections, with lines that occur once in the file";
            return Err(PatchError::new(PatchErrorKind::TooLarge, message));
        }
        Ok(())
    }
}

impl<'a> Level<'a> {
    fn new(lines: &[&'a str], level: ContextMatch) -> Self {
        let mut numbers = HashMap::new();
        let number = |line: &&'a str| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(key(content(line), level)).or_insert(next)
        };
        let lines = lines.iter().map(number).collect();
        Self { numbers, lines }
    }

    /// The numbers of these lines, or `None` if the file does not have one of them.
    fn numbers_of(&self, lines: &[&str], level: ContextMatch) -> Option<Vec<u32>> {
        lines.iter().map(|line| self.numbers.get(key(line, level)).copied()).collect()
    }
}

/// Whether a line begins with a header, and no word goes on behind it; both without whitespace around them.
fn begins_with(line: &str, header: &str) -> bool {
    let rest = line.strip_prefix(header);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}
