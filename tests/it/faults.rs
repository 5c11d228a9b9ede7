//! Every fault against whole and streamed responses, with and without retries.

use std::time::Duration;

use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, Message, ToolDefinition, ToolParameters,
};
use tachikoma_openai_mock::MockServer;

/// A fault and its outcomes: whole without retries, whole with two, streamed without, streamed with two. The number is that of
/// the requests that the server received.
#[rustfmt::skip]
const MATRIX: &[(&str, [&str; 4])] = &[
    // A status is final, or is retried.
    ("status=400",                                               ["invalid_request 1"; 4]),
    ("status=401",                                               ["authentication 1"; 4]),
    ("status=402",                                               ["quota 1"; 4]),
    ("status=403",                                               ["permission 1"; 4]),
    ("status=404",                                               ["not_found 1"; 4]),
    ("status=422",                                               ["invalid_request 1"; 4]),
    ("status=429,code=insufficient_quota,retry-after-ms=1",      ["quota 1"; 4]),
    ("status=408,retry-after-ms=1",                              ["timeout 1", "timeout 3", "timeout 1", "timeout 3"]),
    ("status=409,retry-after-ms=1",                              ["server 1", "server 3", "server 1", "server 3"]),
    ("status=429,retry-after-ms=1",                              ["rate_limit 1", "rate_limit 3", "rate_limit 1", "rate_limit 3"]),
    ("status=500,retry-after-ms=1",                              ["server 1", "server 3", "server 1", "server 3"]),
    ("status=502,retry-after-ms=1",                              ["server 1", "server 3", "server 1", "server 3"]),
    ("status=503,retry-after-ms=1",                              ["overloaded 1", "overloaded 3", "overloaded 1", "overloaded 3"]),
    ("status=529,retry-after-ms=1",                              ["overloaded 1", "overloaded 3", "overloaded 1", "overloaded 3"]),
    ("status=500,retry-after-ms=1,times=2",                      ["server 1", "response 3", "server 1", "response 3"]),
    ("status=503,retry-after=0,times=1",                         ["overloaded 1", "response 2", "overloaded 1", "response 2"]),
    ("status=503,retry-after=61",                                ["overloaded 1"; 4]),
    ("status=429,retry-after=inf,retry-after-ms=NaN,times=1",    ["rate_limit 1", "response 2", "rate_limit 1", "response 2"]),
    ("status=500,x-should-retry=false",                          ["server 1"; 4]),
    ("status=400,x-should-retry=true,retry-after-ms=1,times=1",  ["invalid_request 1", "response 2", "invalid_request 1", "response 2"]),
    // Once a response has begun, the request is not retried automatically.
    ("truncate=2",                                               ["truncated_stream 1", "truncated_stream 1", "truncated_stream 1 Hello!", "truncated_stream 1 Hello!"]),
    ("truncate=2,reset",                                         ["network 1", "network 1", "network 1 Hello!", "network 1 Hello!"]),
    ("stall=2",                                                  ["timeout 1", "timeout 1", "timeout 1 Hello!", "timeout 1 Hello!"]),
    ("garbage=2",                                                ["parse 1", "parse 1", "truncated_stream 1 Hello!", "truncated_stream 1 Hello!"]),
    ("error=2",                                                  ["server 1", "server 1", "server 1 Hello!", "server 1 Hello!"]),
    ("error=2,code=rate_limit_exceeded",                         ["rate_limit 1", "rate_limit 1", "rate_limit 1 Hello!", "rate_limit 1 Hello!"]),
    // Unusual but valid responses are read.
    ("split=1",                                                  ["response 1"; 4]),
    ("slow=10ms",                                                ["response 1"; 4]),
    ("content-type=text/plain",                                  ["response 1"; 4]),
    ("duplicate=index",                                          ["response 1"; 4]),
];

async fn run(fault: &str, streamed: bool, retries: u32) -> String {
    let mock = MockServer::builder().with_fault(fault.parse().unwrap()).start().await.unwrap();
    let config = CodexBackendConfig::new("sk-test")
        .with_base_url(mock.base_url())
        .with_max_retries(retries)
        .with_min_retry_wait(Duration::from_millis(1))
        .with_idle_timeout(Duration::from_millis(200));
    let backend = CodexBackend::new(config).unwrap();
    let mut request = CompletionRequest::new(vec![Message::user("Say hello TWO times")]);
    if fault.starts_with("duplicate") {
        request = request.with_tools([ToolDefinition::new("hello", "Says it", ToolParameters::new())]);
    }
    let outcome: Result<_, (BackendError, Option<String>)> = if streamed {
        match backend.complete_stream(request).await {
            Ok(stream) => {
                let collected = CollectingStream::new(stream).collect().await;
                collected.map_err(|error| (error.error, error.partial.content))
            }
            Err(error) => Err((error, None)),
        }
    } else {
        backend.complete(request).await.map_err(|error| (error, None))
    };
    let requests = mock.requests().len();
    match outcome {
        Ok(response) => {
            let calls = if fault.starts_with("duplicate") { 2 } else { 0 };
            assert_eq!(response.tool_calls.len(), calls, "{fault}: {response:?}");
            assert!(
                calls > 0 || response.content.as_deref().is_some_and(|text| text.ends_with('?')),
                "{response:?}"
            );
            format!("response {requests}")
        }
        Err((error, partial)) => {
            assert!(!error.to_string().contains("sk-test"));
            let partial = partial.map(|text| format!(" {}", text.trim_end())).unwrap_or_default();
            format!("{} {requests}{partial}", error.category())
        }
    }
}

#[tokio::test]
async fn every_fault() {
    let mut wrong = Vec::new();
    for (fault, expected) in MATRIX {
        let mut found = Vec::new();
        for (streamed, retries) in [(false, 0), (false, 2), (true, 0), (true, 2)] {
            found.push(run(fault, streamed, retries).await);
        }
        if found != *expected {
            wrong.push(format!("{fault}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
