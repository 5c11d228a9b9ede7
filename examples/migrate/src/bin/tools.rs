//! Answers a question with a tool.

use tachikoma_backend_codex::{CodexBackend, CompletionRequest, ToolRunner, tool};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let weather =
        tool!("get_weather", "The weather in a city now", |city: String| format!("It snows in {city}."));
    let request = CompletionRequest::user("Do I need a coat in Oslo?");
    let run = ToolRunner::new().with(weather).run(&CodexBackend::from_env()?, request).await?;
    println!("{}", run.response.text());
    Ok(())
}
