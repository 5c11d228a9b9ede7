//! However often a stream is cut, a resumed one has the same chunks as an uncut one.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use futures::executor::block_on;
use futures::{StreamExt, stream as streams};
use serde_json::json;
use tachikoma_backends_core::{CompletionChunk, ErrorCategory};
use tachikoma_openai_mock::{MockServer, OutputItem, Reply};

use super::*;
use crate::api::ResponseContext;
use crate::api::responses::stored;
use crate::runtime::decoder::Piece;
use crate::runtime::events::SseSource;
use crate::runtime::stream::{Observer, chunks};
use crate::runtime::transport::Body;
use crate::runtime::unknown::UnknownFields;
use crate::runtime::{Error, Reliability};
use crate::target::WireApi;

struct Ignore;

impl Observer for Ignore {
    fn piece(&mut self, _: &Piece) {}

    fn end(&mut self, _: UnknownFields, _: &Result<CompletionChunk, Error>) {}
}

/// The events of a response with text, reasoning, calls and hosted tools, with the blank line that ends each.
async fn events() -> Vec<String> {
    let reply = Reply::items([
        OutputItem::reasoning("First think: 1 + 1 = 2."),
        OutputItem::message("Looking it up … ça va?").with_phase("commentary"),
        OutputItem::web_search_call("population of Oslo").with_sources(["https://example.com/oslo"]),
        OutputItem::code_interpreter_call("print(7 * 6)").with_logs("42\n"),
        OutputItem::message("About 700,000 → 42.").with_url_citation(
            6,
            13,
            "https://example.com/oslo",
            "Oslo",
        ),
        OutputItem::function_call("weather", json!({"city": "Malmö"})),
        OutputItem::custom_tool_call("sql", "select 1"),
    ]);
    let server = MockServer::builder().with_reply(reply).without_key().start().await.unwrap();
    let tools = json!([{"type": "function", "name": "weather", "parameters": null, "strict": false},
        {"type": "custom", "name": "sql"}, {"type": "web_search"},
        {"type": "code_interpreter", "container": {"type": "auto"}}]);
    let body = json!({"model": "m", "input": "Hi", "tools": tools, "stream": true, "store": true});
    let url = format!("{}/responses", server.base_url());
    let request = reqwest::Client::new().post(url).json(&body).send();
    let text = request.await.unwrap().error_for_status().unwrap().text().await.unwrap();
    text.split_inclusive("\n\n").map(str::to_owned).collect()
}

fn broken() -> reqwest::Error {
    // To build a client is expensive.
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    CLIENT.get("not a URL").build().unwrap_err()
}

fn source(pieces: Vec<reqwest::Result<Bytes>>) -> SseSource {
    let body = Body::from_pieces(streams::iter(pieces), &Reliability::default());
    SseSource::new(body, 1 << 20)
}

/// These bytes in random pieces, after which the connection ends or breaks.
fn pieces(bytes: &[u8], is_cut: bool, random: &mut Rng) -> Vec<reqwest::Result<Bytes>> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len()));
        pieces.push(Ok(Bytes::copy_from_slice(piece)));
        rest = after;
    }
    if is_cut && random.bool() {
        pieces.push(Err(broken()));
    }
    pieces
}

#[derive(Debug)]
struct Cuts {
    random: Rng,
    count: usize,
    /// The number of connections in a row that let no further event pass.
    without_event: u32,
    /// Whether events before the missing ones are sent again.
    has_repeats: bool,
}

/// A server that cuts its streams anywhere.
struct Replay {
    events: Arc<Vec<String>>,
    cuts: Arc<Mutex<Cuts>>,
    is_identified: bool,
}

impl Replay {
    fn new(events: &Arc<Vec<String>>, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let has_repeats = random.bool();
        let cuts = Cuts { random, count: 0, without_event: 0, has_repeats };
        Self { events: Arc::clone(events), cuts: Arc::new(Mutex::new(cuts)), is_identified: false }
    }

    /// The events from `first` on, cut at a random byte of the range; `next` is the first that is missing.
    fn cut(&self, first: usize, next: usize, range: std::ops::Range<usize>) -> SseSource {
        let cuts = &mut *self.cuts.lock().unwrap();
        let end = cuts.random.usize(range);
        cuts.count += 1;
        let needed: usize = self.events[first..=next].iter().map(String::len).sum();
        cuts.without_event = if end < needed { cuts.without_event + 1 } else { 0 };
        source(pieces(&self.events[first..].concat().as_bytes()[..end], true, &mut cuts.random))
    }

    /// The events from this one on, mostly cut.
    fn events_from(&self, next: usize) -> SseSource {
        let mut cuts = self.cuts.lock().unwrap();
        let repeats = if cuts.has_repeats { cuts.random.usize(..3) } else { 0 };
        let first = next.saturating_sub(repeats);
        let bytes = self.events[first..].concat();
        if cuts.without_event < MAX_IDLE_RESUMPTIONS - 1
            && cuts.random.u8(..) > 32
            && next < self.events.len()
        {
            // Mostly soon, so that a stream is cut often.
            let longest = if cuts.random.u8(..) < 16 { bytes.len() } else { 2_000 };
            drop(cuts);
            return self.cut(first, next, 0..bytes.len().min(longest));
        }
        source(pieces(bytes.as_bytes(), false, &mut cuts.random))
    }
}

impl Resumption for Replay {
    type Source = SseSource;

    fn place(&mut self, event: &Event<'_>) -> Place {
        let (place, id) = stored::place(event);
        self.is_identified |= id.is_some();
        place
    }

    fn is_identified(&self) -> bool {
        self.is_identified
    }

    fn open(&self, after: Option<u64>) -> BoxFuture<'static, Result<SseSource, Error>> {
        let next = after.map_or(0, |number| usize::try_from(number).unwrap() + 1);
        let source = self.events_from(next);
        async move { Ok(source) }.boxed()
    }
}

fn run(source: impl EventSource + Send + Unpin + 'static) -> Vec<Result<CompletionChunk, Error>> {
    let decoder = WireApi::Responses.protocol().decoder(ResponseContext::default());
    block_on(chunks(source, decoder, &Reliability::default(), Ignore).collect())
}

#[test]
fn ten_thousand_cuts_lose_and_double_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events = Arc::new(runtime.block_on(events()));
    let bytes = events.concat();
    // A cut before the end of the first event leaves no id to go on from.
    let range = events[0].len()..bytes.len();
    let whole = source(vec![Ok(bytes.into())]);
    let uncut = run(ResumableSource::new(whole, Replay::new(&events, 0), Duration::ZERO));
    let uncut: Vec<_> = uncut.into_iter().map(Result::unwrap).collect();
    assert!(uncut.len() > 20 && uncut.last().unwrap().is_final, "{uncut:?}");

    let (mut seed, mut total) = (0, 0);
    while total < 10_000 {
        seed += 1;
        let replay = Replay::new(&events, seed);
        let cuts = Arc::clone(&replay.cuts);
        let first = replay.cut(0, 0, range.clone());
        let resumed: Result<Vec<_>, _> =
            run(ResumableSource::new(first, replay, Duration::ZERO)).into_iter().collect();
        total += cuts.lock().unwrap().count;
        match resumed {
            Ok(chunks) => assert_eq!(chunks, uncut, "seed {seed}"),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
}

/// Opens these bodies in turn, and counts them.
struct Script {
    bodies: Mutex<VecDeque<Result<&'static str, ErrorCategory>>>,
    opened: Arc<Mutex<Vec<Option<u64>>>>,
    id: Option<String>,
}

impl Resumption for Script {
    type Source = SseSource;

    fn place(&mut self, event: &Event<'_>) -> Place {
        let (place, id) = stored::place(event);
        self.id = id.or(self.id.take());
        place
    }

    fn is_identified(&self) -> bool {
        self.id.is_some()
    }

    fn open(&self, after: Option<u64>) -> BoxFuture<'static, Result<SseSource, Error>> {
        self.opened.lock().unwrap().push(after);
        let body = self.bodies.lock().unwrap().pop_front().unwrap_or(Ok(""));
        let body =
            body.map(|text| source(vec![Ok(text.into())])).map_err(|category| Error::new(category, "no"));
        async move { body }.boxed()
    }
}

const CREATED: &str =
    "data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\"}}\n\n";
const HELLO: &str = "data: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"output_index\":0,\"delta\":\"Hello\"}\n\n";
const WORLD: &str = "data: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"output_index\":0,\"delta\":\" world\"}\n\n";
const END: &str = "data: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":\"r\",\"status\":\"completed\",\
    \"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hello world\"}]}]}}\n\n";
const KEEPALIVE: &str = "data: {\"type\":\"keepalive\"}\n\n";

/// The text, the category of the error or `ok`, and after which numbers the stream was resumed.
fn outcome(
    first: &[&str],
    broken_by: Option<reqwest::Error>,
    bodies: &[Result<&'static str, ErrorCategory>],
) -> (String, &'static str, Vec<Option<u64>>) {
    let opened = Arc::new(Mutex::new(Vec::new()));
    let bodies = Mutex::new(bodies.iter().copied().collect());
    let script = Script { bodies, opened: Arc::clone(&opened), id: None };
    let first = std::iter::once(Ok(first.concat().into())).chain(broken_by.map(Err)).collect();
    let mut text = String::new();
    let mut end = "ok";
    for chunk in run(ResumableSource::new(source(first), script, Duration::ZERO)) {
        match chunk {
            Ok(chunk) => text.push_str(&chunk.delta),
            Err(error) => end = error.category().as_str(),
        }
    }
    let opened = opened.lock().unwrap().clone();
    (text, end, opened)
}

#[test]
fn a_stream_goes_on_after_its_last_event() {
    let rest: &'static str = [WORLD, END].concat().leak();
    let all: &'static str = [CREATED, HELLO, WORLD, END].concat().leak();
    let cut = &HELLO[..HELLO.len() - 9];
    let unterminated = HELLO.trim_end();
    for (first, bodies, after) in [
        (vec![CREATED, HELLO], vec![Ok(rest)], vec![Some(1)]),
        (vec![CREATED, HELLO, KEEPALIVE], vec![Ok(rest)], vec![Some(1)]),
        // The server sends everything again.
        (vec![CREATED, HELLO], vec![Ok(all)], vec![Some(1)]),
        (vec![CREATED, cut], vec![Ok(all)], vec![Some(0)]),
        (vec![CREATED, unterminated], vec![Ok(rest)], vec![Some(1)]),
        (
            vec![CREATED, HELLO],
            vec![Ok(WORLD), Ok(""), Ok(""), Ok(END)],
            vec![Some(1), Some(2), Some(2), Some(2)],
        ),
        // Nothing is resumed after the end.
        (vec![CREATED, HELLO, WORLD, END], vec![], vec![]),
        (vec![CREATED, HELLO, WORLD, END.trim_end()], vec![], vec![]),
    ] {
        let expected = ("Hello world".to_owned(), "ok", after);
        assert_eq!(outcome(&first, None, &bodies), expected, "{first:?}");
    }
    let expected = ("Hello world".to_owned(), "ok", vec![Some(1)]);
    assert_eq!(outcome(&[CREATED, HELLO, &WORLD[..20]], Some(broken()), &[Ok(rest)]), expected);
}

#[test]
fn a_stream_that_cannot_be_resumed_ends_as_the_broken_connection_did() {
    let rest: &'static str = [WORLD, END].concat().leak();
    let unnumbered = HELLO.replace("\"sequence_number\":1,", "");
    let repeated = HELLO.replace(":1,", ":0,");
    let check = |first: &[&str], bodies: &[_], opened: &[Option<u64>]| {
        for (broken_by, category) in [(None, "truncated_stream"), (Some(broken()), "network")] {
            let (text, end, after) = outcome(first, broken_by, bodies);
            assert_eq!((text.as_str(), &*after), ("Hello", opened), "{first:?}");
            assert_eq!(end, category, "{first:?}");
        }
    };
    check(&[CREATED, HELLO], &[Err(ErrorCategory::NotFound)], &[Some(1)]);
    check(&[CREATED, HELLO], &[Err(ErrorCategory::Server)], &[Some(1)]);
    check(&[HELLO], &[Ok(rest)], &[]);
    check(&[CREATED, &unnumbered], &[Ok(rest)], &[]);
    check(&[CREATED, &repeated], &[Ok(rest)], &[]);
}

#[test]
fn events_behind_a_gap_are_not_used() {
    for body in
        [END, "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"!\"}\n\n"]
    {
        let (text, end, opened) = outcome(&[CREATED, HELLO], Some(broken()), &[Ok(body)]);
        assert_eq!((text.as_str(), end, opened), ("Hello", "truncated_stream", vec![Some(1)]));
    }
}

#[test]
fn resumptions_without_a_further_event_are_few() {
    let (text, end, opened) = outcome(&[CREATED, HELLO], Some(broken()), &[]);
    assert_eq!((text.as_str(), end, opened), ("Hello", "truncated_stream", vec![Some(1); 3]));
}
