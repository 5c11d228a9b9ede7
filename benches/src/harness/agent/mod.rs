//! The agent loop: a run of tool calls in which the conversation grows by 2 KB a step, over HTTP and over WebSockets.

pub(crate) mod client;
mod server;
mod table;
mod work;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use futures::future::LocalBoxFuture;

use self::client::Agent;
use self::server::Server;
pub(crate) use self::work::{Job, Sample};
use super::Failure;

/// The script that runs OpenAI's Python library, and the names of its clients.
const SCRIPT: &str = include_str!("../../../agent_loop.py");
const SCRIPT_CLIENTS: [&str; 2] = ["openai-python, HTTP", "openai-python, WebSocket"];

/// An agent to measure.
#[derive(Clone, Copy)]
pub(crate) struct Contender {
    name: &'static str,
    run: fn(Job) -> LocalBoxFuture<'static, Result<Sample, Failure>>,
}

impl Contender {
    pub(crate) const fn of<A: Agent + 'static>() -> Self {
        Self { name: A::NAME, run: |job| Box::pin(work::run::<A>(job)) }
    }
}

/// Measures the agent loop.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// How often each client runs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// One run in each of two rounds: a trial
    #[arg(long)]
    quick: bool,
    /// The Python that has `openai[realtime]`; without that, its clients are skipped
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Only the clients whose names contain this
    #[arg(long)]
    only: Option<String>,
}

/// The samples of one client, one for each round.
#[derive(Debug)]
struct Measured {
    client: &'static str,
    samples: Vec<Sample>,
    /// The bytes of the requests of one run.
    uploaded: f64,
}

/// The steps of a run, and those whose costs are printed.
const STEPS: usize = 200;
const PRINTED: [usize; 4] = [10, 50, 100, 200];

/// The clients that are open at once when their memory is measured; for those of the script, which take longer, a part of them.
const IDLE: usize = 200;
const SCRIPT_SHARE: usize = 10;

/// Runs the clients in turns, each time in a process of its own, and prints what they cost.
pub(crate) fn run(arguments: &Arguments, contenders: &[Contender]) -> Result<(), Failure> {
    let Arguments { rounds, quick, python, only } = arguments;
    let (rounds, runs) = if *quick { (2, 1) } else { (*rounds.max(&1), 4) };
    let server = Server::start()?;
    let is_wanted = |name: &&str| only.as_ref().is_none_or(|only| name.contains(only));
    let own = contenders.iter().map(|contender| contender.name);
    let names = own.chain(script_clients(python)).filter(is_wanted);
    let mut measured: Vec<_> =
        names.map(|client| Measured { client, samples: Vec::new(), uploaded: 0.0 }).collect();
    for round in 0..rounds {
        let first = round % measured.len().max(1);
        let (before, from) = measured.split_at_mut(first);
        for one in from.iter_mut().chain(before) {
            eprint!("\r\x1b[Kagent: round {} of {rounds}, {}", round + 1, one.client);
            let (mut sample, uploaded) = work(python, one.client, &server, [runs, 0])?;
            one.uploaded = uploaded;
            // In a process of its own, whose allocator has not kept the memory of long requests.
            sample.connection = work(python, one.client, &server, [0, IDLE])?.0.connection;
            one.samples.push(sample);
        }
    }
    eprint!("\r\x1b[K");
    table::print(&measured);
    Ok(())
}

/// The clients of the script, if the library is installed.
fn script_clients(python: &Path) -> impl Iterator<Item = &'static str> {
    let found = Command::new(python).args(["-c", "import openai, websockets"]).stderr(Stdio::null()).status();
    let is_installed = found.is_ok_and(|status| status.success());
    if !is_installed {
        eprintln!("agent: openai-python is skipped, {} does not have openai[realtime]", python.display());
    }
    SCRIPT_CLIENTS.into_iter().filter(move |_| is_installed)
}

/// Runs a client process with this many runs and idle connections. Returns what it found, and the bytes that it uploaded in a run.
fn work(
    python: &Path,
    client: &str,
    server: &Server,
    [mut runs, mut idle]: [usize; 2],
) -> Result<(Sample, f64), Failure> {
    let mut command = if SCRIPT_CLIENTS.contains(&client) {
        (runs, idle) = (runs.min(1), idle / SCRIPT_SHARE);
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]);
        command
    } else {
        let mut command = Command::new(env::current_exe()?);
        command.arg("agent-work");
        command
    };
    command.args(["--client", client, "--url", &server.url]);
    for (name, number) in [("--steps", STEPS), ("--runs", runs), ("--idle", idle)] {
        command.args([name, &number.to_string()]);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{client} failed in the agent loop").into());
    }
    let uploaded = server.take_uploaded() as f64 / runs.max(1) as f64;
    Ok((serde_json::from_slice(&output.stdout)?, uploaded))
}

/// Does the work of one client process, and prints what it found.
pub(crate) async fn work_as_client(job: Job, contenders: &[Contender]) -> Result<(), Failure> {
    let contender = contenders.iter().find(|contender| contender.name == job.client);
    let sample = (contender.ok_or("unknown client")?.run)(job).await?;
    println!("{}", serde_json::to_string(&sample)?);
    Ok(())
}
