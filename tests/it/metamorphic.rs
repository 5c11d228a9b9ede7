//! Real responses, transformed in ways that servers are known for, are read as before or fail: nothing is lost silently.
//!
//! A transformation changes the body of a response and declares what it demands of the reading. The inputs are the
//! scenarios and, if present, recorded exchanges. `METAMORPHIC_SEED` sets the seed of the random choices.

mod any;
mod chat;
mod outcome;
mod responses;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use tachikoma_backend_codex::internals;

use self::outcome::{Demand, Outcome, Reader, Reading, Tolerance, judge};
use self::wire::Event;
use crate::exchanges;

/// How often each transformation is applied to each scenario, with other random choices.
const ROUNDS: u64 = 3;

/// How many recorded responses of each host and kind are transformed.
const RECORDED_PER_HOST: usize = 3;

/// Longer recorded bodies are left out, for time.
const MAX_RECORDED_BYTES: usize = 40_000;

/// A response that is transformed.
#[derive(Clone, Debug)]
struct Input {
    name: String,
    /// The events; for a whole body one, which is the body.
    events: Vec<Event>,
    is_whole: bool,
    /// The reading of the unchanged response.
    base: Outcome,
}

impl Input {
    /// The reading, if it is a success.
    fn success(&self) -> Option<&Reading> {
        self.base.as_ref().ok()
    }

    /// The events, if it is a stream.
    fn stream(&self) -> Option<Vec<Event>> {
        (!self.is_whole).then(|| self.events.clone())
    }

    fn serialize(&self, events: &[Event]) -> String {
        match events {
            [Event::Json(_, body)] if self.is_whole => body.to_string(),
            [Event::Text(_, body)] if self.is_whole => body.clone(),
            events => wire::serialize(events),
        }
    }
}

/// A transformed response, with the demand on its reading.
#[derive(Clone, Debug)]
struct Transformed {
    body: Body,
    demand: Demand,
    tolerance: Tolerance,
    /// The expected reading, if it differs from that of the input.
    expected: Option<Outcome>,
    /// Whether it is read as a whole body; `None` for the same as its input.
    is_whole: Option<bool>,
}

#[derive(Clone, Debug)]
enum Body {
    Events(Vec<Event>),
    Pieces(Vec<Vec<u8>>),
}

impl Transformed {
    fn new(demand: Demand, events: Vec<Event>) -> Self {
        let body = Body::Events(events);
        Self { body, demand, tolerance: Tolerance::default(), expected: None, is_whole: None }
    }

    fn same(events: Vec<Event>) -> Self {
        Self::new(Demand::Same, events)
    }

    fn bytes(demand: Demand, pieces: Vec<Vec<u8>>) -> Self {
        Self { body: Body::Pieces(pieces), ..Self::new(demand, Vec::new()) }
    }

    fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    fn with_other_ids(self) -> Self {
        let tolerance = Tolerance { ids: true, ..self.tolerance };
        self.with_tolerance(tolerance)
    }

    fn with_arguments_as_json(self) -> Self {
        let tolerance = Tolerance { arguments_as_json: true, ..self.tolerance };
        self.with_tolerance(tolerance)
    }

    fn expecting(self, expected: Reading) -> Self {
        Self { expected: Some(Ok(expected)), ..self }
    }

    fn read_as(self, is_whole: bool) -> Self {
        Self { is_whole: Some(is_whole), ..self }
    }
}

/// A transformation; `None` if it does not apply.
type Transformation = (&'static str, fn(&Input, &mut Rng) -> Option<Transformed>);

/// An API: its readers, and the transformations of its responses.
struct Api {
    folder: &'static str,
    stream: Reader,
    body: Reader,
    transformations: &'static [Transformation],
}

const CHAT: Api = Api {
    folder: "chat",
    stream: Reader::Stream(|pieces| internals::chat_stream(pieces)),
    body: Reader::Body(internals::chat_response),
    transformations: chat::TRANSFORMATIONS,
};

const RESPONSES: Api = Api {
    folder: "responses",
    stream: Reader::Stream(|pieces| internals::responses_stream(pieces)),
    body: Reader::Body(internals::responses_response),
    transformations: responses::TRANSFORMATIONS,
};

impl Api {
    fn reader(&self, is_whole: bool) -> Reader {
        if is_whole { self.body } else { self.stream }
    }

    /// An input, if its body is JSON.
    fn input(&self, name: String, body: &str, is_whole: bool) -> Option<Input> {
        let events =
            if is_whole { vec![Event::json(serde_json::from_str(body).ok()?)] } else { wire::parse(body) };
        let base =
            self.reader(is_whole).read(&[body.as_bytes()]).unwrap_or_else(|why| panic!("{name}: {why}"));
        (!events.is_empty()).then_some(Input { name, events, is_whole, base })
    }

    fn scenarios(&self) -> Vec<Input> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(self.folder);
        let mut folders: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let inputs = folders.iter().flat_map(|folder| {
            [("response.sse", false), ("response.json", true)].into_iter().filter_map(|(file, is_whole)| {
                let body = fs::read_to_string(folder.join(file)).ok()?;
                self.input(folder.file_name()?.to_string_lossy().into_owned(), &body, is_whole)
            })
        });
        inputs.collect()
    }

    /// A sample of the recorded responses, spread over the hosts.
    fn recorded(&self) -> Vec<Input> {
        let mut by_host: BTreeMap<(String, bool), Vec<exchanges::Exchange>> = BTreeMap::new();
        for exchange in exchanges::read() {
            let is_api = exchange.is_responses() == (self.folder == "responses");
            if is_api && exchange.status == 200 && exchange.body.len() <= MAX_RECORDED_BYTES {
                by_host.entry((exchange.host.clone(), exchange.is_whole())).or_default().push(exchange);
            }
        }
        let sample = by_host.into_iter().flat_map(|((host, is_whole), exchanges)| {
            let stride = exchanges.len().div_ceil(RECORDED_PER_HOST);
            exchanges.into_iter().enumerate().step_by(stride).map(move |(at, exchange)| {
                (format!("recorded {host} {at} ({})", exchange.source), exchange.body, is_whole)
            })
        });
        sample.filter_map(|(name, body, is_whole)| self.input(name, &body, is_whole)).collect()
    }
}

/// All failures of a transformation.
#[derive(Default)]
struct Report {
    runs: usize,
    failures: usize,
    /// The shortest body that is read wrongly, its input, and the reason.
    shortest: Option<(String, String, String)>,
}

fn seed() -> u64 {
    let text = std::env::var("METAMORPHIC_SEED").unwrap_or_else(|_| "1".to_owned());
    text.parse().unwrap_or_else(|_| panic!("METAMORPHIC_SEED is not a number: {text:?}"))
}

/// Applies every transformation to every input, `rounds` times with other random choices.
///
/// `all_apply` demands that each applies to at least one input.
fn check(api: &Api, inputs: &[Input], rounds: u64, all_apply: bool) {
    let seed = seed();
    let mut failed = String::new();
    let (mut runs, mut failures) = (0, 0);
    for (number, (name, apply)) in api.transformations.iter().enumerate() {
        let mut report = Report::default();
        for (at, input) in inputs.iter().enumerate() {
            for round in 0..rounds {
                let mix = [number as u64, at as u64, round].iter().fold(seed, |mix, number| {
                    (mix ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
                });
                let Some(transformed) = apply(input, &mut Rng::with_seed(mix)) else { continue };
                report.runs += 1;
                if let Err((body, why)) = check_one(api, input, transformed) {
                    report.failures += 1;
                    if report.shortest.as_ref().is_none_or(|(shortest, ..)| body.len() < shortest.len()) {
                        report.shortest = Some((body, input.name.clone(), why));
                    }
                }
            }
        }
        assert!(report.runs > 0 || !all_apply, "the transformation {name} applies to no input");
        runs += report.runs;
        failures += report.failures;
        if let Some((body, input, why)) = report.shortest {
            let Report { runs, failures, .. } = report;
            failed +=
                &format!("\n== {name}: {failures} of {runs}; the shortest is of {input}\n{why}\n{body}\n");
        }
    }
    let folder = api.folder;
    println!("{folder}: {runs} transformed");
    assert!(
        failures == 0,
        "{folder}: {failures} of {runs} are read wrongly (METAMORPHIC_SEED={seed})\n{failed}"
    );
}

fn check_one(api: &Api, input: &Input, transformed: Transformed) -> Result<(), (String, String)> {
    let Transformed { body, demand, tolerance, expected, is_whole } = transformed;
    let pieces = match body {
        Body::Events(events) => vec![input.serialize(&events).into_bytes()],
        Body::Pieces(pieces) => pieces,
    };
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let expected = expected.as_ref().unwrap_or(&input.base);
    let read = api.reader(is_whole.unwrap_or(input.is_whole)).read(&pieces);
    read.and_then(|got| judge(&demand, tolerance, expected, &got)).map_err(|why| {
        let body = pieces.concat();
        (String::from_utf8_lossy(&body).into_owned(), why)
    })
}

/// The scenarios and the streams written for these tests.
fn inputs(api: &Api, extra: Vec<(String, String, Reading)>) -> Vec<Input> {
    let mut inputs = api.scenarios();
    inputs.extend(extra.into_iter().map(|(name, body, _)| api.input(name, &body, false).unwrap()));
    inputs
}

#[test]
fn streams_written_for_these_tests_are_read_as_expected() {
    for (api, extra) in [(CHAT, chat::extra_streams()), (RESPONSES, responses::extra_streams())] {
        for (name, body, expected) in extra {
            let input = api.input(name.clone(), &body, false).unwrap();
            assert_eq!(input.base, Ok(expected), "{} {name}", api.folder);
        }
    }
}

#[test]
fn transformed_chat_scenarios_are_read_the_same() {
    check(&CHAT, &inputs(&CHAT, chat::extra_streams()), ROUNDS, true);
}

#[test]
fn transformed_responses_scenarios_are_read_the_same() {
    check(&RESPONSES, &inputs(&RESPONSES, responses::extra_streams()), ROUNDS, true);
}

#[test]
fn transformed_recorded_chat_responses_are_read_the_same() {
    check(&CHAT, &CHAT.recorded(), 1, false);
}

#[test]
fn transformed_recorded_responses_are_read_the_same() {
    check(&RESPONSES, &RESPONSES.recorded(), 1, false);
}
