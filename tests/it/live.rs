//! Against a real server: llama.cpp's, with a small deterministic model. Its base URL and key come from `OPENAI_BASE_URL`
//! and `OPENAI_API_KEY`; without them these tests print that they are skipped. With `LIVE_RECORDING`, their exchanges are recorded to that
//! file, and these tests pass against `tachikoma-openai-mock --replay` with it as well.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, Recorder};
use tachikoma_backends_core::{
    Approval, Backend, BackendExt, CollectingStream, CompletionRequest, CompletionResponse, ContentPart,
    CustomTool, ErrorCategory, FinishReason, Message, ResponseFormat, Role, Tool, ToolCallKind,
    ToolDefinition, ToolParameter, ToolRunErrorKind, ToolRunEvent, ToolRunner,
};
use tachikoma_openai_mock::MockServer;

/// What the model writes into the custom tool `shout`.
const INPUT: &str = "a real é \"quoted\" line";

const GREETING: &str = "Hello from a real é你😀 server.";

/// The server's settings, once for each API; without a server none, and a line that names the skipped test.
fn configs(what: &str) -> Vec<CodexBackendConfig> {
    if std::env::var_os("OPENAI_BASE_URL").is_none() {
        println!("skipped, since OPENAI_BASE_URL is not set: {what}");
        return Vec::new();
    }
    let mut config = CodexBackendConfig::from_env().unwrap().with_model("tiny-random");
    if let Some(path) = std::env::var_os("LIVE_RECORDING") {
        config = config.with_recorder(Recorder::append(path));
    }
    [Api::ChatCompletions, Api::Responses].map(|api| config.clone().with_api(api)).into()
}

fn request(text: &str) -> CompletionRequest {
    CompletionRequest::new(vec![Message::user(text)])
}

fn weather() -> ToolDefinition {
    let city = ToolParameter::string("Name of the city");
    ToolDefinition::builder("get_weather")
        .description("The weather now")
        .parameter("city", city)
        .build()
        .unwrap()
}

/// Sends the request twice, whole and streamed, and returns both responses.
async fn send(config: &CodexBackendConfig, request: &CompletionRequest) -> [CompletionResponse; 2] {
    let backend: Arc<dyn Backend> = Arc::new(CodexBackend::new(config.clone()).unwrap());
    let whole = backend.complete(request.clone()).await.unwrap();
    let stream = backend.complete_stream(request.clone()).await.unwrap();
    [whole, CollectingStream::new(stream).collect().await.unwrap()]
}

/// The same error, whole and streamed.
async fn fail(config: CodexBackendConfig, request: CompletionRequest, category: ErrorCategory, words: &str) {
    let backend: Arc<dyn Backend> = Arc::new(CodexBackend::new(config).unwrap());
    let whole = backend.complete(request.clone()).await.unwrap_err();
    let streamed = match backend.complete_stream(request).await {
        Ok(stream) => CollectingStream::new(stream).collect().await.unwrap_err().into(),
        Err(error) => error,
    };
    for error in [whole, streamed] {
        assert_eq!(error.category(), category, "{error}");
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    }
}

#[tokio::test]
async fn text() {
    for config in configs("plain text") {
        for response in send(&config, &request("Say hello")).await {
            assert_eq!(response.content.as_deref(), Some(GREETING));
            assert_eq!(response.finish_reason, FinishReason::Stop);
            let usage = response.usage.unwrap();
            assert!(usage.prompt_tokens > 0 && usage.completion_tokens > 0, "{usage:?}");
        }
    }
}

#[tokio::test]
async fn tool_calls_and_their_results() {
    for config in configs("tool calls") {
        for (text, calls) in [("Weather?", 1), ("TWO of them, please", 2)] {
            let mut request = request(text).with_tools([weather()]);
            for response in send(&config, &request).await {
                assert_eq!(response.finish_reason, FinishReason::ToolUse, "{response:?}");
                assert_eq!(response.tool_calls.len(), calls, "{response:?}");
                for call in &response.tool_calls {
                    assert_eq!(call.name, "get_weather");
                    assert!(call.parse_arguments().unwrap()["city"].is_string(), "{call:?}");
                }
            }
            let [response, _] = send(&config, &request).await;
            request.messages.push(response.to_message());
            request
                .messages
                .extend(response.tool_calls.iter().map(|call| Message::tool_result(&call.id, "Snow")));
            for response in send(&config, &request).await {
                assert_eq!(response.finish_reason, FinishReason::Stop, "{response:?}");
                assert!(response.content.is_some(), "{response:?}");
            }
        }
    }
}

#[tokio::test]
async fn custom_tools_and_reasoning_over_three_turns() {
    for config in configs("custom tools as functions, and reasoning that is sent back") {
        let backend: Arc<dyn Backend> = Arc::new(CodexBackend::new(config.clone()).unwrap());
        let tool = CustomTool::new("shout", "Makes a text loud");
        let inputs = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&inputs);
        let runner = ToolRunner::new().with(Tool::custom(tool.clone(), move |input: String| {
            heard.lock().unwrap().push(input.clone());
            input.to_uppercase()
        }));
        let mut request = CompletionRequest::new(vec![]).with_tools([tool]);
        let mut reasoning_tokens = Vec::new();
        for _turn in 0..3 {
            request.messages.push(Message::user("SHOUT"));
            for response in send(&config, &request).await {
                assert_eq!(
                    response.reasoning.as_deref().map(str::trim),
                    Some("It wants noise."),
                    "{response:?}"
                );
                let [call] = &response.tool_calls[..] else { panic!("{response:?}") };
                assert_eq!((call.kind, &*call.input()), (ToolCallKind::Custom, INPUT));
            }
            let run = runner.run(&*backend, request.clone()).await.unwrap();
            assert_eq!(run.response.content.as_deref(), Some(GREETING));
            request.messages = run.messages;
            // The server's template puts reasoning that it gets back into the prompt, where it is tokens.
            let mut without = request.clone();
            without.messages.iter_mut().for_each(|message| message.provider_state = None);
            let [with, without] = [request.clone(), without]
                .map(async |request| backend.complete(request).await.unwrap().usage.unwrap().prompt_tokens);
            reasoning_tokens.push(with.await - without.await);
        }
        assert_eq!(*inputs.lock().unwrap(), [INPUT; 3]);
        let results = request.messages.iter().filter(|message| message.role == Role::Tool);
        assert!(
            results.clone().count() == 3
                && results.clone().all(|result| result.content.to_text() == INPUT.to_uppercase())
        );
        let first = reasoning_tokens[0];
        assert!(first > 0, "{:?}", config.api());
        assert_eq!(reasoning_tokens, [first, 2 * first, 3 * first], "{:?}", config.api());
    }
}

#[tokio::test]
async fn reasoning_is_apart_from_the_text() {
    for config in configs("reasoning") {
        for response in send(&config, &request("THINK")).await {
            assert_eq!(response.content.as_deref(), Some("The answer is 42."));
            assert!(response.reasoning.as_deref().is_some_and(|text| text.contains("think")), "{response:?}");
        }
    }
}

#[tokio::test]
async fn an_endless_text_is_cut_by_length() {
    for config in configs("finish reason length") {
        for response in send(&config, &request("LONG").with_max_tokens(20)).await {
            assert_eq!(response.finish_reason, FinishReason::Length, "{response:?}");
            assert!(response.content.is_some_and(|text| !text.is_empty()));
        }
    }
}

#[tokio::test]
async fn a_response_by_a_schema() {
    for config in configs("structured outputs") {
        let format = ResponseFormat::JsonSchema {
            name: "place".to_owned(),
            description: None,
            schema: json!({
                "type": "object",
                "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
                "required": ["city"],
                "additionalProperties": false,
            }),
            strict: Some(true),
        };
        for response in
            send(&config, &request("Where?").with_temperature(0.0).with_response_format(format)).await
        {
            let json: Value = serde_json::from_str(&response.content.unwrap()).unwrap();
            assert!(json["city"] == "Oslo" || json["city"] == "Rome", "{json}");
        }
    }
}

#[tokio::test]
async fn a_typed_response_and_a_run_of_tools() {
    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    struct Place {
        city: City,
        country: Option<City>,
    }
    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    enum City {
        Oslo,
        Rome,
    }
    for config in configs("typed responses and tool runs") {
        let backend = CodexBackend::new(config).unwrap();
        backend.complete_as::<Place>(request("Where?").with_temperature(0.0)).await.unwrap();
        let tool = ToolDefinition::from_type::<Place>("get_weather", "The weather now");
        let runner = ToolRunner::new().with_tool(tool, async |place: Place| {
            let Place { city, country } = place;
            Ok::<_, std::convert::Infallible>(format!("{city:?}, {country:?}: snow"))
        });
        let run = runner.run(&backend, request("Weather TWO")).await.unwrap();
        assert!(run.steps == 2 && run.messages.len() == 5, "{:?}", run.messages);
        assert!(run.response.content.is_some_and(|text| !text.is_empty()));
    }
}

/// Never returns.
async fn hang(_: serde_json::Value) -> String {
    std::future::pending().await
}

#[tokio::test]
async fn a_run_is_approved_and_cancelled() {
    for config in configs("approval and cancelling") {
        let backend = CodexBackend::new(config).unwrap();
        let denies = ToolRunner::new()
            .with_tool(weather(), hang)
            .with_approval(async |_| Approval::Deny("not today".into()));
        let run = denies.run(&backend, request("Weather TWO")).await.unwrap();
        let results: Vec<_> = run.messages.iter().filter(|message| message.role == Role::Tool).collect();
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(|result| result.content.as_text() == Some("Error: not today")));
        let (started, start) = futures::channel::oneshot::channel();
        let mut started = Some(started);
        let on_event = |event: ToolRunEvent<'_>| {
            if let ToolRunEvent::CallStart(_) = event
                && let Some(started) = started.take()
            {
                started.send(()).unwrap();
            }
        };
        let hangs = ToolRunner::new().with_tool(weather(), hang);
        let cancel = async { start.await.unwrap() };
        let error = hangs.run_until(&backend, request("Weather TWO"), on_event, cancel).await.unwrap_err();
        assert_eq!(*error.kind(), ToolRunErrorKind::Cancelled, "{error}");
        assert!(error.usage().is_some_and(|usage| usage.total_tokens > 0));
        // Every call has a result, so that the conversation can go on.
        let mut request = request("");
        request.messages = error.into_messages();
        request.tools = vec![weather().into()];
        let response = backend.complete(request).await.unwrap();
        assert_eq!(response.finish_reason, FinishReason::Stop);
    }
}

#[tokio::test]
async fn an_image_that_the_model_cannot_read() {
    for config in configs("images") {
        let parts =
            vec![ContentPart::text("What is this?"), ContentPart::image_base64("image/png", "iVBORw0KGgo=")];
        let request = CompletionRequest::new(vec![Message::user(parts)]);
        fail(config, request, ErrorCategory::Server, "image input is not supported").await;
    }
}

#[tokio::test]
async fn a_wrong_key() {
    for config in configs("a wrong key") {
        let wrong = config.with_credentials("sk-wrong");
        let backend = CodexBackend::new(wrong.clone()).unwrap();
        fail(wrong, request("Hi"), ErrorCategory::Authentication, "Invalid API Key").await;
        let error = backend.health_check().await.unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Authentication, "{error}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long() {
    for config in configs("a prompt over the context window") {
        let long = request(&"word ".repeat(20_000));
        fail(config, long, ErrorCategory::ContextLength, "context").await;
    }
}

#[tokio::test]
async fn health() {
    for config in configs("the health check") {
        assert_eq!(CodexBackend::new(config).unwrap().health_check().await, Ok(true));
    }
}

/// What was recorded against the server plays back without it, piece for piece.
#[tokio::test]
async fn recordings_play_back() {
    for config in configs("recording and playing back") {
        let folder = tempfile::tempdir().unwrap();
        let [recording, again] = ["recording.jsonl", "again.jsonl"].map(|name| folder.path().join(name));
        let requests = [
            request("Say hello"),
            request("Weather TWO").with_tools([weather()]),
            request("THINK"),
            request("LONG").with_max_tokens(20),
        ];
        let run = async |config: CodexBackendConfig| {
            let mut responses = Vec::new();
            for request in &requests {
                for mut response in send(&config, request).await {
                    // State is for its own server, whose port differs.
                    response.provider_state = None;
                    responses.push(response);
                }
            }
            let error = CodexBackend::new(config).unwrap().complete(request(&"word ".repeat(20_000))).await;
            (responses, error.unwrap_err())
        };
        let recorded = run(config.clone().with_recorder(Recorder::create(&recording))).await;
        let replay = MockServer::replay(&recording).await.unwrap();
        let replayed = config.clone().with_base_url(replay.base_url());
        assert_eq!(run(replayed.with_recorder(Recorder::create(&again))).await, recorded);
        assert_eq!(pieces(&again), pieces(&recording));
    }
}

/// The bodies of the recorded responses, in their pieces.
fn pieces(recording: &Path) -> Vec<Vec<Value>> {
    let text = std::fs::read_to_string(recording).unwrap();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let pieces = line["response"]["pieces"].as_array().unwrap().iter();
        pieces.map(|piece| json!([piece["text"], piece["base64"]])).collect()
    });
    lines.collect()
}
