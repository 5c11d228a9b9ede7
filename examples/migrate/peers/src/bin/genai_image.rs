//! Asks about an image.

use genai::Client;
use genai::chat::{ChatMessage, ChatRequest, ContentPart};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let photo = ContentPart::from_binary_file("photo.png")?;
    let question = ChatMessage::user(vec![ContentPart::from_text("What is in this photo?"), photo]);
    let request = ChatRequest::new(vec![question]);
    let response = Client::new()?.exec_chat("genai_1::gpt-5.6-terra", request, None).await?;
    println!("{}", response.first_text().unwrap_or_default());
    Ok(())
}
