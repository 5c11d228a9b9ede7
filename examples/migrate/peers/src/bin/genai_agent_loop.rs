//! An agent: works with files by three tools until it is done.

use std::{fs, io};

use genai::Client;
use genai::chat::{ChatRequest, Tool, ToolCall, ToolResponse};
use serde_json::{Map, json};

fn tool(name: &str, description: &str, parameters: &[&str]) -> Tool {
    let properties: Map<_, _> =
        parameters.iter().map(|name| (name.to_string(), json!({"type": "string"}))).collect();
    let schema = json!({"type": "object", "properties": properties, "required": parameters});
    Tool::new(name.to_owned()).with_description(description).with_schema(schema)
}

fn run(call: &ToolCall) -> io::Result<String> {
    let argument =
        |name: &str| call.fn_arguments[name].as_str().ok_or_else(|| io::Error::other(format!("no {name}")));
    match call.fn_name.as_str() {
        "read_file" => return fs::read_to_string(argument("path")?),
        "write_file" => fs::write(argument("path")?, argument("text")?)?,
        "delete_file" => fs::remove_file(argument("path")?)?,
        name => return Err(io::Error::other(format!("no tool {name}"))),
    }
    Ok("done".to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new()?;
    let task = "Translate hello.txt to French, into bonjour.txt, and delete it.";
    let mut request = ChatRequest::from_user(task).with_tools([
        tool("read_file", "Reads a text file", &["path"]),
        tool("write_file", "Writes a text file", &["path", "text"]),
        tool("delete_file", "Deletes a file", &["path"]),
    ]);
    for _ in 0..16 {
        let response = client.exec_chat("genai_1::gpt-5.6-terra", request.clone(), None).await?;
        let calls: Vec<_> = response.tool_calls().into_iter().cloned().collect();
        if calls.is_empty() {
            println!("{}", response.first_text().unwrap_or_default());
            return Ok(());
        }
        request.messages.extend(response.into_assistant_message_for_tool_use());
        for call in calls {
            let output = run(&call).unwrap_or_else(|error| error.to_string());
            request = request.append_message(ToolResponse::from_tool_call(&call, output));
        }
    }
    Err("the model still calls tools".into())
}
