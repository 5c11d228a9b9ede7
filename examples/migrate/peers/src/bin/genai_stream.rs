//! Prints the reply while it arrives.

use genai::Client;
use genai::chat::ChatRequest;
use genai::chat::printer::print_chat_stream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = ChatRequest::from_user("Why is the sky blue?");
    let stream = Client::new()?.exec_chat_stream("genai_1::gpt-5.6-terra", request, None).await?;
    print_chat_stream(stream, None).await?;
    Ok(())
}
