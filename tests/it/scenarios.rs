//! One folder per scenario: a request and the body that is sent, or a response and the output for the caller.
//!
//! `input.json` is a core request, `request.snap` the body it becomes. `response.json` or `response.sse` is the
//! response of a server, `output.snap` the output for the caller.
//!
//! A replay puts a turn of the model into the next request: `turn.json` is the response that it comes from, `turn.sse` the same
//! response as a stream. `next.json` is a core request, whose first message the turn follows. `next.snap` is its body, and the
//! conversation as it goes to another account, which must not get the state of the turn.
//!
//! `base_url` is the server's, where that is not OpenAI's.

use std::fs;
use std::path::Path;

use futures::StreamExt;
use futures::executor::block_on;
use insta::Settings;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError, OpenAIModel, internals};
use tachikoma_backends_core::{
    BackendError, CollectingStream, CompletionRequest, CompletionResponse, CompletionStream,
};

use crate::server;

const KEY: &str = "sk-test";

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

/// The base URL of a scenario's server.
fn base_url(path: &Path) -> String {
    let url = fs::read_to_string(path.with_file_name("base_url"));
    url.map_or_else(|_| "https://api.openai.com/v1".to_owned(), |url| url.trim().to_owned())
}

fn backend(path: &Path, key: &str) -> Result<CodexBackend, CodexError> {
    let config = CodexBackendConfig::new(key).with_base_url(base_url(path));
    CodexBackend::new(config.with_api(api(path)))
}

/// The body, with its warnings.
fn preview(path: &Path, key: &str, request: &CompletionRequest) -> Result<Value, CodexError> {
    let preview = backend(path, key)?.preview(request)?;
    assert_eq!(Api::from(preview.api), api(path));
    Ok(match preview.warnings.as_slice() {
        [] => json!({"body": preview.body}),
        warnings => json!({"body": preview.body, "warnings": warnings}),
    })
}

fn whole(path: &Path) -> Result<CompletionResponse, CodexError> {
    let read = match api(path) {
        Api::Responses => internals::responses_response,
        _ => internals::chat_response,
    };
    read(&fs::read(path).unwrap())
}

fn stream(path: &Path) -> CompletionStream {
    let body = fs::read(path).unwrap();
    match api(path) {
        Api::Responses => internals::responses_stream([body.as_slice()]),
        _ => internals::chat_stream([body.as_slice()]),
    }
}

#[test]
fn requests() {
    insta::glob!("../scenarios", "*/*/input.json", |path| {
        let request: CompletionRequest = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let body = preview(path, KEY, &request).unwrap_or_else(|error| error_json(error.into()));
        snapshot(path, "request", &body);
    });
}

#[test]
fn whole_responses() {
    insta::glob!("../scenarios", "*/*/response.json", |path| {
        let output = match whole(path) {
            Ok(response) => serde_json::to_value(response).unwrap(),
            Err(error) => error_json(error.into()),
        };
        snapshot(path, "output", &output);
    });
}

#[test]
fn streams() {
    insta::glob!("../scenarios", "*/*/response.sse", |path| {
        let chunks: Vec<Value> = block_on(
            stream(path)
                .map(|item| item.map_or_else(error_json, |chunk| serde_json::to_value(chunk).unwrap()))
                .collect(),
        );
        let collected = match block_on(CollectingStream::new(stream(path)).collect()) {
            Ok(response) => serde_json::to_value(response).unwrap(),
            Err(error) => json!({"error": error.to_string(), "partial": error.partial}),
        };
        snapshot(path, "output", &json!({"chunks": chunks, "collected": collected}));
    });
}

/// The body of the next request with this key, after a turn from the account of [`KEY`].
fn next(path: &Path, response: &CompletionResponse, key: &str) -> Result<Value, CodexError> {
    let mut request: CompletionRequest = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let model = request.model.clone().unwrap_or_else(|| OpenAIModel::default().to_string());
    let mut turn = response.to_message();
    if let Some(state) = &mut turn.provider_state {
        state.origin = server::state_origin(api(path), &base_url(path), KEY, &model);
    }
    // Turns are stored between requests.
    let turn = serde_json::from_value(serde_json::to_value(turn).unwrap()).unwrap();
    request.messages.insert(1, turn);
    preview(path, key, &request)
}

/// The items of a response of the Responses API, without the nulls that are not sent back.
fn output_items(path: &Path) -> Vec<Value> {
    let mut response: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut items = std::mem::take(response["output"].as_array_mut().unwrap());
    items.iter_mut().for_each(|item| item.as_object_mut().unwrap().retain(|_, value| !value.is_null()));
    items
}

#[test]
fn replays() {
    insta::glob!("../scenarios", "*/*/next.json", |path| {
        let (turn, streamed) = (path.with_file_name("turn.json"), path.with_file_name("turn.sse"));
        let response = match turn.exists() {
            true => whole(&turn).unwrap(),
            false => block_on(CollectingStream::new(stream(&streamed)).collect()).unwrap(),
        };
        let mut sent = next(path, &response, KEY).unwrap_or_else(|error| error_json(error.into()));
        if turn.exists() && streamed.exists() {
            let response = block_on(CollectingStream::new(stream(&streamed)).collect()).unwrap();
            let streamed = next(path, &response, KEY).unwrap_or_else(|error| error_json(error.into()));
            assert_eq!(streamed, sent, "{path:?}: the streamed turn is sent back like the whole one");
        }
        let conversation = if api(path) == Api::Responses { "input" } else { "messages" };
        if api(path) == Api::Responses && sent["error"].is_null() && turn.exists() {
            let output = output_items(&turn);
            let input = sent["body"]["input"].as_array().unwrap();
            // Nothing before a compaction is sent.
            let is_compacted = output.first().is_some_and(|item| item["type"] == "compaction");
            let start = usize::from(!is_compacted);
            let replayed = &input[start..start + output.len()];
            assert_eq!(replayed, output, "{path:?}: the items go back unchanged");
        }
        sent["elsewhere"] = match next(path, &response, "sk-other") {
            Ok(mut other) => other["body"][conversation].take(),
            Err(error) => error_json(error.into()),
        };
        snapshot(path, "next", &sent);
    });
}
