//! Searches the web with a tool that OpenAI runs, and prints what the model did and what its answer cites. Without a key it talks
//! to a mock server inside this process.

use std::{error::Error, process::ExitCode};

use clap::Parser;
use tachikoma_backend_codex::tools::{CodeInterpreterTool, SearchContextSize, WebSearchTool};
use tachikoma_backend_codex::{
    Backend, Citation, CodexBackend, CodexBackendConfig, CompletionRequest, ItemContent, MessageItem,
};
use tachikoma_openai_mock::{MockServer, OutputItem, Reply};

/// Answers a question with a search of the web and with code, both run by OpenAI, and prints every step and citation.
///
/// With OPENAI_API_KEY set, the request goes to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process.
#[derive(Parser)]
struct Arguments {
    /// The question
    #[arg(default_value = "How many people live in Oslo and Bergen together?")]
    question: String,
}

/// The part of the text that a citation is for. Its place is counted in characters, not in bytes.
fn cited<'a>(text: &'a str, citation: &Citation) -> Option<&'a str> {
    let byte = |place: usize| text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(place);
    text.get(byte(citation.start?)?..byte(citation.end?)?)
}

fn print_message(message: &MessageItem) {
    println!("message: {}", message.text);
    for citation in &message.citations {
        let part = cited(&message.text, citation).unwrap_or("the whole text");
        let url = citation.url.as_deref().unwrap_or("a file");
        println!("  {part:?} is from {url} ({})", citation.title.as_deref().unwrap_or("no title"));
    }
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
            mock.push_reply(Reply::items([
                OutputItem::web_search_call("population of Oslo and Bergen"),
                OutputItem::code_interpreter_call("print(725_000 + 294_000)").with_logs("1019000\n"),
                OutputItem::message(
                    "Together about 1,019,000 people: 725,000 live in Oslo, 294,000 in Bergen.",
                )
                .with_url_citation(33, 53, "https://example.com/oslo", "Oslo")
                .with_url_citation(55, 72, "https://example.com/bergen", "Bergen"),
            ]));
            CodexBackendConfig::new("sk-mock").with_base_url(mock.base_url())
        }
    };
    let request = CompletionRequest::user(question)
        .with_tool(WebSearchTool::new().with_search_context_size(SearchContextSize::Low))
        .with_tool(CodeInterpreterTool::new())
        .with_include(["code_interpreter_call.outputs"]);
    let response = CodexBackend::new(config)?.complete(request).await?;
    for item in &response.items {
        match &item.content {
            ItemContent::WebSearch(search) => println!("web search: {}", search.queries.join(", ")),
            ItemContent::CodeExecution(run) => println!("code: {}\n  {:?}", run.code, run.outputs),
            ItemContent::Message(message) => print_message(message),
            ItemContent::Other(other) => println!("{}", other.kind()),
            content => println!("{content:?}"),
        }
    }
    Ok(())
}
