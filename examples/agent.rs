//! A tool loop: the model asks, the tool runs, its result goes back, the answer streams. Without a key all this is offline.

use std::{error::Error, io::Write, process::ExitCode};

use clap::Parser;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{CompletionRequest, Message, ToolDefinition, ToolRunEvent, ToolRunner};

/// Asks a model that may look up the weather, and runs the look-ups that it asks for.
///
/// With OPENAI_API_KEY set, requests go to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process.
#[derive(Parser)]
struct Arguments {
    /// What to ask
    #[arg(default_value = "What is the weather in Oslo?")]
    prompt: String,
    /// The API to use; without it, the one that the model needs
    #[arg(long, value_parser = ["chat", "responses"])]
    api: Option<String>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Place {
    /// Name of the city
    city: String,
}

/// The tool. An error would be told to the model, as wrong arguments are.
async fn look_up(place: Place) -> Result<String, std::io::Error> {
    Ok(format!("In {}: snow, -3 °C", place.city))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { prompt, api }: Arguments) -> Result<(), Box<dyn Error>> {
    let mock = openai_mock::MockServer::start().await?;
    let config = match std::env::var_os("OPENAI_API_KEY") {
        Some(_) => CodexBackendConfig::from_env()?,
        None => CodexBackendConfig::new("sk-mock").with_base_url(mock.base_url()),
    };
    let named = |api| if api == "chat" { Api::ChatCompletions } else { Api::Responses };
    let api = api.map_or(Api::Auto, named);
    let backend = CodexBackend::new(config.with_api(api))?;
    let weather = ToolDefinition::from_type::<Place>("get_weather", "The weather in a city now");
    let runner = ToolRunner::new().with_tool(weather, look_up);
    let request = CompletionRequest::new(vec![Message::user(prompt)]);
    let run = runner.run_stream(&backend, request, |event| match event {
        ToolRunEvent::Chunk(chunk) => {
            print!("{}", chunk.delta);
            _ = std::io::stdout().flush();
        }
        ToolRunEvent::Result(result) => println!("[{}: {}]", result.name, result.content.to_text()),
        _ => {}
    });
    run.await?;
    println!();
    Ok(())
}
