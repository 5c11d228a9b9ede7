//! Embeds texts and compares them. Without `OPENAI_API_KEY` it talks to a mock server inside this process.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, EmbeddingRequest};

/// Prints the similarity of texts to the first one: the cosine of the angle between their embeddings, 1 for the same direction.
///
/// With OPENAI_API_KEY set, the request goes to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this
/// process, whose vectors are deterministic but have no meaning.
#[derive(Parser)]
struct Arguments {
    /// The texts
    #[arg(default_values = ["a cat", "a kitten", "a bill of lading", "a cat"])]
    texts: Vec<String>,
    /// The model
    #[arg(long, default_value = "text-embedding-3-small")]
    model: String,
    /// The length of the vectors
    #[arg(long)]
    dimensions: Option<u32>,
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

async fn run(Arguments { texts, model, dimensions }: Arguments) -> Result<(), Box<dyn Error>> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut mock = None;
    let config = if is_set("OPENAI_API_KEY") || is_set("OPENAI_BASE_URL") {
        CodexBackendConfig::from_env()?
    } else {
        let server = mock.insert(tachikoma_openai_mock::MockServer::start().await?);
        eprintln!("OPENAI_API_KEY is not set: talking to the embedded mock at {}", server.base_url());
        CodexBackendConfig::new("sk-mock").with_base_url(server.base_url())
    };
    let mut request = EmbeddingRequest::new(texts.as_slice()).with_model(model);
    request.dimensions = dimensions;
    let response = CodexBackend::new(config)?.embed(request).await?;

    let Some(first) = response.embeddings.first() else { return Ok(()) };
    for (text, vector) in texts.iter().zip(&response.embeddings) {
        println!("{:6.3}  {text}", cosine(first, vector));
    }
    let tokens = response.usage.map_or_else(|| "unknown".to_owned(), |usage| usage.total_tokens.to_string());
    eprintln!("[{}, {} dimensions, {tokens} tokens]", response.model, first.len());
    Ok(())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
