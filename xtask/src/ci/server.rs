//! Real servers, started for one step.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command;

/// How long a server lives if it is not stopped, in seconds: more than a step needs.
const LIFETIME: &str = "900";

/// A server on a free port of this machine. Dropping it stops it, also where the step failed.
#[derive(Debug)]
pub(super) struct Server {
    process: String,
    /// `http://127.0.0.1:PORT`.
    pub(super) origin: String,
    /// Kept open: a server may end if it cannot print.
    output: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts a server by a script of `../shared/servers`, which installs it into `folder` and waits until it responds.
    ///
    /// # Errors
    /// The script fails, or does not print the server's process and port.
    pub(super) fn start(script: &str, folder: &Path, options: &[&str]) -> Result<Self> {
        let script = command::shared("servers").join(script);
        let mut start = command::command(&script);
        let (status, started) = command::output(start.arg(folder).args(["0", LIFETIME]).args(options))?;
        ensure!(status.success(), "{} failed: {status}", script.display());
        Self::parse(&started).with_context(|| format!("{} printed {started:?}", script.display()))
    }

    /// Starts `tachikoma-openai-mock` itself, or another server whose first line of output is its base URL, after a few words.
    ///
    /// # Errors
    /// The server cannot be started, or prints something else.
    pub(super) fn spawn(start: &mut Command) -> Result<Self> {
        let mut child = start.stdout(Stdio::piped()).spawn().context("the server cannot be started")?;
        let mut printed = BufReader::new(child.stdout.take().context("the server has no output")?);
        let mut server = Self { process: child.id().to_string(), origin: String::new(), output: None };
        let mut line = String::new();
        printed.read_line(&mut line)?;
        let url = line.split_whitespace().last().and_then(|url| url.strip_suffix("/v1"));
        url.with_context(|| format!("the server printed {line:?}"))?.clone_into(&mut server.origin);
        server.output = Some(printed);
        Ok(server)
    }

    /// Reads `PORT=1 PID=2 LOG=...`.
    fn parse(started: &str) -> Option<Self> {
        let field = |name| started.split_whitespace().find_map(|word| word.strip_prefix(name));
        let origin = format!("http://127.0.0.1:{}", field("PORT=")?);
        Some(Self { process: field("PID=")?.to_owned(), origin, output: None })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have ended already.
        _ = Command::new("kill").arg(&self.process).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_server_is_stopped() {
        let mut process = Command::new("sleep").arg("60").spawn().unwrap();
        let server = Server::parse(&format!("PORT=8080 PID={} LOG=/dev/null\n", process.id())).unwrap();
        assert_eq!(server.origin, "http://127.0.0.1:8080");
        drop(server);
        assert!(!process.wait().unwrap().success(), "it was ended by a signal");
        assert!(Server::parse("PORT=8080").is_none());
    }
}
