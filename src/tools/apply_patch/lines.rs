//! The lines of a text with their endings.

/// The lines of a text, each with its ending, which the last one may lack.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A line without its ending.
pub(crate) fn content(line: &str) -> &str {
    line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
}

/// The ending that most lines of a text have; LF if as many have CRLF.
pub(crate) fn usual_ending(lines: &[&str]) -> &'static str {
    let crlf = lines.iter().filter(|line| line.ends_with("\r\n")).count();
    let lf = lines.iter().filter(|line| line.ends_with('\n')).count() - crlf;
    if crlf > lf { "\r\n" } else { "\n" }
}

/// A text that is built line by line.
#[derive(Debug)]
pub(crate) struct TextBuilder {
    text: String,
    /// The ending of lines that come without one.
    ending: &'static str,
    /// The length of the last line's ending, in bytes.
    last_ending: usize,
}

impl TextBuilder {
    pub(crate) fn new(ending: &'static str) -> Self {
        Self { text: String::new(), ending, last_ending: 0 }
    }

    /// Appends a line, with its ending if it has one.
    pub(crate) fn push(&mut self, line: &str) {
        let content = content(line);
        let ending = line.strip_prefix(content).filter(|ending| !ending.is_empty()).unwrap_or(self.ending);
        self.text.push_str(content);
        self.text.push_str(ending);
        self.last_ending = ending.len();
    }

    /// The text, with or without the ending of its last line.
    pub(crate) fn build(mut self, final_ending: bool) -> String {
        if !final_ending {
            self.text.truncate(self.text.len() - self.last_ending);
        }
        self.text
    }
}
