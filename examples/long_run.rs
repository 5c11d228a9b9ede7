//! A long run of an agent: 100 tool calls over a WebSocket, with compaction, and what that uploads beside the same run over HTTP. It
//! talks to a mock server inside this process.

use std::{error::Error, process::ExitCode};

use clap::Parser;
use tachikoma_backend_codex::{
    Api, CodexBackend, CodexBackendConfig, CompletionRequest, ToolDefinition, ToolRunEvent, ToolRunner,
    WebSocket,
};
use tachikoma_openai_mock::{MockServer, Reply};

/// Runs an agent with many tool calls over HTTP and over a WebSocket, and prints what each run uploads.
#[derive(Parser)]
struct Arguments {
    /// How many tool calls the model makes
    #[arg(long, default_value_t = 100)]
    calls: usize,
    /// The size of a conversation, in tokens, above which it is compacted
    #[arg(long, default_value_t = 20_000)]
    threshold: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct ReadFile {
    /// Its number
    number: usize,
}

/// A file of about 2 KB.
async fn read(ReadFile { number }: ReadFile) -> String {
    format!("line of file {number}\n").repeat(110)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { calls, threshold }: Arguments) -> Result<(), Box<dyn Error>> {
    println!(
        "{:10} {:>12} {:>12} {:>9} {:>12}",
        "transport", "compaction", "uploaded KB", "requests", "compactions"
    );
    for (name, websocket) in [("HTTP", WebSocket::Off), ("WebSocket", WebSocket::Always)] {
        for (compaction, threshold) in [("none", None), ("by server", Some(threshold))] {
            let mock = MockServer::builder().with_context_tokens(usize::MAX).start().await?;
            for number in 0..calls {
                mock.push_reply(Reply::tool_call("read", format!(r#"{{"number":{number}}}"#)));
            }
            mock.push_reply(Reply::text("I have read all files."));
            let config = CodexBackendConfig::new("mock-key")
                .with_base_url(mock.base_url())
                .with_model("gpt-5.6-terra")
                .with_api(Api::Responses)
                .with_websocket(websocket);
            let backend = CodexBackend::new(config)?;
            let tool = ToolDefinition::from_type::<ReadFile>("read", "Reads a file");
            let mut runner = ToolRunner::new().with_tool(tool, read).with_max_steps(calls + 1);
            if let Some(threshold) = threshold {
                runner = runner.with_compaction(threshold);
            }
            let mut compactions = 0;
            let count = |event: ToolRunEvent<'_>| {
                compactions += u32::from(matches!(event, ToolRunEvent::Compacted(_)))
            };
            let run = runner.run_stream(&backend, CompletionRequest::user("Read all files."), count).await?;
            assert_eq!(run.response.content.as_deref(), Some("I have read all files."));
            let counters = mock.counters();
            let uploaded = (counters.http_bytes + counters.websocket_bytes) / 1024;
            let requests = counters.billed_requests;
            println!("{name:10} {compaction:>12} {uploaded:>12} {requests:>9} {compactions:>12}");
        }
    }
    Ok(())
}
