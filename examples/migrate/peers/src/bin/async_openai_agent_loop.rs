//! An agent: works with files by three tools until it is done.

use std::{fs, io};

use async_openai::Client;
use async_openai::types::responses::{CreateResponseArgs, FunctionTool, OutputItem, Tool};
use serde_json::{Map, Value, json};

fn tool(name: &str, description: &str, parameters: &[&str]) -> Tool {
    let properties: Map<_, _> =
        parameters.iter().map(|name| (name.to_string(), json!({"type": "string"}))).collect();
    Tool::Function(FunctionTool {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        parameters: Some(json!({
            "type": "object",
            "properties": properties,
            "required": parameters,
            "additionalProperties": false,
        })),
        strict: Some(true),
        ..Default::default()
    })
}

fn run(name: &str, arguments: &str) -> io::Result<String> {
    let arguments: Value = serde_json::from_str(arguments)?;
    let argument =
        |name: &str| arguments[name].as_str().ok_or_else(|| io::Error::other(format!("no {name}")));
    match name {
        "read_file" => return fs::read_to_string(argument("path")?),
        "write_file" => fs::write(argument("path")?, argument("text")?)?,
        "delete_file" => fs::remove_file(argument("path")?)?,
        _ => return Err(io::Error::other(format!("no tool {name}"))),
    }
    Ok("done".to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new();
    let mut request = CreateResponseArgs::default()
        .model("gpt-5.6-terra")
        .input("Translate hello.txt to French, into bonjour.txt, and delete it.")
        .tools([
            tool("read_file", "Reads a text file", &["path"]),
            tool("write_file", "Writes a text file", &["path", "text"]),
            tool("delete_file", "Deletes a file", &["path"]),
        ])
        .build()?;
    for _ in 0..16 {
        let response = client.responses().create(request.clone()).await?;
        let mut outputs = Vec::new();
        for item in &response.output {
            if let OutputItem::FunctionCall(call) = item {
                let output = run(&call.name, &call.arguments).unwrap_or_else(|error| error.to_string());
                outputs
                    .push(json!({"type": "function_call_output", "call_id": call.call_id, "output": output}));
            }
        }
        if outputs.is_empty() {
            println!("{}", response.output_text().unwrap_or_default());
            return Ok(());
        }
        request.previous_response_id = Some(response.id);
        request.input = serde_json::from_value(outputs.into())?;
    }
    Err("the model still calls tools".into())
}
