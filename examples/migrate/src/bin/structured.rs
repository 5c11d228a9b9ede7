//! Gets a response as a type.

use tachikoma_backend_codex::{BackendExt, CodexBackend, CompletionRequest};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Country {
    capital: String,
    languages: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = CompletionRequest::user("Describe Norway.");
    let country = CodexBackend::from_env()?.complete_as::<Country>(request).await?.value;
    println!("{}: {}", country.capital, country.languages.join(", "));
    Ok(())
}
