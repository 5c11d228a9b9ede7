//! Answers a question with a tool.

use std::convert::Infallible;

use rig::prelude::*;
use rig::providers::openai::OpenAI;
use rig::rig_tool;

#[rig_tool(description = "The weather in a city now")]
fn get_weather(city: String) -> Result<String, Infallible> {
    Ok(format!("It snows in {city}."))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = AgentBuilder::new(OpenAI::from_env()?.completion("gpt-5.6-terra")).tool(GetWeather).build();
    println!("{}", agent.prompt("Do I need a coat in Oslo?").max_turns(2).await?.output());
    Ok(())
}
