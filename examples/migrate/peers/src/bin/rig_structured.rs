//! Gets a response as a type.

use rig::prelude::*;
use rig::providers::openai::OpenAI;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Country {
    capital: String,
    languages: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = AgentBuilder::new(OpenAI::from_env()?.completion("gpt-5.6-terra")).build();
    let country = agent.prompt_typed::<Country>("Describe Norway.").await?.output;
    println!("{}: {}", country.capital, country.languages.join(", "));
    Ok(())
}
