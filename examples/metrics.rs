//! Metrics by OpenTelemetry: an SDK inside this process collects what a few calls record, and prints it as histograms. It talks to a
//! mock server inside this process.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures::StreamExt;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, HistogramDataPoint, Metric, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest, Gate};
use tachikoma_openai_mock::{MockServer, Reply};

/// Sends requests to a mock server, some of which are slow, fail or are sent again, and prints the metrics of them.
///
/// In a program of your own, replace the exporter in memory by that of your collector, such as the one of opentelemetry-otlp.
#[derive(Parser)]
struct Arguments {
    /// How many streams to read
    #[arg(long, default_value_t = 20)]
    streams: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { streams }: Arguments) -> Result<(), Box<dyn Error>> {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    // Before the backend is made, which looks for the global provider then.
    opentelemetry::global::set_meter_provider(provider.clone());

    let server = MockServer::builder()
        .with_chunk_delay(Duration::from_millis(1))
        .with_fault("status=503,retry-after-ms=10,probability=0.2,seed=1".parse()?)
        .with_fault("slow=50ms,probability=0.3,seed=2".parse()?)
        .start()
        .await?;
    let config = CodexBackendConfig::new("sk-mock").with_base_url(server.base_url()).with_model("gpt-4o");
    let gate = Gate::new().with_max_concurrent_requests(4);
    let config = config.with_min_retry_wait(Duration::from_millis(10)).with_gate(gate);
    let backend = CodexBackend::new(config)?;
    let reads = (0..streams).map(|number| {
        let backend = &backend;
        async move {
            let prompt = format!("Count to {number}. {}", "Be brief. ".repeat(number * 8));
            let mut stream = backend.try_complete_stream(CompletionRequest::user(prompt)).await?;
            while let Some(chunk) = stream.next().await {
                chunk?;
            }
            Ok::<_, Box<dyn Error>>(())
        }
    });
    let outcomes = futures::future::join_all(reads).await;
    println!("{} of {streams} streams were read", outcomes.iter().filter(|outcome| outcome.is_ok()).count());
    let usage = r#"{"prompt_tokens": 1200, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1024}}"#;
    let choice = r#"{"index": 0, "message": {"content": "Hello!"}, "finish_reason": "stop"}"#;
    let body = format!(r#"{{"model": "gpt-4o-2024-08-06", "choices": [{choice}], "usage": {usage}}}"#);
    server.push_reply(Reply::http(200, body));
    backend.try_complete(CompletionRequest::user("Say hello")).await?;
    backend.embed(["a cat", "a dog"]).await?;

    provider.force_flush()?;
    for resource in exporter.get_finished_metrics()? {
        resource.scope_metrics().flat_map(|scope| scope.metrics()).for_each(print);
    }
    provider.shutdown()?;
    Ok(())
}

fn print(metric: &Metric) {
    println!("\n{} ({}): {}", metric.name(), metric.unit(), metric.description());
    match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            histogram.data_points().for_each(|point| print_histogram(point, |value| value));
        }
        AggregatedMetrics::U64(MetricData::Histogram(histogram)) => {
            histogram.data_points().for_each(|point| print_histogram(point, |value| value as f64));
        }
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            for point in sum.data_points() {
                println!("  {}: {}", attributes(point.attributes()), point.value());
            }
        }
        other => println!("  {other:?}"),
    }
}

/// The attributes that differ between the calls of one server.
fn attributes<'a>(attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> String {
    let own = attributes.filter(|attribute| {
        !["server.", "gen_ai.provider."].iter().any(|p| attribute.key.as_str().starts_with(p))
    });
    own.map(|attribute| format!("{}={}", attribute.key, attribute.value)).collect::<Vec<_>>().join(" ")
}

/// The buckets that are not empty, each with a bar.
fn print_histogram<T: Copy>(point: &HistogramDataPoint<T>, number: fn(T) -> f64) {
    println!(
        "  {}: {}, mean {:.3}",
        attributes(point.attributes()),
        point.count(),
        number(point.sum()) / point.count() as f64
    );
    let bounds = point.bounds().map(|bound| format!("to {bound}")).chain(["above".to_owned()]);
    for (bound, count) in bounds.zip(point.bucket_counts()).filter(|(_, count)| *count > 0) {
        println!("    {bound:>10} {count:>4} {}", "#".repeat(usize::try_from(count).unwrap_or(0).min(60)));
    }
}
