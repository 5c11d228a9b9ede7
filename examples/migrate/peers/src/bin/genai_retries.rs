//! Retries up to five times, and logs each retry.

use backon::{ExponentialBuilder, Retryable};
use genai::Client;
use genai::chat::ChatRequest;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new()?;
    let request = ChatRequest::from_user("Why is the sky blue?");
    let ask = || client.exec_chat("genai_1::gpt-5.6-terra", request.clone(), None);
    let response = ask
        .retry(ExponentialBuilder::default().with_max_times(5).with_jitter())
        .when(|error| error.status().is_none_or(|status| status == 429 || status.is_server_error()))
        .notify(|error, wait| eprintln!("trying again in {wait:?}: {error}"))
        .await?;
    println!("{}", response.first_text().unwrap_or_default());
    Ok(())
}
