//! Events are found in bytes split anywhere, with every line end, and under limits.

use std::borrow::Cow;

use super::*;

fn event(event: &str, data: &str) -> Event<'static> {
    owned(&Event { event: event.into(), data: data.into(), is_bare: false })
}

fn owned(event: &Event<'_>) -> Event<'static> {
    let copy = |text: &Cow<'_, str>| Cow::Owned(text.to_string());
    Event { event: copy(&event.event), data: copy(&event.data), is_bare: false }
}

fn decode(pieces: &[&[u8]]) -> Result<Vec<Event<'static>>, Error> {
    let mut decoder = SseDecoder::new(1000);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.next_event()? {
            events.push(owned(&event));
        }
    }
    decoder.end();
    while let Some(event) = decoder.next_event()? {
        events.push(owned(&event));
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
    check(b"data: a\n\ndat", &[("message", "a")]);
    check(b"", &[]);
    check(b"\n", &[]);
}

#[test]
fn bare_text_instead_of_an_event_is_not_lost() {
    check(b"data: a\n\n{\"error\":\"x\"}\n\n", &[("message", "a"), ("message", "{\"error\":\"x\"}")]);
    check(b"<html>\n<body>", &[("message", "<html>\n<body>")]);
    check(b"no such page", &[("message", "no such page")]);
    check(b"data\n\nid\n\nunknown: field\n\n", &[]);
}

#[test]
fn an_event_is_returned_as_soon_as_it_is_complete() {
    for end in ["\n\n", "\r\n\r\n", "\r\r", "\n\r"] {
        let mut decoder = SseDecoder::new(1000);
        decoder.push(format!("data: a{end}").into());
        assert_eq!(decoder.next_event().unwrap(), Some(event("message", "a")), "{end:?}");
    }
}

#[test]
fn malformed_events_are_errors() {
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
