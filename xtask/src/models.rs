//! `cargo xtask models`: what differs between the model table and another list of models.

mod compare;
mod known;
pub(crate) mod listing;
mod render;

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use jiff::civil::Date;
use serde_json::Value;

use self::known::Known;
use self::listing::Listing;
use crate::{drift, model_table, source};

/// How often a download that takes long reports that it goes on.
const PROGRESS: Duration = Duration::from_secs(2);

/// Compare the model table, src/models/table.rs, with another list of models.
///
/// The form of the list is detected: `api.json` of models.dev (<https://models.dev/api.json>),
/// `model_prices_and_context_window.json` of LiteLLM
/// (<https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json>), a file of facts with its sources
/// (`models[].sources`), or the response of a server to `GET /models`. Only OpenAI's models for text are compared. What the other
/// list does not state is no difference; nor is a capability that the table leaves open. Differences that are known, with the
/// reason, are in xtask/src/models/known.json.
///
/// Exit codes: 0 no differences, 1 differences, 3 an error.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The other list: a URL, which is read without credentials, or a file; plain or gzip.
    #[arg(long, value_name = "PATH|URL")]
    from: String,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// The day from which on a model of the table that was shut down need not be in the list [default: today].
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: Option<Date>,
}

/// Runs the command; the exit code.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let text = with_progress(&options.from, |from| source::read_text(&from))?;
    let json: Value = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", options.from))?;
    let listing = Listing::read(&json).with_context(|| format!("cannot compare {}", options.from))?;
    let on = options.on.unwrap_or_else(drift::today);
    let report = compare::compare(&model_table::table()?, &listing, &Known::read()?, on);
    let text = if options.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(report.exit_code())
}

/// Reads in a thread of its own, and reports on stderr that it goes on.
fn with_progress(from: &str, read: fn(String) -> Result<String>) -> Result<String> {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    let owned = from.to_owned();
    thread::spawn(move || sender.send(read(owned)));
    loop {
        match receiver.recv_timeout(PROGRESS) {
            Ok(text) => return text,
            Err(RecvTimeoutError::Timeout) => eprintln!("reading {from}: {} s", start.elapsed().as_secs()),
            Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("{from} was not read")),
        }
    }
}

#[cfg(test)]
mod tests;
