//! Asks a question.

use async_openai::Client;
use async_openai::types::responses::CreateResponseArgs;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request =
        CreateResponseArgs::default().model("gpt-5.6-terra").input("Why is the sky blue?").build()?;
    let response = Client::new().responses().create(request).await?;
    println!("{}", response.output_text().unwrap_or_default());
    Ok(())
}
