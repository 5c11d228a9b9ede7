//! The harness of this repository with async-openai as one more client.

#[path = "../../src/harness/mod.rs"]
mod harness;
mod peer;

use std::process::ExitCode;

use harness::Contender;

fn main() -> ExitCode {
    harness::main(&[
        Contender::of::<harness::client::DrainOnly>(),
        Contender::of::<harness::codex::Codex>(),
        Contender::of::<peer::AsyncOpenAi>(),
    ])
}
