//! Gets a response as a type.

use async_openai::Client;
use async_openai::types::responses::{CreateResponseArgs, ResponseFormatJsonSchema};

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Country {
    capital: String,
    languages: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let format = ResponseFormatJsonSchema {
        name: "Country".to_owned(),
        description: None,
        schema: schemars::schema_for!(Country).into(),
        strict: Some(true),
    };
    let request = CreateResponseArgs::default()
        .model("gpt-5.6-terra")
        .input("Describe Norway.")
        .text(format)
        .build()?;
    let response = Client::new().responses().create(request).await?;
    let country: Country = serde_json::from_str(&response.output_text().unwrap_or_default())?;
    println!("{}: {}", country.capital, country.languages.join(", "));
    Ok(())
}
