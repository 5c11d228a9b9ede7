//! Properties that hold for any bytes in any split.

use eventsource_stream::EventStream;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use proptest::prelude::*;
use proptest::sample::Index;
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{BackendError, CompletionChunk};

/// Bytes in one piece, in two pieces, and one by one.
fn splits(bytes: &[u8], at: Index) -> [Vec<&[u8]>; 3] {
    let (head, tail) = bytes.split_at(at.index(bytes.len() + 1));
    [vec![bytes], vec![head, tail], bytes.chunks(1).collect()]
}

/// Random bytes that resemble server-sent events.
fn nearly_events() -> impl Strategy<Value = Vec<u8>> {
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"é😀"}}]}"#;
    let piece = prop_oneof![
        Just(b"data: ".to_vec()),
        Just(b"data:".to_vec()),
        Just(b"event: error\n".to_vec()),
        Just(b": comment".to_vec()),
        Just(b"id: 1\nretry: 5\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just(b"[DONE]".to_vec()),
        Just(b"{\"error\":{\"message\":\"x\"}}".to_vec()),
        Just(b"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}}]}".to_vec()),
        Just(b"{\"choices\":[{\"finish_reason\":\"stop\"}]}".to_vec()),
        Just(chunk.as_bytes().to_vec()),
        Just("{\"type\":\"response.output_text.delta\",\"delta\":\"é😀\"}".as_bytes().to_vec()),
        Just(b"{\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{\"}".to_vec()),
        Just(b"{\"type\":\"response.completed\",\"response\":{\"output\":[null,{}]}}".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A valid stream by the specification: fields in lines that end in LF, events that end in a blank line.
fn valid_stream() -> impl Strategy<Value = String> {
    let text = "[^\\r\\n\u{0}]{0,20}";
    let line = prop_oneof![
        text.prop_map(|text| format!("data: {text}\n")),
        text.prop_map(|text| format!("data:{text}\n")),
        "[a-z]{1,6}".prop_map(|name| format!("event: {name}\n")),
        text.prop_map(|text| format!(": {text}\n")),
        (0..99u32).prop_map(|id| format!("id: {id}\n")),
        Just("data\n".to_owned()),
        Just("retry: 10\n".to_owned()),
        Just("unknown: field\n".to_owned()),
    ];
    let event = proptest::collection::vec(line, 1..5).prop_map(|lines| lines.concat() + "\n");
    proptest::collection::vec(event, 0..8).prop_map(|events| events.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_split_gives_the_same_events(bytes in nearly_events(), at in any::<Index>()) {
        let read = |pieces: Vec<&[u8]>| format!("{:?}", internals::sse_events(pieces));
        let [whole, in_two, single] = splits(&bytes, at);
        let expected = read(whole);
        prop_assert_eq!(&read(in_two), &expected);
        prop_assert_eq!(&read(single), &expected);
    }

    #[test]
    fn any_split_gives_the_same_response(bytes in nearly_events(), at in any::<Index>()) {
        let read = |pieces: Vec<&[u8]>| {
            let streams =
                [internals::chat_stream(pieces.clone()), internals::responses_stream(pieces)];
            let items: Vec<Vec<_>> = streams.map(|stream| block_on(stream.collect())).into();
            let is_last = |item: &&Result<CompletionChunk, BackendError>| {
                item.as_ref().map_or(true, |chunk| chunk.is_final)
            };
            let finals: Vec<usize> = items.iter().map(|items| items.iter().filter(is_last).count()).collect();
            let text: usize = items.iter().flatten().flatten().map(|chunk| chunk.delta.len()).sum();
            (format!("{items:?}"), finals, text)
        };
        let [whole, in_two, single] = splits(&bytes, at);
        let (expected, finals, text) = read(whole);
        prop_assert_eq!(finals, [1, 1], "one final chunk or one error");
        prop_assert!(text <= bytes.len(), "more text than bytes");
        prop_assert_eq!(&read(in_two).0, &expected);
        prop_assert_eq!(&read(single).0, &expected);
    }

    #[test]
    fn any_random_body_is_an_error(body in proptest::collection::vec(any::<u8>(), 0..64), status in 300u16..600) {
        prop_assert!(internals::chat_response(&body).is_err());
        prop_assert!(internals::responses_response(&body).is_err());
        let error = internals::error_response(status, &body);
        prop_assert!(!error.message().trim().is_empty());
        prop_assert_ne!(error.category().as_str(), "parse");
    }

    #[test]
    fn valid_streams_are_read_by_the_specification(text in valid_stream()) {
        let reference: Vec<_> = block_on(EventStream::new(stream::iter([Ok::<_, ()>(text.as_bytes())])).collect());
        // Events without data are comments to an API client.
        let reference: Vec<_> = reference
            .into_iter()
            .map(|event| event.map(|event| (event.event, event.data)).unwrap())
            .filter(|(_, data)| !data.is_empty())
            .collect();
        let found: Vec<_> = internals::sse_events([text.as_bytes()]).into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(found, reference);
    }
}
