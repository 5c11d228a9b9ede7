//! Reads the settings from a TOML file and sends a request. Without `--send` it goes to a mock server inside this process.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{CompletionRequest, Message};
use tachikoma_openai_mock::MockServer;

/// Reads the settings of a backend from a TOML file, prints them as parsed, without secrets, and sends a request.
#[derive(Parser)]
struct Arguments {
    /// The settings file
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/settings.toml"))]
    file: PathBuf,
    /// Send the request to the server that the file names, instead of the mock inside this process
    #[arg(long)]
    send: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { file, send }: Arguments) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let config: CodexBackendConfig =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("{}", toml::to_string(&config)?);

    let mock = MockServer::builder().without_key().start().await?;
    let config = if send { config } else { config.with_base_url(mock.base_url()) };
    let response = CodexBackend::new(config)?
        .try_complete(CompletionRequest::new(vec![Message::user("Say hello")]))
        .await?;
    println!("{}", response.content.unwrap_or_default());
    Ok(())
}
