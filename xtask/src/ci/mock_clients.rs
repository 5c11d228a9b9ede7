//! The examples of the mock for pytest and vitest, against the program as it was built.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::{cargo, command, run, succeeds, target};
use crate::files;

/// The variable by which both examples find the program.
const PROGRAM: &str = "TACHIKOMA_OPENAI_MOCK";

const EXAMPLES: &str = "tachikoma-openai-mock/examples";

/// Installs what the examples use, where it is not yet there; what cannot be installed.
pub(super) fn missing() -> Option<String> {
    let folder = folder().ok()?;
    let python = folder.join("bin/python");
    let has_pytest = succeeds(command(&python).args(["-c", "import pytest, openai"]))
        || (succeeds(command("python3").args(["-m", "venv"]).arg(&folder))
            && succeeds(command(&python).args([
                "-m", "pip", "install", "--quiet", "--retries", "1", "pytest==9.2.0", "openai==3.57.0",
            ])));
    if !has_pytest {
        return Some("pip cannot install pytest and openai".into());
    }
    let has_vitest = folder.join("node_modules/vitest").is_dir()
        || succeeds(
            command("npm")
                .args(["install", "--silent", "vitest@3.2.7", "openai@6.49.0"])
                .current_dir(&folder),
        );
    (!has_vitest).then(|| "npm cannot install vitest and openai".into())
}

/// Runs both.
///
/// # Errors
/// An example fails.
pub(super) fn run_examples() -> Result<()> {
    run(cargo().args(["build", "--package", "tachikoma-openai-mock"]))?;
    let program = target()?.join("debug/tachikoma-openai-mock");
    let folder = folder()?;
    run(command(folder.join("bin/python"))
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
        .arg(files::root().join(EXAMPLES).join("test_pytest.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(PROGRAM, &program))?;
    // Node looks for packages in the folders above a file.
    let test = files::root().join(EXAMPLES).join("mock.test.mjs");
    fs::copy(&test, folder.join("mock.test.mjs")).context("cannot copy mock.test.mjs")?;
    run(command("npx").args(["vitest", "run", "mock.test.mjs"]).current_dir(&folder).env(PROGRAM, &program))
}

/// Where the packages are installed.
fn folder() -> Result<PathBuf> {
    let folder = target()?.join("servers/mock-clients");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
