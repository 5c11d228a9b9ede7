//! Holds `docs/migrate.md` to the programs: its code, its counts of lines and its names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The programs, in the order of the page, with what each does.
const PROGRAMS: &[(&str, &str)] = &[
    ("plain", "a question and its answer"),
    ("stream", "the answer, printed as it arrives"),
    ("tools", "a question that needs a tool"),
    ("agent_loop", "an agent with three tools that works until it is done"),
    ("structured", "a response as a type"),
    ("image", "a question about an image"),
    ("embeddings", "the vectors of two texts"),
    ("azure", "a deployment of Azure OpenAI"),
    ("errors", "errors by their cause, with the id of the request"),
    ("retries", "retries configured and logged"),
];

/// The other libraries: the prefix of their files, their names, and the versions that the page is about.
const LIBRARIES: &[(&str, &str, &str)] =
    &[("async_openai", "async-openai", "0.43"), ("genai", "genai", "0.7"), ("rig", "rig", "0.44")];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program without the line that says what it is for.
fn code(path: &str) -> String {
    let text = fs::read_to_string(here(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (first, code) = text.split_once("\n\n").unwrap();
    assert!(first.starts_with("//! ") && !first.contains('\n'), "{path} does not begin with one //! line");
    code.to_owned()
}

fn ours(program: &str) -> String {
    code(&format!("src/bin/{program}.rs"))
}

fn other(library: &str, program: &str) -> String {
    code(&format!("peers/src/bin/{library}_{program}.rs"))
}

/// The lines that are neither blank nor a comment alone.
fn lines(code: &str) -> usize {
    code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

fn table() -> String {
    let mut table = "| Program | This crate |".to_owned();
    LIBRARIES.iter().for_each(|(_, name, version)| write!(table, " {name} {version} |").unwrap());
    table += "\n|---|---|---|---|---|\n";
    for (program, what) in PROGRAMS {
        write!(table, "| [`{program}`](#{program}): {what} | **{}** |", lines(&ours(program))).unwrap();
        LIBRARIES
            .iter()
            .for_each(|(library, ..)| write!(table, " {} |", lines(&other(library, program))).unwrap());
        table.push('\n');
    }
    table
}

/// Our program, and the others folded.
fn side_by_side(program: &str) -> String {
    let mut text = format!("```rust\n{}```\n", ours(program));
    for (library, name, _) in LIBRARIES {
        let code = other(library, program);
        write!(
            text,
            "\n<details><summary>{name}: {} lines</summary>\n\n```rust\n{code}```\n\n</details>\n",
            lines(&code)
        )
        .unwrap();
    }
    text
}

/// The page with the part of this name replaced.
fn replace(page: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end}"));
    format!("{before}{begin}{content}{end}{after}")
}

fn page() -> PathBuf {
    here("../../docs/migrate.md")
}

#[test]
fn the_page_has_the_programs_and_their_lines() {
    let written = fs::read_to_string(page()).unwrap();
    let mut expected = replace(&written, "table", &table());
    for (program, _) in PROGRAMS {
        expected = replace(&expected, program, &side_by_side(program));
    }
    if std::env::var_os("UPDATE_PAGE").is_some() {
        fs::write(page(), &expected).unwrap();
    }
    let is_current = fs::read_to_string(page()).unwrap() == expected;
    assert!(
        is_current,
        "docs/migrate.md differs from the programs; run UPDATE_PAGE=1 cargo test -p migrate --test page"
    );
}

#[test]
fn every_program_is_on_the_page() {
    for (folder, libraries) in
        [("src/bin", vec![""]), ("peers/src/bin", vec!["async_openai_", "genai_", "rig_"])]
    {
        let mut files: Vec<String> = fs::read_dir(here(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let mut expected: Vec<String> = libraries
            .iter()
            .flat_map(|library| PROGRAMS.iter().map(move |(program, _)| format!("{library}{program}")))
            .collect();
        files.sort();
        expected.sort();
        assert_eq!(files, expected, "{folder}");
    }
}

/// Where another library is shorter, the page has to say why: this list names those programs.
#[test]
fn ours_are_the_shortest() {
    const LONGER: &[&str] = &[];
    for (program, _) in PROGRAMS {
        let ours = lines(&ours(program));
        for (library, ..) in LIBRARIES {
            let other = lines(&other(library, program));
            assert!(
                ours < other || LONGER.contains(program),
                "{program} has {ours} lines, with {library} {other}: shorten it, or add it to LONGER and say why on the page"
            );
        }
    }
}

#[test]
fn the_names_on_the_page_exist() {
    let mut sources = String::new();
    let mut folders = vec![here("../../src"), here("../../tachikoma-backends-core/src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                None => folders.push(path),
                Some(_) => sources += &fs::read_to_string(path).unwrap(),
            }
        }
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known: std::collections::HashSet<&str> = sources.split(|c| !is_word(c)).collect();

    let written = fs::read_to_string(page()).unwrap();
    let (_, names) = written.split_once("\n## Names\n").expect("the page has a section Names");
    let (names, _) = names.split_once("\n## ").expect("a section follows it");
    // The last column is ours, and every second piece between its backticks is code.
    let cells = names.lines().filter_map(|line| line.trim_end().strip_suffix('|')?.rsplit('|').next());
    let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let words: Vec<&str> =
        code.flat_map(|code| code.split(|c| !is_word(c))).filter(|w| !w.is_empty()).collect();
    assert!(words.len() > 60, "the names are not found any more: {words:?}");
    let unknown: Vec<_> = words.iter().filter(|word| !known.contains(**word)).collect();
    assert!(unknown.is_empty(), "not in the sources: {unknown:?}");
}
