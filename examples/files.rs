//! A PDF in a question, with the number of tokens that it may cost, and a tool that returns an image. Without a key it talks to a
//! mock server inside this process.

use std::{error::Error, path::PathBuf, process::ExitCode};

use base64::prelude::{BASE64_STANDARD, Engine};
use clap::Parser;
use tachikoma_backend_codex::{
    Azure, CodexBackend, CodexBackendConfig, CompletionRequest, ContentPart, ImageDetail, Message,
    MessageContent, ToolDefinition, ToolParameters, ToolRunEvent, ToolRunner,
};
use tachikoma_openai_mock::{MockServer, Reply};

/// Compares a PDF with a screenshot that the model takes by a tool.
///
/// With OPENAI_API_KEY set, requests go to OpenAI or to OPENAI_BASE_URL; without it, to a mock server inside this process.
#[derive(Parser)]
struct Arguments {
    /// The question
    #[arg(default_value = "Does the page look like the design?")]
    question: String,
    /// The PDF [default: an empty page]
    #[arg(long)]
    pdf: Option<PathBuf>,
}

const EMPTY_PAGE: &[u8] = b"%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]>> endobj
trailer <</Root 1 0 R>>
%%EOF
";

/// Placeholder for a screenshot: a PNG of one pixel.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A tool returns a part of content as it returns text.
async fn screenshot((): ()) -> ContentPart {
    ContentPart::image_base64("image/png", PIXEL).with_detail(ImageDetail::Low)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { question, pdf }: Arguments) -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await?;
    let config = match std::env::var_os("OPENAI_API_KEY") {
        Some(_) => CodexBackendConfig::from_env()?,
        None => {
            mock.push_reply(Reply::tool_call("screenshot", "{}"));
            mock.push_reply(Reply::text("The design is an empty page, and so is the screenshot."));
            let azure = Azure::new(mock.azure_endpoint());
            CodexBackendConfig::new("mock-key").with_azure(azure).with_model("gpt-5.6-terra")
        }
    };
    let backend = CodexBackend::new(config)?;

    let bytes = pdf.map_or_else(|| Ok(EMPTY_PAGE.to_vec()), std::fs::read)?;
    // A file can also be a URL (`file_url`), or the id of one that was uploaded before (`file_id`).
    let design = ContentPart::file_base64("application/pdf", BASE64_STANDARD.encode(bytes));
    let content = vec![design.with_name("design.pdf"), ContentPart::text(question)];
    let request = CompletionRequest::new(vec![Message::user(content)]);
    let count = backend.count_request_tokens(&request);
    println!(
        "{} tokens, about {} of them in the PDF, at most {}",
        count.tokens,
        count.files,
        count.at_most()
    );

    let tool = ToolDefinition::new("screenshot", "Takes a screenshot of the page", ToolParameters::new());
    let show = |event: ToolRunEvent<'_>| {
        if let ToolRunEvent::Result(result) = event
            && let MessageContent::Parts(parts) = &result.content
        {
            println!("[{} returned {} image]", result.name, parts.len());
        }
    };
    let run = ToolRunner::new().with_tool(tool, screenshot).run_stream(&backend, request, show).await?;
    println!("{}", run.response.content.unwrap_or_default());
    Ok(())
}
