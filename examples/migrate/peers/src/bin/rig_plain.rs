//! Asks a question.

use rig::prelude::*;
use rig::providers::openai::OpenAI;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = AgentBuilder::new(OpenAI::from_env()?.completion("gpt-5.6-terra")).build();
    println!("{}", agent.prompt("Why is the sky blue?").await?.output());
    Ok(())
}
