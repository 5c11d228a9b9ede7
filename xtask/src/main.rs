//! Maintenance commands of this repository: `cargo xtask --help`.

mod ci;
mod command;
mod drift;
mod evidence;
mod files;
mod lower;
mod mock_schema;
#[allow(dead_code, unreachable_pub, reason = "only a part of the main crate's facts is of interest here")]
#[cfg_attr(not(in_repository), path = "no_model_table.rs")]
mod model_table;
mod models;
mod overlay;
mod provenance;
mod prune;
mod regen;
mod schema;
mod source;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Maintenance commands of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make openapi/closure.json, openai.json and provenance.json from OpenAI's document.
    Regen(regen::Options),
    /// Report what changed in the API between two documents.
    Drift(drift::Options),
    Models(models::Options),
    Ci(ci::Options),
    Evidence(evidence::Options),
}

/// The exit code of an invalid command line, and of a comparison that cannot be made: 1 and 2 are findings.
const USAGE: u8 = 3;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            return error.print().map_or(ExitCode::from(USAGE), |()| ExitCode::from(code));
        }
    };
    // The exit code of an error differs from that of a finding.
    let (done, failure) = match arguments.verb {
        Verb::Regen(options) => (regen::run(&options), if options.dry_run { USAGE } else { 1 }),
        Verb::Drift(options) => (drift::run(&options), USAGE),
        Verb::Models(options) => (models::run(&options), USAGE),
        Verb::Ci(options) => (ci::run(&options).map(|()| 0), 1),
        Verb::Evidence(options) => (evidence::run(&options).map(|()| 0), 1),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(failure)
        }
    }
}
