//! Any bytes as a stream of Chat Completions, split anywhere.
#![no_main]

use fuzz::check_stream;
use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::chat_stream;

fuzz_target!(|bytes: &[u8]| check_stream(bytes, |pieces| chat_stream(pieces.iter().copied())));
