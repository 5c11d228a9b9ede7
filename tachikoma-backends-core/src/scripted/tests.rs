//! What a scripted backend replies, when, and what it records.

use futures::executor::block_on;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{CompletionChunk, ErrorCategory, FinishReason, ToolCall, ToolCallDelta, Usage};

type Outcome = Result<CompletionResponse, BackendError>;

fn request() -> CompletionRequest {
    CompletionRequest::user("Hi")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn network() -> BackendError {
    BackendError::Network("reset".into())
}

fn end() -> Result<CompletionChunk, BackendError> {
    Ok(CompletionChunk::final_chunk(Usage::new(1, 2), FinishReason::Stop))
}

fn text(delta: &str) -> Result<CompletionChunk, BackendError> {
    Ok(CompletionChunk::text(delta))
}

/// The items of the stream, or the error instead of one.
async fn streamed(
    backend: &ScriptedBackend,
) -> Result<Vec<Result<CompletionChunk, BackendError>>, BackendError> {
    Ok(backend.complete_stream(request()).await?.collect().await)
}

/// A whole response with everything that a response can hold.
fn full() -> CompletionResponse {
    CompletionResponse {
        commentary: Some("Let me look.".into()),
        reasoning: Some("Größer als gedacht".into()),
        refusal: Some("Not that.".into()),
        tool_calls: vec![ToolCall::new("a", "now", r#"{"zone": "Europe/Oslo"}"#)],
        incomplete_tool_calls: vec![ToolCall::new("b", "write", r#"{"text": "ha"#)],
        finish_reason: FinishReason::Length,
        usage: Some(Usage::new(3, 4)),
        model: "m".into(),
        id: Some("resp_1".into()),
        request_id: Some("req_1".into()),
        service_tier: Some("flex".into()),
        ..CompletionResponse::new("It is noon — 12 o'clock.")
    }
}

#[test]
fn every_reply_is_the_same_whole_and_streamed() {
    #[track_caller]
    fn check(reply: impl Into<ScriptedReply>, expected: Outcome) {
        let reply = reply.into();
        let expected = expected.map(CompletionResponse::with_derived_items);
        let backend = || ScriptedBackend::new().with_reply(reply.clone());
        assert_eq!(block_on(backend().complete(request())), expected);
        let stream = block_on(backend().complete_stream(request()));
        let collected = stream.and_then(|stream| Ok(block_on(CollectingStream::new(stream).collect())?));
        assert_eq!(collected, expected);
    }
    let calls = |calls: &[(&str, &str, &str)]| CompletionResponse {
        tool_calls: calls.iter().map(|(id, name, arguments)| ToolCall::new(*id, *name, *arguments)).collect(),
        finish_reason: FinishReason::ToolUse,
        ..Default::default()
    };
    check("Hello, world", Ok(CompletionResponse::new("Hello, world")));
    check("日本語のテキスト".to_owned(), Ok(CompletionResponse::new("日本語のテキスト")));
    check(full(), Ok(full()));
    check(CompletionResponse::default(), Ok(CompletionResponse::default()));
    check(
        ScriptedReply::tool_call("get_weather", json!({"city": "Oslo"})),
        Ok(calls(&[("call_1", "get_weather", r#"{"city":"Oslo"}"#)])),
    );
    check(
        ScriptedReply::tool_calls([("a", json!({})), ("b", json!({"n": 1}))]),
        Ok(calls(&[("call_1", "a", "{}"), ("call_2", "b", r#"{"n":1}"#)])),
    );
    check(network(), Err(network()));
    let usage = Some(Usage::new(1, 2));
    check(
        vec![text("a"), text("b"), end()],
        Ok(CompletionResponse { usage, ..CompletionResponse::new("ab") }),
    );
    check(vec![text("a"), Err(network()), text("b"), end()], Err(network()));
    // What comes after the end is not part of the response.
    check(
        vec![text("a"), end(), text("b")],
        Ok(CompletionResponse { usage, ..CompletionResponse::new("a") }),
    );
    let truncated = block_on(CollectingStream::new(stream::empty().boxed()).collect()).unwrap_err().error;
    assert_eq!(truncated.category(), ErrorCategory::TruncatedStream);
    check(vec![text("a")], Err(truncated));
    check(
        ScriptedReply::from_fn(|request| format!("{} messages", request.messages.len())),
        Ok(CompletionResponse::new("1 messages")),
    );
    check(ScriptedReply::from_fn(|_| network()), Err(network()));
    check(
        ScriptedReply::from_fn(|_| ScriptedReply::from_fn(|_| ScriptedReply::tool_call("a", json!({})))),
        Ok(calls(&[("call_1", "a", "{}")])),
    );
}

#[test]
fn a_response_is_streamed_in_small_deltas() {
    let backend = ScriptedBackend::new().with_reply("Größe: 10").with_reply(full());
    let chunks = block_on(streamed(&backend)).unwrap();
    let deltas: Vec<_> = chunks.iter().map(|chunk| chunk.as_ref().unwrap().delta.as_str()).collect();
    assert_eq!(deltas, ["Größ", "e: 1", "0", ""]);

    let chunks = block_on(streamed(&backend)).unwrap();
    let chunks: Vec<_> = chunks.into_iter().map(Result::unwrap).collect();
    let count = |has: fn(&CompletionChunk) -> bool| chunks.iter().filter(|chunk| has(chunk)).count();
    assert!(count(|chunk| chunk.reasoning.is_some()) > 1);
    assert!(count(|chunk| chunk.refusal.is_some()) > 1);
    assert!(count(|chunk| chunk.phase.is_some()) > 1);
    let calls: Vec<&ToolCallDelta> = chunks.iter().flat_map(|chunk| &chunk.tool_calls).collect();
    for index in [0, 1] {
        let pieces: Vec<_> = calls.iter().filter(|delta| delta.index == index).collect();
        assert!(pieces.len() > 2, "{pieces:?}");
        assert!(pieces[1..].iter().all(|delta| delta.id.is_none() && delta.name.is_none()), "{pieces:?}");
        let complete: Vec<_> = pieces.iter().filter(|delta| delta.is_complete).collect();
        assert_eq!(complete.len(), 1 - index, "{complete:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn delays_are_those_of_the_clock() {
    let delayed = |reply: ScriptedReply| reply.with_delay(seconds(5)).with_chunk_delay(seconds(2));
    // Two deltas of text and the final chunk.
    let backend = ScriptedBackend::new()
        .with_default_reply(delayed("12345678".into()))
        .with_reply(delayed(network().into()))
        .with_reply(delayed(ScriptedReply::from_fn(|_| ScriptedReply::text("1234").with_delay(seconds(10)))));
    let start = Instant::now();
    let mut passed = seconds(5);
    assert_eq!(backend.complete(request()).await, Err(network()));
    assert_eq!(start.elapsed(), passed);
    backend.complete(request()).await.unwrap();
    passed += seconds(5 + 10 + 2);
    assert_eq!(start.elapsed(), passed, "computed");
    backend.complete(request()).await.unwrap();
    passed += seconds(5 + 2 + 2);
    assert_eq!(start.elapsed(), passed, "whole");

    let mut stream = backend.complete_stream(request()).await.unwrap();
    passed += seconds(5);
    for between in [0, 2, 2] {
        passed += seconds(between);
        stream.next().await.unwrap().unwrap();
        assert_eq!(start.elapsed(), passed, "streamed");
    }
    assert_eq!(stream.next().await, None);
    assert_eq!(start.elapsed(), passed, "streamed");
}

#[test]
fn a_request_without_a_reply_is_an_error_that_names_it() {
    let backend = ScriptedBackend::new().with_reply("one");
    assert_eq!(backend.remaining_replies(), 1);
    block_on(backend.complete(request())).unwrap();
    assert_eq!(backend.remaining_replies(), 0);
    let error = block_on(backend.complete(request())).unwrap_err();
    assert_eq!((error.category(), error.is_retryable()), (ErrorCategory::Configuration, false));
    let words =
        "the scripted backend has no reply left for request 2; add one with_reply, or set with_default_reply";
    assert!(error.to_string().contains(words), "{error}");
    assert!(block_on(backend.complete_stream(request())).err().unwrap().to_string().contains("request 3"));
    backend.push_reply("two");
    assert_eq!(
        block_on(backend.complete(request())),
        Ok(CompletionResponse::new("two").with_derived_items())
    );
    assert_eq!(backend.cancelled_requests(), 0);
}

#[test]
fn a_default_reply_follows_the_others_and_calls_have_ids_of_their_own() {
    let call = || ScriptedReply::tool_call("a", json!({}));
    let backend = ScriptedBackend::new().with_default_reply(call()).with_reply("first");
    assert_eq!(
        block_on(backend.complete(request())),
        Ok(CompletionResponse::new("first").with_derived_items())
    );
    for id in ["call_1", "call_2"] {
        assert_eq!(block_on(backend.complete(request())).unwrap().tool_calls[0].id, id);
    }
}

#[test]
fn requests_are_recorded() {
    let backend = Arc::new(ScriptedBackend::new().with_reply("one").with_reply(network()));
    assert_eq!((backend.requests(), backend.last_request()), (vec![], None));
    let requests: Vec<_> = ["a", "b", "c"].map(CompletionRequest::user).into();
    block_on(backend.complete(requests[0].clone())).unwrap();
    block_on(backend.complete_stream(requests[1].clone())).err().unwrap();
    block_on(backend.complete(requests[2].clone())).unwrap_err();
    assert_eq!(backend.last_request(), Some(requests[2].clone()));
    assert_eq!(backend.requests(), requests);
}

#[tokio::test(start_paused = true)]
async fn cancelled_requests_are_counted() {
    let reply = || ScriptedReply::text("12345678").with_delay(seconds(5)).with_chunk_delay(seconds(1));
    let backend =
        ScriptedBackend::new().with_default_reply(reply()).with_reply(vec![text("a"), Err(network())]);
    let mut stream = backend.complete_stream(request()).await.unwrap();
    while stream.next().await.is_some() {}
    drop(stream);
    backend.complete(request()).await.unwrap();
    let mut stream = backend.complete_stream(request()).await.unwrap();
    while !stream.next().await.unwrap().unwrap().is_final {}
    drop(stream);
    assert_eq!(backend.cancelled_requests(), 0, "they were read to their end");

    let mut stream = backend.complete_stream(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(backend.cancelled_requests(), 0, "it is still being read");
    drop(stream);
    assert_eq!(backend.cancelled_requests(), 1, "within the stream");
    drop(backend.complete_stream(request()).await.unwrap());
    assert_eq!(backend.cancelled_requests(), 2, "before the first chunk");
    for (patience, what) in [(1, "before the response"), (6, "within a response that is not streamed")] {
        let before = backend.cancelled_requests();
        tokio::time::timeout(seconds(patience), backend.complete(request())).await.unwrap_err();
        assert_eq!(backend.cancelled_requests(), before + 1, "{what}");
    }
    assert_eq!(backend.requests().len(), 7);
}

#[test]
fn a_function_may_look_at_the_backend() {
    let backend = Arc::new(ScriptedBackend::new());
    let seen = Arc::downgrade(&backend);
    backend.push_reply(ScriptedReply::from_fn(move |_| {
        seen.upgrade().map(|backend| backend.requests().len().to_string()).unwrap_or_default()
    }));
    assert_eq!(block_on(backend.complete(request())), Ok(CompletionResponse::new("1").with_derived_items()));
}

#[test]
fn it_is_the_backend_that_the_test_wants() {
    let backend = ScriptedBackend::new();
    assert_eq!((backend.name(), block_on(backend.health_check())), ("scripted", Ok(true)));
    assert!(backend.capabilities().tool_calling && backend.supports_model("scripted-model"));
    let capabilities = BackendCapabilities { max_context_tokens: 7, ..Default::default() };
    let backend = backend
        .with_name("codex")
        .with_default_model("m")
        .with_available_models(["n"])
        .with_capabilities(capabilities)
        .with_health(Err(network()));
    assert_eq!((backend.name(), backend.capabilities()), ("codex", &capabilities));
    assert_eq!(backend.info().default_model, "m");
    assert_eq!(backend.info().available_models, ["n"]);
    assert_eq!(block_on(backend.health_check()), Err(network()));
    let shared: Arc<dyn Backend> = Arc::new(backend.with_reply("Hi"));
    assert!(format!("{shared:?}").contains("\"Hi\""));
    assert_eq!(block_on(shared.complete(request())), Ok(CompletionResponse::new("Hi").with_derived_items()));
}
