//! Asks about an image.

use tachikoma_backend_codex::{Backend, CodexBackend, CompletionRequest, ContentPart};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let photo = ContentPart::image_bytes("image/png", std::fs::read("photo.png")?);
    let request = CompletionRequest::user([ContentPart::text("What is in this photo?"), photo]);
    println!("{}", CodexBackend::from_env()?.complete(request).await?.text());
    Ok(())
}
