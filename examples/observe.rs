//! Telemetry of a response: its span, its cost, the rate limits and its unknown fields. Without a key it talks to a mock server
//! inside this process.

use std::{error::Error, process::ExitCode};

use clap::Parser;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{CompletionRequest, Message};
use tachikoma_openai_mock::{MockServer, Reply};
use tracing_subscriber::fmt::format::FmtSpan;

/// Sends a prompt, and prints the span of the call, as a tracing subscriber gets it, on standard error.
///
/// With OPENAI_API_KEY set, the request goes to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process,
/// whose response has an undocumented field.
#[derive(Parser)]
struct Arguments {
    /// The prompt
    #[arg(default_value = "Say hello")]
    prompt: String,
    /// Record prompt and response in the span
    #[arg(long)]
    content: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { prompt, content }: Arguments) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let mock = MockServer::start().await?;
    let config = match std::env::var_os("OPENAI_API_KEY") {
        Some(_) => CodexBackendConfig::from_env()?,
        None => {
            let response = r#"{"model": "gpt-5.6-terra", "mood": "glad", "choices": [{"index": 0, "message": {"content": "Hello!"},
                "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}"#;
            mock.push_reply(Reply::http(200, response).with_header("x-ratelimit-remaining-requests", "4999"));
            CodexBackendConfig::new("sk-mock").with_base_url(mock.base_url())
        }
    };
    let backend = CodexBackend::new(config.with_record_content(content))?;
    let response = backend.try_complete(CompletionRequest::new(vec![Message::user(prompt)])).await?;
    println!("{}", response.content.as_deref().unwrap_or_default());
    match backend.cost(&response) {
        Ok(cost) => println!("cost: {cost}"),
        Err(error) => println!("cost: {error}"),
    }
    if let Some(limits) = backend.rate_limits() {
        println!(
            "requests left: {:?}, tokens left: {:?}",
            limits.requests.remaining, limits.tokens.remaining
        );
    }
    for field in backend.unknown_fields() {
        println!("unknown {} {}, {} times", field.kind, field.name, field.count);
    }
    Ok(())
}
