//! Any body of an error status is an error with a message, and never a parse error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::error_response;

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    let error = error_response(300 + status % 300, body);
    assert!(!error.message().trim().is_empty());
    assert_ne!(error.category().as_str(), "parse");
});
