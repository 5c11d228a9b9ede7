//! Transformations of any response: the spelling of JSON and of events.

use fastrand::Rng;
use serde_json::Value;

use super::outcome::Demand;
use super::wire::{self, Event};
use super::{Input, Transformed};

/// The JSON of every event, written by `write`.
fn rewritten(input: &Input, mut write: impl FnMut(&Value) -> String) -> Option<Transformed> {
    let events = input.events.iter().map(|event| match event {
        Event::Json(name, value) => Event::Text(name.clone(), write(value)),
        other => other.clone(),
    });
    Some(Transformed::same(events.collect()))
}

pub(super) fn keys_shuffled(input: &Input, random: &mut Rng) -> Option<Transformed> {
    rewritten(input, |value| wire::shuffled(value, random))
}

pub(super) fn json_escaped_and_spaced(input: &Input, random: &mut Rng) -> Option<Transformed> {
    rewritten(input, |value| wire::escaped(value, random))
}

pub(super) fn json_on_several_lines(input: &Input, _: &mut Rng) -> Option<Transformed> {
    rewritten(input, |value| serde_json::to_string_pretty(value).unwrap())
}

pub(super) fn bytes_split(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let body = input.serialize(&input.events).into_bytes();
    let size = random.choice([1, 2, 3, 7, 64, 1000])?;
    let pieces = body.chunks(size).map(<[u8]>::to_vec).collect();
    Some(Transformed::bytes(Demand::Same, pieces))
}

pub(super) fn line_ends(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let body = wire::serialize(&input.stream()?);
    let mut out = String::new();
    let one = random.choice(["\r\n", "\r", "\n", ""])?;
    for line in body.split_inclusive('\n') {
        out.push_str(line.trim_end_matches('\n'));
        // A line that ends in CR must not be followed by LF alone.
        let end = if one.is_empty() { random.choice(["\r\n", "\n"])? } else { one };
        out.push_str(end);
    }
    let middle = random.usize(..=out.len());
    let (head, tail) = out.as_bytes().split_at(middle);
    Some(Transformed::bytes(Demand::Same, vec![head.to_vec(), tail.to_vec()]))
}

pub(super) fn byte_order_mark(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let body = input.serialize(&input.events);
    Some(Transformed::bytes(Demand::Same, vec![b"\xEF\xBB".to_vec(), [b"\xBF", body.as_bytes()].concat()]))
}

/// No space after `data:`, unused fields, and white space around the data.
pub(super) fn field_spelling(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut out = String::new();
    for line in wire::serialize(&input.stream()?).split_inclusive('\n') {
        match line.strip_prefix("data: ") {
            Some(data) if random.bool() => out.push_str(&format!("data:{data}")),
            Some(data) => out.push_str(&format!("id: 1\ndata: {} \nretry: 10\nfoo: bar\n", data.trim_end())),
            None => out.push_str(line),
        }
    }
    Some(Transformed::bytes(Demand::Same, vec![out.into_bytes()]))
}

/// Lines that are not events.
pub(super) fn comments(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let lines =
        [": keep-alive", ":", "retry: 3000", "id: 7", "event: ping", "data:", "data:   ", "foo: bar", "data"];
    let mut events = input.stream()?;
    for _ in 0..random.usize(1..6) {
        let line = random.choice(lines)?;
        events.insert(random.usize(..=events.len()), Event::Raw(line.to_owned()));
    }
    Some(Transformed::same(events))
}

/// Nothing after `[DONE]` is read.
pub(super) fn events_after_done(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    events.last().filter(|event| event.is_done())?;
    events.extend([
        input.events[0].clone(),
        Event::Text(random.choice([None, Some("error".to_owned())])?, "{not json".to_owned()),
    ]);
    Some(Transformed::same(events))
}

/// One event is not JSON: it may have held content.
pub(super) fn event_broken(input: &Input, random: &mut Rng) -> Option<Transformed> {
    input.success()?;
    let mut events = input.events.clone();
    let json: Vec<usize> = (0..events.len()).filter(|at| events[*at].value().is_some()).collect();
    let at = random.choice(json)?;
    let text = events[at].value()?.to_string();
    let end = (0..text.len() - 1).rev().filter(|at| text.is_char_boundary(*at)).nth(random.usize(..3))?;
    events[at] = Event::Text(None, text[..end].to_owned());
    Some(Transformed::new(Demand::SameOrError, events))
}

pub(super) fn two_objects_on_a_line(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    let pairs =
        events.windows(2).enumerate().filter(|(_, pair)| pair.iter().all(|event| event.value().is_some()));
    let at = random.choice(pairs.map(|(at, _)| at).collect::<Vec<_>>())?;
    let second = events.remove(at + 1);
    let space = random.choice(["", " ", "\n"])?;
    let both = format!("{}{space}{}", events[at].value()?, second.value()?);
    events[at] = Event::Text(None, both);
    Some(Transformed::new(Demand::SameOrError, events))
}

/// A whole body that ends too early.
pub(super) fn body_cut(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let body = input.is_whole.then(|| input.serialize(&input.events))?;
    let end = random.usize(..body.len());
    Some(Transformed::bytes(Demand::ErrorWithPrefix(Vec::new()), vec![body.into_bytes()[..end].to_vec()]))
}
