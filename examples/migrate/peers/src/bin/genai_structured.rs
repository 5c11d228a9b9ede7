//! Gets a response as a type.

use genai::Client;
use genai::chat::{ChatOptions, ChatRequest, JsonSpec};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Country {
    capital: String,
    languages: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let format = JsonSpec::new("Country", schemars::schema_for!(Country));
    let options = ChatOptions::default().with_response_format(format);
    let request = ChatRequest::from_user("Describe Norway.");
    let response = Client::new()?.exec_chat("genai_1::gpt-5.6-terra", request, Some(&options)).await?;
    let country: Country = serde_json::from_str(response.first_text().unwrap_or_default())?;
    println!("{}: {}", country.capital, country.languages.join(", "));
    Ok(())
}
