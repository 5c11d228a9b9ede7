//! A tool loop: the model asks, the tool runs, its result goes back, until the answer streams. Without a key it talks to a
//! mock server inside this process.

use std::error::Error;
use std::io::Write;

use clap::Parser;
use futures::StreamExt;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, CollectingStream, CompletionRequest, Message, ToolCall, ToolDefinition, ToolParameter,
    ToolResult,
};

/// Asks a model that may look up the weather, and runs the look-ups that it asks for.
///
/// With OPENAI_API_KEY set, requests go to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process,
/// which needs no network. OPENAI_MODEL names the model.
#[derive(Parser)]
struct Arguments {
    /// What to ask
    #[arg(default_value = "What is the weather in Oslo?")]
    prompt: String,
    /// The API to use; without it, the one that the model needs
    #[arg(long, value_parser = ["chat", "responses"])]
    api: Option<String>,
}

/// The tool. A wrong argument is told to the model, which may correct it.
fn look_up(call: &ToolCall) -> ToolResult {
    match call.parse_arguments() {
        Ok(arguments) => ToolResult::success(call, format!("In {}: snow, -3 °C", arguments["city"])),
        Err(error) => ToolResult::failure(call, error.to_string()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { prompt, api } = Arguments::parse();
    let mut mock = None;
    let mut config = if std::env::var_os("OPENAI_API_KEY").is_some() {
        CodexBackendConfig::from_env()?
    } else {
        let server = mock.insert(openai_mock::MockServer::start().await?);
        CodexBackendConfig::new("sk-mock").with_base_url(server.base_url())
    };
    config = config.with_api(match api.as_deref() {
        None => Api::Auto,
        Some("chat") => Api::ChatCompletions,
        Some(_) => Api::Responses,
    });
    let backend = CodexBackend::new(config)?;
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
