//! Texts of a server as they are shown: on a terminal and in a log, where they must not do anything, nor fill it.

use std::fmt::{self, Write};

/// The longest texts that are shown, in characters as they are written.
const MAX_MESSAGE: usize = 2_000;
const MAX_HINT: usize = 1_000;
const MAX_FAILURE: usize = 300;
const MAX_NAME: usize = 200;
/// The longest text of an error as a whole: the parts above fit in.
const MAX_WHOLE: usize = 10_000;
/// How many earlier failures are shown; of the others, how many there are.
const MAX_FAILURES: usize = 10;

/// A text that is cut where it is too long, and whose control characters are visible.
pub(super) struct Shown<'a> {
    text: &'a str,
    max: usize,
}

impl<'a> Shown<'a> {
    pub(super) fn message(text: &'a str) -> Self {
        Self { text, max: MAX_MESSAGE }
    }

    pub(super) fn hint(text: &'a str) -> Self {
        Self { text, max: MAX_HINT }
    }

    pub(super) fn name(text: &'a str) -> Self {
        Self { text, max: MAX_NAME }
    }

    /// A text that may already be one of this kind.
    pub(super) fn whole(text: &'a str) -> Self {
        Self { text, max: MAX_WHOLE }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.max;
        for c in self.text.chars() {
            let length = match c {
                '\n' | '\r' | '\t' => c.escape_default().len(),
                _ if is_invisible(c) => c.escape_unicode().len(),
                _ => 1,
            };
            let Some(rest) = left.checked_sub(length) else {
                return write!(f, "... ({} characters)", self.text.chars().count());
            };
            left = rest;
            match c {
                _ if length == 1 => f.write_char(c)?,
                '\n' | '\r' | '\t' => write!(f, "{}", c.escape_default())?,
                _ => write!(f, "{}", c.escape_unicode())?,
            }
        }
        Ok(())
    }
}

/// The earlier failures in one text.
pub(super) fn failures(failures: &[String]) -> String {
    let shown = failures.iter().take(MAX_FAILURES);
    let shown = shown.map(|text| Shown { text, max: MAX_FAILURE }.to_string());
    let more = failures.len().saturating_sub(MAX_FAILURES);
    let more = (more > 0).then(|| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join("; ")
}

/// Whether a character steers a terminal or the order of a text, or takes no room in it.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}' | '\u{1160}'
            | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_visible() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(Shown::message(text).to_string(), expected);
        }
        check("plain 余额 é", "plain 余额 é");
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("a\r\nb\tc", "a\\r\\nb\\tc");
        check("\u{9b}x\u{7f}\0", "\\u{9b}x\\u{7f}\\u{0}");
        check("\u{202e}evil\u{2066}\u{200b}", "\\u{202e}evil\\u{2066}\\u{200b}");
        // What is visible already stays as it is.
        check("\\u{1b}", "\\u{1b}");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(Shown::name(&"é".repeat(200)).to_string(), "é".repeat(200));
        assert_eq!(
            Shown::name(&"é".repeat(201)).to_string(),
            format!("{}... (201 characters)", "é".repeat(200))
        );
        let many: Vec<String> = (0..12).map(|n| format!("{n}")).collect();
        assert_eq!(failures(&many), "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 2 more");
        assert_eq!(failures(&[]), "");
    }

    #[test]
    fn a_shown_text_stays_the_same() {
        let details = crate::ErrorDetails {
            code: Some("\u{1b}".repeat(500)),
            param: Some("\u{1b}".repeat(500)),
            request_id: Some("\u{1b}".repeat(500)),
            hint: Some("hint".repeat(5_000)),
            attempts: 3,
            maybe_processed: true,
            earlier_failures: vec!["\u{1b}".repeat(500); 20],
            ..crate::ErrorDetails::new("\u{e0001}".repeat(50_000))
        };
        let text = details.to_string();
        assert_eq!(Shown::whole(&text).to_string(), text);
    }
}
