//! Embeds two texts.

use genai::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let texts = vec!["a cat".to_owned(), "a kitten".to_owned()];
    let response = Client::new()?.embed_batch("genai_1::text-embedding-3-small", texts, None).await?;
    for embedding in response.embeddings {
        println!("{} numbers", embedding.vector().len());
    }
    Ok(())
}
