//! `llm-comply` against `openai-mock`: an outside opinion on both APIs as the mock serves them.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::command::{cargo, command, output, run, succeeds, target};
use super::server::Server;

/// The package on PyPI, in the version whose tests are known to be right.
const PACKAGE: &str = "llm-comply==0.5.0";

/// The formats of the two APIs.
const FORMATS: [&str; 2] = ["open-responses", "openai-chat"];

/// What the ids of the tests that need compaction begin with. The mock does not compact.
const COMPACTION: &str = "compact-";

/// A model that reasons, so that no test is skipped.
const MODEL: &str = "gpt-5.6-terra";

/// What `--json` prints.
#[derive(Debug, Deserialize)]
struct Report {
    results: Vec<Outcome>,
}

/// The outcome of one test.
#[derive(Debug, Deserialize)]
struct Outcome {
    id: String,
    status: String,
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Installs the package, where it is not yet there. False if pip cannot.
pub(super) fn install() -> bool {
    let Ok(folder) = folder() else { return false };
    let python = folder.join("bin/python");
    program().is_ok_and(|program| program.exists())
        || (succeeds(command("python3").args(["-m", "venv"]).arg(&folder))
            && succeeds(command(python).args(["-m", "pip", "install", "--quiet", "--retries", "1", PACKAGE])))
}

/// Runs the tests of both formats against a mock of its own.
///
/// # Errors
/// A test but those of compaction fails, warns or is skipped.
pub(super) fn run_tests() -> Result<()> {
    run(cargo().args(["build", "-p", "openai-mock"]))?;
    let server = Server::spawn(command(target()?.join("debug/openai-mock")).args(["--port", "0"]))?;
    for format in FORMATS {
        let mut tests = command(program()?);
        tests.args(["--json", "--api-key", "sk-mock", "--model", MODEL, "--format", format, "--base-url"]);
        // Its exit code says whether a test has failed: the report says more.
        let (_, report) = output(tests.arg(format!("{}/v1", server.origin)))?;
        let report: Report =
            serde_json::from_str(&report).with_context(|| format!("its report is {report:?}"))?;
        let wrong = report.wrong();
        ensure!(wrong.is_empty(), "{format}: {wrong:#?}");
        println!("{format}: {} tests", report.results.len());
    }
    Ok(())
}

impl Report {
    /// The outcomes that are not as they should be.
    fn wrong(&self) -> Vec<&Outcome> {
        let passed = |outcome: &Outcome| {
            outcome.status == "passed" && outcome.errors.is_empty() && outcome.warnings.is_empty()
        };
        let results = self.results.iter().filter(|outcome| !outcome.id.starts_with(COMPACTION));
        results.filter(|outcome| !passed(outcome)).collect()
    }
}

fn program() -> Result<PathBuf> {
    Ok(folder()?.join("bin/llm-comply"))
}

/// A Python environment for this version.
fn folder() -> Result<PathBuf> {
    Ok(target()?.join("servers").join(PACKAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_right_if_all_but_compaction_passed() {
        let check = |results: &str, expected: &[&str]| {
            let report: Report =
                serde_json::from_str(&format!(r#"{{"summary": {{}}, "results": {results}}}"#)).unwrap();
            assert_eq!(report.wrong().iter().map(|outcome| &*outcome.id).collect::<Vec<_>>(), expected);
        };
        check(r#"[{"id": "a", "status": "passed", "name": "A"}]"#, &[]);
        check(r#"[{"id": "compact-response", "status": "failed", "errors": ["no"]}]"#, &[]);
        check(
            r#"[
                {"id": "a", "status": "failed", "errors": ["HTTP 400"]},
                {"id": "b", "status": "passed", "warnings": ["usage"]},
                {"id": "c", "status": "skipped", "errors": ["needs a model"]}
            ]"#,
            &["a", "b", "c"],
        );
    }
}
