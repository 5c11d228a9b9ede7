//! Runs the cases of a replay server and prints the outcome of each as a line of JSON.
//!
//! The server lists its cases at `BASE/_manifest`; each has its own base URL, `BASE/case/NAME/v1`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, CompletionResponse, FinishReason, Message,
    ToolDefinition, ToolParameter,
};

/// Runs the cases of a replay server and prints the outcome of each as a line of JSON.
#[derive(Parser)]
struct Arguments {
    /// Base URL of the replay server
    base: String,
    /// Only the cases whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: String,
    #[serde(default)]
    client: Settings,
    #[serde(default)]
    with_tools: bool,
}

#[derive(Default, Deserialize)]
struct Settings {
    #[serde(default)]
    max_retries: u32,
    idle_timeout_ms: Option<u64>,
}

/// Panics anywhere in the process, so that a panic is not reported as an ordinary error.
static PANICS: AtomicUsize = AtomicUsize::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { base, only } = Arguments::parse();
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        print(panic);
    }));
    let cases: Vec<Case> =
        reqwest::get(format!("{base}/_manifest")).await?.error_for_status()?.json().await?;
    let base = &base;
    stream::iter(cases.into_iter().filter(|case| case.name.contains(&only)))
        .map(|case| async move {
            let panics = PANICS.load(Ordering::Relaxed);
            let start = Instant::now();
            let mut line = match tokio::time::timeout(Duration::from_secs(25), run(base, &case, start)).await
            {
                Ok(line) if PANICS.load(Ordering::Relaxed) == panics => line,
                Ok(_) => line("crash", json!("panic")),
                Err(_) => line("crash", json!("no end within 25 s")),
            };
            line.insert("case".to_owned(), json!(case.name));
            line.insert("total_ms".to_owned(), json!(milliseconds(start)));
            println!("{}", Value::Object(line));
        })
        .buffer_unordered(4)
        .collect::<()>()
        .await;
    Ok(())
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// A line with one outcome.
fn line(outcome: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(outcome.to_owned(), value)])
}

async fn run(base: &str, case: &Case, start: Instant) -> Map<String, Value> {
    let idle = Duration::from_millis(case.client.idle_timeout_ms.unwrap_or(20_000));
    let config = CodexBackendConfig::new("sk-conformance")
        .with_base_url(format!("{base}/case/{}/v1", case.name))
        .with_model("gpt-conf")
        .with_max_retries(case.client.max_retries)
        .with_response_timeout(idle)
        .with_idle_timeout(idle);
    let backend = match CodexBackend::new(config) {
        Ok(backend) => backend,
        Err(error) => return failed(&error.into(), None),
    };
    let mut request = CompletionRequest::new(vec![Message::user("Hello")]);
    if case.with_tools {
        let city = ToolParameter::string("Name of the city");
        let parameters = tachikoma_backends_core::ToolParameters::new().with("city", city);
        request = request.with_tools([ToolDefinition::new("get_weather", "The weather now", parameters)]);
    }
    if case.kind == "complete" {
        return match Backend::complete(&backend, request).await {
            Ok(response) => line("ok", response_json(response)),
            Err(error) => failed(&error, None),
        };
    }
    let mut stream = match Backend::complete_stream(&backend, request).await {
        Ok(stream) => CollectingStream::new(stream),
        Err(error) => return failed(&error, None),
    };
    let mut first_text = None;
    while let Some(chunk) = stream.next().await {
        if chunk.is_ok_and(|chunk| !chunk.delta.is_empty()) {
            first_text.get_or_insert_with(|| milliseconds(start));
        }
    }
    let mut outcome = match stream.collect().await {
        Ok(response) => line("ok", response_json(response)),
        Err(error) => failed(&error.error, error.partial.content.as_deref()),
    };
    outcome.insert("first_text_ms".to_owned(), json!(first_text));
    outcome
}

fn response_json(response: CompletionResponse) -> Value {
    let finish = match response.finish_reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolUse => "tool_use",
        FinishReason::ContentFilter => "content_filter",
        _ => "other",
    };
    let usage = response.usage.map(|usage| {
        json!({"prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "total": usage.total_tokens})
    });
    json!({
        "text": response.content.unwrap_or_default(),
        "tool_calls": response.tool_calls,
        "finish": finish,
        "usage": usage,
        "refusal": response.refusal,
        "reasoning": response.reasoning,
    })
}

fn failed(error: &BackendError, partial_text: Option<&str>) -> Map<String, Value> {
    line(
        "error",
        json!({
            "category": error.category().as_str(),
            "retryable": error.is_retryable(),
            "retry_after_ms": error.retry_after().map(|wait| wait.as_secs_f64() * 1000.0),
            "message": error.to_string(),
            "partial_text": partial_text,
        }),
    )
}
