//! Retries up to five times, and logs each retry.

use async_openai::Client;
use async_openai::error::OpenAIError;
use async_openai::middleware::{ReqwestService, retry::OpenAIRetryLayer};
use async_openai::types::responses::CreateResponseArgs;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = ServiceBuilder::new()
        .layer(OpenAIRetryLayer::new(5))
        .map_result(|result: Result<reqwest::Response, OpenAIError>| {
            eprintln!("{:?}", result.as_ref().map(reqwest::Response::status));
            result
        })
        .service(ReqwestService::new(reqwest::Client::new()));
    let client = Client::new().with_http_service(service);
    let request =
        CreateResponseArgs::default().model("gpt-5.6-terra").input("Why is the sky blue?").build()?;
    println!("{}", client.responses().create(request).await?.output_text().unwrap_or_default());
    Ok(())
}
