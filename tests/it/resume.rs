//! Streams of stored responses go on after a broken connection, if that is set, and are billed once.

use std::time::Duration;

use fastrand::Rng;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, CompletionResponse, CustomTool, Message,
    ToolDefinition, ToolParameters, ToolSpec,
};
use tachikoma_openai_mock::{MockServer, OutputItem, Reply};

fn config(mock: &MockServer) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test")
        .with_base_url(mock.base_url())
        .with_api(Api::Responses)
        .with_resume(true)
        .with_min_retry_wait(Duration::ZERO)
        .with_idle_timeout(Duration::from_millis(200))
}

fn reply() -> Reply {
    Reply::items([
        OutputItem::reasoning("First think."),
        OutputItem::message("Looking it up.").with_phase("commentary"),
        OutputItem::message("The answer is 42, as always."),
        OutputItem::function_call("now", "{}"),
        OutputItem::custom_tool_call("sql", "select 1"),
    ])
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
        .with_model("gpt-5.6-terra")
        .with_tools([
            ToolSpec::from(ToolDefinition::new("now", "The time", ToolParameters::new())),
            CustomTool::new("sql", "Runs SQL").into(),
        ])
        .with_store(true)
}

async fn collect(
    backend: &CodexBackend,
    request: CompletionRequest,
) -> Result<CompletionResponse, (BackendError, CompletionResponse)> {
    let stream = backend.complete_stream(request).await.unwrap();
    match CollectingStream::new(stream).collect().await {
        Ok(mut response) => {
            response.request_id = None;
            Ok(response)
        }
        Err(error) => Err((error.error, *error.partial)),
    }
}

/// The methods of the requests so far.
fn methods(mock: &MockServer) -> String {
    let method = |request: &tachikoma_openai_mock::RecordedRequest| format!("{} ", request.method);
    mock.requests().iter().map(method).collect::<String>().trim_end().to_owned()
}

#[tokio::test]
async fn cut_streams_are_equal_to_uncut_ones_and_billed_once() {
    let mock = MockServer::builder().with_reply(reply()).start().await.unwrap();
    let backend = CodexBackend::new(config(&mock)).unwrap();
    let uncut = collect(&backend, request()).await.unwrap();
    assert_eq!((uncut.tool_calls.len(), uncut.items.len()), (2, 5));
    for seed in 0..200 {
        let mut random = Rng::with_seed(seed);
        let (requests, billed) = (mock.requests().len(), mock.counters().billed_requests);
        mock.push_reply(reply());
        let cuts = random.usize(1..=5);
        for cut in 0..cuts {
            // The first event states the id. Of the further connections, one in a row may let no event pass.
            let least = usize::from(cut % 2 == 0);
            let (after, reset) = (random.usize(least..6), if random.bool() { ",reset" } else { "" });
            mock.push_fault(format!("truncate={after}{reset},times=1").parse().unwrap());
        }
        let resumed = collect(&backend, request()).await;
        assert_eq!(resumed.map_err(|(error, _)| error), Ok(uncut.clone()), "seed {seed}");
        assert_eq!(mock.counters().billed_requests, billed + 1, "seed {seed}");
        let requests: Vec<_> =
            mock.requests().into_iter().skip(requests).map(|request| request.method).collect();
        assert_eq!(requests.join(" "), format!("POST{}", " GET".repeat(cuts)), "seed {seed}");
    }
}

#[tokio::test]
async fn a_silent_connection_is_replaced() {
    let mock = MockServer::builder().with_reply(reply()).start().await.unwrap();
    mock.push_fault("stall=7,times=1".parse().unwrap());
    collect(&CodexBackend::new(config(&mock)).unwrap(), request()).await.unwrap();
    assert_eq!((methods(&mock).as_str(), mock.counters().billed_requests), ("POST GET", 1));
    let resumption = &mock.requests()[1];
    assert!(resumption.path.starts_with("/v1/responses/resp_"), "{}", resumption.path);
    assert!(resumption.header("authorization").is_some());
}

#[tokio::test]
async fn a_failure_to_resume_is_retried_like_any_request() {
    let mock = MockServer::builder().with_reply(reply()).start().await.unwrap();
    mock.push_fault("truncate=7,times=1".parse().unwrap());
    mock.push_fault("status=503,retry-after-ms=1,times=2".parse().unwrap());
    collect(&CodexBackend::new(config(&mock)).unwrap(), request()).await.unwrap();
    assert_eq!((methods(&mock).as_str(), mock.counters().billed_requests), ("POST GET GET GET", 1));
}

#[tokio::test]
async fn a_stream_that_is_not_resumed_is_an_error_with_what_had_arrived() {
    let text = || Reply::text("one two three four");
    let request = || CompletionRequest::new(vec![Message::user("Hi")]).with_model("gpt-5.6-terra");
    let stored = || request().with_store(true);
    type Change = fn(CodexBackendConfig) -> CodexBackendConfig;
    let unchanged: Change = |config| config;
    let chat: Change = |config| config.with_api(Api::ChatCompletions);
    let cases: [(&str, Change, CompletionRequest, &str); 5] = [
        ("", |config| config.with_resume(false), stored(), "POST"),
        ("", unchanged, request(), "POST"),
        ("", chat, stored(), "POST"),
        ("status=404", unchanged, stored(), "POST GET"),
        ("status=400", unchanged, stored(), "POST GET"),
    ];
    for (fault, change, request, expected) in cases {
        for (reset, category) in [("", "truncated_stream"), (",reset", "network")] {
            let mock = MockServer::builder().with_reply(text()).start().await.unwrap();
            let backend = CodexBackend::new(change(config(&mock))).unwrap();
            let after = if backend.config().api() == Api::ChatCompletions { 3 } else { 6 };
            mock.push_fault(format!("truncate={after}{reset},times=1").parse().unwrap());
            if !fault.is_empty() {
                mock.push_fault(fault.parse().unwrap());
            }
            let (error, partial) = collect(&backend, request.clone()).await.unwrap_err();
            assert_eq!(error.category().as_str(), category, "{fault} {error}");
            assert!(error.details().maybe_processed, "{error}");
            let content = partial.content.unwrap_or_default();
            assert!(!content.is_empty() && "one two three four".starts_with(&content), "{content:?}");
            assert_eq!((methods(&mock).as_str(), mock.counters().billed_requests), (expected, 1), "{fault}");
        }
    }
}
