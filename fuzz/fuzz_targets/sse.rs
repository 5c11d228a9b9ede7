//! Any bytes, split anywhere, give the same events.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::sse_events;

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let (head, tail) = bytes.split_at(usize::from(at).min(bytes.len()));
    let whole = format!("{:?}", sse_events([bytes]));
    assert_eq!(format!("{:?}", sse_events([head, tail])), whole);
    assert_eq!(format!("{:?}", sse_events(bytes.chunks(1))), whole);
});
