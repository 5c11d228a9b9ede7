//! Streams one reply. Without `OPENAI_API_KEY` it talks to a mock server inside this process.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use futures::StreamExt;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{Backend, CompletionRequest, Message};

/// Streams one reply from OpenAI, or from any server that speaks its API.
///
/// With OPENAI_API_KEY set, the request goes to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this
/// process, which needs no network. OPENAI_MODEL names the model.
#[derive(Parser)]
struct Arguments {
    /// The prompt
    #[arg(default_value = "Say hello")]
    prompt: String,
    /// The system message
    #[arg(long)]
    system: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { prompt, system }: Arguments) -> Result<(), Box<dyn Error>> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut mock = None;
    let config = if is_set("OPENAI_API_KEY") || is_set("OPENAI_BASE_URL") {
        CodexBackendConfig::from_env()?
    } else {
        let server = mock.insert(tachikoma_openai_mock::MockServer::start().await?);
        eprintln!("OPENAI_API_KEY is not set: talking to the embedded mock at {}", server.base_url());
        CodexBackendConfig::new("sk-mock").with_base_url(server.base_url())
    };
    let backend: Arc<dyn Backend> = Arc::new(CodexBackend::new(config)?);

    let messages = system.map(Message::system).into_iter().chain([Message::user(prompt)]).collect();
    let mut stream = backend.complete_stream(CompletionRequest::new(messages)).await?;
    let (mut stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let (dim, plain) = if stderr.is_terminal() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if let Some(reasoning) = &chunk.reasoning {
            eprint!("{dim}{reasoning}{plain}");
        }
        print!("{}{}", chunk.delta, chunk.refusal.as_deref().unwrap_or_default());
        stdout.flush()?;
        if chunk.is_final {
            println!();
            let reason = chunk.finish_reason.unwrap_or_default();
            let usage = chunk.usage.map_or_else(
                || "no usage reported".to_owned(),
                |usage| format!("{} + {} tokens", usage.prompt_tokens, usage.completion_tokens),
            );
            eprintln!("{dim}[{reason:?}, {usage}]{plain}");
        }
    }
    Ok(())
}
