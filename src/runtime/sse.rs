//! Decodes server-sent events from network bytes.
//!
//! The framing finds where each line and each event ends. Nearly every event is one `data:` line, or an `event:` line and one
//! `data:` line: these are borrowed unchanged. `eventsource-stream` parses all others; it only gets one complete, validated
//! and re-terminated event at a time: on raw bytes it panics on a byte-order mark, is quadratic in its unread input, and loses
//! events that end in a bare CR or without a line end.

use std::ops::Range;

use bytes::Bytes;
use eventsource_stream::EventStream;
use futures::{FutureExt, StreamExt, stream};
use tachikoma_backends_core::ErrorCategory;

use super::Error;
use super::events::Event;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How many received bytes are scanned together: they fit into the L1 cache.
const STEP_BYTES: usize = 16 << 10;

/// For an event longer than the first, the second is reserved at once, in bytes, so that a growing event is not moved repeatedly.
/// Reserved memory that is never written to costs nothing.
const LONG_EVENT_BYTES: usize = 64 << 10;
const LONG_EVENT_CAPACITY: usize = 4 << 20;

/// More lines than any server writes into one event; parsing time is quadratic in them.
const MAX_LINES: usize = 1024;

/// How the lines of events begin.
const FIELDS: [&str; 4] = ["data:", "event:", "id:", "retry:"];

/// Finds events in bytes that arrive in any split.
#[derive(Debug)]
pub(crate) struct SseDecoder {
    /// Received bytes that are not in the buffer yet.
    received: Bytes,
    buffer: Vec<u8>,
    /// Everything before it has been returned.
    start: usize,
    /// Everything before it has been scanned for line ends.
    scanned: usize,
    line_start: usize,
    /// The number of complete lines of this event, and the ranges of the first two.
    lines: usize,
    first: Range<usize>,
    second: Range<usize>,
    /// Whether the last line ended in a CR at the end of the buffer: an LF may still belong to it.
    is_after_cr: bool,
    is_at_start: bool,
    is_ended: bool,
    /// The number of events without data that were parsed since the last `take_skipped`.
    skipped: usize,
    max_event_bytes: usize,
}

/// The range of an event in the buffer, without the blank line that ends it.
#[derive(Debug)]
struct Block {
    all: Range<usize>,
    lines: usize,
    first: Range<usize>,
    second: Range<usize>,
}

impl SseDecoder {
    /// A decoder that rejects events of more than this many bytes.
    pub(crate) fn new(max_event_bytes: usize) -> Self {
        Self {
            received: Bytes::new(),
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            line_start: 0,
            lines: 0,
            first: 0..0,
            second: 0..0,
            is_after_cr: false,
            is_at_start: true,
            is_ended: false,
            skipped: 0,
            max_event_bytes,
        }
    }

    /// Takes received bytes, once [`next_event`](Self::next_event) has nothing left.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.received = bytes;
        self.refill();
    }

    /// Moves the next received bytes into the buffer. False if there are none.
    fn refill(&mut self) -> bool {
        if self.received.is_empty() {
            return false;
        }
        if self.start > 0 {
            // The rest is less than an event, and moves once for all that were returned.
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.line_start -= self.start;
            for line in [&mut self.first, &mut self.second] {
                *line = line.start.saturating_sub(self.start)..line.end.saturating_sub(self.start);
            }
            self.start = 0;
        }
        let capacity = self.max_event_bytes.min(LONG_EVENT_CAPACITY);
        if self.buffer.len() > LONG_EVENT_BYTES && self.buffer.capacity() < capacity {
            self.buffer.reserve(capacity);
        }
        let part = match self.received.len() {
            ..=STEP_BYTES => std::mem::take(&mut self.received),
            _ => self.received.split_to(STEP_BYTES),
        };
        self.buffer.extend_from_slice(&part);
        true
    }

    /// Ends the input: the rest is a last event without its blank line.
    pub(crate) fn end(&mut self) {
        self.is_ended = true;
    }

    /// Borrows the next complete event, if there is one.
    ///
    /// # Errors
    /// The event is not UTF-8 or exceeds a limit. The rest of the stream is unreliable.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        while let Some(block) = self.next_block()? {
            if let Some((event, data)) = self.split_simple(&block) {
                let event = if event.is_empty() { "message" } else { self.utf8(event)? };
                return Ok(Some(Event {
                    event: event.into(),
                    data: self.utf8(data)?.into(),
                    is_bare: false,
                }));
            }
            if self.is_comment(&block) {
                continue;
            }
            if let Some(event) = parse(self.utf8(block.all)?)? {
                return Ok(Some(event));
            }
            self.skipped += 1;
        }
        if !self.is_ended || self.start == self.buffer.len() {
            return Ok(None);
        }
        let rest = self.start..self.buffer.len();
        self.begin_at(rest.end);
        let rest = self.utf8(rest)?;
        // A stream that is cut off within a field name has lost an event, and is not bare text.
        if FIELDS.iter().any(|field| field.starts_with(rest)) { Ok(None) } else { parse(rest) }
    }

    /// The number of events without data that were parsed since the last call.
    pub(crate) fn take_skipped(&mut self) -> usize {
        std::mem::take(&mut self.skipped)
    }

    /// The range of the next event.
    fn next_block(&mut self) -> Result<Option<Block>, Error> {
        if !self.skip_bom() {
            return Ok(None);
        }
        loop {
            if self.is_after_cr && self.scanned < self.buffer.len() {
                self.is_after_cr = false;
                if self.buffer.get(self.scanned) == Some(&b'\n') {
                    self.scanned += 1;
                    self.line_start = self.scanned;
                }
                if self.lines == 0 {
                    self.begin_at(self.scanned);
                }
            }
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let offset = match rest.first() {
                Some(b'\n' | b'\r') => Some(0),
                _ => memchr::memchr2(b'\n', b'\r', rest),
            };
            let Some(offset) = offset else {
                self.scanned = self.buffer.len();
                self.check_size(self.scanned)?;
                if self.refill() {
                    continue;
                }
                return Ok(None);
            };
            let line = self.line_start..self.scanned + offset;
            self.is_after_cr = self.buffer.get(line.end) == Some(&b'\r');
            self.scanned = line.end + 1;
            self.line_start = self.scanned;
            if !line.is_empty() {
                self.lines += 1;
                self.check_size(line.end)?;
                match self.lines {
                    1 => self.first = line,
                    2 => self.second = line,
                    _ => {}
                }
            } else if self.lines == 0 {
                self.begin_at(self.scanned);
            } else {
                let (first, second) = (self.first.clone(), self.second.clone());
                let block = Block { all: self.start..line.start, lines: self.lines, first, second };
                self.begin_at(self.scanned);
                return Ok(Some(block));
            }
        }
    }

    /// Sets where the next event begins.
    fn begin_at(&mut self, start: usize) {
        (self.start, self.scanned, self.line_start, self.lines) = (start, start, start, 0);
    }

    /// Skips a byte-order mark. False while more bytes are needed to decide whether there is one.
    fn skip_bom(&mut self) -> bool {
        if self.is_at_start {
            if self.buffer.starts_with(BOM) {
                self.begin_at(BOM.len());
            } else if !self.is_ended && BOM.starts_with(&self.buffer) {
                return false;
            }
            self.is_at_start = false;
        }
        true
    }

    /// # Errors
    /// An event that extends to `end` exceeds a limit.
    fn check_size(&self, end: usize) -> Result<(), Error> {
        if end - self.start <= self.max_event_bytes && self.lines <= MAX_LINES {
            return Ok(());
        }
        let (bytes, lines) = (self.max_event_bytes, MAX_LINES);
        Err(Error::new(
            ErrorCategory::Parse,
            format!("the server sent an event of more than {bytes} bytes or {lines} lines"),
        )
        .with_hint("Raise with_max_event_bytes if you trust this server."))
    }

    /// Whether an event is a comment of one line, a keep-alive that need not be parsed.
    fn is_comment(&self, block: &Block) -> bool {
        block.lines == 1 && self.buffer.get(block.first.start) == Some(&b':')
    }

    /// The ranges of the name (empty by default) and the data of an event that needs no parser.
    fn split_simple(&self, block: &Block) -> Option<(Range<usize>, Range<usize>)> {
        let value = |line: &Range<usize>, field: &[u8]| {
            let value = self.buffer.get(line.clone())?.strip_prefix(field)?;
            let value = value.strip_prefix(b" ").unwrap_or(value);
            (!value.is_empty()).then_some(line.end - value.len()..line.end)
        };
        match block.lines {
            1 => Some((0..0, value(&block.first, b"data:")?)),
            2 => Some((value(&block.first, b"event:")?, value(&block.second, b"data:")?)),
            _ => None,
        }
    }

    fn utf8(&self, range: Range<usize>) -> Result<&str, Error> {
        let bytes = self.buffer.get(range).unwrap_or_default();
        simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes)).map_err(|error| {
            let message = format!("the server sent an event that is not UTF-8: {error}");
            Error::new(ErrorCategory::Parse, message).with_source(error)
        })
    }
}

/// The error in an event without data: llama.cpp writes it as a field of that name.
fn error_line(text: &str) -> Option<Event<'static>> {
    let data = text.split(['\n', '\r']).find_map(|line| line.strip_prefix("error:"))?.trim();
    let event = || Event { event: "error".into(), data: data.to_owned().into(), is_bare: false };
    (!data.is_empty()).then(event)
}

/// Parses any event. `None` without data: comments, `retry:`.
fn parse(text: &str) -> Result<Option<Event<'static>>, Error> {
    // Some servers send an error as bare JSON, text or a web page instead of an event. It has no fields, and would be ignored
    // silently.
    if text.trim_start().starts_with(['{', '[', '<'])
        || !text.contains(':') && !text.trim().is_empty() && !has_field(text)
    {
        return Ok(Some(Event {
            event: "message".into(),
            data: text.trim().to_owned().into(),
            is_bare: true,
        }));
    }
    let mut terminated =
        if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() };
    if !terminated.ends_with('\n') {
        terminated.push('\n');
    }
    terminated.push('\n');
    if terminated.starts_with('\u{feff}') {
        // Only at the start of a stream is it a mark; here it belongs to a field's name. The parser panics on it unless an empty
        // comment comes first.
        terminated.insert_str(0, ":\n");
    }
    // Line by line: after each, the parser moves its unread input.
    let lines = terminated.split_inclusive('\n').map(Ok::<_, std::convert::Infallible>);
    match EventStream::new(stream::iter(lines)).next().now_or_never().flatten() {
        None => Ok(error_line(text)),
        Some(Ok(event)) if event.data.is_empty() => Ok(error_line(text)),
        Some(Ok(event)) => {
            Ok(Some(Event { event: event.event.into(), data: event.data.into(), is_bare: false }))
        }
        Some(Err(error)) => Err(Error::new(
            ErrorCategory::Parse,
            format!("the server sent an event that cannot be parsed: {error}"),
        )),
    }
}

/// Whether a line is a field without a colon, which the specification defines as empty.
fn has_field(text: &str) -> bool {
    text.split(['\n', '\r']).any(|line| matches!(line, "data" | "event" | "id" | "retry"))
}

#[cfg(test)]
mod tests;
