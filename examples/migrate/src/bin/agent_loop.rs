//! An agent: works with files by three tools until it is done.

use std::fs;

use tachikoma_backend_codex::{CodexBackend, CompletionRequest, ToolRunner, tool};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runner = ToolRunner::new()
        .with(tool!("read_file", "Reads a text file", |path: String| fs::read_to_string(path)))
        .with(tool!("write_file", "Writes a text file", |path: String, text: String| fs::write(path, text)))
        .with(tool!("delete_file", "Deletes a file", |path: String| fs::remove_file(path)));
    let request = CompletionRequest::user("Translate hello.txt to French, into bonjour.txt, and delete it.");
    println!("{}", runner.run(&CodexBackend::from_env()?, request).await?.response.text());
    Ok(())
}
