//! An agent: works with files by three tools until it is done.

use std::{fs, io};

use rig::prelude::*;
use rig::providers::openai::OpenAI;
use rig::rig_tool;
use rig::tool::ToolExecutionError;

// The text of any other error does not reach the model.
fn visible(error: io::Error) -> ToolExecutionError {
    ToolExecutionError::other(error.to_string())
}

#[rig_tool(description = "Reads a text file")]
fn read_file(path: String) -> Result<String, ToolExecutionError> {
    fs::read_to_string(path).map_err(visible)
}

#[rig_tool(description = "Writes a text file")]
fn write_file(path: String, text: String) -> Result<(), ToolExecutionError> {
    fs::write(path, text).map_err(visible)
}

#[rig_tool(description = "Deletes a file")]
fn delete_file(path: String) -> Result<(), ToolExecutionError> {
    fs::remove_file(path).map_err(visible)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = AgentBuilder::new(OpenAI::from_env()?.completion("gpt-5.6-terra"))
        .tool(ReadFile)
        .tool(WriteFile)
        .tool(DeleteFile)
        .default_max_turns(16)
        .build();
    let task = "Translate hello.txt to French, into bonjour.txt, and delete it.";
    println!("{}", agent.prompt(task).await?.output());
    Ok(())
}
