//! Texts of a server as errors display them: without control characters, which a terminal or a log would obey, and cut where they
//! are too long.

use std::fmt::{self, Write};

/// The longest texts, in characters after escaping.
const MAX_MESSAGE: usize = 2_000;
const MAX_HINT: usize = 1_000;
const MAX_FAILURE: usize = 300;
const MAX_NAME: usize = 200;
/// How many earlier failures are listed; the others are counted.
const MAX_FAILURES: usize = 10;

/// A text that is displayed with its control characters escaped, and cut where it is too long.
pub(super) struct EscapedText<'a> {
    text: &'a str,
    max: usize,
}

impl<'a> EscapedText<'a> {
    pub(super) fn message(text: &'a str) -> Self {
        Self { text, max: MAX_MESSAGE }
    }

    pub(super) fn hint(text: &'a str) -> Self {
        Self { text, max: MAX_HINT }
    }

    pub(super) fn name(text: &'a str) -> Self {
        Self { text, max: MAX_NAME }
    }
}

impl fmt::Display for EscapedText<'_> {
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
    let listed = failures.iter().take(MAX_FAILURES);
    let listed = listed.map(|text| EscapedText { text, max: MAX_FAILURE }.to_string());
    let more = failures.len().saturating_sub(MAX_FAILURES);
    let more = (more > 0).then(|| format!("and {more} more"));
    listed.chain(more).collect::<Vec<_>>().join("; ")
}

/// Whether a character controls a terminal or the order of a text, or has no width.
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
            assert_eq!(EscapedText::message(text).to_string(), expected);
        }
        check("plain 余额 é", "plain 余额 é");
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("a\r\nb\tc", "a\\r\\nb\\tc");
        check("\u{9b}x\u{7f}\0", "\\u{9b}x\\u{7f}\\u{0}");
        check("\u{202e}evil\u{2066}\u{200b}", "\\u{202e}evil\\u{2066}\\u{200b}");
        // What is visible already stays unchanged.
        check("\\u{1b}", "\\u{1b}");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(EscapedText::name(&"é".repeat(200)).to_string(), "é".repeat(200));
        assert_eq!(
            EscapedText::name(&"é".repeat(201)).to_string(),
            format!("{}... (201 characters)", "é".repeat(200))
        );
        let many: Vec<String> = (0..12).map(|n| format!("{n}")).collect();
        assert_eq!(failures(&many), "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 2 more");
        assert_eq!(failures(&[]), "");
    }

    #[test]
    fn the_text_of_an_error_has_a_limit() {
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
        let length = details.to_string().chars().count();
        assert!((3_000..10_000).contains(&length), "{length}");
    }
}
