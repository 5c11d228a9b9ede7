//! Prints the reply while it arrives.

use rig::agent::stream_to_stdout;
use rig::prelude::*;
use rig::providers::openai::OpenAI;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = AgentBuilder::new(OpenAI::from_env()?.completion("gpt-5.6-terra")).build();
    stream_to_stdout(&mut agent.prompt("Why is the sky blue?").stream()).await?;
    Ok(())
}
