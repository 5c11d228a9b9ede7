//! Asks a deployment of Azure OpenAI.

use std::env;

use async_openai::Client;
use async_openai::config::AzureConfig;
use async_openai::types::chat::{ChatCompletionRequestUserMessage, CreateChatCompletionRequestArgs};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = AzureConfig::new()
        .with_api_base(env::var("AZURE_OPENAI_ENDPOINT")?)
        .with_api_key(env::var("AZURE_OPENAI_API_KEY")?)
        .with_deployment_id(env::var("AZURE_OPENAI_DEPLOYMENT")?)
        .with_api_version("2024-10-21");
    let question = ChatCompletionRequestUserMessage::from("Why is the sky blue?");
    let request = CreateChatCompletionRequestArgs::default()
        .model(env::var("AZURE_OPENAI_DEPLOYMENT")?)
        .messages([question.into()])
        .build()?;
    for choice in Client::with_config(config).chat().create(request).await?.choices {
        println!("{}", choice.message.content.unwrap_or_default());
    }
    Ok(())
}
