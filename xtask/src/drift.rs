//! `cargo xtask drift OLD NEW`: what changed in the API between two documents, and what that means here.

mod crate_side;
mod declared;
mod finding;
mod merge;
mod rename;
mod render;
mod silent;
mod unions;
mod view;
mod walk;

use std::collections::BTreeSet;
use std::io::{IsTerminal, stdout};
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use crate::provenance::{Size, Upstream};
use crate::{files, prune, source};
pub(crate) use crate_side::{Crate, Row};
use crate_side::{Models, Shutdown};
use finding::{Class, Finding};
use silent::Silent;
use view::View;

/// Says what changed in OpenAI's API between two documents.
///
/// Compared is what the schemas of the chosen operations mean, not how they spell it. Exit codes: 0 nothing changed there,
/// 1 only ADDITIVE, REVIEW or STRICTER RESPONSE, 2 anything that breaks or changes code, 3 an error.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The document from which it changed: a URL or a file, YAML or JSON, plain or gzip; or a closure.json.
    old: String,
    /// The document to which it changed.
    new: String,
    /// The operations to look at, separated by commas [default: those of openapi/operations.txt].
    #[arg(long, value_delimiter = ',', value_name = "ID,...")]
    operations: Vec<String>,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The day from which shutdowns within 90 days are counted [default: today].
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: Option<Date>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// For a pull request.
    Markdown,
    /// For a program.
    Json,
}

/// One of the two documents.
pub(crate) struct Document {
    pub(crate) upstream: Upstream,
    /// The document itself; only a closure if no more of it is kept.
    pub(crate) whole: Value,
    pub(crate) closure: Value,
}

/// The differences between two documents.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    old: Side,
    new: Side,
    operations: BTreeSet<String>,
    findings: Vec<Finding>,
    silent: Silent,
    models: Models,
    shutdowns: Vec<Shutdown>,
}

/// One of the two documents in the header.
#[derive(Debug, Serialize)]
struct Side {
    upstream: Upstream,
    closure: Size,
}

/// Runs the command; the exit code.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let start = Instant::now();
    let wanted = match options.operations.as_slice() {
        [] => files::operations(&files::read("operations.txt")?),
        chosen => chosen.to_vec(),
    };
    let old = read(&options.old, &wanted)?;
    let new = read(&options.new, &wanted)?;
    let known: BTreeSet<String> =
        [&old, &new].iter().flat_map(|document| prune::operation_ids(&document.closure)).collect();
    let unknown: Vec<&str> = wanted.iter().filter(|id| !known.contains(*id)).map(String::as_str).collect();
    ensure!(unknown.is_empty(), "neither document has an operation {}", unknown.join(", "));
    let report = report(&old, &new, &Crate::read()?, options.on.unwrap_or_else(today))?;
    print!("{}", report.render(options.format, stdout().is_terminal())?);
    eprintln!("{:.1} s", start.elapsed().as_secs_f64());
    Ok(report.exit_code())
}

/// The day it is, in UTC.
pub(crate) fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Reads a document and cuts it down to those of the wanted operations that it has.
fn read(from: &str, wanted: &[String]) -> Result<Document> {
    let read = source::read(from)?;
    let whole = source::parse(&read.text)
        .map_err(|error| error.context(format!("{from} is not an OpenAPI document")))?;
    let (source, date) = source::origin(from, &read.sha256);
    let upstream = Upstream::new(source, date, read.sha256, &whole, &read.text);
    let present = prune::operation_ids(&whole);
    let wanted: Vec<String> = wanted.iter().filter(|id| present.contains(id)).cloned().collect();
    let closure = prune::prune(&whole, &wanted)?;
    Ok(Document { upstream, whole, closure })
}

/// Compares two documents; `here` is the crate they are compared for.
pub(crate) fn report(old: &Document, new: &Document, here: &Crate, on: Date) -> Result<Report> {
    let views = (View::of(&old.closure), View::of(&new.closure));
    let mut changes = walk::compare(&views.0, &views.1);
    for finding in &mut changes.findings {
        let of = |document: &Document| declared::declared_in(&document.closure, &finding.site);
        finding.declared_in = of(new).or_else(|| of(old));
        finding.touches = here.touched(&finding.site);
    }
    let operations = [&views.0, &views.1].iter().flat_map(|view| view.operations.keys().cloned()).collect();
    let side = |document: &Document| Side {
        upstream: document.upstream.clone(),
        closure: Size::of(&document.closure, &document.closure.to_string()),
    };
    let silent = Silent::between(old, new, &changes);
    Ok(Report {
        old: side(old),
        new: side(new),
        operations,
        findings: changes.findings,
        silent,
        models: here.models(&views.0, &views.1),
        shutdowns: here.shutdowns(on)?,
    })
}

impl Report {
    /// The gravest class decides.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.findings.iter().map(|finding| finding.class).min() {
            None => 0,
            Some(Class::BreaksResponses | Class::BreaksRequests | Class::CodeChange) => 2,
            Some(Class::StricterResponse | Class::Review | Class::Additive) => 1,
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
