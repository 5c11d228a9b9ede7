//! The decoder must yield the events of a reference parser (`eventsource-stream`, given one complete event at a time), however
//! the bytes are split.

use eventsource_stream::EventStream;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use proptest::prelude::*;
use tachikoma_backend_codex::internals;

/// Valid streams, with line endings written as `\n`.
const STREAMS: &[&str] = &[
    "data: a\n\ndata: b\n\n",
    "data:a\n\ndata:  b\n\ndata:\n\ndata: \n\ndata\n\ndata: c\n\n",
    "event: e\ndata: a\n\nevent:e\ndata:b\n\nevent:\ndata: c\n\nevent: \ndata: d\n\nevent\ndata: e\n\n",
    "data: a\nevent: e\n\nevent: one\nevent: two\ndata: b\n\nevent: e\n\ndata: c\n\n",
    "data: a\ndata: b\n\ndata: a\ndata\ndata: c\n\ndata:\ndata:\n\nevent: e\ndata: a\ndata: b\n\n",
    ": comment\n\n:\ndata: a\n\ndata: b\n: comment\n\n: one\n: two\ndata: c\n\n:data: d\n\n",
    "id: 1\ndata: a\n\ndata: b\nid: 2\n\nretry: 5\ndata: c\n\nretry: 5\n\nid: 3\n\nevent: e\nid\ndata: d\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"é😀\u{2028}\u{feff}\"}}]}\n\ndata: [DONE]\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a: b\"}\n\n",
    " data: a\n\nDATA: a\n\ndata : a\n\nevents: e\ndatax: a\n\nevent: é\ndata: b\n\n",
    "\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n",
    "data: event: e\n\ndata: data: a\n\nevent: data: a\ndata: b\n\nevent: e\ndata: : c\n\n",
];

/// The events of a stream by the specification, without those that have no data.
fn reference(text: &str) -> Vec<(String, String)> {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = lines.strip_prefix('\u{feff}').unwrap_or(&lines);
    let mut events = Vec::new();
    for block in lines.split("\n\n") {
        let whole = format!("{}\n\n", block.trim_matches('\n'));
        let found: Vec<_> = block_on(EventStream::new(stream::iter([Ok::<_, ()>(whole)])).collect());
        events.extend(found.into_iter().map(|event| event.map(|event| (event.event, event.data)).unwrap()));
    }
    events.retain(|(_, data)| !data.is_empty());
    events
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, String)> {
    internals::sse_events(pieces).into_iter().map(Result::unwrap).collect()
}

/// The same stream with every line ending, with a byte order mark, and without its last line endings.
fn variants(text: &str) -> Vec<String> {
    let mut variants = Vec::new();
    for end in ["\n", "\r\n", "\r"] {
        let text = text.replace('\n', end);
        variants.push(format!("\u{feff}{text}"));
        variants.push(text.strip_suffix(end).unwrap_or(&text).to_owned());
        variants.push(text.trim_end_matches(['\r', '\n']).to_owned());
        variants.push(text);
    }
    let mut ends = ["\n", "\r\n", "\r", "\n", "\r", "\r\n"].into_iter().cycle();
    let mixed = text.split('\n').flat_map(|line| [line, ends.next().unwrap()]);
    variants.push(mixed.collect());
    variants
}

#[test]
fn every_kind_of_event_in_every_split() {
    for stream in STREAMS {
        for text in variants(stream) {
            let (bytes, expected) = (text.as_bytes(), reference(&text));
            assert_eq!(read([bytes]), expected, "{text:?}");
            assert_eq!(read(bytes.chunks(1)), expected, "{text:?}, byte by byte");
            for split in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(split);
                assert_eq!(read([head, tail]), expected, "{text:?}, split at {split}");
                for second in (0..=tail.len()).step_by(3) {
                    let (middle, tail) = tail.split_at(second);
                    assert_eq!(
                        read([head, middle, tail]),
                        expected,
                        "{text:?}, split at {split} and {second}"
                    );
                }
            }
        }
    }
}

#[test]
fn events_larger_than_the_blocks_that_are_scanned() {
    let long = "0123456789abcdef".repeat(5000);
    let text = format!(
        "data: {long}\n\nevent: e\ndata: {long}\r\n\r\n: {long}\n\ndata: {long}\ndata: b\n\ndata: c\n\n"
    )
    .repeat(3);
    let expected = reference(&text);
    assert_eq!(expected.len(), 12);
    for size in [7, 1000, 16 << 10, (16 << 10) + 1, 100_000, text.len()] {
        assert!(read(text.as_bytes().chunks(size)) == expected, "in pieces of {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn random_events_in_random_splits(
        stream in proptest::collection::vec(
            prop_oneof![
                "(data|event|id|retry|x|)(:| :|: |)[ :a-cé]{0,6}",
                "data: [a-z{}\":]{1,9}",
                Just(String::new()),
            ],
            0..12,
        ),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        sizes in proptest::collection::vec(1usize..9, 1..6),
    ) {
        // This crate reads a line that is not a field as text, since servers send errors so; the specification ignores it.
        let lines: Vec<_> = stream.iter().filter(|line| line.is_empty() || line.contains(':')).cloned().collect();
        let text = lines.join(end) + end + end;
        let expected = reference(&text);
        let mut rest = text.as_bytes();
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, others) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = others;
        }
        prop_assert_eq!(read([text.as_bytes()]), expected.clone());
        prop_assert_eq!(read(pieces), expected);
    }
}
