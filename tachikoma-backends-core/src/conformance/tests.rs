//! Good backends pass, and each fault is reported.

use std::sync::Arc;

use futures::executor::block_on;
use futures::{StreamExt, stream};
use serde_json::json;

use super::*;
use crate::{
    BackendInfo, CompletionChunk, CompletionResponse, CompletionStream, ErrorDetails, FinishReason,
    ScriptedBackend, ScriptedReply, ToolCall, ToolCallDelta, Usage, async_trait,
};

type Items = Vec<Result<CompletionChunk, BackendError>>;
type Whole = Result<CompletionResponse, BackendError>;

fn text() -> CompletionRequest {
    CompletionRequest::user("text")
}

fn busy() -> BackendError {
    let details = ErrorDetails::new("busy").with_status(503).with_code("overloaded").with_request_id("req_1");
    BackendError::ServiceUnavailable(details.with_retryable(true).into())
}

#[test]
fn the_scripted_backend_conforms() {
    let server = ScriptedReply::from_fn(|request| match request.messages[0].text().as_str() {
        "text" => ScriptedReply::text("Hello, world"),
        "tools" => ScriptedReply::tool_calls([("now", json!({})), ("weather", json!({"city": "Oslo"}))]),
        "cut" => vec![Ok(CompletionChunk::text("Hel")), Err(busy())].into(),
        _ => busy().into(),
    });
    let backend = Arc::new(ScriptedBackend::new().with_default_reply(server));
    let server = Arc::clone(&backend);
    let conformance = Conformance::new()
        .with_text(text(), "Hello, world")
        .with_tool_calls(
            CompletionRequest::user("tools"),
            [("now", json!({})), ("weather", json!({"city": "Oslo"}))],
        )
        .with_error(CompletionRequest::user("cut"), busy())
        .with_error(CompletionRequest::user("error"), busy())
        .with_cancellation(text(), move || {
            let server = Arc::clone(&server);
            async move { server.cancelled_requests() > 0 }
        });
    let report = block_on(conformance.run(&*backend));
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.checks.len(), 17, "{:#?}", report.checks);
    assert_eq!(report.to_string(), "17 checks, 0 violations");
}

/// A backend with these replies, whatever is asked.
#[derive(Debug)]
struct Fixed {
    info: BackendInfo,
    whole: Whole,
    items: Items,
}

impl Fixed {
    fn new(whole: Whole, items: Items) -> Self {
        Self { info: BackendInfo::new("fixed", "fixed-1"), whole, items }
    }
}

#[async_trait]
impl Backend for Fixed {
    fn info(&self) -> &BackendInfo {
        &self.info
    }
    async fn complete(&self, _: CompletionRequest) -> Whole {
        self.whole.clone()
    }
    async fn complete_stream(&self, _: CompletionRequest) -> Result<CompletionStream, BackendError> {
        Ok(stream::iter(self.items.clone()).boxed())
    }
    async fn health_check(&self) -> Result<bool, BackendError> {
        Ok(true)
    }
}

fn delta(text: &str) -> Result<CompletionChunk, BackendError> {
    Ok(CompletionChunk::text(text))
}

fn end() -> Result<CompletionChunk, BackendError> {
    Ok(CompletionChunk::last(FinishReason::Stop, None))
}

/// Runs the checks and compares the violations, each of which has to be reported, and no other.
#[track_caller]
fn check(conformance: Conformance, backend: &dyn Backend, expected: &[&str]) {
    let report = block_on(conformance.run(backend));
    let ours = |violation: &&String| !violation.starts_with("unknown model");
    let found: Vec<&str> = report.violations.iter().filter(ours).map(String::as_str).collect();
    assert_eq!(found, expected, "{report}");
}

/// A backend that should respond with the text "Hi", and whose stream is this.
#[track_caller]
fn check_stream(items: Items, expected: &[&str]) {
    let backend = Fixed::new(Ok(CompletionResponse::new("Hi")), items);
    check(Conformance::new().with_text(text(), "Hi"), &backend, expected);
}

#[test]
fn a_stream_has_one_end() {
    check_stream(vec![delta("H"), delta("i"), end()], &[]);
    check_stream(
        vec![delta("Hi")],
        &["text, complete_stream: the stream ended without a final chunk or an error"],
    );
    check_stream(vec![], &["text, complete_stream: the stream ended without a final chunk or an error"]);
    check_stream(
        vec![delta("Hi"), end(), end()],
        &["text, complete_stream: a final chunk follows the final chunk"],
    );
    check_stream(
        vec![delta("Hi"), end(), Err(busy())],
        &["text, complete_stream: an error follows the final chunk"],
    );
    check_stream(
        vec![delta("Hi"), Err(busy()), delta("!")],
        &[
            "text, complete_stream: a delta chunk follows the error",
            "text, complete_stream: there is an error instead of a response: server overloaded: busy (status 503, code \
             overloaded, request id req_1)",
        ],
    );
}

#[test]
fn reason_and_usage_are_on_the_final_chunk() {
    let mut early = CompletionChunk::text("Hi");
    early.usage = Some(Usage::new(1, 2));
    check_stream(
        vec![Ok(early), end()],
        &["text, complete_stream: a chunk that is not final has a finish reason or usage"],
    );
    let mut last = CompletionChunk::last(FinishReason::Stop, None);
    last.finish_reason = None;
    check_stream(
        vec![delta("Hi"), Ok(last)],
        &["text, complete_stream: the final chunk has no finish reason"],
    );
}

#[test]
fn both_ways_lead_to_the_same_response() {
    check_stream(
        vec![delta("Ho"), end()],
        &[
            "text, complete_stream: the content is Some(\"Ho\") instead of \"Hi\"",
            "text, complete and complete_stream: content differs: Some(\"Hi\") and Some(\"Ho\")",
        ],
    );
    let cut = CompletionChunk::last(FinishReason::Length, Some(Usage::default()));
    check_stream(
        vec![delta("Hi"), Ok(cut)],
        &[
            "text, complete_stream: the finish reason of a whole response is \"length\"",
            "text, complete and complete_stream: finish_reason differs: Stop and Length",
        ],
    );
    let mut usage = Usage::new(1, 2);
    usage.total_tokens = 2;
    check_stream(
        vec![delta("Hi"), Ok(CompletionChunk::last(FinishReason::Stop, Some(usage)))],
        &["text, complete_stream: the total of the usage is less than the tokens of prompt and response"],
    );
}

/// A backend that should call a tool, whose response has these calls, and whose stream has these deltas.
#[track_caller]
fn check_calls(calls: Vec<ToolCall>, deltas: Vec<ToolCallDelta>, expected: &[&str]) {
    let finish_reason = FinishReason::ToolUse;
    let whole = CompletionResponse { tool_calls: calls, finish_reason, ..Default::default() };
    let chunk = CompletionChunk { tool_calls: deltas, ..Default::default() };
    let end = CompletionChunk::last(FinishReason::ToolUse, None);
    let backend = Fixed::new(Ok(whole), vec![Ok(chunk), Ok(end)]);
    check(Conformance::new().with_tool_call(text(), "now", json!({"zone": "UTC"})), &backend, expected);
}

#[test]
fn tool_calls_are_whole_and_not_lost() {
    const ARGUMENTS: &str = "{\"zone\":\"UTC\"}";
    let call = |id: &str| ToolCall::new(id, "now", ARGUMENTS);
    let deltas = |index: usize, name: Option<&str>, arguments: &str| {
        let mut start = ToolCallDelta::default();
        (start.index, start.id, start.name) = (index, Some("a".into()), name.map(Into::into));
        let mut rest = ToolCallDelta::default();
        (rest.index, rest.arguments_delta) = (index, arguments.into());
        vec![start, rest]
    };
    check_calls(vec![call("a")], deltas(0, Some("now"), ARGUMENTS), &[]);
    let expected = "instead of [(\"now\", Object {\"zone\": String(\"UTC\")})]";
    check_calls(
        vec![],
        vec![],
        &[
            &format!("tool calls, complete: the tool calls are [] {expected}"),
            &format!("tool calls, complete_stream: the tool calls are [] {expected}"),
        ],
    );
    check_calls(
        vec![call("a")],
        vec![],
        &[
            &format!("tool calls, complete_stream: the tool calls are [] {expected}"),
            "tool calls, complete and complete_stream: tool_calls differs: [(\"now\", \"{\\\"zone\\\":\\\"UTC\\\"}\")] and []",
        ],
    );
    check_calls(
        vec![call("")],
        deltas(0, Some("now"), ARGUMENTS),
        &["tool calls, complete: the ids of the tool calls are empty or not unique"],
    );
    check_calls(
        vec![call("a")],
        deltas(1, Some("now"), ARGUMENTS),
        &[
            "tool calls, complete_stream: a tool call delta has index 1, but 0 calls have begun: indexes count from 0",
        ],
    );
}

#[test]
fn errors_keep_category_and_details() {
    let conformance = || Conformance::new().with_error(text(), busy());
    let outcome = |error: BackendError| Fixed::new(Err(error.clone()), vec![delta("Hi"), Err(error)]);
    check(conformance(), &outcome(busy()), &[]);
    let swallowed = Fixed::new(Ok(CompletionResponse::new("Hi")), vec![delta("Hi"), end()]);
    check(
        conformance(),
        &swallowed,
        &[
            "overloaded error, complete: there is a response instead of an error",
            "overloaded error, complete_stream: there is a response instead of an error",
        ],
    );
    let mut other = ErrorDetails::new(" ");
    (other.status, other.attempts) = (Some(500), 3);
    let other = Fixed::new(Err(BackendError::Api(other.into())), vec![Err(busy())]);
    check(
        conformance(),
        &other,
        &[
            "overloaded error, complete: the server error has no message",
            "overloaded error, complete: the category is server instead of overloaded: server error:   (status 500, 3 attempts)",
            "overloaded error, complete: the message is \" \" instead of \"busy\"",
            "overloaded error, complete: status is Some(500) instead of Some(503)",
            "overloaded error, complete: code is None instead of Some(\"overloaded\")",
            "overloaded error, complete: request_id is None instead of Some(\"req_1\")",
            "overloaded error, complete: 3 attempts were made though max_retries is 0",
        ],
    );
}

#[test]
fn what_is_not_cancelled_is_reported() {
    let backend = Fixed::new(Ok(CompletionResponse::new("Hi")), vec![delta("Hi"), end()]);
    let cancellation =
        |noticed: bool| Conformance::new().with_cancellation(text(), move || async move { noticed });
    check(cancellation(true), &backend, &[]);
    check(
        cancellation(false),
        &backend,
        &["cancellation: the request was not cancelled when its stream was dropped"],
    );
}

/// A backend that panics wherever it can, once its stream has ended.
#[derive(Debug, Default)]
struct Panicking(BackendInfo);

#[async_trait]
impl Backend for Panicking {
    fn info(&self) -> &BackendInfo {
        &self.0
    }
    async fn complete(&self, _: CompletionRequest) -> Whole {
        panic!("complete")
    }
    async fn complete_stream(&self, _: CompletionRequest) -> Result<CompletionStream, BackendError> {
        let chunk = |is_first| async move { Some((if is_first { delta("Hi") } else { end() }, false)) };
        let stream = stream::unfold(true, chunk).take(2).chain(stream::poll_fn(|_| panic!("polled again")));
        Ok(stream.boxed())
    }
    async fn health_check(&self) -> Result<bool, BackendError> {
        Err(BackendError::Network("".into()))
    }
    fn count_tokens(&self, text: &str) -> u32 {
        if text.is_empty() { 1 } else { 0 }
    }
    fn supports_model(&self, model: &str) -> bool {
        panic!("model {model:?}")
    }
}

#[test]
fn panics_are_reported() {
    check(
        Conformance::new().with_text(text(), "Hi"),
        &Panicking::default(),
        &[
            "info: the backend has no name",
            "info: the backend panicked: model \"\"",
            "count_tokens: no text has 1 tokens, a sentence 0, ten sentences 0: counts have to grow with the text",
            "health_check: the network error has no message",
            "text, complete: the backend panicked: complete",
            "text, complete_stream: the stream panicked: polled again",
        ],
    );
}

#[test]
fn the_checks_can_run_in_a_task() {
    fn assert_send(_: impl Send) {}
    let backend = ScriptedBackend::new();
    let conformance = Conformance::new();
    assert_send(conformance.run(&backend));
    assert!(
        format!("{:?}", conformance.with_cancellation(text(), || async { true })).contains("Cancellation")
    );
}
