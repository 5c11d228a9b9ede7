//! Recorded calls of OpenAI's Python SDK, made with this crate: the same requests are sent, apart from listed differences.

mod calls;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures::StreamExt;
use serde_json::{Map, Value, json};
use tachikoma_backend_codex::{Api, Azure, CodexBackend, CodexBackendConfig, Credentials};
use tachikoma_backends_core::{ErrorCategory, ReasoningEffort};
use tachikoma_openai_mock::{MockServer, RecordedRequest};

use self::calls::{Call, calls, request};

/// Intended differences: the call, the place, the value of the SDK, that of this crate (`-` if absent), and the reason.
const DIFFERENCES: &[(&str, &str, &str, &str, &str)] = &[
    ("chat_system_params", "body/n", "1", "-", "a response is one choice, which is the default"),
    (
        "chat_mct_reasoning",
        "body/model",
        r#""gpt-4o""#,
        r#""gpt-5""#,
        "gpt-4o does not reason: the call is rejected before sending, see below; the rest is equal",
    ),
    (
        "chat_stream",
        "body/stream_options",
        "-",
        r#"{"include_usage":true}"#,
        "a streamed response reports its usage, as a whole one does",
    ),
    (
        "chat_tool_history",
        "body/messages/1/content",
        "null",
        "-",
        "a turn of calls alone has no content to send",
    ),
    ("chat_parse_pydantic", "body/stream", "false", "-", "false is the default"),
    (
        "resp_full",
        "body/max_output_tokens",
        "9",
        "16",
        "fewer than 16 are rejected before sending, as OpenAI would",
    ),
];
/// Differences of every call of the Responses API.
const DIFFERENCES_OF_RESPONSES: &[(&str, &str, &str, &str)] = &[
    ("body/input", r#""Say hi""#, r#"[{"content":"Say hi","role":"user"}]"#, A_LIST),
    ("body/input", r#""x""#, r#"[{"content":"x","role":"user"}]"#, A_LIST),
    ("body/store", "-", "false", "responses are stored only on request"),
];
const A_LIST: &str = "a conversation is a list, even of one message";

/// A backend whose client resolves the hosts of OpenAI and Azure to the mock.
fn backend(
    mock: &MockServer,
    configure: fn(CodexBackendConfig) -> CodexBackendConfig,
    azure: Option<Credentials>,
) -> CodexBackend {
    let port = mock.azure_endpoint().trim_start_matches("http://127.0.0.1:");
    let address = ([127, 0, 0, 1], 0).into();
    let (ours, azures) = ("api.openai.com", "r.openai.azure.com");
    let client = reqwest::Client::builder().no_proxy().resolve(ours, address).resolve(azures, address);
    let config = match azure {
        None => CodexBackendConfig::new("sk-test").with_base_url(format!("http://{ours}:{port}/v1")),
        Some(credentials) => CodexBackendConfig::new(credentials)
            .with_azure(Azure::new(format!("http://{azures}:{port}")).with_api_version("2024-10-21")),
    };
    let config = config.with_model("gpt-4o").with_http_client(client.build().unwrap());
    let config = config.with_min_retry_wait(std::time::Duration::from_millis(1));
    CodexBackend::new(configure(config)).unwrap()
}

/// A request in the format of the recording, with the headers recorded there.
fn recorded(request: RecordedRequest) -> Value {
    let kept = ["api-key", "authorization", "content-type", "openai-organization", "openai-project"];
    let headers: Map<_, _> =
        kept.iter().filter_map(|name| Some(((*name).to_owned(), request.header(name)?.into()))).collect();
    let query = request.query.map_or_else(String::new, |query| format!("?{query}"));
    json!({"method": request.method, "path": request.path + &query, "headers": headers, "body": request.body})
}

/// Makes a call and returns its requests in the format of the recording.
async fn make(call: Call) -> Value {
    // The server of the recording has accepted everything.
    let mock = MockServer::builder().with_schema_check(false).start().await.unwrap();
    call.reply.into_iter().for_each(|reply| mock.push_reply(reply));
    let backend = backend(&mock, call.configure, call.azure);
    let preview = backend.preview(&call.request).unwrap();
    let outcome = if call.stream {
        match backend.try_complete_stream(call.request).await {
            Ok(chunks) => {
                chunks.collect::<Vec<_>>().await.into_iter().find_map(Result::err).map_or(Ok(()), Err)
            }
            Err(error) => Err(error),
        }
    } else {
        backend.try_complete(call.request).await.map(drop)
    };
    let requests: Vec<_> = mock.requests().into_iter().map(recorded).collect();
    if !call.stream {
        assert_eq!(requests[0]["body"], preview.body, "{}: the preview is not what was sent", call.name);
        let path = requests[0]["path"].as_str().unwrap();
        assert!(preview.url.ends_with(path), "{}: {} is not {path}", call.name, preview.url);
    }
    // The mock does not support the Responses API: only the requests are compared.
    let fails = outcome.is_err() && backend.config().api() != Api::Responses;
    json!({"case": call.name, "fails": fails, "requests": requests})
}

/// The differences of two documents: the place, and both values.
fn differences(theirs: &Value, ours: &Value, place: &str, found: &mut Vec<(String, String, String)>) {
    let inner = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}/{key}") };
    match (theirs, ours) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => differences(one, other, &inner(key), found),
                    (one, other) => {
                        let text = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
                        found.push((inner(key), text(one), text(other)));
                    }
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &inner(&at.to_string()), found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push((place.to_owned(), theirs.to_string(), ours.to_string())),
    }
}

#[tokio::test]
async fn requests_equal_those_of_the_python_sdk() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/openai-python-3.54.0.jsonl");
    let recording = fs::read_to_string(path).unwrap();
    let mut calls = calls().into_iter();
    let mut found = Vec::new();
    let mut matched: BTreeSet<&(&str, &str, &str, &str)> = BTreeSet::new();
    for line in recording.lines() {
        let theirs: Value = serde_json::from_str(line).unwrap();
        let ours = make(calls.next().unwrap()).await;
        let name = theirs["case"].as_str().unwrap();
        let mut places = Vec::new();
        differences(&theirs, &ours, "", &mut places);
        places.retain(|(place, theirs, ours)| {
            let place = place.trim_start_matches("requests/0/");
            let is_listed = |row: &&(&str, &str, &str, &str)| {
                (row.0, row.1, row.2) == (place, theirs.as_str(), ours.as_str())
            };
            let row = DIFFERENCES_OF_RESPONSES.iter().find(is_listed).filter(|_| name.starts_with("resp_"));
            matched.extend(row);
            row.is_none()
        });
        found.extend(places.into_iter().map(|(place, theirs, ours)| {
            let place = place.trim_start_matches("requests/0/");
            format!("{name} {place}: {theirs} from the SDK, {ours} from here")
        }));
    }
    assert_eq!(recording.lines().count(), 37);
    assert_eq!(matched.len(), DIFFERENCES_OF_RESPONSES.len(), "only these occur: {matched:?}");
    assert!(calls.next().is_none(), "a call is not in the recording");
    let listed: Vec<_> = DIFFERENCES
        .iter()
        .map(|(name, place, theirs, ours, _)| {
            format!("{name} {place}: {theirs} from the SDK, {ours} from here")
        })
        .collect();
    let without = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|difference| !others.contains(difference)).cloned().collect()
    };
    let (unlisted, gone) = (without(&found, &listed), without(&listed, &found));
    assert!(unlisted.is_empty(), "these differ, and are not in DIFFERENCES: {unlisted:#?}");
    assert!(gone.is_empty(), "these no longer differ: remove them from DIFFERENCES: {gone:#?}");
}

/// The SDK sends it; by the model table gpt-4o has no efforts.
#[test]
fn an_effort_for_a_model_that_does_not_reason_is_rejected() {
    let backend = CodexBackend::new(CodexBackendConfig::new("sk-test").with_model("gpt-4o")).unwrap();
    let error = backend.preview(&request().with_reasoning_effort(ReasoningEffort::Low)).unwrap_err();
    assert_eq!(error.category(), ErrorCategory::InvalidRequest);
    assert!(error.to_string().contains("gpt-4o does not reason"), "{error}");
}
