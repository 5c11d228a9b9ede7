//! The calls that OpenAI's Python SDK was recorded at, made with this crate: the same goes out, but for what is listed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures::StreamExt;
use openai_mock::{MockServer, RecordedRequest, Reply};
use serde_json::{Map, Value, json};
use tachikoma_backend_codex::{AccessToken, Api, Azure, CodexBackend, CodexBackendConfig, Credentials};
use tachikoma_backends_core::{
    CompletionRequest, ContentPart, ErrorCategory, ImageDetail, Message, ReasoningEffort, ResponseFormat,
    ToolCall, ToolChoice, ToolDefinition, ToolParameters, Verbosity,
};

/// Where this crate sends something else, and why: the call, the place, what the SDK sends, what this crate sends. `-` is nothing.
const DIFFERENCES: &[(&str, &str, &str, &str, &str)] = &[
    ("chat_system_params", "body/n", "1", "-", "an answer is one choice, which is the default"),
    (
        "chat_mct_reasoning",
        "body/model",
        r#""gpt-4o""#,
        r#""gpt-5""#,
        "gpt-4o does not reason: the call is refused before sending, see below; the rest is equal",
    ),
    (
        "chat_stream",
        "body/stream_options",
        "-",
        r#"{"include_usage":true}"#,
        "a streamed answer says what it cost, as a whole one does",
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
        "fewer than 16 are refused before sending, as OpenAI would",
    ),
];
/// The same for every call of the Responses API where it occurs.
const DIFFERENCES_OF_RESPONSES: &[(&str, &str, &str, &str)] = &[
    ("body/input", r#""Say hi""#, r#"[{"content":"Say hi","role":"user"}]"#, A_LIST),
    ("body/input", r#""x""#, r#"[{"content":"x","role":"user"}]"#, A_LIST),
    ("body/store", "-", "false", "answers are stored for those who ask for it"),
];
const A_LIST: &str = "a conversation is a list, of one message too";

/// A call of the SDK in this crate's words.
struct Call {
    name: &'static str,
    request: CompletionRequest,
    stream: bool,
    configure: fn(CodexBackendConfig) -> CodexBackendConfig,
    /// What Azure is shown, where it is Azure's.
    azure: Option<Credentials>,
    /// What the server answers at first.
    reply: Option<Reply>,
}

fn user() -> Message {
    Message::user("Say hi")
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![user()])
}

fn parameters(schema: Value) -> ToolParameters {
    ToolParameters::try_from(schema).unwrap()
}

fn weather() -> ToolDefinition {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": false,
    });
    ToolDefinition::new("get_weather", "w", parameters(schema)).with_strict(true)
}

fn with_weather() -> CompletionRequest {
    request().with_tools([weather()])
}

fn json_schema(name: &str, description: Option<&str>, schema: Value) -> ResponseFormat {
    let description = description.map(str::to_owned);
    ResponseFormat::JsonSchema { name: name.to_owned(), description, schema, strict: Some(true) }
}

/// The schema of the class that the SDK was given.
fn class() -> Value {
    json!({
        "$defs": {"Unit": {"enum": ["c", "f"], "title": "Unit", "type": "string"}},
        "properties": {
            "city": {"title": "City", "type": "string"},
            "unit": {"$ref": "#/$defs/Unit"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Note"},
            "tags": {"items": {"type": "string"}, "title": "Tags", "type": "array"},
        },
        "required": ["city", "unit", "note", "tags"],
        "title": "W",
        "type": "object",
        "additionalProperties": false,
    })
}

fn calls() -> Vec<Call> {
    let call = |name, request| Call {
        name,
        request,
        stream: false,
        configure: |config| config,
        azure: None,
        reply: None,
    };
    let responses =
        |name, request| Call { configure: |config| config.with_api(Api::Responses), ..call(name, request) };
    let streamed = |name| Call { stream: true, ..call(name, request()) };
    let answered = |name, status, header, value| {
        let reply = Reply::error(status, "t", "x").with_header(header, value);
        Call { reply: Some(reply), ..call(name, request()) }
    };
    let number = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": false,
    });
    let arguments = r#"{"city":"Oslo"}"#;
    vec![
        call("chat_plain", request()),
        call(
            "chat_system_params",
            CompletionRequest::new(vec![Message::system("s"), user()])
                .with_temperature(0.5)
                .with_top_p(0.9)
                .with_max_tokens(5u32)
                .with_stop(["x"])
                .with_seed(1)
                .with_user("u")
                .with_presence_penalty(0.1)
                .with_frequency_penalty(0.1)
                .with_logit_bias([("50256", -100)])
                .with_metadata([("k", "v")])
                .with_store(true),
        ),
        call(
            "chat_mct_reasoning",
            CompletionRequest::new(vec![Message::system("d"), user()])
                .with_model("gpt-5")
                .with_max_tokens(9u32)
                .with_reasoning_effort(ReasoningEffort::Low),
        ),
        streamed("chat_stream"),
        streamed("chat_stream_usage"),
        call("chat_tools", with_weather()),
        call("chat_tools_none", with_weather().with_tool_choice(ToolChoice::None)),
        call(
            "chat_tools_required",
            with_weather().with_tool_choice(ToolChoice::Required).with_parallel_tool_calls(false),
        ),
        call("chat_tools_named", with_weather().with_tool_choice(ToolChoice::tool("get_weather"))),
        call(
            "chat_tool_history",
            CompletionRequest::new(vec![
                user(),
                Message::assistant_with_tool_calls(
                    "",
                    vec![ToolCall::new("call_1", "get_weather", arguments)],
                ),
                Message::tool_result("call_1", "12C"),
            ])
            .with_tools([weather()]),
        ),
        call(
            "chat_vision",
            CompletionRequest::new(vec![Message::user(vec![
                ContentPart::text("what"),
                ContentPart::image_base64("image/png", "iVBORw0KGgo=").with_detail(ImageDetail::Low),
                ContentPart::image_url("https://example.com/a.png"),
            ])]),
        ),
        call("chat_json_object", request().with_response_format(ResponseFormat::JsonObject)),
        call("chat_json_schema", request().with_response_format(json_schema("x", Some("d"), number.clone()))),
        call("chat_parse_pydantic", request().with_response_format(json_schema("W", None, class()))),
        call(
            "chat_pydantic_tool",
            request().with_tools([ToolDefinition::new("w", "", parameters(class())).with_strict(true)]),
        ),
        Call {
            configure: |config| config.with_organization("org-1").with_project("proj_1"),
            ..call("chat_org_project", request())
        },
        Call { azure: Some("az-key".into()), ..call("chat_azure_key", request()) },
        Call {
            azure: Some(Credentials::from_async_fn(|| async { Ok(AccessToken::new("aad-token")) })),
            ..call("chat_azure_aad", request())
        },
        call(
            "chat_service_tier",
            request()
                .with_service_tier("flex")
                .with_verbosity(Verbosity::Low)
                .with_extra("prompt_cache_key", "k")
                .with_extra("safety_identifier", "s"),
        ),
        responses("resp_plain", request()),
        responses(
            "resp_full",
            request()
                .with_max_tokens(16u32)
                .with_temperature(0.5)
                .with_top_p(0.9)
                .with_store(false)
                .with_metadata([("k", "v")])
                .with_extra("instructions", "i")
                .with_extra("previous_response_id", "resp_1")
                .with_extra("truncation", "auto")
                .with_extra("include", json!(["reasoning.encrypted_content"])),
        ),
        responses(
            "resp_reasoning",
            request().with_extra("reasoning", json!({"effort": "low", "summary": "auto"})),
        ),
        Call { stream: true, ..responses("resp_stream", request()) },
        responses("resp_tools", with_weather()),
        responses(
            "resp_tools_required",
            with_weather().with_tool_choice(ToolChoice::Required).with_parallel_tool_calls(false),
        ),
        responses("resp_tools_named", with_weather().with_tool_choice(ToolChoice::tool("get_weather"))),
        responses(
            "resp_tool_history",
            CompletionRequest::new(vec![
                user(),
                Message::assistant_with_tool_calls("", vec![ToolCall::new("call_1", "get_weather", "{}")]),
                Message::tool_result("call_1", "12C"),
            ])
            .with_tools([weather()]),
        ),
        responses(
            "resp_vision",
            CompletionRequest::new(vec![Message::user(vec![
                ContentPart::text("what"),
                ContentPart::image_base64("image/png", "iVBORw0KGgo=").with_detail(ImageDetail::Low),
            ])]),
        ),
        responses(
            "resp_json_schema",
            request().with_response_format(json_schema("x", None, number)).with_verbosity(Verbosity::Low),
        ),
        responses(
            "resp_parse_pydantic",
            CompletionRequest::new(vec![Message::user("x")]).with_response_format(json_schema(
                "W",
                None,
                class(),
            )),
        ),
        Call { azure: Some("az-key".into()), ..responses("resp_azure", request()) },
        // The SDK was told to wait for a second; how long a wait is belongs to other tests.
        answered("retry_429_after_1", 429, "retry-after", "0"),
        answered("retry_503_ms", 503, "retry-after-ms", "1"),
        answered("noretry_400", 400, "x-none", ""),
        answered("retry_409", 409, "retry-after-ms", "1"),
        answered("retry_408", 408, "retry-after-ms", "1"),
        answered("should_retry_false", 500, "x-should-retry", "false"),
    ]
}

/// A backend that takes the mock for OpenAI's own server, or for Azure's.
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

/// A request with the headers that the recorded ones have.
fn recorded(request: RecordedRequest) -> Value {
    let kept = ["api-key", "authorization", "content-type", "openai-organization", "openai-project"];
    let headers: Map<_, _> =
        kept.iter().filter_map(|name| Some(((*name).to_owned(), request.header(name)?.into()))).collect();
    let query = request.query.map_or_else(String::new, |query| format!("?{query}"));
    json!({"method": request.method, "path": request.path + &query, "headers": headers, "body": request.body})
}

/// Makes a call and returns what was sent, as the SDK's recording has it.
async fn make(call: Call) -> Value {
    let mock = MockServer::start().await.unwrap();
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
    // The mock does not speak the Responses API yet: what was sent is all there is to compare.
    let fails = outcome.is_err() && backend.config().api() != Api::Responses;
    json!({"case": call.name, "fails": fails, "requests": requests})
}

/// Where two documents differ: the place, and what stands there in each.
fn differences(theirs: &Value, ours: &Value, place: &str, found: &mut Vec<(String, String, String)>) {
    let inner = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}/{key}") };
    match (theirs, ours) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => differences(one, other, &inner(key), found),
                    (one, other) => {
                        let shown = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
                        found.push((inner(key), shown(one), shown(other)));
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
async fn the_same_goes_out_as_from_the_python_sdk() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/openai-python-3.54.0.jsonl");
    let recording = fs::read_to_string(path).unwrap();
    let mut calls = calls().into_iter();
    let mut found = Vec::new();
    let mut met: BTreeSet<&(&str, &str, &str, &str)> = BTreeSet::new();
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
            met.extend(row);
            row.is_none()
        });
        found.extend(places.into_iter().map(|(place, theirs, ours)| {
            let place = place.trim_start_matches("requests/0/");
            format!("{name} {place}: {theirs} from the SDK, {ours} from here")
        }));
    }
    assert_eq!(recording.lines().count(), 37);
    assert_eq!(met.len(), DIFFERENCES_OF_RESPONSES.len(), "only these are met: {met:?}");
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
    assert!(gone.is_empty(), "these differ no more: take them from DIFFERENCES: {gone:#?}");
}

/// The SDK sends it; by the model table gpt-4o knows no efforts.
#[test]
fn an_effort_for_a_model_that_does_not_reason_is_refused() {
    let backend = CodexBackend::new(CodexBackendConfig::new("sk-test").with_model("gpt-4o")).unwrap();
    let error = backend.preview(&request().with_reasoning_effort(ReasoningEffort::Low)).unwrap_err();
    assert_eq!(error.category(), ErrorCategory::InvalidRequest);
    assert!(error.to_string().contains("gpt-4o does not reason"), "{error}");
}
