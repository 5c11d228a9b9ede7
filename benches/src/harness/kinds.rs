//! What is measured: one row a kind.

use super::bodies;

/// What the client of a kind does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Streams one response after the other, as fast as it can.
    Stream,
    /// Asks for whole responses, one after the other.
    Whole,
    /// Sends a conversation of 2,000 messages and 2 MB, again and again.
    LongRequest,
    /// Reads 1,000 streams at once, whose events arrive at the pace of a model.
    Paced,
    /// Reads one chunk, does nothing for two seconds, then reads on.
    Slow,
}

/// How the server cuts a response into HTTP chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// One event in each chunk.
    Event,
    /// One event in each chunk, 100 ms after the one before.
    EventInTime,
    /// This many bytes in each chunk, wherever events end.
    Bytes(usize),
}

/// One kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) load: Load,
    pub(crate) chunks: Chunks,
    /// The body of a response with about this many events.
    pub(crate) body: fn(usize) -> bodies::Body,
    /// Events in one response.
    pub(crate) events: usize,
    /// Responses that are measured together, one after the other.
    pub(crate) requests: usize,
}

const fn stream(name: &'static str, about: &'static str, chunks: Chunks, events: usize) -> Kind {
    Kind { name, about, load: Load::Stream, chunks, body: bodies::text, events, requests: 1 }
}

/// Every kind, in the order of the table.
pub(crate) const KINDS: &[Kind] = &[
    stream("text", "a stream of text, one event per chunk", Chunks::Event, 60_000),
    Kind {
        body: bodies::tools,
        ..stream("tools", "a stream of tool calls, one event per chunk", Chunks::Event, 60_000)
    },
    Kind {
        body: bodies::responses,
        ..stream("responses", "text over the Responses API, one event per chunk", Chunks::Event, 60_000)
    },
    stream("packed-16k", "text in chunks of 16 KB", Chunks::Bytes(16 << 10), 60_000),
    stream("packed-256k", "text in chunks of 256 KB", Chunks::Bytes(256 << 10), 60_000),
    stream("seven", "text in chunks of 7 bytes", Chunks::Bytes(7), 2_000),
    Kind {
        body: bodies::one_megabyte,
        requests: 20,
        ..stream("event-1mb", "one event of 1 MB in chunks of 16 KB", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        body: bodies::two_megabytes,
        requests: 10,
        ..stream("event-2mb", "one event of 2 MB in chunks of 16 KB", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        load: Load::Whole,
        body: bodies::whole,
        requests: 300,
        ..stream("plain", "responses of 200 KB that are not streamed", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        load: Load::LongRequest,
        body: bodies::short,
        requests: 20,
        ..stream("request", "requests of 2,000 messages and 2 MB", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        load: Load::Paced,
        body: bodies::text,
        ..stream("paced", "1,000 streams at once, an event each 100 ms", Chunks::EventInTime, 30)
    },
    Kind {
        load: Load::Slow,
        ..stream("slow", "a reader that pauses for 2 s in 100,000 events", Chunks::Event, 100_000)
    },
];

/// The kind of this name.
pub(crate) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
