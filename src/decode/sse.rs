//! Server-sent events out of network bytes.
//!
//! `eventsource-stream` reads the fields of an event; the framing in front of it finds where each event ends, so that it
//! is only ever fed one complete, checked and re-terminated event: by itself it panics on a byte-order mark, is quadratic
//! in what it has not yet handed out, and loses events that end in bare CR or in nothing.

use bytes::{Buf, Bytes, BytesMut};
use eventsource_stream::EventStream;
use futures::{FutureExt, StreamExt, stream};
use tachikoma_backends_core::ErrorCategory;

use crate::error::CodexError;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// More lines than any server writes into one event; reading them costs time in their square.
const MAX_LINES: usize = 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// The `event:` field, `message` where there was none.
    pub(crate) event: String,
    /// The `data:` lines, joined.
    pub(crate) data: String,
}

/// Finds events in bytes that arrive in any split.
#[derive(Debug)]
pub(crate) struct SseDecoder {
    buffer: BytesMut,
    /// Everything before it has been searched for line ends.
    scanned: usize,
    line_start: usize,
    lines: usize,
    /// The last line ended in a CR at the end of what had arrived: an LF may still belong to it.
    after_cr: bool,
    at_start: bool,
    max_event_bytes: usize,
}

impl SseDecoder {
    /// A decoder that refuses events of more than this many bytes.
    pub(crate) fn new(max_event_bytes: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            line_start: 0,
            lines: 0,
            after_cr: false,
            at_start: true,
            max_event_bytes,
        }
    }

    /// Takes what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, if it is there.
    ///
    /// # Errors
    /// The event is not UTF-8 or over a limit. The stream cannot be trusted from then on.
    pub(crate) fn next_event(&mut self) -> Result<Option<SseEvent>, CodexError> {
        while let Some(block) = self.next_block()? {
            if let Some(event) = read_block(&block)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// What was left when the bytes ended: a last event without its blank line.
    pub(crate) fn finish(&mut self) -> Result<Option<SseEvent>, CodexError> {
        if let Some(event) = self.next_event()? {
            return Ok(Some(event));
        }
        self.skip_bom(true);
        let rest = self.take_block(self.buffer.len());
        if rest.is_empty() { Ok(None) } else { read_block(&rest) }
    }

    /// The bytes of the next event, without the blank line that ends it.
    fn next_block(&mut self) -> Result<Option<Bytes>, CodexError> {
        if !self.skip_bom(false) {
            return Ok(None);
        }
        loop {
            if self.after_cr && self.scanned < self.buffer.len() {
                self.after_cr = false;
                if self.buffer.get(self.scanned) == Some(&b'\n') {
                    self.scanned += 1;
                    self.line_start = self.scanned;
                }
                if self.lines == 0 {
                    self.take_block(self.scanned);
                }
            }
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(offset) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.scanned = self.buffer.len();
                return if self.buffer.len() > self.max_event_bytes {
                    Err(self.too_large())
                } else {
                    Ok(None)
                };
            };
            let line_end = self.scanned + offset;
            self.after_cr = self.buffer.get(line_end) == Some(&b'\r');
            let is_blank = line_end == self.line_start;
            self.scanned = line_end + 1;
            if !is_blank {
                self.line_start = self.scanned;
                self.lines += 1;
                if self.lines > MAX_LINES || line_end > self.max_event_bytes {
                    return Err(self.too_large());
                }
            } else if self.lines == 0 {
                self.take_block(self.scanned);
            } else {
                let after = self.scanned - self.line_start;
                let block = self.take_block(self.line_start);
                self.buffer.advance(after);
                return Ok(Some(block));
            }
        }
    }

    fn take_block(&mut self, length: usize) -> Bytes {
        (self.scanned, self.line_start, self.lines) = (0, 0, 0);
        self.buffer.split_to(length).freeze()
    }

    /// Drops a byte-order mark. False while it cannot be told yet whether there is one.
    fn skip_bom(&mut self, ended: bool) -> bool {
        if self.at_start {
            if self.buffer.starts_with(BOM) {
                self.buffer.advance(BOM.len());
            } else if !ended && BOM.starts_with(&self.buffer) {
                return false;
            }
            self.at_start = false;
        }
        true
    }

    fn too_large(&self) -> CodexError {
        let (bytes, lines) = (self.max_event_bytes, MAX_LINES);
        CodexError::new(
            ErrorCategory::Parse,
            format!("the server sent an event of more than {bytes} bytes or {lines} lines"),
        )
        .with_hint("Raise with_max_event_bytes if the server is to be trusted.")
    }
}

/// Reads the fields of one event. `None` where there is no data in it: comments, `retry:`.
fn read_block(block: &[u8]) -> Result<Option<SseEvent>, CodexError> {
    let text = std::str::from_utf8(block).map_err(|error| {
        CodexError::new(ErrorCategory::Parse, format!("the server sent an event that is not UTF-8: {error}"))
            .with_source(error)
    })?;
    // Some servers write an error as bare JSON, text or a web page where an event belongs. It has no fields, and would be
    // ignored without a word.
    if text.starts_with(['{', '[', '<']) || !text.contains(':') && !text.trim().is_empty() && !has_field(text)
    {
        return Ok(Some(SseEvent { event: "message".to_owned(), data: text.trim_end().to_owned() }));
    }
    if let Some(event) = plain(text) {
        return Ok(Some(event));
    }
    let mut terminated =
        if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() };
    if !terminated.ends_with('\n') {
        terminated.push('\n');
    }
    terminated.push('\n');
    if terminated.starts_with('\u{feff}') {
        // Only at the start of a stream is it a mark; here it belongs to a field's name. An empty comment in front keeps the
        // parser from stumbling over it.
        terminated.insert_str(0, ":\n");
    }
    let once = stream::iter([Ok::<_, std::convert::Infallible>(terminated)]);
    match EventStream::new(once).next().now_or_never().flatten() {
        None => Ok(None),
        Some(Ok(event)) if event.data.is_empty() => Ok(None),
        Some(Ok(event)) => Ok(Some(SseEvent { event: event.event, data: event.data })),
        Some(Err(error)) => Err(CodexError::new(
            ErrorCategory::Parse,
            format!("the server sent an event that cannot be read: {error}"),
        )),
    }
}

/// Nearly every event is one `data:` line, or an `event:` line and one `data:` line: these are taken as they are. `None`
/// for all others, which need a parser.
fn plain(text: &str) -> Option<SseEvent> {
    let value = |line: &str, field: &str| {
        let value = line.strip_prefix(field)?.strip_prefix(':')?;
        Some(value.strip_prefix(' ').unwrap_or(value).to_owned())
    };
    let text = text.strip_suffix("\r\n").or(text.strip_suffix(['\n', '\r'])).unwrap_or(text);
    let mut lines = text.split('\n');
    let (first, second, None) = (lines.next()?, lines.next(), lines.next()) else { return None };
    let first = first.strip_suffix('\r').unwrap_or(first);
    let (event, data) = match second {
        None => (None, value(first, "data")?),
        Some(second) => {
            (Some(value(first, "event")?).filter(|event| !event.is_empty()), value(second, "data")?)
        }
    };
    let is_plain =
        !data.is_empty() && !data.contains('\r') && !event.as_ref().is_some_and(|event| event.contains('\r'));
    is_plain.then(|| SseEvent { event: event.unwrap_or_else(|| "message".to_owned()), data })
}

/// Whether some line is a field without a colon, which the specification reads as an empty one.
fn has_field(text: &str) -> bool {
    text.split(['\n', '\r']).any(|line| matches!(line, "data" | "event" | "id" | "retry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: &str, data: &str) -> SseEvent {
        SseEvent { event: event.into(), data: data.into() }
    }

    fn decode(pieces: &[&[u8]]) -> Result<Vec<SseEvent>, CodexError> {
        let mut decoder = SseDecoder::new(1000);
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(event) = decoder.next_event()? {
                events.push(event);
            }
        }
        while let Some(event) = decoder.finish()? {
            events.push(event);
        }
        Ok(events)
    }

    /// However the bytes are split in two, and byte by byte, the events are the same.
    #[track_caller]
    fn check(bytes: &[u8], expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, data)| event(name, data)).collect();
        for split in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(split);
            assert_eq!(decode(&[head, tail]).unwrap(), expected, "split at {split}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&single).unwrap(), expected, "byte by byte");
    }

    #[test]
    fn every_line_end() {
        let expected = &[("message", "a"), ("message", "b")];
        check(b"data: a\n\ndata: b\n\n", expected);
        check(b"data: a\r\n\r\ndata: b\r\n\r\n", expected);
        check(b"data: a\r\rdata: b\r\r", expected);
        check(b"data: a\r\n\ndata: b\n\r\n", expected);
        check(b"data: a\n\r\ndata: b\r\r\n", expected);
        check(b"\n\r\n\rdata: a\n\n\n\n\ndata: b\n\n", expected);
    }

    #[test]
    fn fields() {
        check(b"data:a\n\n", &[("message", "a")]);
        check(b"data: a\ndata: b\n\n", &[("message", "a\nb")]);
        check(b"data: a\r\ndata: b\r\n\r\n", &[("message", "a\nb")]);
        check(b"data: a\rdata: b\r\r", &[("message", "a\nb")]);
        check(b"event: error\ndata: a\nid: 1\nretry: 5\n\n", &[("error", "a")]);
        check(b": keep-alive\n\nretry: 5\n\nevent: ping\n\ndata:\n\ndata: a\n\n", &[("message", "a")]);
        check("data: é\u{2028}😀\n\n".as_bytes(), &[("message", "é\u{2028}😀")]);
    }

    #[test]
    fn the_start_and_the_end() {
        check(b"\xEF\xBB\xBFdata: a\n\n", &[("message", "a")]);
        check(b"data: a\n\ndata: [DONE]", &[("message", "a"), ("message", "[DONE]")]);
        check(b"data: a\n\ndata: [DONE]\n", &[("message", "a"), ("message", "[DONE]")]);
        check(b"data: a\n\n\xEF\xBB\xBFdata: b\ndata: c\n\n", &[("message", "a"), ("message", "c")]);
        check(b"", &[]);
        check(b"\n", &[]);
    }

    #[test]
    fn what_stands_in_the_place_of_an_event_is_not_lost() {
        check(b"data: a\n\n{\"error\":\"x\"}\n\n", &[("message", "a"), ("message", "{\"error\":\"x\"}")]);
        check(b"<html>\n<body>", &[("message", "<html>\n<body>")]);
        check(b"no such page", &[("message", "no such page")]);
        check(b"data\n\nid\n\nunknown: field\n\n", &[]);
    }

    #[test]
    fn an_event_is_handed_out_as_soon_as_it_is_whole() {
        for end in ["\n\n", "\r\n\r\n", "\r\r", "\n\r"] {
            let mut decoder = SseDecoder::new(1000);
            decoder.push(format!("data: a{end}").as_bytes());
            assert_eq!(decoder.next_event().unwrap(), Some(event("message", "a")), "{end:?}");
        }
    }

    #[test]
    fn what_cannot_be_trusted_is_an_error() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            let error = decode(&[bytes]).unwrap_err();
            assert!(error.message().starts_with(expected), "{error}");
            assert_eq!(error.category(), ErrorCategory::Parse);
        }
        check(b"data: \xFF\xFE\n\n", "the server sent an event that is not UTF-8");
        check(b"\xEF", "the server sent an event that is not UTF-8");
        check(b"data: \xF0\x9F", "the server sent an event that is not UTF-8");
        let large = [b"data: ".as_slice(), &[b'a'; 1001]].concat();
        check(&large, "the server sent an event of more than 1000 bytes");
        check(&[&large, b"\n\n".as_slice()].concat(), "the server sent an event of more than 1000 bytes");
        check(&b":\n".repeat(1025), "the server sent an event of more than");
    }
}
