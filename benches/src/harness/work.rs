//! The client process: does one kind of work with one client, and reports its cost.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use super::Failure;
use super::client::{Api, Client, Target};
use super::kinds::{self, Kind, Load};

/// The work of one client process.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Job {
    #[arg(long)]
    pub(crate) client: String,
    #[arg(long)]
    pub(crate) kind: String,
    #[arg(long)]
    pub(crate) url: String,
    #[arg(long)]
    pub(crate) events: usize,
    #[arg(long)]
    pub(crate) requests: usize,
}

/// The cost of a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// CPU time, user and system, in microseconds.
    pub(crate) cpu: f64,
    /// The largest resident size of the process, in KB.
    pub(crate) peak: f64,
    /// The increase over the size before the work, in KB.
    pub(crate) growth: f64,
    /// The latency from the server's write to the client's item, in microseconds: the 50th and 99th percentile.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// How many paced streams there are at once.
pub(crate) const STREAMS: usize = 1000;

const PAUSE: Duration = Duration::from_secs(2);

/// Does the work and returns its cost, without that of starting up: a response of the same kind is read before it.
pub(crate) async fn run<C: Client + 'static>(job: Job) -> Result<Sample, Failure> {
    let kind = kinds::find(&job.kind).ok_or("unknown kind")?;
    let api = if kind.name == "responses" { Api::Responses } else { Api::Chat };
    let client = |events| C::new(Target { url: format!("{}/{}/{events}/v1", job.url, kind.name), api });
    let stream = !matches!(kind.load, Load::Whole | Load::LongRequest);

    if kind.load != Load::Paced {
        // It is as large as the others: the allocator treats large buffers by those that came before.
        let first = client(job.events.min(10))?;
        let request = first.request(messages(kind), stream)?;
        if stream {
            read_all(&first, request, None).await?
        } else {
            first.whole(request).await?
        };
    }
    let client = Rc::new(client(job.events)?);
    let requests = (0..if kind.load == Load::Paced { STREAMS } else { job.requests })
        .map(|_| client.request(messages(kind), stream))
        .collect::<Result<Vec<_>, _>>()?;
    let expected = (kind.body)(job.events).text_length;

    let size_before = memory("VmRSS")?;
    let before = cpu()?;
    let mut latencies = Vec::new();
    match kind.load {
        Load::Paced => latencies = paced(client, requests).await?,
        _ => {
            for request in requests {
                let length = match kind.load {
                    Load::Stream => read_all(&*client, request, None).await?,
                    Load::Slow => read_all(&*client, request, Some(PAUSE)).await?,
                    _ => client.whole(request).await?,
                };
                if length.is_some_and(|length| length != expected) {
                    return Err(
                        format!("{} found {length:?} bytes of text instead of {expected}", C::NAME).into()
                    );
                }
            }
        }
    }
    let (cpu, peak) = (cpu()? - before, memory("VmHWM")?);
    latencies.sort_by(f64::total_cmp);
    let at = |part: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in a list")]
        latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or_default()
    };
    Ok(Sample { cpu, peak, growth: peak - size_before, p50: at(0.5), p99: at(0.99) })
}

/// Reads a stream to its end and returns the length of its text. The pause follows the first chunk.
async fn read_all<C: Client>(
    client: &C,
    request: C::Request,
    mut pause: Option<Duration>,
) -> Result<Option<usize>, Failure> {
    let mut chunks = client.stream(request).await?;
    let mut total = None;
    while let Some(chunk) = chunks.next().await {
        // By reference: chunks are large, and moving one is a cost that is not the client's.
        match &chunk {
            Ok(chunk) => {
                if let Some(length) = C::text_length(chunk) {
                    *total.get_or_insert(0) += length;
                }
            }
            Err(_) => return chunk.map(|_| total).map_err(Into::into),
        }
        if let Some(pause) = pause.take() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(total)
}

/// Reads all streams at once and returns how old each event was, in microseconds.
async fn paced<C: Client + 'static>(client: Rc<C>, requests: Vec<C::Request>) -> Result<Vec<f64>, Failure>
where
    C::Request: 'static,
{
    let tasks = LocalSet::new();
    let streams: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let client = Rc::clone(&client);
            tasks.spawn_local(async move {
                let mut chunks = client.stream(request).await?;
                let mut ages = Vec::new();
                while let Some(chunk) = chunks.next().await {
                    let chunk = chunk.map_err(Into::into)?;
                    if let Ok(sent) = C::text(&chunk).parse::<f64>() {
                        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
                        ages.push(now.as_secs_f64() * 1e6 - sent);
                    }
                }
                Ok::<_, Failure>(ages)
            })
        })
        .collect();
    tasks.await;
    let mut all = Vec::new();
    for stream in streams {
        all.extend(stream.await??);
    }
    Ok(all)
}

fn messages(kind: &Kind) -> Vec<String> {
    let text =
        "A line of code as it stands in a file: `let total = items.iter().map(|item| item.size).sum();`\n";
    match kind.load {
        Load::LongRequest => (0..2000).map(|number| format!("{number}: {}", text.repeat(10))).collect(),
        _ => vec!["Hi".to_owned()],
    }
}

/// The CPU time of this process so far, in microseconds.
pub(crate) fn cpu() -> Result<f64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64)
}

/// A line of the kernel's status of this process, in KB. Unlike `getrusage`, it starts at zero when the program does.
pub(crate) fn memory(name: &str) -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("/proc/self/status lacks a line")?
        .parse()?)
}
