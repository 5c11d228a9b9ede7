//! The tables, in Markdown.

use super::instructions::Counted;
use super::kinds::Load;
use super::rounds::Measured;
use super::targets;
use super::work::Sample;

/// The median, the lowest and the highest value of the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Some(Self {
            median: *values.get(values.len() / 2)?,
            lowest: *values.first()?,
            highest: *values.last()?,
        })
    }

    pub(crate) fn format(self, digits: usize) -> String {
        let Self { median, lowest, highest } = self;
        format!("{median:.digits$} ({lowest:.digits$} to {highest:.digits$})")
    }
}

/// Prints all measurements, and whether they meet their targets.
pub(crate) fn print(measured: &[Measured], counted: &[Counted]) {
    let names: Vec<_> = match measured.first() {
        Some(first) => of_kind(measured, first.kind.name).map(|one| one.client).collect(),
        None => Vec::new(),
    };
    if let [least, others @ ..] = names.as_slice() {
        println!(
            "CPU time of the client per event, or per request if a response is one event. Ratios are to {least} in the same"
        );
        println!("round: the median of the rounds, and the lowest and highest.\n");
        println!("| kind | | {least}, us | {} |", others.join(" | "));
        println!("|---|---|---:|{}", "---:|".repeat(others.len()));
        let firsts = measured.iter().filter(|one| one.client == *least);
        for first in firsts {
            let others = of_kind(measured, first.kind.name).filter(|one| one.client != *least);
            let ratios = others.map(|one| ratio(one, first, |sample| sample.cpu));
            let cells: Vec<_> =
                ratios.map(|spread| spread.map_or(String::new(), |spread| spread.format(2))).collect();
            let (name, about) = (first.kind.name, first.kind.about);
            println!("| {name} | {about} | {} | {} |", per_unit(first), cells.join(" | "));
        }
        println!();
    }
    let waits: Vec<_> =
        measured.iter().filter(|one| matches!(one.kind.load, Load::Paced | Load::Slow)).collect();
    if !waits.is_empty() {
        println!("| kind | client | peak memory, MB | above the start, MB | latency p50, us | p99, us |");
        println!("|---|---|---:|---:|---:|---:|");
        for one in waits {
            let format = |figure: fn(&Sample) -> f64, digits: usize| {
                let spread = Spread::of(one.samples.iter().map(figure));
                spread
                    .filter(|spread| spread.median > 0.0)
                    .map_or(String::new(), |spread| spread.format(digits))
            };
            let [peak, growth] =
                [format(|sample| sample.peak / 1024.0, 1), format(|sample| sample.growth / 1024.0, 1)];
            let [p50, p99] = [format(|sample| sample.p50, 0), format(|sample| sample.p99, 0)];
            println!("| {} | {} | {peak} | {growth} | {p50} | {p99} |", one.kind.name, one.client);
        }
        println!();
    }
    if !counted.is_empty() {
        println!("| instructions per event | client | | ratio |\n|---|---|---:|---:|");
        for Counted { kind, client, instructions, ratio } in counted {
            println!("| {kind} | {client} | {instructions:.0} | {ratio:.2} |");
        }
        println!();
    }
    targets::print(measured, counted);
}

fn of_kind<'a>(measured: &'a [Measured], kind: &'a str) -> impl Iterator<Item = &'a Measured> {
    measured.iter().filter(move |one| one.kind.name == kind)
}

/// One client's figure over another's, round by round.
pub(crate) fn ratio(one: &Measured, other: &Measured, figure: fn(&Sample) -> f64) -> Option<Spread> {
    Spread::of(one.samples.iter().zip(&other.samples).map(|(one, other)| figure(one) / figure(other)))
}

/// CPU time per event or request, in microseconds.
fn per_unit(measured: &Measured) -> String {
    let spread = Spread::of(measured.samples.iter().map(|sample| sample.cpu / measured.units as f64));
    spread.map_or(String::new(), |spread| spread.format(if spread.median < 10.0 { 2 } else { 0 }))
}
