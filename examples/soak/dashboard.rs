//! The state of the run: one line that is rewritten on a terminal, and a line every few seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::tally::Tally;
use crate::traffic::{GateMeter, Servers};

/// How often the line is written where it cannot be rewritten.
const PLAIN_INTERVAL: Duration = Duration::from_secs(2);

/// How often it is rewritten, which is also the time that the rate is measured over.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) struct Dashboard {
    begun: Instant,
    end: Instant,
    is_terminal: bool,
    /// The time of the last line, and how many requests had ended.
    last: (Instant, u64),
}

impl Dashboard {
    pub(crate) fn new(begun: Instant, end: Instant) -> Self {
        Self { begun, end, is_terminal: io::stderr().is_terminal(), last: (begun, 0) }
    }

    /// Writes the line, if it is time for it.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub(crate) fn show(&mut self, tally: &Tally, servers: &Servers, meter: &GateMeter) -> io::Result<()> {
        let interval = if self.is_terminal { TERMINAL_INTERVAL } else { PLAIN_INTERVAL };
        let (last, ended) = self.last;
        let now = Instant::now();
        if now.duration_since(last) < interval {
            return Ok(());
        }
        let counts = tally.snapshot();
        let rate = (counts.ended() - ended) as f64 / now.duration_since(last).as_secs_f64();
        self.last = (now, counts.ended());
        let whole = self.end.duration_since(self.begun).as_secs_f64();
        let done = (now.duration_since(self.begun).as_secs_f64() / whole * 100.0).min(100.0);
        let line = format!(
            "{done:3.0} % | {} requests, {rate:.0}/s, {} in progress, {} streams | failed: {} | {} KB up | gate: {}",
            counts.ended(),
            counts.begun - counts.ended(),
            servers.open_streams(),
            counts.categories(),
            servers.uploaded_bytes() / 1000,
            meter.waits(),
        );
        let mut output = io::stderr().lock();
        if self.is_terminal {
            // Back to the start of the line, whose rest is erased.
            write!(output, "\r{line}\x1b[K")?;
            output.flush()
        } else {
            writeln!(output, "{line}")
        }
    }

    /// Removes the line from a terminal.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub(crate) fn clear(&self) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let mut output = io::stderr().lock();
        write!(output, "\r\x1b[K")?;
        output.flush()
    }
}
