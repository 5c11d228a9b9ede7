//! Asks about an image.

use async_openai::Client;
use async_openai::types::responses::{CreateResponseArgs, InputContent, InputImageArgs, InputMessage};
use base64::prelude::{BASE64_STANDARD, Engine};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let photo = BASE64_STANDARD.encode(std::fs::read("photo.png")?);
    let photo = InputImageArgs::default().image_url(format!("data:image/png;base64,{photo}")).build()?;
    let content = vec![InputContent::from("What is in this photo?"), photo.into()];
    let message = InputMessage { content, ..Default::default() };
    let request = CreateResponseArgs::default().model("gpt-5.6-terra").input(message).build()?;
    let response = Client::new().responses().create(request).await?;
    println!("{}", response.output_text().unwrap_or_default());
    Ok(())
}
