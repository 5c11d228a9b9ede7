//! Prints the reply while it arrives.

use tachikoma_backend_codex::{BackendExt, CodexBackend, CompletionRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = CompletionRequest::user("Why is the sky blue?");
    CodexBackend::from_env()?.complete_to_writer(request, std::io::stdout()).await?;
    Ok(())
}
