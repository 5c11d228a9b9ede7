//! `llm-comply` and OpenAI's Python library against `tachikoma-openai-mock`: outside opinions on both APIs as the mock serves them.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::server::Server;
use crate::command::{cargo, command, output, run, succeeds, target};

/// The package on PyPI, in the version whose tests are known to be right.
const PACKAGE: &str = "llm-comply==0.5.0";

/// The formats of the two APIs.
const FORMATS: [&str; 2] = ["open-responses", "openai-chat"];

/// OpenAI's library, with what it needs for WebSockets.
const LIBRARY: &str = "openai[realtime]==3.57.0";

/// What the library does against the mock.
const SCRIPT: &str = "tests/sdk/openai_python.py";

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

/// Installs both packages, where they are not yet there. False if pip cannot.
pub(super) fn install() -> bool {
    let Ok(folder) = folder() else { return false };
    let python = folder.join("bin/python");
    succeeds(command(&python).args(["-c", "import llm_comply, openai, websockets"]))
        || (succeeds(command("python3").args(["-m", "venv"]).arg(&folder))
            && succeeds(
                command(python)
                    .args(["-m", "pip", "install", "--quiet", "--retries", "1"])
                    .args([PACKAGE, LIBRARY]),
            ))
}

/// Runs the tests of both formats, and the script of the library, against a mock of its own.
///
/// # Errors
/// A test fails, warns or is skipped, or the script fails.
pub(super) fn run_tests() -> Result<()> {
    run(cargo().args(["build", "-p", "tachikoma-openai-mock"]))?;
    let server = Server::spawn(command(target()?.join("debug/tachikoma-openai-mock")).args(["--port", "0"]))?;
    for format in FORMATS {
        let mut tests = command(program()?);
        tests.args(["--json", "--api-key", "sk-mock", "--model", MODEL, "--format", format, "--base-url"]);
        // Its exit code says whether a test has failed: the report says more.
        let (_, report) = output(tests.arg(format!("{}/v1", server.origin)))?;
        let report: Report =
            serde_json::from_str(&report).with_context(|| format!("its report is {report:?}"))?;
        let wrong = report.wrong();
        ensure!(wrong.is_empty(), "{format}: {}", wrong.join("\n"));
        println!("{format}: {} tests", report.results.len());
    }
    run(command(folder()?.join("bin/python")).arg(SCRIPT).arg(format!("{}/v1", server.origin)))
}

impl Report {
    /// The outcomes that are not as they should be, a line each.
    fn wrong(&self) -> Vec<String> {
        let passed = |outcome: &Outcome| {
            outcome.status == "passed" && outcome.errors.is_empty() && outcome.warnings.is_empty()
        };
        let line = |outcome: &Outcome| {
            let Outcome { id, status, errors, warnings } = outcome;
            format!("{id}: {status} {errors:?} {warnings:?}")
        };
        self.results.iter().filter(|outcome| !passed(outcome)).map(line).collect()
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
    fn a_report_is_right_if_all_tests_passed() {
        let check = |results: &str, expected: &[&str]| {
            let report: Report =
                serde_json::from_str(&format!(r#"{{"summary": {{}}, "results": {results}}}"#)).unwrap();
            assert_eq!(report.wrong(), expected);
        };
        check(r#"[{"id": "a", "status": "passed", "name": "A"}]"#, &[]);
        check(
            r#"[
                {"id": "a", "status": "failed", "errors": ["HTTP 400"]},
                {"id": "b", "status": "passed", "warnings": ["usage"]},
                {"id": "c", "status": "skipped", "errors": ["needs a model"]}
            ]"#,
            &[
                r#"a: failed ["HTTP 400"] []"#,
                r#"b: passed [] ["usage"]"#,
                r#"c: skipped ["needs a model"] []"#,
            ],
        );
    }
}
