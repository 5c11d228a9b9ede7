//! Asks about an image.

use rig::message::{ImageMediaType, Message, UserContent};
use rig::prelude::*;
use rig::providers::openai::OpenAI;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = AgentBuilder::new(OpenAI::from_env()?.completion("gpt-5.6-terra")).build();
    let photo = UserContent::image_raw(std::fs::read("photo.png")?, Some(ImageMediaType::PNG), None);
    let content = vec![UserContent::text("What is in this photo?"), photo];
    println!("{}", agent.prompt(Message::User { content }).await?.output());
    Ok(())
}
