//! Distinguishes errors by their cause.

use rig::completion::CompletionRequest;
use rig::providers::openai::OpenAI;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = OpenAI::from_env()?.completion("gpt-5.6-terra");
    match model.call(CompletionRequest::new("Why is the sky blue?")).await {
        Ok(response) => println!("{}", response.text()),
        Err(error) => {
            let report = error.report();
            let wait = report.provider_response_headers().and_then(|headers| headers.get("retry-after"));
            match (report.http_status, report.code.as_deref()) {
                (Some(429), _) => println!("wait {wait:?} s: {error}"),
                (_, Some("context_length_exceeded")) => println!("shorten the conversation: {error}"),
                (Some(401), _) => println!("set another key: {error}"),
                _ => return Err(error.into()),
            }
        }
    }
    Ok(())
}
