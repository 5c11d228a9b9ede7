//! Embeds two texts.

use rig::providers::openai::OpenAI;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = OpenAI::from_env()?.embedding("text-embedding-3-small", None);
    for embedding in model.call(vec!["a cat".to_owned(), "a kitten".to_owned()]).await?.embeddings {
        println!("{} numbers", embedding.vec.len());
    }
    Ok(())
}
