//! Any bytes as the body of a response of Chat Completions.
#![no_main]

use fuzz::check_body;
use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::chat_response;

fuzz_target!(|bytes: &[u8]| check_body(bytes, chat_response));
