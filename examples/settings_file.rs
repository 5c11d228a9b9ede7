//! Reads the settings from a TOML file and asks with them. Without `--send` a mock server inside this process answers.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use openai_mock::MockServer;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{CompletionRequest, Message};

/// Reads the settings of a backend from a TOML file, writes them as they are understood, without secrets, and asks.
#[derive(Parser)]
struct Arguments {
    /// The file
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/settings.toml"))]
    file: PathBuf,
    /// Ask the server that the file names, in place of the mock inside this process
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
    let answer = CodexBackend::new(config)?
        .try_complete(CompletionRequest::new(vec![Message::user("Say hello")]))
        .await?;
    println!("{}", answer.content.unwrap_or_default());
    Ok(())
}
