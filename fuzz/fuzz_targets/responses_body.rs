//! Any bytes as the body of a response of the Responses API.
#![no_main]

use fuzz::check_body;
use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::responses_response;

fuzz_target!(|bytes: &[u8]| check_body(bytes, responses_response));
