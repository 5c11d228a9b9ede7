//! What is measured: one row a kind.

use super::answers;

/// What the client of a kind does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Streams one answer after the other, as fast as it can.
    Stream,
    /// Asks for whole answers, one after the other.
    Whole,
    /// Sends a conversation of 2,000 messages and 2 MB, again and again.
    LongRequest,
    /// Reads 1,000 streams at once, whose events come in the pace of a model.
    Paced,
    /// Reads one chunk, does nothing for two seconds, then reads on.
    Slow,
}

/// How the server cuts an answer into HTTP chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// An event a chunk.
    Event,
    /// An event a chunk, 100 ms after the one before.
    EventInTime,
    /// So many bytes a chunk, wherever events end.
    Bytes(usize),
}

/// One kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) load: Load,
    pub(crate) chunks: Chunks,
    /// The events of an answer of about this many.
    pub(crate) answer: fn(usize) -> answers::Answer,
    /// Events of one answer.
    pub(crate) events: usize,
    /// Answers that are measured together, one after the other.
    pub(crate) requests: usize,
}

const fn stream(name: &'static str, about: &'static str, chunks: Chunks, events: usize) -> Kind {
    Kind { name, about, load: Load::Stream, chunks, answer: answers::text, events, requests: 1 }
}

/// Every kind, in the order of the table.
pub(crate) const KINDS: &[Kind] = &[
    stream("text", "a stream of text, an event a chunk", Chunks::Event, 60_000),
    Kind {
        answer: answers::tools,
        ..stream("tools", "a stream of tool calls, an event a chunk", Chunks::Event, 60_000)
    },
    Kind {
        answer: answers::responses,
        ..stream("responses", "text over the Responses API, an event a chunk", Chunks::Event, 60_000)
    },
    stream("packed-16k", "text in chunks of 16 KB", Chunks::Bytes(16 << 10), 60_000),
    stream("packed-256k", "text in chunks of 256 KB", Chunks::Bytes(256 << 10), 60_000),
    stream("seven", "text in chunks of 7 bytes", Chunks::Bytes(7), 2_000),
    Kind {
        answer: answers::one_megabyte,
        requests: 20,
        ..stream("event-1mb", "one event of 1 MB in chunks of 16 KB", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        answer: answers::two_megabytes,
        requests: 10,
        ..stream("event-2mb", "one event of 2 MB in chunks of 16 KB", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        load: Load::Whole,
        answer: answers::whole,
        requests: 300,
        ..stream("plain", "answers of 200 KB that are not streamed", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        load: Load::LongRequest,
        answer: answers::short,
        requests: 20,
        ..stream("request", "requests of 2,000 messages and 2 MB", Chunks::Bytes(16 << 10), 1)
    },
    Kind {
        load: Load::Paced,
        answer: answers::text,
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
