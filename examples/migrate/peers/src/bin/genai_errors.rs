//! Distinguishes errors by their cause.

use genai::Client;
use genai::chat::ChatRequest;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = ChatRequest::from_user("Why is the sky blue?");
    match Client::new()?.exec_chat("genai_1::gpt-5.6-terra", request, None).await {
        Ok(response) => println!("{}", response.first_text().unwrap_or_default()),
        Err(error) => {
            let header = |name| error.headers()?.get(name)?.to_str().ok();
            let id = header("x-request-id").unwrap_or("unknown");
            match error.status().map(|status| status.as_u16()) {
                Some(429) => println!("wait {:?} s: {error} (request {id})", header("retry-after")),
                Some(401) => println!("set another key: {error} (request {id})"),
                // The code is in the text of the error alone.
                _ if error.to_string().contains("context_length_exceeded") => {
                    println!("shorten the conversation: {error} (request {id})");
                }
                _ => return Err(error.into()),
            }
        }
    }
    Ok(())
}
