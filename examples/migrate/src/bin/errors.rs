//! Distinguishes errors by their cause.

use tachikoma_backend_codex::{Backend, CodexBackend, CompletionRequest, ErrorCategory};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match CodexBackend::from_env()?.complete(CompletionRequest::user("Why is the sky blue?")).await {
        Ok(response) => println!("{}", response.text()),
        Err(error) => match error.category() {
            ErrorCategory::RateLimit => println!("wait {:?}: {error}", error.retry_after()),
            ErrorCategory::ContextLength => println!("shorten the conversation: {error}"),
            ErrorCategory::Authentication => println!("set another key: {error}"),
            _ => return Err(error.into()),
        },
    }
    Ok(())
}
