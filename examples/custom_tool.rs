//! A custom tool: its input is free text that follows a grammar, not JSON. Without a key it talks to a mock server inside this
//! process.

use std::num::ParseIntError;
use std::{error::Error, process::ExitCode};

use clap::Parser;
use tachikoma_backend_codex::{
    Azure, CodexBackend, CodexBackendConfig, CompletionRequest, CustomTool, GrammarSyntax, Tool,
    ToolRunEvent, ToolRunner,
};
use tachikoma_openai_mock::{MockServer, OutputItem, Reply};

/// Lets the model calculate by a tool whose input follows a grammar.
///
/// With OPENAI_API_KEY set, requests go to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process.
#[derive(Parser)]
struct Arguments {
    /// The question
    #[arg(default_value = "I had 120 coins, found 35 and spent 17. How many are left?")]
    question: String,
}

/// OpenAI lets the model write nothing else. The limit on digits keeps sums within 64 bits.
const GRAMMAR: &str = r#"
start: NUMBER (SIGN NUMBER)*
SIGN: "+" | "-"
NUMBER: /[0-9]{1,9}/
"#;

/// The value of a sum such as `12+30-7`. A model on a server without grammars may write another text, and reads the error.
fn calculate(sum: String) -> Result<i64, ParseIntError> {
    sum.replace('-', "+-").split('+').map(str::parse::<i64>).sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { question }: Arguments) -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await?;
    let config = match std::env::var_os("OPENAI_API_KEY") {
        Some(_) => CodexBackendConfig::from_env()?,
        None => {
            mock.push_reply(Reply::items([OutputItem::custom_tool_call("calculate", "120+35-17")]));
            mock.push_reply(Reply::text("138 coins are left."));
            // Only OpenAI and Azure have custom tools; other servers get a function with one text parameter in the place of each.
            let azure = Azure::new(mock.azure_endpoint());
            CodexBackendConfig::new("mock-key").with_azure(azure).with_model("gpt-5.6-terra")
        }
    };
    let backend = CodexBackend::new(config)?;
    let tool = CustomTool::new("calculate", "Adds and subtracts whole numbers: 12+30-7")
        .with_grammar(GrammarSyntax::Lark, GRAMMAR);
    let runner = ToolRunner::new().with(Tool::custom(tool, calculate));
    let show = |event: ToolRunEvent<'_>| match event {
        ToolRunEvent::CallStart(call) => println!("{}: {}", call.name, call.input()),
        ToolRunEvent::Result(result) => println!("  = {}", result.content.to_text()),
        _ => {}
    };
    let run = runner.run_stream(&backend, CompletionRequest::user(question), show).await?;
    println!("{}", run.response.content.unwrap_or_default());
    Ok(())
}
