//! Real servers, started for one step.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::command;

/// How long a server lives if it is not stopped, in seconds: more than a step needs.
const LIFETIME: &str = "900";

/// A server on a free port of this machine. Dropping it stops it, also where the step failed.
#[derive(Debug)]
pub(super) struct Server {
    process: String,
    /// `http://127.0.0.1:PORT`.
    pub(super) origin: String,
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

    /// Reads `PORT=1 PID=2 LOG=...`.
    fn parse(started: &str) -> Option<Self> {
        let field = |name| started.split_whitespace().find_map(|word| word.strip_prefix(name));
        let origin = format!("http://127.0.0.1:{}", field("PORT=")?);
        Some(Self { process: field("PID=")?.to_owned(), origin })
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
