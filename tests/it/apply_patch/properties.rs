//! Random texts with random edits, and random diffs.

use proptest::collection::vec;
use proptest::prelude::*;
use tachikoma_backend_codex::tools::apply_patch::{
    ContextMatch, apply_create, apply_update, parse_arguments, parse_patch,
};

/// A line of few kinds, so that texts have equal lines.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab]",
        2 => Just(String::new()),
        1 => "[ +@*-]{0,3}[ab]{0,2}",
        1 => Just("*** End of File".to_owned()),
        1 => "[^\\r\\n]{0,12}",
    ]
}

/// What an edit does with a line of the old text: keeps it, removes it, or puts lines in front of it.
#[derive(Clone, Debug)]
enum Edit {
    Keep,
    Remove,
    Insert(Vec<String>),
    Replace(Vec<String>),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => Just(Edit::Keep),
        1 => Just(Edit::Remove),
        1 => vec(line(), 1..3).prop_map(Edit::Insert),
        1 => vec(line(), 1..3).prop_map(Edit::Replace),
    ]
}

/// A text and an edit of each of its lines.
#[derive(Clone, Debug)]
struct Case {
    lines: Vec<(String, Edit)>,
    ending: &'static str,
    ends_with_ending: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let lines = vec((line(), edit()), 1..24);
    (lines, prop_oneof![Just("\n"), Just("\r\n")], any::<bool>()).prop_map(|(lines, ending, ends)| {
        // An empty last line without an ending does not count as a line, and a text without any ending gets LF.
        let ends_with_ending = ends || lines.last().is_some_and(|(line, _)| line.is_empty());
        let ending = if lines.len() == 1 && !ends_with_ending { "\n" } else { ending };
        Case { lines, ending, ends_with_ending }
    })
}

impl Case {
    fn text<'a>(&self, lines: impl Iterator<Item = &'a str>) -> String {
        let text: String = lines.map(|line| format!("{line}{}", self.ending)).collect();
        let cut = if self.ends_with_ending { "" } else { self.ending };
        text.strip_suffix(cut).unwrap_or(&text).to_owned()
    }

    fn old(&self) -> String {
        self.text(self.lines.iter().map(|(line, _)| line.as_str()))
    }

    fn new_lines(&self) -> Vec<&str> {
        let mut lines = Vec::new();
        for (line, edit) in &self.lines {
            if let Edit::Insert(added) | Edit::Replace(added) = edit {
                lines.extend(added.iter().map(String::as_str));
            }
            if matches!(edit, Edit::Keep | Edit::Insert(_)) {
                lines.push(line.as_str());
            }
        }
        lines
    }

    /// The lines of one section from this line of the old text to that one.
    fn section(&self, from: usize, to: usize) -> String {
        let mut section = String::new();
        for (line, edit) in &self.lines[from..to] {
            if let Edit::Insert(added) | Edit::Replace(added) = edit {
                added.iter().for_each(|line| section.push_str(&format!("+{line}\n")));
            }
            let sign = if matches!(edit, Edit::Keep | Edit::Insert(_)) { ' ' } else { '-' };
            // Models write empty context without its blank.
            let line = format!("{sign}{line}");
            section.push_str(if line == " " { "" } else { &line });
            section.push('\n');
        }
        section
    }

    /// Sections with little context where the first place is the right one, else with as much as needed.
    fn diff(&self) -> String {
        let old: Vec<&str> = self.lines.iter().map(|(line, _)| line.as_str()).collect();
        let mut diff = String::new();
        let mut done = 0;
        while let Some(first) = (done..old.len()).find(|at| !matches!(self.lines[*at].1, Edit::Keep)) {
            let mut to = first + 1;
            while self.lines.get(to).is_some_and(|(_, edit)| !matches!(edit, Edit::Keep)) {
                to += 1;
            }
            let mut from = first;
            let is_first = |from: usize, to: usize| {
                old[done..].windows(to - from).position(|window| *window == old[from..to])
                    == Some(from - done)
            };
            while !is_first(from, to) {
                from -= 1;
            }
            // With a header in front where the line before is the next of its text.
            let header = from.checked_sub(1).filter(|at| *at >= done && !old[*at].trim().is_empty());
            let header =
                header.filter(|at| old[done..].iter().position(|line| line == &old[*at]) == Some(at - done));
            match header.filter(|at| old[*at].trim() != old[from].trim()) {
                Some(at) => diff.push_str(&format!("@@ {}\n", old[at])),
                None => diff.push_str("@@\n"),
            }
            diff.push_str(&self.section(from, to));
            done = to;
        }
        diff
    }
}

/// Random bytes that resemble diffs and patches.
pub(super) fn nearly_a_patch() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ +@-][ab]{0,2}\n",
        1 => Just("\n".to_owned()),
        1 => Just("@@\n".to_owned()),
        1 => Just("@@ a\n".to_owned()),
        1 => Just("*** End of File\n".to_owned()),
        1 => "\\*\\*\\* (Add File|Update File|Delete File|Move to): [ab./]{0,3}\n",
        1 => Just("*** Begin Patch\r\n".to_owned()),
        1 => Just("*** End Patch".to_owned()),
        1 => "\\PC{0,4}",
        1 => Just("\r".to_owned()),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn a_rendered_edit_gives_the_edited_text(case in case()) {
        let new = case.new_lines();
        let diff = case.diff();
        prop_assume!(!diff.is_empty());
        let patched = apply_update(&case.old(), &diff).unwrap();
        prop_assert_eq!(&patched.text, &case.text(new.into_iter()), "{}", diff);
        prop_assert_eq!(patched.context, ContextMatch::Exact);
    }

    #[test]
    fn one_section_of_the_whole_file_gives_the_edited_text(case in case(), at_end in any::<bool>()) {
        let changes = case.lines.iter().any(|(_, edit)| !matches!(edit, Edit::Keep));
        prop_assume!(changes);
        let end = if at_end { "*** End of File\n" } else { "" };
        let diff = format!("{}{end}", case.section(0, case.lines.len()));
        let patched = apply_update(&case.old(), &diff).unwrap();
        prop_assert_eq!(patched.text, case.text(case.new_lines().into_iter()), "{}", diff);
    }

    #[test]
    fn whitespace_of_context_stays_as_the_file_has_it(case in case(), extra in "[ \\t]{1,3}") {
        let diff = case.diff();
        prop_assume!(!diff.is_empty());
        // Only context is changed, and only where no other line becomes equal to it.
        let lines = diff.lines().map(|line| match line.strip_prefix(' ') {
            Some(rest) if !rest.trim().is_empty() => format!(" {rest}{extra}\n"),
            _ => format!("{line}\n"),
        });
        let changed: String = lines.collect();
        let texts: std::collections::BTreeSet<&str> = case.lines.iter().map(|(line, _)| line.as_str()).collect();
        let trimmed: std::collections::BTreeSet<&str> = texts.iter().map(|line| line.trim()).collect();
        prop_assume!(texts.len() == trimmed.len());
        let patched = apply_update(&case.old(), &changed).unwrap();
        prop_assert_eq!(patched.text, case.text(case.new_lines().into_iter()), "{}", changed);
    }

    #[test]
    fn a_new_file_has_the_lines_of_its_diff(lines in vec(line(), 0..12)) {
        let diff: String = lines.iter().map(|line| format!("+{line}\n")).collect();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        prop_assert_eq!(apply_create(&diff).unwrap(), text);
    }

    #[test]
    fn a_random_diff_is_applied_whole_or_is_an_error(text in nearly_a_patch(), diff in nearly_a_patch()) {
        let errors = match apply_update(&text, &diff) {
            Ok(patched) => {
                let count = |sign: char| diff.lines().filter(|line| line.starts_with(sign)).count();
                let lines = text.lines().count() + count('+') - count('-');
                let is_cut = !text.is_empty() && !text.ends_with('\n') && lines > 0;
                prop_assert_eq!(patched.text.matches('\n').count() + usize::from(is_cut), lines);
                None
            }
            Err(error) => Some(error),
        };
        let parsed = [
            apply_create(&diff).err(),
            parse_arguments(&diff).err(),
            parse_patch(&format!("*** Begin Patch\n{diff}\n*** End Patch")).err(),
        ];
        for error in errors.into_iter().chain(parsed.into_iter().flatten()) {
            prop_assert!(!error.message().is_empty());
        }
    }
}
