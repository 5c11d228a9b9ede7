//! Secrets are never in a recording, and texts are not if that is set.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tachikoma_backend_codex::{Api, Recorder};
use tachikoma_backends_core::CompletionRequest;
use tachikoma_openai_mock::MockServer;

use super::playback::{cut, outcome};
use super::{backend, config, folder, lines, start_pieces};

const KEY: &str = "sk-proj-NobodyMay3Read7This0wxyz";
const ORGANIZATION: &str = "org-Tx83kfhq02Mzn5";
const COOKIE: &str = "session-8fh2kd93jfh2";

/// A key that a server sends back is masked wherever the body is cut, and the rest of the body stays.
#[test]
fn echoed_secrets_are_masked_for_any_cuts() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = |key: &str, organization: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"é {key} of {organization} 😀\"}}}}]}}\n\n\
             data: {{\"error\":{{\"message\":\"{key}{key}\",\"code\":\"{organization}\"}}}}\n\n"
        )
    };
    let strategy = (prop::collection::vec(1..30usize, 1..12), any::<bool>());
    let proptest = ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(proptest)
        .run(&strategy, |(sizes, is_streamed)| {
            runtime.block_on(async {
                let head = format!(
                    "200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: a={COOKIE}\r\n\
                     openai-organization: {ORGANIZATION}\r\nx-echo: Bearer {KEY}"
                );
                let url = start_pieces(&head, cut(body(KEY, ORGANIZATION).as_bytes(), &sizes), true).await;
                let (_folder, path) = folder();
                let config = config(&url)
                    .with_credentials(KEY)
                    .with_project("proj_Zk29fh3mQw8s")
                    .with_header("cookie", COOKIE)
                    .with_recorder(Recorder::create(&path));
                let request = CompletionRequest::user(format!("My key is {KEY}"));
                outcome(&backend(config), &url, request, is_streamed).await;
                let text = fs::read_to_string(&path).unwrap();
                for secret in [KEY, ORGANIZATION, COOKIE, "proj_Zk29fh3mQw8s"] {
                    let parts = secret.as_bytes().windows(10).map(|part| std::str::from_utf8(part).unwrap());
                    let found: Vec<_> = parts.filter(|part| text.contains(part)).collect();
                    assert!(found.is_empty(), "{found:?} in {text}");
                }
                let line = lines(&path).pop().unwrap();
                let pieces = line["response"]["pieces"].as_array().unwrap();
                let joined: Vec<u8> = pieces.iter().flat_map(bytes).collect();
                let masked = body("***", "***").replace("******", "***");
                assert!(masked.as_bytes().starts_with(&joined) && joined.len() + 2 > masked.len(), "{line}");
            });
            Ok(())
        })
        .unwrap();
}

/// The bytes of a recorded piece.
fn bytes(piece: &Value) -> Vec<u8> {
    use base64::Engine;
    match piece["base64"].as_str() {
        Some(text) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
        None => piece["text"].as_str().unwrap().as_bytes().to_vec(),
    }
}

/// A body whose length has changed by a mask has the right length when it is played back.
#[tokio::test]
async fn the_length_of_a_masked_body_is_right() {
    let (_folder, path) = folder();
    let body = format!(
        r#"{{"id":"1","choices":[{{"index":0,"message":{{"content":"It is {KEY}."}},"finish_reason":"stop"}}]}}"#
    );
    let url = crate::server::start(crate::server::http(200, "application/json", body.as_bytes())).await;
    let request = || CompletionRequest::user("Hi");
    let recorded = config(&url).with_credentials(KEY).with_recorder(Recorder::create(&path));
    outcome(&backend(recorded), &url, request(), false).await;
    let replay = MockServer::replay(&path).await.unwrap();
    let found = outcome(&backend(config(replay.base_url())), replay.base_url(), request(), false).await;
    assert_eq!(found[0]["content"], "It is ***.");
}

/// The credentials for other servers that a request holds are not recorded.
#[tokio::test]
async fn credentials_in_a_request_are_masked() {
    let (_folder, path) = folder();
    let mock = MockServer::start().await.unwrap();
    let tool = tachikoma_backend_codex::tools::McpServer::new("docs", "https://mcp.example/sse")
        .with_authorization("a-token-of-the-user")
        .with_header("x-key", "a-value-of-the-user");
    let request = || CompletionRequest::user("Hi").with_tools([tool.clone()]);
    let config = config(mock.base_url()).with_api(Api::Responses);
    let expected = outcome(
        &backend(config.clone().with_recorder(Recorder::create(&path))),
        mock.base_url(),
        request(),
        false,
    )
    .await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("mcp.example") && !text.contains("of-the-user"), "{text}");
    let replay = MockServer::replay(&path).await.unwrap();
    let again = backend(config.with_base_url(replay.base_url()));
    assert_eq!(outcome(&again, replay.base_url(), request(), false).await, expected);
}

/// Parts of the texts of a body, which must not be recorded: runs of 8 characters with a space.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let characters: Vec<char> = text.chars().collect();
            let runs = characters.windows(8).map(|run| run.iter().collect::<String>());
            found.extend(runs.filter(|run| run.contains(' ') && run.contains(char::is_alphabetic)));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

async fn check_redacted(path: &Path, is_streamed: bool) {
    let body = fs::read(path).unwrap();
    let api = match path.parent().unwrap().parent().unwrap().ends_with("responses") {
        true => Api::Responses,
        false => Api::ChatCompletions,
    };
    let kind = if is_streamed { "text/event-stream" } else { "application/json" };
    let url = start_pieces(&format!("200 OK\r\ncontent-type: {kind}"), cut(&body, &[70, 33, 1]), true).await;
    let (_folder, recording) = folder();
    let recorder = Recorder::create(&recording).with_redacted_texts(true);
    let request = || CompletionRequest::user("A wonderful question about Würzburg");
    let config = config(&url).with_api(api);
    let expected =
        outcome(&backend(config.clone().with_recorder(recorder)), &url, request(), is_streamed).await;
    let text = fs::read_to_string(&recording).unwrap();
    let response = lines(&recording).pop().unwrap()["response"].clone();
    let joined: Vec<u8> = response["pieces"].as_array().unwrap().iter().flat_map(bytes).collect();
    let joined = String::from_utf8_lossy(&joined);
    let mut private = vec!["wonderful".to_owned(), "Würzburg".to_owned()];
    if is_streamed {
        for data in String::from_utf8_lossy(&body).lines().filter_map(|line| line.strip_prefix("data:")) {
            serde_json::from_str(data).iter().for_each(|value| texts(value, &mut private));
        }
    } else {
        serde_json::from_slice(&body).iter().for_each(|value| texts(value, &mut private));
    }
    for word in private {
        assert!(!text.contains(&word) && !joined.contains(&word), "{path:?}: {word:?} in {joined}");
    }
    let replay = MockServer::replay(&recording).await.unwrap();
    let again = backend(config.with_base_url(replay.base_url()));
    let found = outcome(&again, replay.base_url(), request(), is_streamed).await;
    let is_error = |outcome: &[Value]| outcome.last().is_none_or(|last| last.get("category").is_some());
    assert_eq!(is_error(&found), is_error(&expected), "{path:?}: {found:?}\n{expected:?}\n{joined}");
    let name = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
    if !is_error(&expected) && CHANGED.iter().all(|(changed, _)| *changed != name) {
        let (found, expected) = (found.last().unwrap(), expected.last().unwrap());
        for field in ["usage", "finish_reason", "model"] {
            assert_eq!(found[field], expected[field], "{path:?}: {field}");
        }
    }
}

/// Scenarios that end in another way without their texts: the reason.
const CHANGED: &[(&str, &str)] =
    &[("stream_llama_cpp_two_tool_calls", "its deltas and its items spell the same arguments in two ways")];

#[test]
fn texts_can_be_left_out_and_the_rest_plays_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut checked = 0;
    for (pattern, is_streamed) in [("*/*/response.json", false), ("*/*/response.sse", true)] {
        insta::glob!("../../scenarios", pattern, |path| {
            runtime.block_on(check_redacted(path, is_streamed));
            checked += 1;
        });
    }
    assert!(checked > 150, "the scenarios are no longer found: {checked}");
}
