//! The harness of this repository with async-openai as one more client, and rig in the agent loop.

#[path = "../../src/harness/mod.rs"]
mod harness;
mod peer;
mod rig;

use std::process::ExitCode;

use harness::{Contender, agent};

fn main() -> ExitCode {
    harness::main(
        &[
            Contender::of::<harness::client::DrainOnly>(),
            Contender::of::<harness::codex::Codex>(),
            Contender::of::<peer::AsyncOpenAi>(),
        ],
        &[
            agent::Contender::of::<agent::client::DrainOnly>(),
            agent::Contender::of::<agent::client::Codex<false>>(),
            agent::Contender::of::<agent::client::Codex<true>>(),
            agent::Contender::of::<rig::Rig<false>>(),
            agent::Contender::of::<rig::Rig<true>>(),
        ],
    )
}
