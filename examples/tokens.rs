//! Counts tokens before anything is sent. It needs neither a key nor a server.
//!
//! Estimates by default; exact with `cargo run --example tokens --features tokens`.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, InputLimit, OpenAIModel};
use tachikoma_backends_core::{CompletionRequest, ContentPart, Message, ToolDefinition, ToolParameter};

/// Counts the tokens of a text and of a request with a tool and an image, without sending anything.
#[derive(Parser)]
struct Arguments {
    /// The text to count
    #[arg(default_value = "The quick brown fox jumps over the lazy dog. 速い茶色の狐 👩‍💻")]
    text: String,
    /// The model to count for
    #[arg(long, default_value_t = OpenAIModel::default())]
    model: OpenAIModel,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(Arguments { text, model }: Arguments) -> Result<(), Box<dyn Error>> {
    // The key is never used.
    let config = CodexBackendConfig::new("sk-none").with_model(model.clone());
    let backend = CodexBackend::new(config.with_input_limit(InputLimit::Refuse))?;
    println!("{} tokens in {text:?} for {model}", backend.count_tokens_for(model.clone(), &text));

    let tool = ToolDefinition::builder("get_weather")
        .description("The weather in a city now")
        .parameter("city", ToolParameter::string("Name of the city"))
        .build()?;
    let question = vec![
        ContentPart::text(&text),
        // An image of one pixel; its size is in its first bytes.
        ContentPart::image_base64("image/png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"),
    ];
    let request = CompletionRequest::new(vec![Message::system("Be brief."), Message::user(question)]);
    let count = backend.count_request_tokens(&request.with_tools([tool]));
    println!("{} tokens in a request, with a margin of {}", count.tokens, count.error);
    println!("  {} in messages, {} in tools, {} in images", count.messages, count.tools, count.images);
    if !count.exact_texts {
        println!(
            "These are estimates: the feature `tokens` counts exactly, where the model's encoding is known."
        );
    }

    let endless = CompletionRequest::new(vec![Message::user(text.repeat(200_000))]);
    match backend.preview(&endless) {
        Ok(_) => println!("200,000 times the text: {model} reads that, or its limit is unknown"),
        Err(error) => println!("200,000 times the text: {error}"),
    }
    Ok(())
}
