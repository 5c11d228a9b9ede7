//! Asks a question.

use tachikoma_backend_codex::{Backend, CodexBackend, CompletionRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = CodexBackend::from_env()?;
    println!("{}", backend.complete(CompletionRequest::user("Why is the sky blue?")).await?.text());
    Ok(())
}
