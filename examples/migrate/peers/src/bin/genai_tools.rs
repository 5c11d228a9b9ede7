//! Answers a question with a tool.

use genai::Client;
use genai::chat::{ChatRequest, Tool, ToolResponse};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Place {
    city: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new()?;
    let weather = Tool::new("get_weather")
        .with_description("The weather in a city now")
        .with_schema(schemars::schema_for!(Place).into());
    let mut request = ChatRequest::from_user("Do I need a coat in Oslo?").append_tool(weather);
    let response = client.exec_chat("genai_1::gpt-5.6-terra", request.clone(), None).await?;
    let calls: Vec<_> = response.tool_calls().into_iter().cloned().collect();
    request.messages.extend(response.into_assistant_message_for_tool_use());
    for call in calls {
        let output = match serde_json::from_value(call.fn_arguments.clone()) {
            Ok(Place { city }) => format!("It snows in {city}."),
            Err(error) => error.to_string(),
        };
        request = request.append_message(ToolResponse::from_tool_call(&call, output));
    }
    let response = client.exec_chat("genai_1::gpt-5.6-terra", request, None).await?;
    println!("{}", response.first_text().unwrap_or_default());
    Ok(())
}
