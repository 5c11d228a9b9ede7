//! Asks a deployment of Azure OpenAI.

use tachikoma_backend_codex::{Backend, CodexBackend, CompletionRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = CodexBackend::from_env()?; // AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_OPENAI_DEPLOYMENT
    println!("{}", backend.complete(CompletionRequest::user("Why is the sky blue?")).await?.text());
    Ok(())
}
