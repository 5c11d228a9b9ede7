//! Distinguishes errors by their cause.

use async_openai::Client;
use async_openai::error::OpenAIError;
use async_openai::types::responses::CreateResponseArgs;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request =
        CreateResponseArgs::default().model("gpt-5.6-terra").input("Why is the sky blue?").build()?;
    match Client::new().responses().create(request).await {
        Ok(response) => println!("{}", response.output_text().unwrap_or_default()),
        // Without the id of the request and the server's `retry-after`, which the error does not have.
        Err(OpenAIError::ApiError(error)) => {
            match (error.status_code.as_u16(), error.api_error.code.as_deref()) {
                (429, _) => println!("wait: {error}"),
                (_, Some("context_length_exceeded")) => println!("shorten the conversation: {error}"),
                (401, _) => println!("set another key: {error}"),
                _ => return Err(OpenAIError::ApiError(error).into()),
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
