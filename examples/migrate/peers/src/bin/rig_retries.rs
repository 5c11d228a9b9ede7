//! Retries up to five times, and logs each retry.

use backon::{ExponentialBuilder, Retryable};
use rig::completion::CompletionRequest;
use rig::providers::openai::OpenAI;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = OpenAI::from_env()?.completion("gpt-5.6-terra");
    let ask = || model.call(CompletionRequest::new("Why is the sky blue?"));
    let response = ask
        .retry(ExponentialBuilder::default().with_max_times(5).with_jitter())
        .when(|error| error.is_retryable())
        .notify(|error, wait| eprintln!("trying again in {wait:?}: {error}"))
        .await?;
    println!("{}", response.text());
    Ok(())
}
