//! How fast this crate must be, and whether it is.

use super::instructions::Counted;
use super::rounds::Measured;
use super::table::{Spread, ratio};
use super::work::Sample;

const LEAST: &str = "drain-only";
const OWN: &str = "this crate";
const PEER: &str = "async-openai";

/// A figure of this crate that has a target.
enum Figure {
    /// CPU time, as a multiple of that of the named client.
    Cpu(&'static str),
    /// CPU time per unit, as a multiple of that of another kind.
    CpuOfKind(&'static str),
    /// Memory above the start, as a multiple of that of drain-only.
    Growth,
    /// The latency that 99 of 100 events do not exceed, as a multiple of that of drain-only.
    P99,
    /// The largest size of the process, in MB.
    Peak,
    /// Instructions, as a multiple of those of drain-only.
    Instructions,
}

use Figure::{Cpu, CpuOfKind, Growth, Instructions, P99, Peak};

const TARGETS: &[(&str, &str, Figure, f64)] = &[
    ("text", "CPU, of drain-only", Cpu(LEAST), 3.0),
    ("text", "CPU, of async-openai", Cpu(PEER), 0.7),
    ("text", "instructions, of drain-only", Instructions, 3.9),
    ("tools", "CPU, of drain-only", Cpu(LEAST), 3.0),
    ("tools", "CPU, of async-openai", Cpu(PEER), 0.7),
    ("tools", "instructions, of drain-only", Instructions, 4.2),
    ("responses", "CPU, of drain-only", Cpu(LEAST), 4.0),
    ("packed-256k", "CPU per event, of packed-16k", CpuOfKind("packed-16k"), 1.0),
    ("seven", "CPU, of drain-only", Cpu(LEAST), 1.3),
    ("event-2mb", "CPU, of drain-only", Cpu(LEAST), 15.0),
    ("event-2mb", "CPU, of event-1mb", CpuOfKind("event-1mb"), 2.5),
    ("plain", "CPU, of async-openai", Cpu(PEER), 1.0),
    ("request", "CPU, of async-openai", Cpu(PEER), 1.0),
    ("paced", "memory above the start, of drain-only", Growth, 1.15),
    ("paced", "latency p99, of drain-only", P99, 1.3),
    ("slow", "peak memory, MB", Peak, 10.0),
];

/// Prints the targets that were measured.
pub(crate) fn print(measured: &[Measured], counted: &[Counted]) {
    let find =
        |kind: &str, client: &str| measured.iter().find(|one| one.kind.name == kind && one.client == client);
    let mut lines = Vec::new();
    for (kind, what, figure, at_most) in TARGETS {
        let against = |kind: &str, client: &str, sample: fn(&Sample) -> f64| {
            Some(ratio(find(kind, OWN)?, find(kind, client)?, sample)?.median)
        };
        let per_unit = |kind: &str| {
            let one = find(kind, OWN)?;
            Some(Spread::of(one.samples.iter().map(|sample| sample.cpu))?.median / one.units as f64)
        };
        let found = match figure {
            Cpu(client) => against(kind, client, |sample| sample.cpu),
            CpuOfKind(other) => per_unit(kind).zip(per_unit(other)).map(|(one, other)| one / other),
            Growth => against(kind, LEAST, |sample| sample.growth),
            P99 => against(kind, LEAST, |sample| sample.p99),
            Peak => find(kind, OWN)
                .and_then(|one| Spread::of(one.samples.iter().map(|sample| sample.peak / 1024.0)))
                .map(|spread| spread.median),
            Instructions => {
                counted.iter().find(|one| one.kind == *kind && one.client == OWN).map(|one| one.ratio)
            }
        };
        if let Some(found) = found {
            let verdict = verdict(found, *at_most);
            lines.push(format!("| {kind} | {what} | {at_most} | {found:.2} | {verdict} |"));
        }
    }
    print_lines(&lines);
}

/// What is required of an agent loop over a WebSocket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AgentFigure {
    /// Bytes uploaded, as a multiple of those over HTTP.
    Uploaded,
    /// CPU time of the last step without the caller's copy, as a multiple of that over HTTP.
    Cpu,
    /// How much that exceeds the CPU time of the first steps, in comparisons of the conversation.
    Increase,
}

const AGENT_TARGETS: &[(&str, AgentFigure, f64)] = &[
    ("bytes uploaded over a WebSocket, of HTTP's", AgentFigure::Uploaded, 0.03),
    ("CPU of step 200 over a WebSocket without the caller's copy, of HTTP's", AgentFigure::Cpu, 0.3),
    ("its increase from step 10, in comparisons with what was sent before", AgentFigure::Increase, 1.0),
];

/// Prints the targets of the agent loop.
pub(crate) fn print_agent(found: impl Fn(AgentFigure) -> Option<f64>) {
    let lines = AGENT_TARGETS.iter().filter_map(|(what, figure, at_most)| {
        let found = found(*figure)?;
        Some(format!("| agent | {what} | {at_most} | {found:.3} | {} |", verdict(found, *at_most)))
    });
    print_lines(&lines.collect::<Vec<_>>());
}

fn verdict(found: f64, at_most: f64) -> &'static str {
    if found <= at_most { "met" } else { "**missed**" }
}

fn print_lines(lines: &[String]) {
    if !lines.is_empty() {
        println!("| target | | at most | found | |\n|---|---|---:|---:|---|\n{}", lines.join("\n"));
    }
}
