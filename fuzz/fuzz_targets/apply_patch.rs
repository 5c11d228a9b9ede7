//! Any text as a diff for any text, and as the arguments of a call.
#![no_main]

use fuzz::check_patch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| check_patch(input.0, input.1));
