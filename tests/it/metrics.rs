//! Metrics by OpenTelemetry's conventions: names, units, attributes and values, without content and secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, HistogramDataPoint, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use serde_json::json;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, Gate, WebSocket};
use tachikoma_backends_core::{CompletionRequest, ErrorCategory, Message};
use tachikoma_openai_mock::{MockServer, Reply};

const KEY: &str = "sk-proj-aVerySecretKeyOfThisTest0123456789";

/// A point of a metric: how many values, and their sum.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    unit: String,
    attributes: BTreeMap<String, String>,
    count: u64,
    sum: f64,
    bounds: Vec<f64>,
}

impl Point {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// The attributes that differ between the calls of one server.
    fn own(&self) -> String {
        let common = ["gen_ai.provider.name", "server.address", "server.port"];
        let own = self.attributes.iter().filter(|(name, _)| !common.contains(&name.as_str()));
        own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }
}

/// An SDK in this process.
struct Recorder {
    exporter: InMemoryMetricExporter,
    provider: SdkMeterProvider,
}

impl Recorder {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).with_interval(Duration::from_secs(3600));
        let provider = SdkMeterProvider::builder().with_reader(reader.build()).build();
        Self { exporter, provider }
    }

    fn config(&self, server: &MockServer) -> CodexBackendConfig {
        CodexBackendConfig::new(KEY)
            .with_base_url(server.base_url())
            .with_min_retry_wait(Duration::from_millis(1))
            .with_meter(self.provider.meter("test"))
    }

    fn backend(
        &self,
        server: &MockServer,
        configure: fn(CodexBackendConfig) -> CodexBackendConfig,
    ) -> CodexBackend {
        CodexBackend::new(configure(self.config(server))).unwrap()
    }

    /// Everything recorded so far, by the name of the metric.
    fn points(&self) -> BTreeMap<String, Vec<Point>> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        for resource in self.exporter.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
                let found = of_metric(metric.data());
                let found = found.into_iter().map(|point| Point { unit: metric.unit().to_owned(), ..point });
                points.entry(metric.name().to_owned()).or_default().extend(found);
            }
        }
        points
    }

    /// The points as lines, without the sums of times.
    fn report(&self) -> String {
        let mut lines = Vec::new();
        for (name, points) in self.points() {
            for point in points {
                let values = match point.unit.as_str() {
                    "s" => {
                        assert!(point.sum >= 0.0 && point.sum < 60.0, "{name} {point:?}");
                        format!("{} times", point.count)
                    }
                    unit => format!("{} in {} ({unit})", point.sum, point.count),
                };
                lines.push(format!("{name} {}: {values}\n", point.own()));
            }
        }
        lines.sort();
        lines.concat()
    }
}

fn of_histogram<T: Copy>(point: &HistogramDataPoint<T>, number: fn(T) -> f64) -> Point {
    Point {
        unit: String::new(),
        attributes: point.attributes().map(text).collect(),
        count: point.count(),
        sum: number(point.sum()),
        bounds: point.bounds().collect(),
    }
}

fn of_metric(data: &AggregatedMetrics) -> Vec<Point> {
    match data {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            histogram.data_points().map(|point| of_histogram(point, |sum| sum)).collect()
        }
        AggregatedMetrics::U64(MetricData::Histogram(histogram)) => {
            histogram.data_points().map(|point| of_histogram(point, |sum| sum as f64)).collect()
        }
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            assert!(sum.is_monotonic());
            let point = |point: &opentelemetry_sdk::metrics::data::SumDataPoint<u64>| Point {
                unit: String::new(),
                attributes: point.attributes().map(text).collect(),
                count: 1,
                sum: point.value() as f64,
                bounds: Vec::new(),
            };
            sum.data_points().map(point).collect()
        }
        other => panic!("an unexpected kind of metric: {other:?}"),
    }
}

fn text(attribute: &opentelemetry::KeyValue) -> (String, String) {
    (attribute.key.to_string(), attribute.value.to_string())
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::system("Be brief."), Message::user("What is the secret?")])
}

async fn read(backend: &CodexBackend) {
    let mut stream = backend.try_complete_stream(request()).await.unwrap();
    while let Some(chunk) = stream.next().await {
        chunk.unwrap();
    }
}

fn whole(usage: serde_json::Value) -> Reply {
    let choice = json!({"index": 0, "message": {"content": "The secret"}, "finish_reason": "stop"});
    let body = json!({"model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage});
    Reply::http(200, body.to_string())
}

/// Runs this case against a server and an SDK of its own, and returns what was recorded.
async fn case(name: &str) -> String {
    let server = MockServer::start().await.unwrap();
    let recorder = Recorder::new();
    let backend = recorder.backend(&server, |config| config.with_record_content(true).with_model("gpt-4o"));
    match name {
        "whole" => _ = backend.try_complete(request()).await.unwrap(),
        "streamed" => read(&backend).await,
        "streamed, the Responses API" => {
            read(&recorder.backend(&server, |config| config.with_api(Api::Responses))).await;
        }
        "streamed, over a WebSocket" => {
            let configure = |config: CodexBackendConfig| {
                config.with_api(Api::Responses).with_websocket(WebSocket::Always)
            };
            read(&recorder.backend(&server, configure)).await;
        }
        "whole, over a WebSocket" => {
            let configure = |config: CodexBackendConfig| {
                config.with_api(Api::Responses).with_websocket(WebSocket::Always)
            };
            recorder.backend(&server, configure).try_complete(request()).await.unwrap();
        }
        "embeddings" => _ = backend.embed(["a secret"]).await.unwrap(),
        "embeddings that fail" => {
            server.push_fault("status=401".parse().unwrap());
            backend.embed(["a secret"]).await.unwrap_err();
        }
        "cached" => {
            for cached in [json!({"cached_tokens": 15}), json!({"cached_tokens": 0}), json!({})] {
                let usage =
                    json!({"prompt_tokens": 20, "completion_tokens": 1, "prompt_tokens_details": cached});
                server.push_reply(whole(usage));
                backend.try_complete(request()).await.unwrap();
            }
        }
        "without usage" => {
            server.push_reply(whole(serde_json::Value::Null));
            backend.try_complete(request()).await.unwrap();
        }
        "sent again" => {
            server.push_reply(Reply::error(503, "overloaded", "The secret is busy."));
            server.push_reply(Reply::error(500, "server_error", "The secret is broken."));
            backend.try_complete(request()).await.unwrap();
        }
        "failed after retries" => {
            server.push_fault("status=503".parse().unwrap());
            backend.try_complete_stream(request()).await.map(drop).unwrap_err();
        }
        "refused before it is sent" => {
            backend.try_complete(CompletionRequest::new(vec![])).await.unwrap_err();
        }
        "a stream that breaks" => {
            server.push_fault("truncate=3,reset".parse().unwrap());
            let mut stream = backend.try_complete_stream(request()).await.unwrap();
            while stream.next().await.is_some() {}
        }
        "a stream that is dropped" => {
            let mut stream = backend.try_complete_stream(request()).await.unwrap();
            stream.next().await.unwrap().unwrap();
        }
        "a call that is dropped" => {
            server.push_fault("stall=0".parse().unwrap());
            let call = backend.try_complete(request());
            tokio::time::timeout(Duration::from_millis(20), call).await.unwrap_err();
        }
        "in the background" => {
            let responses = recorder.backend(&server, |config| config.with_api(Api::Responses));
            responses.start_background(request()).await.unwrap();
        }
        "gate" => {
            let gated = |config: CodexBackendConfig| {
                config.with_gate(Gate::new().with_max_concurrent_requests(1)).with_model("gpt-4o")
            };
            let gated = recorder.backend(&server, gated);
            server.push_reply(Reply::error(503, "overloaded", "Busy."));
            gated.try_complete(request()).await.unwrap();
        }
        other => panic!("no case {other}"),
    }
    recorder.report()
}

#[tokio::test]
async fn calls_are_measured_by_the_conventions() {
    let mut report = String::new();
    for name in [
        "whole",
        "streamed",
        "streamed, the Responses API",
        "streamed, over a WebSocket",
        "whole, over a WebSocket",
        "embeddings",
        "embeddings that fail",
        "cached",
        "without usage",
        "sent again",
        "failed after retries",
        "refused before it is sent",
        "a stream that breaks",
        "a stream that is dropped",
        "a call that is dropped",
        "in the background",
        "gate",
    ] {
        let lines = case(name).await;
        assert!(!lines.to_lowercase().contains("secret"), "{lines}");
        report += &format!("{name}\n{lines}\n");
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn instruments_have_units_and_the_recommended_boundaries() {
    let server = MockServer::start().await.unwrap();
    let recorder = Recorder::new();
    let backend = recorder.backend(&server, |config| config.with_gate(Gate::new()));
    server.push_reply(Reply::error(503, "overloaded", "Busy."));
    let usage =
        json!({"prompt_tokens": 20, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}});
    server.push_reply(whole(usage));
    backend.try_complete(request()).await.unwrap();
    read(&backend).await;
    let points = recorder.points();
    let kinds: Vec<_> =
        points.iter().map(|(name, points)| (name.as_str(), points[0].unit.as_str())).collect();
    assert_eq!(
        kinds,
        [
            ("gen_ai.client.operation.duration", "s"),
            ("gen_ai.client.operation.time_to_first_chunk", "s"),
            ("gen_ai.client.token.usage", "{token}"),
            ("tachikoma.client.cache.ratio", "1"),
            ("tachikoma.client.cache.tokens", "{token}"),
            ("tachikoma.client.gate.wait", "s"),
            ("tachikoma.client.retries", "{retry}"),
        ]
    );
    // Each boundary of the conventions is the one before it times two, and times four for tokens.
    let boundaries =
        |first: f64, factor: f64| -> Vec<f64> { (0..14).map(|n| first * factor.powi(n)).collect() };
    for (name, first, factor) in [
        ("gen_ai.client.operation.duration", 0.01, 2.0),
        ("gen_ai.client.operation.time_to_first_chunk", 0.01, 2.0),
        ("gen_ai.client.token.usage", 1.0, 4.0),
    ] {
        assert_eq!(points[name][0].bounds, boundaries(first, factor), "{name}");
    }
    let port = server.base_url().split([':', '/']).nth(4).unwrap().to_owned();
    for point in points.values().flatten() {
        let common =
            ["gen_ai.provider.name", "server.address", "server.port"].map(|name| point.attribute(name));
        assert_eq!(common, [Some("openai"), Some("127.0.0.1"), Some(&port)], "{point:?}");
    }
}

#[tokio::test]
async fn a_server_that_sends_the_key_back_does_not_bring_it_into_attributes() {
    let server = MockServer::start().await.unwrap();
    let recorder = Recorder::new();
    let backend = recorder.backend(&server, |config| config);
    let choice = json!({"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"});
    let body = json!({"model": format!("model of {KEY}"), "choices": [choice]});
    server.push_reply(Reply::http(200, body.to_string()));
    server.push_reply(Reply::error(503, KEY, KEY));
    server.push_reply(Reply::error(400, KEY, KEY));
    backend.try_complete(request()).await.unwrap();
    assert_eq!(backend.try_complete(request()).await.unwrap_err().category(), ErrorCategory::InvalidRequest);
    let points = recorder.points();
    assert!(points["gen_ai.client.operation.duration"].len() == 2, "{points:#?}");
    let text = format!("{points:?}");
    assert!(text.contains("model of ") && !text.contains(&KEY[8..]), "{text}");
}

#[tokio::test]
async fn without_a_meter_the_global_provider_is_used() {
    let server = MockServer::start().await.unwrap();
    let config = CodexBackendConfig::new(KEY).with_base_url(server.base_url());
    // Made before the provider is set, it records nothing.
    let early = CodexBackend::new(config.clone()).unwrap();
    let recorder = Recorder::new();
    opentelemetry::global::set_meter_provider(recorder.provider.clone());
    let backend = CodexBackend::new(config).unwrap();
    early.try_complete(request()).await.unwrap();
    backend.try_complete(request()).await.unwrap();
    recorder.provider.force_flush().unwrap();
    let port = server.base_url().split([':', '/']).nth(4).unwrap().to_owned();
    // Other tests of this process may record as well.
    let points = recorder.points().remove("gen_ai.client.operation.duration").unwrap();
    let own: Vec<_> = points.iter().filter(|point| point.attribute("server.port") == Some(&port)).collect();
    assert_eq!(own.iter().map(|point| point.count).collect::<Vec<_>>(), [1]);
    let finished = recorder.exporter.get_finished_metrics().unwrap();
    let scopes = finished[0].scope_metrics().map(|scope| scope.scope().name().to_owned());
    assert_eq!(scopes.collect::<Vec<_>>(), ["tachikoma-backend-codex"]);
}
