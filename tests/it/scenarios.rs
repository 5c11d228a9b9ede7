//! One folder per scenario: a request and the body that is sent, or a response and the output for the caller.
//!
//! `input.json` is a core request, `request.snap` the body it becomes. `response.json` or `response.sse` is the
//! response of a server, `output.snap` the output for the caller.

use std::fs;
use std::path::Path;

use futures::StreamExt;
use futures::executor::block_on;
use insta::Settings;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError, internals};
use tachikoma_backends_core::{BackendError, CollectingStream, CompletionRequest};

/// Puts the snapshot into the scenario's folder, as `<name>.snap`.
fn snapshot(path: &Path, name: &str, value: &Value) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(path.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.remove_snapshot_suffix();
    settings.remove_input_file();
    settings.bind(|| insta::assert_json_snapshot!(name, value));
}

fn error_json(error: BackendError) -> Value {
    json!({"error": error.to_string(), "category": error.category().as_str(), "retryable": error.is_retryable()})
}

/// The API of a scenario, by its folder.
fn api(path: &Path) -> Api {
    match path.parent().unwrap().parent().unwrap().file_name().unwrap().to_str().unwrap() {
        "chat" => Api::ChatCompletions,
        "responses" => Api::Responses,
        other => panic!("tests/scenarios/{other}: unknown API"),
    }
}

/// The body for OpenAI's own server, with its warnings.
fn preview(request: &CompletionRequest, api: Api) -> Result<Value, CodexError> {
    let preview = CodexBackend::new(CodexBackendConfig::new("sk-test").with_api(api))?.preview(request)?;
    assert_eq!(Api::from(preview.api), api);
    Ok(match preview.warnings.as_slice() {
        [] => json!({"body": preview.body}),
        warnings => json!({"body": preview.body, "warnings": warnings}),
    })
}

#[test]
fn requests() {
    insta::glob!("../scenarios", "*/*/input.json", |path| {
        let request: CompletionRequest = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let body = preview(&request, api(path)).unwrap_or_else(|error| error_json(error.into()));
        snapshot(path, "request", &body);
    });
}

#[test]
fn whole_responses() {
    insta::glob!("../scenarios", "*/*/response.json", |path| {
        let read = match api(path) {
            Api::Responses => internals::responses_response,
            _ => internals::chat_response,
        };
        let output = match read(&fs::read(path).unwrap()) {
            Ok(response) => serde_json::to_value(response).unwrap(),
            Err(error) => error_json(error.into()),
        };
        snapshot(path, "output", &output);
    });
}

#[test]
fn streams() {
    insta::glob!("../scenarios", "*/*/response.sse", |path| {
        let body = fs::read(path).unwrap();
        let stream = || match api(path) {
            Api::Responses => internals::responses_stream([body.as_slice()]),
            _ => internals::chat_stream([body.as_slice()]),
        };
        let chunks: Vec<Value> = block_on(
            stream()
                .map(|item| item.map_or_else(error_json, |chunk| serde_json::to_value(chunk).unwrap()))
                .collect(),
        );
        let collected = match block_on(CollectingStream::new(stream()).collect()) {
            Ok(response) => serde_json::to_value(response).unwrap(),
            Err(error) => json!({"error": error.to_string(), "partial": error.partial}),
        };
        snapshot(path, "output", &json!({"chunks": chunks, "collected": collected}));
    });
}
