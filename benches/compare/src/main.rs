//! The harness of this repository with async-openai, genai and rig as further clients.

mod genai;
#[path = "../../src/harness/mod.rs"]
mod harness;
mod peer;
mod rig;
mod rig_agent;

use std::process::ExitCode;

use harness::{Contender, agent};

fn main() -> ExitCode {
    harness::main(
        &[
            Contender::of::<harness::client::DrainOnly>(),
            Contender::of::<harness::codex::Codex>(),
            Contender::of::<peer::AsyncOpenAi>(),
            Contender::of::<genai::GenAi>(),
            Contender::of::<rig::Rig>(),
        ],
        &[
            agent::Contender::of::<agent::client::DrainOnly>(),
            agent::Contender::of::<agent::client::Codex<false>>(),
            agent::Contender::of::<agent::client::Codex<true>>(),
            agent::Contender::of::<rig_agent::Rig<false>>(),
            agent::Contender::of::<rig_agent::Rig<true>>(),
        ],
    )
}
