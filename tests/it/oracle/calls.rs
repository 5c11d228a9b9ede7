//! The calls of the recording, in the order of its lines.

use serde_json::{Value, json};
use tachikoma_backend_codex::{AccessToken, Api, CodexBackendConfig, Credentials};
use tachikoma_backends_core::{
    CompletionRequest, ContentPart, ImageDetail, Message, ReasoningEffort, ResponseFormat, ToolCall,
    ToolChoice, ToolDefinition, ToolParameters, Verbosity,
};
use tachikoma_openai_mock::Reply;

/// A call of the SDK, as a request of this crate.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) request: CompletionRequest,
    pub(super) stream: bool,
    pub(super) configure: fn(CodexBackendConfig) -> CodexBackendConfig,
    /// The credentials for Azure, if the call goes there.
    pub(super) azure: Option<Credentials>,
    /// The first response of the server.
    pub(super) reply: Option<Reply>,
}

fn user() -> Message {
    Message::user("Say hi")
}

pub(super) fn request() -> CompletionRequest {
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

/// The schema of the Pydantic class in the recording.
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

pub(super) fn calls() -> Vec<Call> {
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
    let with_reply = |name, status, header, value| {
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
        // In the recording the wait is a second; other tests check how long a wait is.
        with_reply("retry_429_after_1", 429, "retry-after", "0"),
        with_reply("retry_503_ms", 503, "retry-after-ms", "1"),
        with_reply("noretry_400", 400, "x-none", ""),
        with_reply("retry_409", 409, "retry-after-ms", "1"),
        with_reply("retry_408", 408, "retry-after-ms", "1"),
        with_reply("should_retry_false", 500, "x-should-retry", "false"),
    ]
}
