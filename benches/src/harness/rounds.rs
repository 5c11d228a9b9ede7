//! Runs the clients in turns, each time in a process of its own.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::kinds::{Kind, Load};
use super::work::{self, Sample};
use super::{Contender, Failure};

/// How many rounds, and how much work in each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
}

/// The samples of one client for one kind, one for each round.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) kind: &'static Kind,
    pub(crate) client: &'static str,
    /// The events, or requests, of one sample.
    pub(crate) units: usize,
    pub(crate) samples: Vec<Sample>,
}

/// The server's process, which ends with this.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut process = Command::new(env::current_exe()?).arg("serve").stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        BufReader::new(process.stdout.take().ok_or("the server has no output")?).read_line(&mut url)?;
        Ok(Self { process, url: url.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The arguments that make this program a client.
pub(crate) fn arguments(
    server: &Server,
    kind: &Kind,
    client: &str,
    events: usize,
    requests: usize,
) -> Vec<String> {
    let [events, requests] = [events, requests].map(|number| number.to_string());
    [
        "work", "--client", client, "--kind", kind.name, "--url", &server.url, "--events", &events,
        "--requests", &requests,
    ]
    .map(str::to_owned)
    .into()
}

/// Measures every client in every kind. Within a round the clients follow each other closely, and none is always the first.
pub(crate) fn measure(
    server: &Server,
    kinds: &[&'static Kind],
    contenders: &[Contender],
    plan: Plan,
) -> Result<Vec<Measured>, Failure> {
    let mut all = Vec::new();
    for kind in kinds {
        let less = |number: usize| if plan.quick { number.div_ceil(5) } else { number };
        let (events, requests) = (less(kind.events), less(kind.requests));
        let rounds = match kind.load {
            _ if plan.quick => plan.rounds.min(2),
            // The duration of these does not depend on the client.
            Load::Paced | Load::Slow => plan.rounds.min(7),
            _ => plan.rounds,
        };
        let at_once = if kind.load == Load::Paced { work::STREAMS } else { 1 };
        let mut measured: Vec<_> = contenders
            .iter()
            .map(|contender| Measured {
                kind,
                client: contender.name,
                units: events * requests * at_once,
                samples: Vec::new(),
            })
            .collect();
        for round in 0..rounds {
            eprint!("\r\x1b[K{}: round {} of {rounds}", kind.name, round + 1);
            let first = round % measured.len();
            let (before, from) = measured.split_at_mut(first);
            for one in from.iter_mut().chain(before) {
                let arguments = arguments(server, kind, one.client, events, requests);
                let output =
                    Command::new(env::current_exe()?).args(arguments).stderr(Stdio::inherit()).output()?;
                if !output.status.success() {
                    return Err(format!("{} failed at {}", one.client, kind.name).into());
                }
                one.samples.push(serde_json::from_slice(&output.stdout)?);
            }
        }
        all.extend(measured);
    }
    eprint!("\r\x1b[K");
    Ok(all)
}
