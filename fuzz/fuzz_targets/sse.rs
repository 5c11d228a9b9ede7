//! Any bytes, split anywhere, give the same events.
#![no_main]

use fuzz::split;
use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::sse_events;

fuzz_target!(|bytes: &[u8]| {
    let whole = format!("{:?}", sse_events([bytes]));
    assert_eq!(format!("{:?}", sse_events(split(bytes))), whole);
    assert_eq!(format!("{:?}", sse_events(bytes.chunks(1))), whole);
});
