//! The tables of the agent loop, in Markdown.

use super::super::table::Spread;
use super::super::targets::{self, AgentFigure};
use super::{Measured, PRINTED, STEPS, Sample};

const LEAST: &str = "drain-only, HTTP";
const HTTP: &str = "this crate, HTTP";
const WEBSOCKET: &str = "this crate, WebSocket";

/// How many steps up to a printed one its figure is the mean of.
const WINDOW: usize = 5;

/// The mean of the steps up to this one.
fn at(steps: &[f64], step: usize) -> f64 {
    steps.iter().take(step).skip(step - WINDOW).sum::<f64>() / WINDOW as f64
}

/// The median of all steps.
fn p50(steps: &[f64]) -> f64 {
    Spread::of(steps.iter().copied()).map_or(0.0, |spread| spread.median)
}

impl Measured {
    fn spread(&self, figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().map(figure))
    }

    fn format(&self, digits: usize, figure: impl Fn(&Sample) -> f64) -> String {
        self.spread(figure).map_or(String::new(), |spread| spread.format(digits))
    }

    fn median(&self, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        Some(self.spread(figure)?.median)
    }

    /// The median of the ratios to another client, round by round.
    fn ratio(&self, other: &Self, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        let ratios = self.samples.iter().zip(&other.samples).map(|(one, other)| figure(one) / figure(other));
        Some(Spread::of(ratios)?.median)
    }
}

/// Prints the costs of all clients, and whether this crate meets its targets.
pub(super) fn print(measured: &[Measured]) {
    let find = |name: &str| measured.iter().find(|one| one.client == name);
    let headings = PRINTED.map(|step| format!("step {step}")).join(" | ");
    println!(
        "The client's CPU time for a step, in microseconds: the median of the rounds, and the lowest and highest.\n"
    );
    println!("| client | {headings} | step {STEPS}, of {HTTP} |");
    println!("|---|{}---:|", "---:|".repeat(PRINTED.len()));
    for one in measured {
        let cells = PRINTED.map(|step| one.format(0, |sample| at(&sample.cpu, step))).join(" | ");
        let ratio = find(HTTP).and_then(|http| one.ratio(http, |sample| at(&sample.cpu, STEPS)));
        println!(
            "| {} | {cells} | {} |",
            one.client,
            ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"))
        );
    }
    // The caller's work is the same over HTTP and over a WebSocket.
    if let Some(one) = find(WEBSOCKET).or_else(|| find(HTTP)) {
        let caller = PRINTED.map(|step| one.format(0, |sample| at(&sample.caller, step))).join(" | ");
        let compare = PRINTED.map(|step| one.format(1, |sample| at(&sample.compare, step))).join(" | ");
        let free = PRINTED.map(|step| one.format(1, |sample| at(&sample.free, step))).join(" | ");
        println!("| the caller's copy of the conversation, not included | {caller} | |");
        println!("| freeing that copy, included | {free} | |");
        println!("| one comparison with what was sent before, included over a WebSocket | {compare} | |");
    }
    println!(
        "\n| client | uploaded, KB | of {HTTP} | latency of a turn p50, us | more than {LEAST} | memory of a connection, KB |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for one in measured {
        let uploaded =
            find(HTTP).map_or(String::new(), |http| format!("{:.2} %", one.uploaded / http.uploaded * 100.0));
        let latency = one.format(0, |sample| p50(&sample.latency));
        let added = find(LEAST).and_then(|least| {
            let differences = one.samples.iter().zip(&least.samples);
            let spread = Spread::of(differences.map(|(one, least)| p50(&one.latency) - p50(&least.latency)));
            Some(format!("{:.0}", spread?.median))
        });
        let memory = one.format(1, |sample| sample.connection);
        println!(
            "| {} | {:.0} | {uploaded} | {latency} | {} | {memory} |",
            one.client,
            one.uploaded / 1024.0,
            added.unwrap_or_default(),
        );
    }
    println!();
    targets::print_agent(|figure| {
        let (http, websocket) = (find(HTTP)?, find(WEBSOCKET)?);
        let increase = |steps: &[f64]| at(steps, STEPS) - at(steps, PRINTED[0]);
        match figure {
            AgentFigure::Uploaded => Some(websocket.uploaded / http.uploaded),
            // Freeing the caller's copy costs the same in both.
            AgentFigure::Cpu => {
                let freed = websocket.median(|sample| at(&sample.free, STEPS))?;
                websocket.ratio(http, |sample| at(&sample.cpu, STEPS) - freed)
            }
            AgentFigure::Increase => websocket.median(|sample| {
                (increase(&sample.cpu) - increase(&sample.free)) / increase(&sample.compare)
            }),
        }
    });
}
