//! Runs many concurrent streams against a mock server with random faults, and reports outcomes and leaks.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use futures::StreamExt;
use openai_mock::MockServer;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{Backend, CompletionRequest, Message};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

/// Runs many concurrent streams against a mock server with random faults, and reports outcomes and leaks.
#[derive(Parser)]
struct Arguments {
    /// Concurrent streams
    #[arg(long, default_value_t = 1000)]
    streams: usize,
    /// How long to start new ones
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Faults, each for a share of the requests.
const FAULTS: &[&str] = &[
    "status=429,retry-after-ms=50,probability=0.05,seed=1",
    "status=500,retry-after-ms=50,probability=0.05,seed=2",
    "status=400,probability=0.02,seed=3",
    "truncate=3,probability=0.05,seed=4",
    "truncate=3,reset,probability=0.05,seed=5",
    "stall=2,probability=0.02,seed=6",
    "garbage=2,probability=0.02,seed=7",
    "error=3,probability=0.05,seed=8",
    "split=7,probability=0.1,seed=9",
];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let Arguments { streams, seconds } = Arguments::parse();
    // The server has a runtime of its own, so that the tasks counted are the client's.
    let server_runtime = Runtime::new()?;
    let mut builder = MockServer::builder().with_chunk_delay(Duration::from_millis(5)).with_recording(false);
    for fault in FAULTS {
        builder = builder.with_fault(fault.parse()?);
    }
    let mock = server_runtime.block_on(builder.start())?;
    let client_runtime = Runtime::new()?;
    let resident = resident_kilobytes();
    let outcomes = client_runtime.block_on(drive(mock.base_url(), streams, Duration::from_secs(seconds)))?;

    let requests: usize = outcomes.values().sum();
    println!("{requests} requests, {streams} at once, in {seconds} s");
    for (outcome, count) in &outcomes {
        println!("  {outcome:<20} {count}");
    }
    // The server needs time to notice dropped streams.
    let until = Instant::now() + Duration::from_secs(5);
    let left = || (client_runtime.metrics().num_alive_tasks(), *mock.open_streams().borrow());
    while left() != (0, 0) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (tasks, connections) = left();
    println!("leaked tasks: {tasks}\nleaked connections: {connections}");
    if let (Some(before), Some(after)) = (resident, resident_kilobytes()) {
        println!("memory: {before} KiB at the start, {after} KiB at the end (client and server together)");
    }
    server_runtime.block_on(mock.shutdown());
    if (tasks, connections) == (0, 0) { Ok(()) } else { Err("tasks or connections leaked".into()) }
}

async fn drive(base_url: &str, streams: usize, time: Duration) -> Result<BTreeMap<String, usize>, Failure> {
    let config = CodexBackendConfig::new("sk-soak")
        .with_base_url(base_url)
        .with_idle_timeout(Duration::from_millis(500));
    let backend: Arc<dyn Backend> = Arc::new(CodexBackend::new(config)?);
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for worker in 0..streams {
        tasks.spawn(work(backend.clone(), worker, end));
    }
    if std::io::stderr().is_terminal() {
        while Instant::now() < end {
            let left = (end - Instant::now()).as_secs() + 1;
            eprint!("\r{left} s left, {} tasks ", Handle::current().metrics().num_alive_tasks());
            std::io::stderr().flush()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        eprint!("\r                                \r");
    }
    let mut outcomes = BTreeMap::new();
    while let Some(counts) = tasks.join_next().await {
        for (outcome, count) in counts? {
            *outcomes.entry(outcome).or_default() += count;
        }
    }
    Ok(outcomes)
}

/// Sends one request after the other until the end; every seventh stream is dropped midway.
async fn work(backend: Arc<dyn Backend>, worker: usize, end: Instant) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    let mut turn = 0;
    while Instant::now() < end {
        turn += 1;
        let request = CompletionRequest::new(vec![Message::user(format!("Say hello, {worker} and {turn}"))]);
        let outcome = match backend.complete_stream(request).await {
            Err(error) => error.category().to_string(),
            Ok(stream) if (worker + turn).is_multiple_of(7) => {
                let _some = stream.take(2).collect::<Vec<_>>().await;
                "dropped midway".to_owned()
            }
            Ok(mut stream) => {
                let mut outcome = "no end".to_owned();
                while let Some(item) = stream.next().await {
                    outcome = match item {
                        Ok(chunk) if chunk.is_final => "response".to_owned(),
                        Ok(_) => outcome,
                        Err(error) => error.category().to_string(),
                    };
                }
                outcome
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

/// The resident memory of this process, if the system reports it.
fn resident_kilobytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .strip_suffix(" kB")?
        .trim()
        .parse()
        .ok()
}
