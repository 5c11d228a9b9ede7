//! What this crate costs, as ratios to a client that reads the bytes and drops them.

mod harness;

use std::process::ExitCode;

use harness::{Contender, agent};

fn main() -> ExitCode {
    harness::main(
        &[Contender::of::<harness::client::DrainOnly>(), Contender::of::<harness::codex::Codex>()],
        &[
            agent::Contender::of::<agent::client::DrainOnly>(),
            agent::Contender::of::<agent::client::Codex<false>>(),
            agent::Contender::of::<agent::client::Codex<true>>(),
        ],
    )
}
