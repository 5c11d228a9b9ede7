//! Asks a deployment of Azure OpenAI.

use std::env;

use genai::adapter::AdapterKind;
use genai::chat::ChatRequest;
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The v1 form alone: an endpoint has no query, so that no `api-version` can be sent. It takes the key as a bearer token.
    let target = ServiceTarget {
        endpoint: Endpoint::from_owned(format!("{}/openai/v1/", env::var("AZURE_OPENAI_ENDPOINT")?)),
        auth: AuthData::from_env("AZURE_OPENAI_API_KEY"),
        model: ModelIden::new(AdapterKind::OpenAI, env::var("AZURE_OPENAI_DEPLOYMENT")?),
    };
    let request = ChatRequest::from_user("Why is the sky blue?");
    let response = Client::new()?.exec_chat(target, request, None).await?;
    println!("{}", response.first_text().unwrap_or_default());
    Ok(())
}
