//! What this crate costs, as ratios to a client that reads the bytes and drops them.

mod harness;

use std::process::ExitCode;

use harness::Contender;

fn main() -> ExitCode {
    harness::main(&[Contender::of::<harness::client::DrainOnly>(), Contender::of::<harness::codex::Codex>()])
}
