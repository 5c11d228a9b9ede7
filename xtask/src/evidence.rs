//! `cargo xtask evidence`: measures what the project claims, and writes docs/evidence.md and the figures in the README.

mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};

use self::rows::{ROWS, Row};
use crate::command::{cargo, command, output};
use crate::{drift, files};

/// What stands before and after the figures in the README.
const MARKS: [&str; 2] = ["<!-- cargo xtask evidence -->\n", "<!-- end -->\n"];

/// Measure what the project claims, and write docs/evidence.md and the figures in the README.
///
/// A row is measured by one command, which anyone can run. What cannot be measured here, since a tool or a folder of ../shared is
/// missing, keeps its figure and its date, and makes this command fail in the end. Run it on a machine that does nothing else.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Measure only these rows; the others keep their figures.
    #[arg(value_name = "ROW", value_parser = PossibleValuesParser::new(ROWS.iter().map(|row| row.name)))]
    rows: Vec<String>,
    /// Measure nothing; write the pages from docs/evidence.json.
    #[arg(long, conflicts_with = "rows")]
    render: bool,
}

/// A figure as it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    figure: String,
    /// `YYYY-MM-DD`, in UTC.
    date: String,
    /// The commit, which may have had changes that were not committed.
    commit: String,
    /// How long it took, in seconds.
    seconds: u64,
}

/// The figures by the names of their rows.
type Figures = BTreeMap<String, Measured>;

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut figures = read()?;
    let mut failed = Vec::new();
    let chosen = |row: &&Row| options.rows.is_empty() || options.rows.iter().any(|name| name == row.name);
    for row in ROWS.iter().filter(chosen).filter(|_| !options.render) {
        match measure(row) {
            Ok(measured) => {
                println!("{}: {}", row.name, measured.figure);
                figures.insert(row.name.to_owned(), measured);
                // Each at once, since all take long.
                write(&figures)?;
            }
            Err(error) => {
                eprintln!("{}: {error:#}", row.name);
                failed.push(row.name);
            }
        }
    }
    write(&figures)?;
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// Runs the command of a row.
fn measure(row: &Row) -> Result<Measured> {
    let start = Instant::now();
    let [program, arguments @ ..] = row.command else { bail!("the row {} has no command", row.name) };
    let mut program = if *program == "cargo" { cargo() } else { command(files::root().join(program)) };
    let (status, text) = output(program.args(arguments))?;
    ensure!(status.success(), "the command failed: {status}");
    let figure = (row.figure)(&text).with_context(|| format!("no figure in its output:\n{text}"))?;
    let (_, commit) = output(command("git").args(["rev-parse", "--short", "HEAD"]))?;
    Ok(Measured {
        figure,
        date: drift::today().to_string(),
        commit: commit.trim().to_owned(),
        seconds: start.elapsed().as_secs(),
    })
}

fn path(name: &str) -> PathBuf {
    files::root().join(name)
}

fn read() -> Result<Figures> {
    let path = path("docs/evidence.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
}

fn write(figures: &Figures) -> Result<()> {
    let readme = fs::read_to_string(path("README.md")).context("cannot read README.md")?;
    let texts = [
        (path("docs/evidence.json"), files::canonical(serde_json::to_value(figures)?)?),
        (path("docs/evidence.md"), page(figures)),
        (path("README.md"), with_headlines(&readme, figures)?),
    ];
    let texts: Vec<_> = texts.iter().map(|(path, text)| (path.as_path(), text.as_str())).collect();
    files::replace(&texts)?;
    Ok(())
}

/// The command line of a row.
fn command_line(row: &Row) -> String {
    row.command.join(" ")
}

/// The page.
fn page(figures: &Figures) -> String {
    let mut page = String::from(
        "# Evidence\n\n\
        Written by `cargo xtask evidence`, which runs every command below and reads the figure from its output: never edit it by hand.\n\
        `cargo xtask evidence ROW` measures one row. The figures of time are of a virtual machine with two cores.\n\n\
        | What | Figure | Command | Date, commit, duration |\n|---|---|---|---|\n",
    );
    for row in &ROWS {
        let Some(Measured { figure, date, commit, seconds }) = figures.get(row.name) else { continue };
        let line = command_line(row);
        // Writing to a string cannot fail.
        _ = writeln!(page, "| {} | {figure} | `{line}` | {date}, {commit}, {seconds} s |", row.about);
    }
    page + "\n\
        `conformance`, `recorded` and `live` use cases, recordings and servers that are not in the repository (`../shared`). What the\n\
        commands check is described in [CONTRIBUTING.md](../CONTRIBUTING.md), how time is measured, with all tables, in\n\
        [benches/README.md](../benches/README.md). Of async-openai, genai and rig the latest releases are used that the current Rust builds;\n\
        `benches/compare/Cargo.toml` names them.\n"
}

/// The README with the figures that matter most.
fn with_headlines(readme: &str, figures: &Figures) -> Result<String> {
    let [begin, end] = MARKS;
    let (before, rest) = readme.split_once(begin).with_context(|| format!("README.md has no {begin:?}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("README.md has no {end:?}"))?;
    let mut table = String::from("| What | Figure |\n|---|---|\n");
    for row in ROWS.iter().filter(|row| row.is_headline) {
        let Some(measured) = figures.get(row.name) else { continue };
        _ = writeln!(table, "| {} | {} |", row.about, measured.figure);
    }
    Ok([before, begin, &table, end, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_follow_from_the_figures() {
        let figures = read().unwrap();
        let headlines: Vec<_> = ROWS.iter().filter(|row| row.is_headline).map(|row| row.name).collect();
        assert_eq!(headlines.len(), 5);
        assert!(
            headlines.iter().all(|name| figures.contains_key(*name)),
            "never measured: one of {headlines:?}"
        );
        let current = |name| fs::read_to_string(path(name)).unwrap();
        let hint = "run `cargo xtask evidence --render`";
        assert!(current("docs/evidence.md") == page(&figures), "{hint}");
        let readme = current("README.md");
        assert!(with_headlines(&readme, &figures).unwrap() == readme, "{hint}");
    }
}
