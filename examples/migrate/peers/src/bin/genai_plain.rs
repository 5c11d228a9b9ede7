//! Asks a question.

use genai::Client;
use genai::chat::ChatRequest;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = ChatRequest::from_user("Why is the sky blue?");
    let response = Client::new()?.exec_chat("genai_1::gpt-5.6-terra", request, None).await?;
    println!("{}", response.first_text().unwrap_or_default());
    Ok(())
}
