//! Answers a question with a tool.

use async_openai::Client;
use async_openai::types::responses::{CreateResponseArgs, FunctionToolArgs, OutputItem};
use serde_json::json;

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    city: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new();
    let weather = FunctionToolArgs::default()
        .name("get_weather")
        .description("The weather in a city now")
        .parameters(schemars::schema_for!(Place))
        .strict(true)
        .build()?;
    let mut request = CreateResponseArgs::default()
        .model("gpt-5.6-terra")
        .input("Do I need a coat in Oslo?")
        .tools(weather)
        .build()?;
    let response = client.responses().create(request.clone()).await?;
    let mut outputs = Vec::new();
    for item in response.output {
        if let OutputItem::FunctionCall(call) = item {
            let output = match serde_json::from_str(&call.arguments) {
                Ok(Place { city }) => format!("It snows in {city}."),
                Err(error) => error.to_string(),
            };
            outputs.push(json!({"type": "function_call_output", "call_id": call.call_id, "output": output}));
        }
    }
    request.previous_response_id = Some(response.id);
    request.input = serde_json::from_value(outputs.into())?;
    let response = client.responses().create(request).await?;
    println!("{}", response.output_text().unwrap_or_default());
    Ok(())
}
