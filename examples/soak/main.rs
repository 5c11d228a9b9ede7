//! Runs many agents at once against two mock servers with faults and rate limits: over WebSockets and HTTP, through a gate and a
//! fallback. It fails if anything is lost, mixed up between agents, billed twice or leaked.

mod agent;
mod dashboard;
mod tally;
mod traffic;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use tachikoma_backend_codex::Gate;
use tachikoma_openai_mock::MockServer;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::agent::{Agent, Expectation};
use self::dashboard::Dashboard;
use self::tally::Tally;
use self::traffic::{GateMeter, Servers, backends};

type Failure = Box<dyn Error + Send + Sync>;

/// How long an agent may take for its last request.
const GRACE: Duration = Duration::from_secs(30);

/// Runs many agents at once against two mock servers with faults and rate limits, and checks every response and what was billed.
///
/// Each agent has conversations of several turns, one after the other. Half of them send their requests over WebSockets, half over
/// HTTP, through one gate; what the first server does not serve goes to the second one. The exit code is not 0 if anything was lost,
/// mixed up, billed twice or leaked.
#[derive(Parser, Clone, Copy)]
struct Arguments {
    /// Agents at once
    #[arg(long, default_value_t = 200)]
    agents: usize,
    /// How long to start new requests
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The first server's limit on requests
    #[arg(long, default_value_t = 600)]
    requests_per_minute: u32,
    /// The first server's limit on tokens
    #[arg(long, default_value_t = 2_000_000)]
    tokens_per_minute: u32,
    /// The most requests in progress at the first server
    #[arg(long, default_value_t = 100)]
    concurrent: usize,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { agents, seconds, requests_per_minute, tokens_per_minute, concurrent } = arguments;
    // The servers have a runtime of their own, so that the tasks counted are the client's.
    let (server_runtime, client_runtime) = (Runtime::new()?, Runtime::new()?);
    let servers = Arc::new(server_runtime.block_on(Servers::start(requests_per_minute, tokens_per_minute))?);
    let expectation = Arc::new(server_runtime.block_on(learn())?);
    let memory = resident_kilobytes();
    let gate = Gate::new().with_max_concurrent_requests(concurrent).with_max_wait(Duration::from_secs(1));
    let (tally, meter) = (Arc::new(Tally::default()), GateMeter::new());
    let backends = backends(&servers, &gate, &meter)?;

    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let running = client_runtime.spawn({
        let tally = Arc::clone(&tally);
        async move {
            let mut tasks = JoinSet::new();
            for (number, backend) in (0..agents).zip(backends.iter().cycle()) {
                let agent = Agent::new(number, Arc::clone(backend), &expectation, &tally);
                tasks.spawn(agent.run(end));
            }
            drop(backends);
            let joined = timeout(end.saturating_duration_since(Instant::now()) + GRACE, async {
                while let Some(outcome) = tasks.join_next().await {
                    outcome?;
                }
                Ok::<_, tokio::task::JoinError>(())
            });
            let outcome = joined.await;
            // The agents that have not come to an end.
            let stuck = tasks.len();
            tasks.shutdown().await;
            outcome.map_or(Ok(stuck), |outcome| outcome.map(|()| 0))
        }
    });
    let mut dashboard = Dashboard::new(begun, end);
    while !running.is_finished() {
        dashboard.show(&tally, &servers, &meter)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = begun.elapsed();
    dashboard.clear()?;
    let stuck = client_runtime.block_on(running)??;

    // The servers need time to notice what was dropped.
    let until = Instant::now() + Duration::from_secs(5);
    let left = || {
        let tasks = client_runtime.metrics().num_alive_tasks();
        [tasks, servers.open_streams(), servers.open_websockets(), gate.requests_in_progress()]
    };
    while left() != [0; 4] && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{agents} agents, {:.1} s", took.as_secs_f64());
    print!("{}", tally.summary(took));
    print!("{}", servers.summary());
    println!("gate: {}", meter.waits());
    if let (Some(before), Some(after)) = (memory, resident_kilobytes()) {
        println!("memory: {before} KiB at the start, {after} KiB at the end (client and servers together)");
    }
    let mut defects = tally.defects(servers.billed());
    if stuck > 0 {
        defects.push(format!("{stuck} agents are stuck"));
    }
    for (count, what) in left().into_iter().zip(["tasks", "streams", "WebSockets", "places in the gate"]) {
        if count > 0 {
            defects.push(format!("{count} {what} leaked"));
        }
    }
    if defects.is_empty() {
        println!("nothing was lost, mixed up, billed twice or leaked");
        return Ok(());
    }
    Err(defects.join("; ").into())
}

/// What the mock server responds with, from one without faults.
async fn learn() -> Result<Expectation, Failure> {
    let server = MockServer::start().await?;
    Expectation::learn(server.base_url()).await
}

/// The resident memory of this process, if the system reports it.
fn resident_kilobytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
