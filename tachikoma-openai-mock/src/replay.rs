//! [`Replay`]: the recorded exchanges from which a server responds.

mod difference;
mod format;
mod respond;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use self::difference::{Difference, Differences};
use self::format::{Exchange, Line};
pub(crate) use self::respond::respond;
use crate::server::lock;

/// Recorded exchanges, from which a server responds instead of by its own rules: byte for byte, and piece for piece. See
/// [`MockConfig::with_replay`](crate::MockConfig::with_replay).
///
/// It is read from the file of a recorder, or from the transcript of an error: each line is the JSON of one exchange.
#[derive(Debug, Clone)]
pub struct Replay {
    exchanges: Arc<[Exchange]>,
    /// Where they come from.
    source: String,
    pub(crate) keeps_times: bool,
}

impl Replay {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not an exchange; the message names the line.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let source = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let replay = std::fs::read_to_string(path).and_then(|text| Self::parse(&text)).map_err(named)?;
        Ok(Self { source, ..replay })
    }

    /// Parses the text of such a file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str) -> io::Result<Self> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let exchanges = lines.map(|(index, line)| {
            let invalid = |error: &dyn std::fmt::Display| {
                let message = format!("line {} is not a recorded exchange: {error}", index + 1);
                io::Error::new(io::ErrorKind::InvalidData, message)
            };
            let line: Line = serde_json::from_str(line).map_err(|error| invalid(&error))?;
            Exchange::new(index + 1, line).map_err(|error| invalid(&error))
        });
        let exchanges = exchanges.collect::<io::Result<_>>()?;
        Ok(Self { exchanges, source: "the recording".to_owned(), keeps_times: false })
    }

    /// Whether responses take the time that they took when they were recorded. By default they are sent as fast as possible.
    pub fn with_times(mut self, keeps_times: bool) -> Self {
        self.keeps_times = keeps_times;
        self
    }
}

/// A replay and how far it is.
#[derive(Debug)]
pub(crate) struct ReplayState {
    pub(crate) replay: Replay,
    /// The exchanges that were sent.
    sent: Mutex<Vec<bool>>,
}

/// A request, as far as it selects an exchange.
pub(crate) struct RequestParts<'a> {
    pub(crate) method: &'a str,
    /// With the query.
    pub(crate) path: &'a str,
    pub(crate) body: Value,
}

impl ReplayState {
    pub(crate) fn new(replay: Replay) -> Self {
        let sent = Mutex::new(vec![false; replay.exchanges.len()]);
        Self { replay, sent }
    }

    /// Begins with the first exchanges again.
    pub(crate) fn restart(&self) {
        lock(&self.sent).fill(false);
    }

    /// The next exchange of this request: those that were recorded for the same request one after the other, and then the last
    /// one again.
    ///
    /// # Errors
    /// No recorded request fits: the reason, with the nearest one.
    fn next(&self, request: &RequestParts<'_>) -> Result<Exchange, String> {
        let exchanges = &self.replay.exchanges;
        let mut sent = lock(&self.sent);
        let mut last = None;
        for (exchange, is_sent) in exchanges.iter().zip(sent.iter_mut()) {
            if !exchange.differences(request).is_empty() {
                continue;
            }
            if !std::mem::replace(is_sent, true) {
                return Ok(exchange.clone());
            }
            last = Some(exchange);
        }
        last.cloned().ok_or_else(|| self.nearest(request))
    }

    /// Why no exchange matches.
    fn nearest(&self, request: &RequestParts<'_>) -> String {
        let RequestParts { method, path, .. } = request;
        let source = &self.replay.source;
        let compared = self.replay.exchanges.iter().map(|exchange| (exchange, exchange.differences(request)));
        let nearest = compared.min_by_key(|(_, differences)| differences.weight());
        let intro = format!("No recorded exchange matches {method} {path}");
        match nearest.map(|(exchange, differences)| (exchange.line, differences.into_first())) {
            Some((line, Some(Difference { path, recorded, sent }))) => format!(
                "{intro}. The nearest is line {line} of {source}: {path} is {recorded} there, and {sent} in the request."
            ),
            _ => format!("{intro}: {source} is empty."),
        }
    }
}

impl Exchange {
    fn differences(&self, request: &RequestParts<'_>) -> Differences {
        let mut differences = Differences::new(self.texts_redacted);
        // Another endpoint is farther away than any other body.
        differences.compare_line("the method", &self.method, request.method);
        differences.compare_line("the path", &self.path, request.path);
        differences.compare("$", &self.body, &request.body);
        differences
    }
}
