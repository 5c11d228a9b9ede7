//! Retries up to five times, and logs each retry.

use tachikoma_backend_codex::{Backend, CodexBackend, CodexBackendConfig, CompletionRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let backend = CodexBackend::new(CodexBackendConfig::from_env()?.with_max_retries(5))?;
    println!("{}", backend.complete(CompletionRequest::user("Why is the sky blue?")).await?.text());
    Ok(())
}
