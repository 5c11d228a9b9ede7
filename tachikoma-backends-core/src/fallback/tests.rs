//! What a fallback sends where, what it returns, and what it remembers.

mod health;
mod properties;
mod state;

use std::sync::Mutex;

use futures::executor::block_on;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{
    CompletionChunk, Conformance, ContentPart, ErrorDetails, FinishReason, Message, ProviderState,
    ScriptedBackend, ScriptedReply, ToolCall,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn hi() -> CompletionRequest {
    CompletionRequest::user("Hi")
}

fn failure(category: ErrorCategory) -> BackendError {
    BackendError::new(category, format!("the {category} message"))
}

fn limited(wait: Option<u64>) -> BackendError {
    let mut details = ErrorDetails::new("slow down");
    details.retry_after = wait.map(seconds);
    BackendError::RateLimit(details.into())
}

fn busy() -> BackendError {
    failure(ErrorCategory::Overloaded)
}

fn scripted(name: &str) -> ScriptedBackend {
    ScriptedBackend::new().with_name(name)
}

/// A backend that fails with these errors and then responds with its name.
fn failing(name: &str, errors: impl IntoIterator<Item = BackendError>) -> Arc<ScriptedBackend> {
    Arc::new(errors.into_iter().fold(scripted(name).with_default_reply(name), ScriptedBackend::with_reply))
}

fn pair(first: &Arc<ScriptedBackend>, second: &Arc<ScriptedBackend>) -> Fallback {
    Fallback::new(Arc::clone(first)).with_fallback(Arc::clone(second))
}

async fn text(backend: &Fallback) -> Result<String, BackendError> {
    Ok(backend.complete(hi()).await?.content.unwrap_or_default())
}

async fn chunks(backend: &Fallback) -> Result<Vec<Result<CompletionChunk, BackendError>>, BackendError> {
    Ok(backend.complete_stream(hi()).await?.collect().await)
}

/// A cool-down that skips nothing.
fn no_cool_down() -> Backoff {
    Backoff::new().with_first_wait(Duration::ZERO).with_max_wait(Duration::ZERO)
}

fn counts(backends: [&Arc<ScriptedBackend>; 2]) -> [usize; 2] {
    backends.map(|backend| backend.requests().len())
}

#[test]
fn the_category_decides_who_gets_the_request() {
    use ErrorCategory::*;
    let goes_on = [NotFound, RateLimit, Quota, Server, Overloaded, Timeout, Network];
    for category in ErrorCategory::ALL {
        for is_streamed in [false, true] {
            let (first, second) = (failing("a", [failure(*category)]), failing("b", []));
            let fallback = pair(&first, &second);
            let outcome = if is_streamed {
                block_on(chunks(&fallback)).map(|chunks| chunks[0].clone().unwrap().delta)
            } else {
                block_on(text(&fallback))
            };
            if goes_on.contains(category) {
                assert_eq!(outcome, Ok("b".to_owned()), "{category}");
            } else {
                let error = outcome.unwrap_err();
                assert_eq!(error.category(), *category);
                assert_eq!(error.details().message, format!("a: the {category} message"));
                assert_eq!(counts([&first, &second]), [1, 0], "{category}");
            }
        }
    }
}

#[test]
fn categories_can_be_added_and_removed() {
    let outcome = |category, action| {
        let fallback = pair(&failing("a", [failure(category)]), &failing("b", []));
        block_on(text(&fallback.with_action(category, action)))
    };
    assert!(outcome(ErrorCategory::Authentication, FallbackAction::NextBackend).is_ok());
    assert!(outcome(ErrorCategory::Overloaded, FallbackAction::ReturnError).is_err());
}

#[test]
fn a_request_that_may_have_been_processed_is_not_paid_for_twice() {
    for category in [ErrorCategory::Timeout, ErrorCategory::Network, ErrorCategory::Server] {
        let details = || ErrorDetails::new("no response").with_maybe_processed(true);
        let error = || BackendError::from_details(category, details());
        let (first, second) = (failing("a", [error(), error()]), failing("b", []));
        let fallback = pair(&first, &second);
        assert_eq!(block_on(text(&fallback)).unwrap_err().category(), category);
        assert_eq!(counts([&first, &second]), [1, 0]);
        assert!(!fallback.health()[0].is_healthy, "the next request goes elsewhere");

        let fallback = pair(&first, &second).with_fallback_if_maybe_processed(true);
        assert_eq!(block_on(text(&fallback)), Ok("b".to_owned()));
    }
}

#[test]
fn only_a_missing_model_leads_to_the_next_backend() {
    for (param, expected) in [(None, 1), (Some("model"), 1), (Some("tools[0].vector_store_ids"), 0)] {
        let mut details = ErrorDetails::new("not found");
        details.param = param.map(str::to_owned);
        let (first, second) = (failing("a", [BackendError::NotFound(details.into())]), failing("b", []));
        assert_eq!(block_on(text(&pair(&first, &second))).is_ok(), expected == 1, "{param:?}");
        assert_eq!(counts([&first, &second]), [1, expected], "{param:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_waited_for_within_a_bound() {
    let max_retries = |retries: u32| hi().with_max_retries(retries);
    let (default, off) = (seconds(5), Duration::ZERO);
    // The errors of the first backend, the request, the longest wait, the requests that both get, and the range of the wait.
    for (errors, request, max_wait, expected, (least, most)) in [
        (vec![limited(Some(2))], hi(), default, [2, 0], (2000, 2501)),
        (vec![limited(Some(5))], hi(), default, [2, 0], (5000, 5001)),
        (vec![limited(Some(0))], hi(), default, [2, 0], (375, 501)),
        (vec![limited(Some(6))], hi(), default, [1, 1], (0, 0)),
        (vec![limited(None)], hi(), default, [1, 1], (0, 0)),
        (vec![limited(Some(2)), limited(Some(2))], hi(), default, [2, 1], (2000, 2501)),
        (vec![limited(Some(2)), busy()], hi(), default, [2, 1], (2000, 2501)),
        (vec![limited(Some(2))], max_retries(0), default, [1, 1], (0, 0)),
        (vec![limited(Some(0))], hi(), off, [1, 1], (0, 0)),
    ] {
        let (first, second) = (failing("a", errors.clone()), failing("b", []));
        let start = Instant::now();
        pair(&first, &second).with_max_wait(max_wait).complete(request).await.unwrap();
        assert_eq!(counts([&first, &second]), expected, "{errors:?}");
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_millis(least) && waited <= Duration::from_millis(most),
            "{waited:?}"
        );
    }
}

#[test]
fn without_a_runtime_nothing_is_waited_for() {
    let (first, second) = (failing("a", [limited(Some(1))]), failing("b", []));
    assert_eq!(block_on(text(&pair(&first, &second))), Ok("b".to_owned()));
}

#[test]
fn an_error_after_a_chunk_is_the_callers() {
    let chunk = |text: &str| Ok(CompletionChunk::text(text));
    let broken = || Err(failure(ErrorCategory::Network));
    let end = || Ok(CompletionChunk::last(FinishReason::Stop, None));
    // A chunk without text counts.
    for (items, expected) in [
        (vec![chunk("a"), broken()], vec![chunk("a"), broken()]),
        (vec![chunk(""), broken()], vec![chunk(""), broken()]),
        (vec![broken()], vec![chunk("b"), end()]),
    ] {
        let first = Arc::new(scripted("a").with_reply(items.clone()));
        let second = Arc::new(scripted("b").with_default_reply(vec![chunk("b"), end()]));
        let fallback = pair(&first, &second);
        assert_eq!(block_on(chunks(&fallback)), Ok(expected), "{items:?}");
        assert!(!fallback.health()[0].is_healthy, "{items:?}");
    }
}

/// A backend whose streams are empty.
#[derive(Debug)]
struct Empty(BackendInfo);

#[async_trait]
impl Backend for Empty {
    fn info(&self) -> &BackendInfo {
        &self.0
    }
    async fn complete(&self, _: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        Err(collect::no_end())
    }
    async fn complete_stream(&self, _: CompletionRequest) -> Result<CompletionStream, BackendError> {
        Ok(stream::empty().boxed())
    }
    async fn health_check(&self) -> Result<bool, BackendError> {
        Ok(false)
    }
}

#[test]
fn an_empty_stream_is_an_error() {
    let fallback = Fallback::new(Arc::new(Empty(BackendInfo::new("empty", "m"))));
    let error = block_on(chunks(&fallback)).unwrap_err();
    assert_eq!(error.category(), ErrorCategory::TruncatedStream);
    assert_eq!(block_on(fallback.health_check()), Ok(false));
}

#[test]
fn the_error_reports_all_attempts() {
    let error = |category, message: &str, id: &str| {
        let details = ErrorDetails::new(message).with_request_id(id).with_attempts(2);
        let earlier = ErrorDetails::new("reset").with_attempts(1);
        BackendError::from_details(category, details.with_earlier_failure(ErrorCategory::Network, earlier))
    };
    let first = error(ErrorCategory::Overloaded, "busy", "req_1");
    let second = error(ErrorCategory::Quota, "no money", "req_2");
    let fallback = pair(&failing("a", [first]), &failing("b", [second]));
    let text_of = |fallback: &Fallback| block_on(text(fallback)).unwrap_err();
    let last = text_of(&fallback);
    // The last one that may pass: a caller that tries again reaches it.
    let expected = "server overloaded: a: busy (request id req_1, 6 attempts; before: b: network: reset; \
                    b: quota (request id req_2): no money; a: network: reset)";
    assert_eq!(last.to_string(), expected);
    assert!(last.is_retryable());

    let details = ErrorDetails::new("wrong").with_hint("Correct it.").with_maybe_processed(true);
    let wrong = BackendError::InvalidRequest(details.into());
    let last = text_of(&pair(&failing("a", [busy()]), &failing("b", [wrong])));
    assert_eq!(
        (last.category(), last.details().message.as_str()),
        (ErrorCategory::InvalidRequest, "b: wrong")
    );
    assert_eq!(last.details().earlier_failures, ["a: overloaded: the overloaded message"]);
    assert!(last.details().maybe_processed && last.details().hint.is_some());

    // What was not tried is reported too.
    let second = failing("b", []);
    let fallback = pair(&failing("a", [busy()]), &second);
    assert_eq!(block_on(text(&fallback)), Ok("b".to_owned()));
    second.push_reply(busy());
    let others = text_of(&fallback).into_details().earlier_failures;
    assert_eq!(others.len(), 1);
    assert!(others[0].starts_with("a: not tried for another "), "{others:?}");
    assert!(others[0].ends_with(" s after overloaded"), "{others:?}");

    let waits = |one, other| text_of(&pair(&failing("a", [limited(one)]), &failing("b", [limited(other)])));
    assert_eq!(waits(Some(10), Some(20)).retry_after(), Some(seconds(10)));
    assert_eq!(waits(Some(10), None).retry_after(), None);
    // A single backend's error is its own.
    let alone = Fallback::new(failing("a", [busy()]));
    assert_eq!(block_on(text(&alone)), Err(busy()));
}

#[test]
fn it_describes_what_all_can_do() {
    let capabilities = |context, output, vision| {
        BackendCapabilities::new()
            .with_streaming(true)
            .with_vision(vision)
            .with_max_context_tokens(context)
            .with_max_output_tokens(output)
    };
    let first = scripted("a").with_default_model("m").with_available_models(["n"]);
    let first = Arc::new(first.with_capabilities(capabilities(1000, 0, true)));
    let second =
        scripted("b").with_available_models(["n", "o"]).with_capabilities(capabilities(500, 70, false));
    let second = FallbackEntry::new(Arc::new(second)).with_model("own");
    let fallback = Fallback::new(first).with_fallback(second);
    assert_eq!((fallback.name(), fallback.info().default_model.as_str()), ("fallback", "m"));
    assert_eq!(fallback.info().available_models, ["m", "n", "own", "o"]);
    assert_eq!(fallback.capabilities(), &capabilities(500, 70, false));
    for (model, expected) in [("m", true), ("own", true), ("o", true), ("x", false)] {
        assert_eq!(fallback.supports_model(model), expected, "{model}");
    }
    let own = capabilities(1, 2, true);
    let fallback = fallback.with_capabilities(own).with_name("mine").with_fallback(failing("c", []));
    assert_eq!((fallback.name(), fallback.capabilities()), ("mine", &own));
    assert_eq!(fallback.count_tokens("12345678"), 2);
    assert!(format!("{fallback:?}").contains("FallbackEntry"));
}

#[test]
fn it_is_reachable_if_any_backend_is() {
    let backend = |health| Arc::new(scripted("a").with_health(health));
    let check = |one, other| block_on(pair(&backend(one), &backend(other)).health_check());
    assert_eq!(check(Err(busy()), Ok(true)), Ok(true));
    assert_eq!(check(Ok(false), Ok(false)), Ok(false));
    let error = check(Err(busy()), Err(failure(ErrorCategory::Authentication))).unwrap_err();
    assert_eq!(error.category(), ErrorCategory::Overloaded);
    assert!(error.to_string().contains("the authentication message"), "{error}");
}

#[test]
fn only_the_last_backend_tries_again_on_its_own() {
    let (first, second) = (failing("a", [busy()]), failing("b", []));
    let fallback = pair(&first, &second);
    block_on(fallback.complete(hi().with_max_retries(7))).unwrap();
    let retries = |backend: &ScriptedBackend| backend.last_request().unwrap().max_retries;
    assert_eq!((retries(&first), retries(&second)), (Some(0), Some(7)));
    block_on(fallback.complete(hi())).unwrap();
    assert_eq!(retries(&second), None, "the first one is unhealthy, so that it is the last");
}

#[tokio::test(start_paused = true)]
async fn flex_is_waited_for_and_then_the_default_tier_responds() {
    // What the flex tier fails with, one after another, the tier that responds, and the seconds that pass.
    let table = [
        (vec![], "flex", 0),
        (vec![limited(None)], "flex", 20),
        (vec![busy()], "flex", 20),
        (vec![limited(Some(3))], "flex", 3),
        (vec![limited(Some(30))], "default", 0),
        (vec![limited(None), limited(None)], "default", 20),
        (vec![failure(ErrorCategory::Server)], "default", 0),
    ];
    for (errors, expected, wait) in table {
        let errors_left = Mutex::new(errors.clone());
        let reply = ScriptedReply::from_fn(move |request| {
            let tier = request.service_tier.clone().unwrap();
            let error = if tier == "flex" { errors_left.lock().unwrap().pop() } else { None };
            error.map_or_else(
                || CompletionResponse::new("Hi").with_service_tier(tier).into(),
                ScriptedReply::from,
            )
        });
        let backend = Arc::new(scripted("openai").with_default_reply(reply));
        let fallback = Fallback::flex_then_default(backend, seconds(20));
        assert_eq!(fallback.name(), "openai");
        let start = Instant::now();
        let response = fallback.complete(hi().with_service_tier("priority")).await.unwrap();
        assert_eq!(response.service_tier.as_deref(), Some(expected), "{errors:?}");
        let passed = start.elapsed();
        assert!(passed >= seconds(wait) && passed <= seconds(wait) + seconds(1), "{errors:?}: {passed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_conforms() {
    let server = || {
        ScriptedReply::from_fn(|request| match request.messages[0].text().as_str() {
            "text" => ScriptedReply::text("Hello, world"),
            "tools" => ScriptedReply::tool_calls([("now", json!({})), ("weather", json!({"city": "Oslo"}))]),
            "cut" => vec![Ok(CompletionChunk::text("Hel")), Err(failure(ErrorCategory::Parse))].into(),
            _ => failure(ErrorCategory::InvalidRequest).into(),
        })
    };
    for is_first_busy in [false, true] {
        let backend = Arc::new(scripted("b").with_default_reply(server()));
        let first = if is_first_busy { busy().into() } else { server() };
        let first = Arc::new(scripted("a").with_default_reply(first));
        let servers = [Arc::clone(&first), Arc::clone(&backend)];
        let mut conformance = Conformance::new()
            .with_text(CompletionRequest::user("text"), "Hello, world")
            .with_tool_calls(
                CompletionRequest::user("tools"),
                [("now", json!({})), ("weather", json!({"city": "Oslo"}))],
            )
            .with_cancellation(CompletionRequest::user("text"), move || {
                let cancelled: usize = servers.iter().map(|server| server.cancelled_requests()).sum();
                async move { cancelled > 0 }
            });
        if !is_first_busy {
            conformance = conformance
                .with_error(CompletionRequest::user("cut"), failure(ErrorCategory::Parse))
                .with_error(CompletionRequest::user("error"), failure(ErrorCategory::InvalidRequest));
        }
        let report = conformance.run(&pair(&first, &backend).with_cool_down(no_cool_down())).await;
        assert!(report.is_ok(), "{report}");
    }
    let busy_alone = Fallback::new(Arc::new(scripted("a").with_default_reply(limited(Some(2)))));
    let report = Conformance::new().with_error(hi(), limited(Some(2))).run(&busy_alone).await;
    assert!(report.is_ok(), "{report}");
}
