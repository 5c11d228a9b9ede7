//! Prints the reply while it arrives.

use std::io::Write;

use async_openai::Client;
use async_openai::types::responses::{CreateResponseArgs, ResponseStreamEvent};
use futures::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request =
        CreateResponseArgs::default().model("gpt-5.6-terra").input("Why is the sky blue?").build()?;
    let mut stream = Client::new().responses().create_stream(request).await?;
    while let Some(event) = stream.next().await {
        if let ResponseStreamEvent::ResponseOutputTextDelta(event) = event? {
            print!("{}", event.delta);
            std::io::stdout().flush()?;
        }
    }
    Ok(())
}
