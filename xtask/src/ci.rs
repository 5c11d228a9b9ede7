//! `cargo xtask ci`: the checks of continuous integration, as one list.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::files;

const CRATE: &str = "tachikoma-backend-codex";
const CORE: &str = "tachikoma-backends-core";

/// What is run, as arguments to cargo.
const STEPS: [&[&str]; 8] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps"],
    &["test", "--workspace"],
    // The one feature that is off by default, for its size.
    &["clippy", "-p", CRATE, "--features", "tokens", "--all-targets", "--", "-D", "warnings"],
    &["test", "-p", CRATE, "--features", "tokens", "--test", "it", "tokens"],
    // Schemas have an order whether `serde_json` keeps that of keys or not.
    &["test", "-p", CORE, "--features", "serde_json/preserve_order", "--lib", "schema"],
    &["xtask", "regen", "--check"],
];

/// The crate outside the workspace that uses the published ones, where it is there.
const DOWNSTREAM: &str = "tests/downstream/Cargo.toml";

/// Runs every step up to the first that fails.
pub(crate) fn run() -> Result<()> {
    for step in steps(files::root().join(DOWNSTREAM).exists(), has_deny()) {
        println!("== cargo {}", step.join(" "));
        let status =
            cargo().args(&step).env("RUSTDOCFLAGS", "-D warnings").status().context("cannot run cargo")?;
        if !status.success() {
            bail!("`cargo {}` failed", step.join(" "));
        }
    }
    println!("== all passed");
    Ok(())
}

fn steps(downstream: bool, deny: bool) -> Vec<Vec<&'static str>> {
    let mut steps: Vec<Vec<&str>> = STEPS.iter().map(|step| step.to_vec()).collect();
    if downstream {
        // Within the workspace's own folder, what both use is built once.
        steps.push(vec!["test", "--manifest-path", DOWNSTREAM, "--target-dir", "target"]);
    }
    if deny {
        steps.push(vec!["deny", "check"]);
    }
    steps
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(files::root());
    cargo
}

fn has_deny() -> bool {
    let silent = || Stdio::null();
    cargo()
        .args(["deny", "--version"])
        .stdout(silent())
        .stderr(silent())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_steps_come_last_and_only_where_they_can_run() {
        assert_eq!(steps(false, false).len(), STEPS.len());
        let all: Vec<String> =
            steps(true, true).iter().skip(STEPS.len()).map(|step| step.join(" ")).collect();
        assert_eq!(
            all,
            ["test --manifest-path tests/downstream/Cargo.toml --target-dir target", "deny check"]
        );
    }
}
