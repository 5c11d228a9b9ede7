//! After the files are written: does the crate still build, do its tests pass, and if not, which files does it concern?

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::process::Command;

use anyhow::{Context, Result};

use crate::files;

/// What reads the written files.
const PACKAGES: [&str; 4] = ["-p", "tachikoma-backend-codex", "-p", "tachikoma-openai-mock"];

/// The test that lists the generated items: its difference is to be reviewed, and is not a failure.
const SURFACE: &str = "surface::";

/// Builds and tests what reads the written files; what failed, if anything did.
pub(super) fn failure(step: &dyn Fn(&str)) -> Result<Option<String>> {
    step("building");
    if let Some(output) = cargo(&["build", "--message-format", "short"], &[])? {
        return Ok(Some(report("does not build", &output)));
    }
    step("testing");
    if let Some(output) = cargo(&["test", "--no-fail-fast"], &["--skip", SURFACE])? {
        return Ok(Some(report("fails its tests", &output)));
    }
    if cargo(&["test", "--test", "it"], &[SURFACE])?.is_some() {
        println!(
            "What the adapter uses, or which models the document names, changed: review tests/it/snapshots with `cargo insta review`."
        );
    }
    Ok(None)
}

/// Runs cargo; its output where it fails.
fn cargo(command: &[&str], tests: &[&str]) -> Result<Option<String>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(files::root()).args(command).args(PACKAGES).args(["--color", "never"]);
    if !tests.is_empty() {
        cargo.arg("--").args(tests);
    }
    let output = cargo.output().context("cannot run cargo")?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok((!output.status.success()).then(|| text.concat()))
}

/// What failed, with the files that it concerns, out of cargo's output.
fn report(what: &str, output: &str) -> String {
    let mut text = format!("With the new document the crate {what}.");
    let failed: BTreeSet<&str> = output.lines().filter(|line| is_failure(line)).map(str::trim).collect();
    failed.iter().for_each(|line| _ = write!(text, "\n  {line}"));
    let files: BTreeSet<&str> = output.lines().filter_map(file).collect();
    if !files.is_empty() {
        let files: Vec<&str> = files.into_iter().collect();
        _ = write!(text, "\nIt concerns {}.", files.join(", "));
    }
    text
}

/// `src/a.rs:1:2: error: ...` of the compiler, `test a ... FAILED` of a test binary.
fn is_failure(line: &str) -> bool {
    (line.starts_with("test ") && line.ends_with("FAILED"))
        || line.contains(": error")
        || line.starts_with("error: failed to")
}

/// The source file that a compiler's error or a panic names.
fn file(line: &str) -> Option<&str> {
    let place = match line.split_once("panicked at ") {
        Some((_, place)) => place,
        None if line.contains(": error") => line,
        None => return None,
    };
    let file = place.split(':').next()?.trim();
    file.ends_with(".rs").then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named_with_their_files() {
        let check = |output: &str, expected: &str| assert_eq!(report("fails", output), expected);
        check("", "With the new document the crate fails.");
        check(
            "   Compiling x\nsrc/chat/request.rs:12:5: error[E0609]: no field `seed` on type `T`\nerror: could not compile `x`",
            "With the new document the crate fails.\n  src/chat/request.rs:12:5: error[E0609]: no field `seed` on type `T`\n\
             It concerns src/chat/request.rs.",
        );
        check(
            "test a::b ... ok\ntest models::c ... FAILED\nthread 'c' (7) panicked at src/models/tests.rs:4:2:\nassertion",
            "With the new document the crate fails.\n  test models::c ... FAILED\nIt concerns src/models/tests.rs.",
        );
    }
}
