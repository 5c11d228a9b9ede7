//! A few seconds of each fuzz target: enough to see that they build and that the known inputs pass.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::command::{cargo, output, target};
use crate::files;

/// How long each target runs, in seconds.
const SECONDS: u32 = 20;

/// Builds and runs every target, from the responses of the scenarios on.
///
/// # Errors
/// A target does not build, or has a finding.
pub(super) fn smoke() -> Result<()> {
    // The sanitizer needs options of the compiler that are not stable.
    let fuzz = |verb: &str| {
        let mut fuzz = cargo();
        fuzz.args(["fuzz", verb]).env("RUSTC_BOOTSTRAP", "1");
        fuzz
    };
    let (status, targets) = output(&mut fuzz("list"))?;
    ensure!(status.success() && !targets.is_empty(), "cargo fuzz lists no targets");
    for name in targets.lines() {
        // What a run finds goes to the first folder, so that the scenarios stay unchanged.
        let found = target()?.join("fuzz").join(name);
        fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
        let mut run_target = fuzz("run");
        run_target.arg(name).arg(&found).arg(files::root().join("tests/scenarios"));
        run_target.arg("--").arg(format!("-max_total_time={SECONDS}")).arg("-print_final_stats=1");
        println!("{name}: building, then {SECONDS} s");
        // The fuzzer writes thousands of lines to standard error, which matter only if it finds something.
        let ended = run_target.output().context("cannot run cargo fuzz")?;
        let log = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "{name}: {}\n{log}", ended.status);
        let inputs = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units: "));
        println!("{name}: {} inputs", inputs.context("cargo fuzz printed no statistics")?);
    }
    Ok(())
}
