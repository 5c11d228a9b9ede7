//! Instructions per event, by callgrind: a figure without noise.

use std::env;
use std::process::{Command, Stdio};

use super::kinds::{self, Kind};
use super::rounds::{self, Server};
use super::{Contender, Failure};

/// The name of this among the kinds.
pub(crate) const NAME: &str = "instructions";

/// What is counted.
const KINDS: [&str; 2] = ["text", "tools"];

/// The events of two responses: the difference of their costs is that of the events alone.
const FEW: usize = 1000;
const MANY: usize = 5000;

/// The recorded ratios, one line for each kind.
const RECORD: &str = include_str!("../../instructions.txt");

/// The largest ratio to the recorded one that passes.
const SLACK: f64 = 1.05;

/// What one client needs for one event.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) kind: &'static str,
    pub(crate) client: &'static str,
    pub(crate) instructions: f64,
    /// To the first client, which only reads.
    pub(crate) ratio: f64,
}

/// Counts for every client; returns nothing if valgrind is not installed.
pub(crate) fn count(server: &Server, contenders: &[Contender]) -> Result<Vec<Counted>, Failure> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("{NAME}: skipped, valgrind is not installed");
        return Ok(Vec::new());
    }
    let mut all: Vec<Counted> = Vec::new();
    for kind in KINDS.iter().filter_map(|name| kinds::find(name)) {
        let mut least = None;
        for contender in contenders {
            eprint!("\r\x1b[K{NAME}: {}, {}", kind.name, contender.name);
            let few = run(server, kind, contender.name, FEW)?;
            let instructions = (run(server, kind, contender.name, MANY)? - few) / (MANY - FEW) as f64;
            let ratio = instructions / *least.get_or_insert(instructions);
            all.push(Counted { kind: kind.name, client: contender.name, instructions, ratio });
        }
    }
    eprint!("\r\x1b[K");
    Ok(all)
}

/// The instructions of one client process.
fn run(server: &Server, kind: &Kind, client: &str, events: usize) -> Result<f64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(rounds::arguments(server, kind, client, events, 1))
        .output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let total = report.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    total.filter(|_| output.status.success()).ok_or_else(|| format!("valgrind failed: {report}").into())
}

/// Compares this crate's ratios with the record.
///
/// # Errors
/// One is more than the slack above it.
pub(crate) fn check(counted: &[Counted]) -> Result<(), Failure> {
    for Counted { kind, ratio, .. } in counted.iter().filter(|one| one.client == "this crate") {
        let recorded = RECORD.lines().find_map(|line| line.strip_prefix(kind)?.trim().parse::<f64>().ok());
        let recorded = recorded.ok_or_else(|| format!("benches/instructions.txt has no line for {kind}"))?;
        if *ratio > recorded * SLACK {
            return Err(format!(
                "{kind} takes {ratio:.2} times the instructions of drain-only, recorded are {recorded}: make it faster, \
                 or write the new ratio into benches/instructions.txt and give the reason"
            )
            .into());
        }
    }
    Ok(())
}
