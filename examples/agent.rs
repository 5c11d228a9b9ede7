//! A small coding agent: it reads, writes and runs commands in one directory, and asks before it changes anything. Without a key all
//! this is offline, with a scripted model.

use std::path::{Component, Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::{error::Error, io, io::Write, time::Duration};

use clap::Parser;
use tachikoma_backend_codex::{Approval, Tool, ToolCall, ToolDefinition, ToolRunEvent, ToolRunner};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest};
use tachikoma_openai_mock::{MockServer, Reply};
use tokio::process::Command;

/// Works on a task with three tools: read a file, write a file, run a command.
///
/// With OPENAI_API_KEY set, requests go to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process.
#[derive(Parser)]
struct Arguments {
    /// What to do
    #[arg(default_value = "Write a greeting into hello.txt and show it.")]
    task: String,
    /// Where to work; files outside cannot be read or written, but a command can do anything [default: in the temporary directory]
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Write and run without asking
    #[arg(long)]
    yes: bool,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct ReadFile {
    path: PathBuf,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct WriteFile {
    path: PathBuf,
    /// The whole new content
    content: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Run {
    /// A command line for sh
    command: String,
}

/// The path within the directory.
fn within(directory: &Path, path: &Path) -> io::Result<PathBuf> {
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    stays.then(|| directory.join(path)).ok_or_else(|| io::Error::other("use a path below the directory"))
}

fn tools(directory: &Path) -> [Tool; 3] {
    let [read_in, write_in, run_in] = [(); 3].map(|()| directory.to_owned());
    let read = ToolDefinition::from_type::<ReadFile>("read_file", "Reads a text file");
    let write = ToolDefinition::from_type::<WriteFile>("write_file", "Writes a text file");
    let run = ToolDefinition::from_type::<Run>("run", "Runs a command and returns what it prints");
    [
        Tool::new(read, move |file: ReadFile| std::fs::read_to_string(within(&read_in, &file.path)?)),
        Tool::new(write, move |file: WriteFile| {
            std::fs::write(within(&write_in, &file.path)?, file.content).map(|()| "written")
        })
        .exclusive(),
        Tool::new(run, move |Run { command }: Run| {
            let mut shell = Command::new("sh");
            // The command is killed when its future is dropped.
            shell.args(["-c", &command]).current_dir(&run_in).stdin(Stdio::null()).kill_on_drop(true);
            async move { shell.output().await.map(|output| format!("{output:?}")) }
        })
        .exclusive()
        .with_timeout(Duration::from_secs(120)),
    ]
}

async fn ask(call: ToolCall) -> Approval {
    println!("\nMay {} {}? [y/N]", call.name, call.arguments);
    match tokio::task::spawn_blocking(|| io::stdin().lines().next()).await {
        Ok(Some(Ok(line))) if line.trim() == "y" => Approval::Allow,
        _ => Approval::Deny("the user does not want that".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { task, directory, yes }: Arguments) -> Result<(), Box<dyn Error>> {
    let directory = directory.unwrap_or_else(|| std::env::temp_dir().join("tachikoma-agent"));
    std::fs::create_dir_all(&directory)?;
    let mock = MockServer::start().await?;
    let write = r#"{"path": "hello.txt", "content": "Hello, world!\n"}"#;
    mock.push_reply(Reply::tool_calls([("write_file", write), ("run", r#"{"command": "cat hello.txt"}"#)]));
    mock.push_reply(Reply::text("hello.txt greets the world."));
    let config = match std::env::var_os("OPENAI_API_KEY") {
        Some(_) => CodexBackendConfig::from_env()?,
        None => CodexBackendConfig::new("sk-mock").with_base_url(mock.base_url()),
    };
    let backend = CodexBackend::new(config)?;
    let runner = ToolRunner::new().with_tools(tools(&directory)).with_approval(move |call| async move {
        if yes || call.name == "read_file" { Approval::Allow } else { ask(call).await }
    });
    let show = |event: ToolRunEvent<'_>| match event {
        ToolRunEvent::Chunk(chunk) => {
            print!("{}", chunk.delta);
            _ = io::stdout().flush();
        }
        ToolRunEvent::CallStart(call) => println!("[{} {}]", call.name, call.arguments),
        ToolRunEvent::Result(result) => println!("[{}: {}]", result.name, result.content.to_text()),
        _ => println!(),
    };
    let interrupted = async { _ = tokio::signal::ctrl_c().await };
    let run = runner.run_until(&backend, CompletionRequest::user(task), show, interrupted).await?;
    println!("[{} steps in {}]", run.steps, directory.display());
    Ok(())
}
