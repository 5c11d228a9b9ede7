//! Embeds two texts.

use tachikoma_backend_codex::CodexBackend;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    for vector in CodexBackend::from_env()?.embed(["a cat", "a kitten"]).await?.embeddings {
        println!("{} numbers", vector.len());
    }
    Ok(())
}
