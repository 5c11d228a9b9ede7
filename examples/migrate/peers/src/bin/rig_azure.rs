//! Asks a deployment of Azure OpenAI.

use rig::prelude::*;
use rig::providers::azure;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // AZURE_ENDPOINT, AZURE_API_KEY, AZURE_API_VERSION
    let agent = AgentBuilder::new(azure::from_env()?.chat(std::env::var("AZURE_OPENAI_DEPLOYMENT")?)).build();
    println!("{}", agent.prompt("Why is the sky blue?").await?.output());
    Ok(())
}
