//! Any body is an answer or an error with words, and an error status is never unreadable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::{chat_response, error_response};

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    if let Err(error) = chat_response(body) {
        assert!(!error.message().trim().is_empty());
    }
    let error = error_response(300 + status % 300, body);
    assert!(!error.message().trim().is_empty());
    assert_ne!(error.category().as_str(), "parse");
});
