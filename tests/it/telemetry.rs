//! Telemetry: spans by OpenTelemetry's conventions, rate limits, costs, and unknown fields.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, Gate};
use tachikoma_backends_core::{
    Backend, CollectingStream, CompletionRequest, CompletionResponse, ErrorCategory, Message, ToolDefinition,
    Usage,
};
use tachikoma_openai_mock::{MockServer, Reply};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, span};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::server;

/// The fields of a span, as text.
type Fields = BTreeMap<&'static str, String>;

/// A layer that records closed spans.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

struct FieldRecorder<'a>(&'a mut Fields);

impl Visit for FieldRecorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::from([("name", attributes.metadata().name().to_owned())]);
        attributes.record(&mut FieldRecorder(&mut fields));
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        values.record(&mut FieldRecorder(extensions.get_mut::<Fields>().unwrap()));
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let fields = context.span(&id).unwrap().extensions_mut().remove::<Fields>().unwrap();
        if fields["name"].starts_with("gen_ai.") {
            self.0.lock().unwrap().push(fields);
        }
    }
}

/// Subscribers that stay: where a process has one alone, `tracing` asks the thread that first reaches a span whether it is enabled for
/// all of them, and that may be the thread of another test.
static OTHERS: LazyLock<[Dispatch; 2]> = LazyLock::new(|| [0, 1].map(|_| Dispatch::new(Registry::default())));

impl Spans {
    /// Records the spans of this thread from now on.
    fn subscribe(&self) -> DefaultGuard {
        LazyLock::force(&OTHERS);
        tracing::subscriber::set_default(Registry::default().with(self.clone()))
    }

    /// The one closed span, with fixed values for fields that differ in each run.
    fn take(&self) -> Fields {
        let mut spans = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(spans.len(), 1, "{spans:#?}");
        let mut span = spans.remove(0);
        for (name, fixed) in [
            ("server.port", "PORT"),
            ("gen_ai.response.id", "ID"),
            ("http.response.header.x-request-id", "REQUEST_ID"),
            ("gen_ai.response.time_to_first_chunk", "SECONDS"),
        ] {
            span.entry(name).and_modify(|value| {
                assert!(!value.is_empty());
                fixed.clone_into(value);
            });
        }
        if let Some(messages) = span.get_mut("gen_ai.output.messages") {
            let (before, rest) = messages.split_once("\"call_").unwrap();
            *messages = format!("{before}\"call_ID{}", &rest[rest.find('"').unwrap()..]);
        }
        span
    }
}

fn backend(mock: &MockServer, configure: fn(CodexBackendConfig) -> CodexBackendConfig) -> CodexBackend {
    let config = CodexBackendConfig::new("sk-test").with_base_url(mock.base_url());
    CodexBackend::new(configure(config.with_min_retry_wait(Duration::from_millis(1)))).unwrap()
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::system("Be brief."), Message::user("What is the secret?")])
}

async fn collect(backend: &CodexBackend, request: CompletionRequest) -> CompletionResponse {
    let stream = backend.try_complete_stream(request).await.unwrap();
    CollectingStream::new(stream.map(|chunk| chunk.map_err(Into::into)).boxed()).collect().await.unwrap()
}

#[tokio::test]
async fn spans_follow_the_conventions() {
    let spans = Spans::default();
    let _guard = spans.subscribe();
    let mock = MockServer::start().await.unwrap();
    let mut report = String::new();
    let mut add = |what: &str| {
        let fields: String =
            spans.take().into_iter().map(|(name, value)| format!("  {name} = {value}\n")).collect();
        assert!(!fields.contains("secret") || what.contains("content"), "{fields}");
        report += &format!("{what}\n{fields}");
    };

    let plain = backend(&mock, |config| config);
    let request = || request().with_max_tokens(100).with_temperature(0.5).with_service_tier("flex");
    plain.try_complete(request()).await.unwrap();
    add("whole");
    let responses = backend(&mock, |config| config.with_api(Api::Responses).with_model("gpt-4o"));
    collect(&responses, request()).await;
    add("streamed, the Responses API");
    plain.embed(["a cat"]).await.unwrap();
    add("embeddings");

    mock.push_reply(Reply::error(503, "overloaded", "Busy.").with_header("retry-after-ms", "1"));
    plain.try_complete(request()).await.unwrap();
    add("sent again");
    mock.push_reply(Reply::error(401, "invalid_api_key", "Wrong key."));
    plain.try_complete_stream(request()).await.map(drop).unwrap_err();
    add("refused");
    plain.try_complete(CompletionRequest::new(vec![])).await.unwrap_err();
    add("refused as invalid");

    let open = backend(&mock, |config| config.with_record_content(true));
    let tools = [ToolDefinition::builder("look").build().unwrap()];
    collect(&open, request().with_tools(tools.clone())).await;
    add("streamed, with content");
    open.try_complete(request().with_tools(tools)).await.unwrap();
    add("whole, with content");
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn spans_have_the_reads_from_the_cache_and_the_writes_to_it() {
    let spans = Spans::default();
    let _guard = spans.subscribe();
    let mock = MockServer::start().await.unwrap();
    let backend = backend(&mock, |config| config);
    let names = ["input_tokens", "cache_read.input_tokens", "cache_creation.input_tokens"];
    for (details, expected) in [
        (json!({"cached_tokens": 4, "cache_write_tokens": 6}), [Some("20"), Some("4"), Some("6")]),
        (json!({"cached_tokens": 0}), [Some("20"), Some("0"), None]),
        (json!({}), [Some("20"), None, None]),
    ] {
        let usage = json!({"prompt_tokens": 20, "completion_tokens": 1, "prompt_tokens_details": details});
        let choice = json!({"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"});
        let chunk = json!({"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"});
        mock.push_reply(Reply::http(200, json!({"choices": [choice], "usage": usage}).to_string()));
        backend.try_complete(request()).await.unwrap();
        let event = format!("data: {}\n\n", json!({"choices": [chunk], "usage": usage}));
        mock.push_reply(Reply::http(200, event).with_header("content-type", "text/event-stream"));
        let whole = spans.take();
        collect(&backend, request()).await;
        for span in [whole, spans.take()] {
            let found =
                names.map(|name| span.get(format!("gen_ai.usage.{name}").as_str()).map(String::as_str));
            assert_eq!(found, expected, "{span:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_or_is_dropped_closes_its_span() {
    let spans = Spans::default();
    let _guard = spans.subscribe();
    let mock = MockServer::start().await.unwrap();
    let backend = backend(&mock, |config| config);
    let cut = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"He\"}}]}\n\n";
    mock.push_reply(Reply::http(200, cut).with_header("content-type", "text/event-stream"));
    let mut stream = backend.try_complete_stream(request()).await.unwrap();
    while stream.next().await.is_some() {}
    drop(stream);
    let span = spans.take();
    assert_eq!(
        (span["error.type"].as_str(), span["otel.status_code"].as_str()),
        ("truncated_stream", "ERROR")
    );
    let mut stream = backend.try_complete_stream(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    let span = spans.take();
    assert_eq!((span.get("error.type"), span.get("gen_ai.usage.input_tokens")), (None, None));
}

#[tokio::test]
async fn spans_have_the_waits_in_the_gate() {
    let spans = Spans::default();
    let _guard = spans.subscribe();
    let mock = MockServer::start().await.unwrap();
    let waits = |span: Fields| {
        ["tachikoma.gate.slot_wait", "tachikoma.gate.rate_limit_wait"]
            .map(|name| span.get(name).map(|seconds| seconds.parse::<f64>().unwrap()))
    };
    let limited = backend(&mock, |config| config.with_gate(Gate::new().with_max_concurrent_requests(1)));
    let unlimited = backend(&mock, |config| config.with_gate(Gate::new()));
    let without = backend(&mock, |config| config);
    limited.try_complete(request()).await.unwrap();
    assert!(waits(spans.take()).iter().flatten().filter(|wait| **wait < 10.0).count() == 2);
    limited.embed(["a cat"]).await.unwrap();
    assert!(waits(spans.take()).iter().all(Option::is_some));
    unlimited.try_complete(request()).await.unwrap();
    let [slot, rate_limit] = waits(spans.take());
    assert!(slot.is_none() && rate_limit.is_some());
    without.try_complete(request()).await.unwrap();
    assert_eq!(waits(spans.take()), [None, None]);

    // The pause after a rejection is a wait of the next attempt, and the span has all waits of the call.
    mock.push_reply(
        Reply::error(429, "rate_limit_exceeded", "Slow down.").with_header("retry-after-ms", "300"),
    );
    limited.try_complete(request()).await.unwrap();
    let span = spans.take();
    assert_eq!(span["http.request.resend_count"], "1");
    assert!(waits(span)[1].is_some_and(|wait| (0.0..10.0).contains(&wait)));
}

#[tokio::test]
async fn rate_limits_are_those_of_the_last_response() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(&mock, |config| config.with_max_retries(0));
    assert_eq!(backend.rate_limits(), None);
    let limited = |reply: Reply, remaining: &str| {
        reply
            .with_header("x-ratelimit-limit-requests", "5000")
            .with_header("x-ratelimit-remaining-requests", remaining)
            .with_header("x-ratelimit-reset-tokens", "6m0s")
    };
    mock.push_reply(limited(Reply::text("Hi"), "4999"));
    collect(&backend, request()).await;
    let limits = backend.rate_limits().unwrap();
    assert_eq!((limits.requests.limit, limits.requests.remaining), (Some(5000), Some(4999)));
    assert_eq!(limits.tokens.reset, Some(Duration::from_secs(360)));
    mock.push_reply(limited(Reply::error(429, "rate_limit_exceeded", "Slow down."), "0"));
    backend.try_complete(request()).await.unwrap_err();
    assert_eq!(backend.rate_limits().unwrap().requests.remaining, Some(0));
}

#[tokio::test]
async fn unknown_fields_are_counted_by_name() {
    let mock = MockServer::start().await.unwrap();
    let chat = backend(&mock, |config| config);
    let responses = backend(&mock, |config| config.with_api(Api::Responses));
    chat.try_complete(request()).await.unwrap();
    collect(&chat, request().with_tools([ToolDefinition::builder("look").build().unwrap()])).await;
    responses.try_complete(request()).await.unwrap();
    collect(&responses, request()).await;
    assert_eq!(
        (chat.unknown_fields(), responses.unknown_fields()),
        (vec![], vec![]),
        "the mock sends only documented fields"
    );

    let stream = |events: &[Value]| {
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        Reply::http(200, body).with_header("content-type", "text/event-stream")
    };
    let choice = json!({"index": 0, "delta": {"content": "Hi", "mood": "glad"}, "finish_reason": "bored"});
    for _ in 0..2 {
        mock.push_reply(stream(&[
            json!({"id": "a", "watts": 7, "choices": [choice], "service_tier": "leisurely"}),
        ]));
        collect(&chat, request()).await;
    }
    let whole =
        json!({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}], "watts": 7});
    mock.push_reply(Reply::http(200, whole.to_string()));
    chat.try_complete(request()).await.unwrap();
    let list = |backend: &CodexBackend| -> Vec<String> {
        let unknown = backend.unknown_fields();
        unknown.iter().map(|one| format!("{} {} {}", one.kind, one.name, one.count)).collect()
    };
    assert_eq!(
        list(&chat),
        [
            "field choices[].delta.mood 2",
            "field watts 3",
            "value finish_reason: bored 2",
            "value service_tier: leisurely 2",
        ]
    );
    let item = json!({"type": "dream", "id": "d"});
    let response = json!({"id": "r", "status": "completed", "output": [item], "odd": 1});
    mock.push_reply(stream(&[
        json!({"type": "response.sung", "note": 1}),
        json!({"type": "response.output_item.done", "item": item, "output_index": 0}),
        json!({"type": "response.completed", "response": response}),
    ]));
    collect(&responses, request()).await;
    assert_eq!(
        list(&responses),
        [
            "event response.sung 1",
            "field odd 1",
            "value finish_reason: dream 1",
            "value output[].type: dream 1"
        ]
    );
}

#[tokio::test]
async fn a_response_has_a_cost_or_an_error_with_the_reason() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(&mock, |config| config.with_model("gpt-4o"));
    #[track_caller]
    fn check(backend: &CodexBackend, response: CompletionResponse, expected: Result<&str, &str>) {
        let found = backend.cost(&response).map(|cost| cost.to_string()).map_err(|error| {
            assert_eq!(error.category(), ErrorCategory::Configuration);
            assert!(error.details().hint.is_some() || response.usage.is_none(), "{error}");
            error.message().to_owned()
        });
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }
    let usage = Usage::new(1_000_000, 0).with_cached_tokens(1_000_000);
    let response = |model: &str, tier: Option<&str>| {
        let mut response = CompletionResponse::default().with_model(model).with_usage(usage);
        response.service_tier = tier.map(str::to_owned);
        response
    };
    check(&backend, response("gpt-4o-2024-08-06", None), Ok("1.250000 USD"));
    check(&backend, response("", Some("default")), Ok("1.250000 USD"));
    check(&backend, response("gpt-4o", Some("priority")), Ok("2.125000 USD"));
    check(&backend, response("gpt-5.1", Some("flex")), Ok("0.062500 USD"));
    check(&backend, response("my-model", None), Err("the price of the model is not known: \"my-model\""));
    let flex = "the price of the model in the service tier \"flex\" is not known: \"gpt-4o\"";
    check(&backend, response("gpt-4o", Some("flex")), Err(flex));
    let scale = "the price of the service tier \"scale\" is unknown";
    check(&backend, response("gpt-4o", Some("scale")), Err(scale));
    let long = "the price of long inputs in the service tier \"priority\" is not known: \"gpt-5.5\"";
    check(&backend, response("gpt-5.5", Some("priority")), Err(long));
    let none = "the server did not report the usage of the response";
    check(&backend, response("gpt-4o", None).with_usage(None), Err(none));
    let writes = Usage::new(10, 0).with_cache_write_tokens(1);
    let unknown = "the price of writing to the cache is not known: \"chat-latest\"";
    check(&backend, response("chat-latest", None).with_usage(writes), Err(unknown));
    // Fees beside the tokens.
    let audio = "at least 2.500000 USD, without the unknown fees of audio tokens";
    check(&backend, response("gpt-audio-1.5", None), Ok(audio));
    let search = "at least 1.250000 USD, without the unknown fees of web searches";
    check(&backend, response("gpt-4o-search-preview", None), Ok(search));
}

/// Whole and streamed.
#[tokio::test]
async fn calls_of_hosted_tools_make_a_cost_a_lower_bound() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let code = json!({"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1"});
    let odd = json!({"type": "dream_call", "id": "d_1", "status": "completed"});
    let text = json!({"type": "output_text", "text": "Hi"});
    let message = json!({"type": "message", "role": "assistant", "content": [text]});
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"});
    for (items, expected) in [
        (vec![&reasoning, &message, &call], Vec::<&str>::new()),
        (vec![&search, &code, &search, &message], vec!["web_search_call", "code_interpreter_call"]),
        (vec![&odd, &message], vec!["dream_call"]),
    ] {
        let response = json!({
            "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5.6-terra", "output": items,
            "usage": {"input_tokens": 1_000, "output_tokens": 0, "total_tokens": 1_000},
        });
        let event = json!({"type": "response.completed", "response": response});
        for (kind, body) in
            [("application/json", response.to_string()), ("text/event-stream", format!("data: {event}\n\n"))]
        {
            let url = server::start(server::http(200, kind, body.as_bytes())).await;
            let config = CodexBackendConfig::new("k").with_base_url(url).with_api(Api::Responses);
            let backend = CodexBackend::new(config).unwrap();
            let request = CompletionRequest::new(vec![Message::user("Hi")]);
            let stream = backend.complete_stream(request).await.unwrap();
            let cost = backend.cost(&CollectingStream::new(stream).collect().await.unwrap()).unwrap();
            assert_eq!(cost.excludes, expected, "{kind}");
            assert_eq!(cost.is_complete(), expected.is_empty());
            assert_eq!(cost.usd, 0.002);
        }
    }
}
