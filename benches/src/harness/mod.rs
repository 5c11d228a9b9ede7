//! The harness: a server process and client processes over the loopback device, in interleaved rounds.
//!
//! The program starts itself again in each of these roles.

pub(crate) mod agent;
mod bodies;
pub(crate) mod client;
pub(crate) mod codex;
mod instructions;
mod kinds;
mod rounds;
mod server;
mod table;
mod targets;
mod work;

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};
use futures::future::LocalBoxFuture;

use self::client::Client;
use self::work::{Job, Sample};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A client to measure.
#[derive(Clone, Copy)]
pub(crate) struct Contender {
    name: &'static str,
    run: fn(Job) -> LocalBoxFuture<'static, Result<Sample, Failure>>,
}

impl Contender {
    pub(crate) const fn of<C: Client + 'static>() -> Self {
        Self { name: C::NAME, run: |job| Box::pin(work::run::<C>(job)) }
    }
}

/// Measures what clients cost, as ratios to one that reads the bytes and drops them.
///
/// A server and the clients are processes of their own, which talk over the loopback device. Each round runs every client
/// once. CPU time is the client's, user and system. Tables go to the standard output, progress to the standard error.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// What to measure; by default everything. `instructions` needs valgrind
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(names()))]
    kinds: Vec<String>,
    /// How often each client runs
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// A fifth of the work, in two rounds: a trial run
    #[arg(long)]
    quick: bool,
    /// Compare the instructions with those in benches/instructions.txt, and fail if they are more than 5 % above
    #[arg(long)]
    check: bool,
}

#[derive(Subcommand)]
#[command(disable_help_subcommand = true)]
enum Role {
    /// A run of 200 tool calls, over HTTP and over WebSockets
    Agent(agent::Arguments),
    #[command(hide = true)]
    AgentWork(agent::Job),
    #[command(hide = true)]
    Serve,
    #[command(hide = true)]
    Work(Job),
}

fn names() -> impl Iterator<Item = &'static str> {
    kinds::KINDS.iter().map(|kind| kind.name).chain([instructions::NAME])
}

/// Runs the program with these clients. The first is the one that the others are compared with.
pub(crate) fn main(contenders: &[Contender], agents: &[agent::Contender]) -> ExitCode {
    match run(Arguments::parse(), contenders, agents) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments, contenders: &[Contender], agents: &[agent::Contender]) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.role {
        Some(Role::Agent(arguments)) => agent::run(&arguments, agents),
        Some(Role::AgentWork(job)) => runtime.block_on(agent::work_as_client(job, agents)),
        Some(Role::Serve) => runtime.block_on(server::serve()),
        Some(Role::Work(job)) => {
            let contender = contenders.iter().find(|contender| contender.name == job.client);
            let sample = runtime.block_on((contender.ok_or("unknown client")?.run)(job))?;
            println!("{}", serde_json::to_string(&sample)?);
            Ok(())
        }
        None => {
            let is_chosen =
                |name: &str| arguments.kinds.is_empty() || arguments.kinds.iter().any(|kind| kind == name);
            let kinds: Vec<_> = kinds::KINDS.iter().filter(|kind| is_chosen(kind.name)).collect();
            let server = rounds::Server::start()?;
            let plan = rounds::Plan { rounds: arguments.rounds.max(1), quick: arguments.quick };
            let measured = rounds::measure(&server, &kinds, contenders, plan)?;
            let counted = if is_chosen(instructions::NAME) {
                instructions::count(&server, contenders)?
            } else {
                Vec::new()
            };
            table::print(&measured, &counted);
            if arguments.check { instructions::check(&counted) } else { Ok(()) }
        }
    }
}
