//! Embeds two texts.

use async_openai::Client;
use async_openai::types::embeddings::CreateEmbeddingRequestArgs;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = CreateEmbeddingRequestArgs::default()
        .model("text-embedding-3-small")
        .input(["a cat", "a kitten"])
        .build()?;
    for embedding in Client::new().embeddings().create(request).await?.data {
        println!("{} numbers", embedding.embedding.len());
    }
    Ok(())
}
