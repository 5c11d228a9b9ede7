//! `cargo xtask regen`: from OpenAI's document to the generated files of `openapi/`, and the proof that they follow.

mod verify;

use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr, stdout};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::drift::{self, Crate, Report};
use crate::overlay::Overlay;
use crate::provenance::{Provenance, Size, Upstream};
use crate::{files, lower, mock_schema, prune, schema, source};

const CLOSURE: &str = "closure.json";
const LOWERED: &str = "openai.json";
const PROVENANCE: &str = "provenance.json";

/// Makes the files of `openapi/` that build.rs and the reviewers read.
///
/// The document is pruned to the operations of openapi/operations.txt (closure.json), patched by openapi/overlay.yaml and
/// lowered to OpenAPI 3.0.3 (openai.json). The same input gives the same bytes. A report lists what changed since the last
/// time; then the crate is built and tested. Exit codes: 0 done, 1 refused and nothing written, 2 written, but the crate does
/// not build any more or fails its tests; with --dry-run those of `cargo xtask drift`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The document: a URL or a file, YAML or JSON, plain or gzip [default: the main branch of openai/openai-openapi].
    #[arg(long, value_name = "PATH|URL")]
    from: Option<String>,
    /// The source to record, if it is neither the URL nor in the table: a URL or a package.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The document's own date, if it is not in the table.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    date: Option<String>,
    /// Keep closure.json and only lower it again, after a change of overlay.yaml or of the rules.
    #[arg(long, conflicts_with_all = ["from", "source", "date"])]
    offline: bool,
    /// Write nothing; fail with a diff if the files do not follow from closure.json and overlay.yaml.
    #[arg(long, conflicts_with_all = ["from", "source", "date", "offline"])]
    check: bool,
    /// Report what changed, and write nothing.
    #[arg(long, conflicts_with_all = ["offline", "check"])]
    pub(crate) dry_run: bool,
    /// Continue although more than a fifth of the schemas are gone.
    #[arg(long, conflicts_with_all = ["offline", "check"])]
    force: bool,
    /// Do not build and test afterwards.
    #[arg(long, conflicts_with_all = ["offline", "check"])]
    no_test: bool,
}

/// The generated files, in the order in which one follows from the other.
struct Generated {
    closure: String,
    lowered: String,
    mock: String,
    provenance: Provenance,
}

/// Runs the command; the exit code.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let start = Instant::now();
    if options.check {
        check()?;
        println!(
            "openapi/{LOWERED} and the schema of tachikoma-openai-mock follow from {CLOSURE} and overlay.yaml."
        );
        return Ok(0);
    }
    let (generated, report) = if options.offline { (vendored()?, None) } else { fresh(options)? };
    if let Some(report) = &report {
        println!("{}", report.render(drift::Format::Text, stdout().is_terminal())?);
    }
    let code = if options.dry_run {
        println!("Nothing was written (--dry-run).");
        report.as_ref().map_or(0, Report::exit_code)
    } else {
        write(&generated)?;
        let failure = if options.no_test || options.offline { None } else { verify::failure(&step)? };
        if let Some(failure) = &failure {
            eprintln!("error: {failure}\nThe new files are kept: correct the crate or openapi/overlay.yaml.");
        }
        if failure.is_some() { 2 } else { 0 }
    };
    println!("{:.1} s", start.elapsed().as_secs_f64());
    Ok(code)
}

/// Puts the files in place, all or none, and prints what changed.
fn write(generated: &Generated) -> Result<()> {
    let provenance = files::canonical(serde_json::to_value(&generated.provenance)?)?;
    let Provenance { upstream, closure, lowered, .. } = &generated.provenance;
    let counted = |schemas: usize| format!(", {schemas} schemas");
    let files = [
        (files::path(CLOSURE), &*generated.closure, counted(closure.schemas)),
        (files::path(LOWERED), &*generated.lowered, counted(lowered.schemas)),
        (files::path(PROVENANCE), &*provenance, String::new()),
        (mock_schema::folder().join(mock_schema::FILE), &*generated.mock, String::new()),
    ];
    let texts: Vec<(&Path, &str)> = files.iter().map(|(path, text, _)| (path.as_path(), *text)).collect();
    let written = files::replace(&texts)?;
    let date = upstream.date.as_deref().unwrap_or("unknown date");
    let Size { paths, schemas, .. } = upstream.size;
    println!("{} ({date}): {paths} paths, {schemas} schemas", upstream.source);
    for ((path, _, count), written) in files.iter().zip(written) {
        println!("{}: {}{count}", files::name(path), if written { "written" } else { "unchanged" });
    }
    if upstream.date.is_none() {
        println!("The document's date is not known: pass --date to record it.");
    }
    Ok(())
}

/// From the upstream document; what changed since the last time, if there was one.
fn fresh(options: &Options) -> Result<(Generated, Option<Report>)> {
    let from = options.from.as_deref().unwrap_or(source::UPSTREAM);
    step(&format!("reading {from}"));
    let read = source::read(from)?;
    step("parsing");
    let document = source::parse(&read.text).with_context(|| format!("{from} is not an OpenAPI document"))?;
    let (source, date) = origin(options, from, &read.sha256);
    let upstream = Upstream::new(source, date, read.sha256, &document, &read.text);
    step("pruning");
    let closure = prune::prune(&document, &files::operations(&files::read("operations.txt")?))?;
    let before = match files::path(CLOSURE).exists() {
        true => Some((vendored_closure()?, recorded()?.upstream)),
        false => None,
    };
    if let Some((before, _)) = before.as_ref().filter(|_| !options.force) {
        refuse_loss(before, &closure)?;
    }
    let generated = generate(&closure, upstream.clone())?;
    step("comparing");
    let new = drift::Document { upstream, whole: document, closure };
    let report = before.map(|(closure, upstream)| {
        let old = drift::Document { upstream, whole: closure.clone(), closure };
        drift::report(&old, &new, &Crate::read()?, drift::today())
    });
    Ok((generated, report.transpose()?))
}

/// Refuses a document that lacks more than a fifth of what the operations needed before: it is rather a mistake than a refresh.
fn refuse_loss(before: &Value, closure: &Value) -> Result<()> {
    let names = |document: &Value| -> BTreeSet<String> {
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        schemas.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    // An operation that was taken off the list takes its schemas along.
    let kept = prune::operation_ids(closure);
    let wanted: Vec<String> =
        prune::operation_ids(before).into_iter().filter(|id| kept.contains(id)).collect();
    let before = names(&prune::prune(before, &wanted)?);
    let gone: Vec<String> = before.difference(&names(closure)).cloned().collect();
    ensure!(
        gone.len() * 5 <= before.len(),
        "{} of {} schemas are gone: {}. Is this the right document? --force accepts it",
        gone.len(),
        before.len(),
        gone.join(", ")
    );
    Ok(())
}

/// The source and the date: from the options, else from the table of known documents, else as recorded for the same bytes.
fn origin(options: &Options, from: &str, sha256: &str) -> (String, Option<String>) {
    let (known, known_date) = source::origin(from, sha256);
    let before =
        recorded().ok().map(|old| old.upstream).filter(|old| known_date.is_none() && old.sha256 == sha256);
    let (old_source, old_date) = before.map_or((None, None), |old| (Some(old.source), old.date));
    (options.source.clone().or(old_source).unwrap_or(known), options.date.clone().or(old_date).or(known_date))
}

/// From the vendored closure.
fn vendored() -> Result<Generated> {
    generate(&vendored_closure()?, recorded()?.upstream)
}

fn vendored_closure() -> Result<Value> {
    serde_json::from_str(&files::read(CLOSURE)?).with_context(|| format!("openapi/{CLOSURE}"))
}

fn recorded() -> Result<Provenance> {
    serde_json::from_str(&files::read(PROVENANCE)?).with_context(|| format!("openapi/{PROVENANCE}"))
}

/// The overlay, the lowering, and the texts of the files.
fn generate(closure: &Value, upstream: Upstream) -> Result<Generated> {
    let closure = schema::sorted(closure.clone());
    let mut patched = closure.clone();
    step("applying overlay.yaml");
    let patches = Overlay::parse(&files::read("overlay.yaml")?)?.apply(&mut patched)?;
    step("lowering");
    let lowered = lower::lower(&patched)?;
    let operations = prune::operation_ids(&closure);
    let closure_text = files::canonical(closure.clone())?;
    let lowered_text = files::canonical(lowered.document.clone())?;
    let sizes = (Size::of(&closure, &closure_text), Size::of(&lowered.document, &lowered_text));
    let provenance = Provenance::new(upstream, operations, sizes, patches, lowered.rules);
    let mock = mock_schema::text(&closure).context("the schema of tachikoma-openai-mock")?;
    Ok(Generated { closure: closure_text, lowered: lowered_text, mock, provenance })
}

/// Compares the files with each other, without the network.
fn check() -> Result<()> {
    let generated = vendored()?;
    let mut wanted = files::operations(&files::read("operations.txt")?);
    wanted.sort();
    ensure!(
        wanted == generated.provenance.operations,
        "openapi/{CLOSURE} holds {}, operations.txt lists {}: run `cargo xtask regen`",
        generated.provenance.operations.join(", "),
        wanted.join(", "),
    );
    let provenance = files::canonical(serde_json::to_value(&generated.provenance)?)?;
    let expected = [(CLOSURE, &generated.closure), (LOWERED, &generated.lowered), (PROVENANCE, &provenance)];
    let mut stale = Vec::new();
    for (name, expected) in expected {
        let present = files::read(name)?;
        if present != *expected {
            print!("{}", diff(name, &present, expected, stdout().is_terminal()));
            stale.push(format!("openapi/{name}"));
        }
    }
    let mock = mock_schema::folder().join(mock_schema::FILE);
    let present = std::fs::read_to_string(&mock).unwrap_or_default();
    if present != generated.mock {
        let name = "../tachikoma-openai-mock/schema/openai.json";
        print!("{}", diff(name, &present, &generated.mock, stdout().is_terminal()));
        stale.push("tachikoma-openai-mock/schema/openai.json".to_owned());
    }
    if !stale.is_empty() {
        bail!("{} are out of date (diff above): run `cargo xtask regen --offline`", stale.join(", "));
    }
    Ok(())
}

/// A unified diff from what is there to what should be.
fn diff(name: &str, present: &str, expected: &str, colours: bool) -> String {
    let diff = TextDiff::from_lines(present, expected);
    let mut text = format!("--- openapi/{name}\n+++ made by `cargo xtask regen`\n");
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let (sign, colour) = match change.tag() {
                ChangeTag::Delete => ("-", "\x1b[31m"),
                ChangeTag::Insert => ("+", "\x1b[32m"),
                ChangeTag::Equal => (" ", ""),
            };
            let (on, off) = if colours && !colour.is_empty() { (colour, "\x1b[0m") } else { ("", "") };
            text.push_str(&format!("{on}{sign}{}{off}\n", change.value().trim_end_matches('\n')));
        }
    }
    text
}

/// Prints the current step for a person who waits.
fn step(what: &str) {
    if stderr().is_terminal() {
        eprintln!("... {what}");
    }
}

fn date(text: &str) -> Result<String, String> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape == "0000-00-00" { Ok(text.to_owned()) } else { Err("write it as YYYY-MM-DD".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_vendored_files_follow_from_each_other() {
        check().unwrap();
    }

    #[test]
    fn a_difference_is_printed_in_its_place() {
        let text = diff("openai.json", "a\nb\nc\n", "a\nB\nc\n", false);
        assert_eq!(
            text,
            "--- openapi/openai.json\n+++ made by `cargo xtask regen`\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
        assert!(diff("x", "a\n", "b\n", true).contains("\x1b[31m-a\x1b[0m"));
    }

    #[test]
    fn a_document_that_lost_much_is_refused() {
        let document = |names: std::ops::Range<usize>| {
            let schemas: schema::Map = names.clone().map(|name| (format!("S{name}"), json!({}))).collect();
            let branches: Vec<Value> = names.map(|name| schema::reference(&format!("S{name}"))).collect();
            let content = json!({ "application/json": { "schema": { "anyOf": branches } } });
            let mut document = json!({
                "paths": { "/a": { "get": { "operationId": "a", "responses": { "200": { "content": content } } } } },
                "components": { "schemas": schemas },
            });
            document["components"]["schemas"]["ErrorResponse"] = json!({});
            document
        };
        let check = |before: usize, after: usize, refused: bool| {
            let result = refuse_loss(&document(0..before), &document(0..after));
            assert_eq!(result.is_err(), refused, "{before} -> {after}: {result:?}");
        };
        check(9, 7, false);
        check(9, 6, true);
        check(9, 90, false);
        let error = refuse_loss(&document(0..2), &document(0..1)).unwrap_err().to_string();
        assert!(error.starts_with("1 of 3 schemas are gone: S1."), "{error}");
        let mut other = document(0..2);
        other["paths"]["/a"]["get"]["operationId"] = json!("b");
        refuse_loss(&document(0..9), &other).unwrap();
    }

    #[test]
    fn a_date_has_one_shape() {
        assert_eq!(date("2026-05-31"), Ok("2026-05-31".to_owned()));
        for other in ["31.05.2026", "2026-5-31", "today", ""] {
            assert!(date(other).is_err(), "{other}");
        }
    }
}
