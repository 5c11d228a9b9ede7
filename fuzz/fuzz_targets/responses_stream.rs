//! Any bytes as a stream of the Responses API, split anywhere.
#![no_main]

use fuzz::check_stream;
use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::responses_stream;

fuzz_target!(|bytes: &[u8]| check_stream(bytes, |pieces| responses_stream(pieces.iter().copied())));
