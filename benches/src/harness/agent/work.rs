//! The client process: runs an agent, and reports the cost of each step.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::super::Failure;
use super::super::work::{cpu, memory};
use super::client::Agent;
use super::server::call_id;

/// The work of one client process.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Job {
    #[arg(long)]
    pub(crate) client: String,
    #[arg(long)]
    pub(crate) url: String,
    /// The steps of a run
    #[arg(long)]
    pub(crate) steps: usize,
    /// How many runs there are, one after the other
    #[arg(long)]
    pub(crate) runs: usize,
    /// How many clients are left open after one step, which comes after the runs
    #[arg(long)]
    pub(crate) idle: usize,
}

/// What a client process found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// For each step: the client's CPU time in microseconds, the mean of all runs.
    pub(crate) cpu: Vec<f64>,
    /// For each step: the caller's CPU time to prepare it.
    pub(crate) caller: Vec<f64>,
    /// For each step: the time from the request to the end of the response in microseconds, the mean of all runs.
    pub(crate) latency: Vec<f64>,
    /// For each step: the CPU time to compare what was sent before it with an equal copy; empty where it was not measured.
    pub(crate) compare: Vec<f64>,
    /// For each step: the CPU time to free such a copy.
    pub(crate) free: Vec<f64>,
    /// What a client keeps in memory after a step for each open connection, in KB.
    pub(crate) connection: f64,
}

/// The result of a tool: 2 KB that differ from step to step.
fn result(step: usize) -> String {
    let line = format!("{step}: let total = items.iter().map(|item| item.size).sum::<usize>();\n");
    line.repeat(2048 / line.len())
}

pub(crate) async fn run<A: Agent>(job: Job) -> Result<Sample, Failure> {
    let Job { url, steps, runs, idle, .. } = job;
    let mut sample = Sample {
        cpu: vec![0.0; steps],
        caller: vec![0.0; steps],
        latency: vec![0.0; steps],
        ..Sample::default()
    };
    // What a process needs once is not a cost of the steps.
    let mut last = A::new(&url)?;
    step(&mut last, 0).await?;
    let runs_of_work = runs as f64;
    for _ in 0..runs {
        let mut agent = A::new(&url)?;
        let Sample { cpu, caller, latency, .. } = &mut sample;
        for (number, ((cpu, caller), latency)) in cpu.iter_mut().zip(caller).zip(latency).enumerate() {
            let [its_caller, its_cpu, its_latency] = step(&mut agent, number).await?;
            *caller += its_caller / runs_of_work;
            *cpu += its_cpu / runs_of_work;
            *latency += its_latency / runs_of_work;
        }
        last = agent;
    }
    if runs > 0 {
        let compared =
            (0..steps).map(|number| last.compare(number)).collect::<Result<Option<Vec<_>>, _>>()?;
        (sample.compare, sample.free) =
            compared.unwrap_or_default().into_iter().map(|[compare, free]| (compare, free)).unzip();
    }
    if idle > 0 {
        let mut agents = (0..idle).map(|_| A::new(&url)).collect::<Result<Vec<_>, _>>()?;
        let before = memory("VmRSS")?;
        for agent in &mut agents {
            step(agent, 0).await?;
        }
        sample.connection = (memory("VmRSS")? - before) / idle as f64;
    }
    Ok(sample)
}

/// Does a step, and returns the CPU time of the caller and of the client, and the latency, all in microseconds.
async fn step<A: Agent>(agent: &mut A, number: usize) -> Result<[f64; 3], Failure> {
    let start = cpu()?;
    let request = agent.request()?;
    let (prepared, sent) = (cpu()?, Instant::now());
    let found = agent.respond(request).await?;
    let (latency, end) = (sent.elapsed(), cpu()?);
    if found.as_ref().is_some_and(|id| *id != call_id(number)) {
        return Err(format!("{} received {found:?} in step {number}", A::NAME).into());
    }
    agent.append(&result(number))?;
    Ok([prepared - start, end - prepared, latency.as_secs_f64() * 1e6])
}
