//! A tool loop: the model asks, the tool runs, its result goes back, the answer streams. Without a key all this is offline.

use std::{error::Error, io::Write, process::ExitCode};

use clap::Parser;
use futures::StreamExt;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, CollectingStream, CompletionRequest, Message, ToolCall, ToolDefinition, ToolParameter,
    ToolResult,
};

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

#[derive(serde::Deserialize)]
struct Place {
    city: String,
}

/// The tool. A wrong argument is told to the model, which may correct it.
fn look_up(call: &ToolCall) -> ToolResult {
    match call.parse_arguments_as::<Place>() {
        Ok(Place { city }) => ToolResult::success(call, format!("In {city}: snow, -3 °C")),
        Err(error) => ToolResult::failure(call, error.to_string()),
    }
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
    let weather = ToolDefinition::builder("get_weather")
        .description("The weather in a city now")
        .parameter("city", ToolParameter::string("Name of the city"))
        .build()?;
    let mut request = CompletionRequest::new(vec![Message::user(prompt)]).with_tools([weather]);
    // A model that never stops asking has to be stopped.
    for _ in 0..8 {
        let mut stream = CollectingStream::new(backend.complete_stream(request.clone()).await?);
        while let Some(chunk) = stream.next().await {
            print!("{}", chunk?.delta);
            std::io::stdout().flush()?;
        }
        let answer = stream.collect().await?;
        if answer.tool_calls.is_empty() {
            println!();
            return Ok(());
        }
        request.messages.push(answer.to_message());
        for result in answer.tool_calls.iter().map(look_up) {
            println!("[{}: {}]", result.name, result.content);
            request.messages.push(result.to_message());
        }
    }
    Err("the model asks for its tool without end".into())
}
