//! A response as a Rust type, by a schema that the model must follow. Without a key it talks to a mock server inside this process.

use std::{error::Error, process::ExitCode};

use clap::Parser;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{BackendExt, CompletionRequest, Message, StructuredError, strict_schema_of};

/// Asks a model for a recipe, and parses it as a struct.
///
/// With OPENAI_API_KEY set, the request goes to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process,
/// which generates a value that fits the schema.
#[derive(Parser)]
struct Arguments {
    /// What to cook
    #[arg(default_value = "A soup for four")]
    prompt: String,
    /// Print the schema as well
    #[arg(long)]
    schema: bool,
}

/// A recipe
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Recipe {
    title: String,
    ingredients: Vec<Ingredient>,
    /// In minutes
    duration: Option<u32>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Ingredient {
    name: String,
    amount: f64,
    unit: Unit,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Gram,
    Litre,
    Piece,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { prompt, schema }: Arguments) -> Result<(), Box<dyn Error>> {
    if schema {
        println!("{:#}", strict_schema_of::<Recipe>()?.schema);
    }
    let mock = tachikoma_openai_mock::MockServer::start().await?;
    let config = match std::env::var_os("OPENAI_API_KEY") {
        Some(_) => CodexBackendConfig::from_env()?,
        None => CodexBackendConfig::new("sk-mock").with_base_url(mock.base_url()),
    };
    let backend = CodexBackend::new(config)?;
    let request = CompletionRequest::new(vec![Message::user(prompt)]);
    match backend.complete_as::<Recipe>(request).await {
        Ok(response) => {
            let Recipe { title, ingredients, duration } = response.value;
            println!(
                "{title}{}",
                duration.map_or_else(String::new, |minutes| format!(" ({minutes} minutes)"))
            );
            for Ingredient { name, amount, unit } in ingredients {
                println!("- {amount} {unit:?} of {name}");
            }
        }
        // The text of the model is part of the error.
        Err(StructuredError::Mismatch { path, reason, response }) => {
            println!("at {path:?}: {reason}\n{}", response.content.unwrap_or_default());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
