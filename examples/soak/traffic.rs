//! The servers with their faults, the backends, and the waits in the gate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, Gate, WebSocket};
use tachikoma_backends_core::{Backend, Backoff, Fallback};
use tachikoma_openai_mock::{Counters, MockServer};

use crate::Failure;

/// Faults, each for a share of the requests. Those of a broken stream come after its first event. Two are not among them, since the
/// request is sent again then and the mock may have counted it as billed: errors of the server within a response, and the limit of a
/// connection, which rejects all requests that wait on it.
const FAULTS: &[&str] = &[
    "previous-not-found,probability=0.02,seed=10",
    "busy,probability=0.01,seed=12",
    "status=429,retry-after-ms=50,probability=0.03,seed=1",
    "status=500,retry-after-ms=50,probability=0.03,seed=2",
    "status=503,probability=0.03,seed=13",
    "status=400,probability=0.01,seed=3",
    "truncate=3,probability=0.01,seed=4",
    "truncate=3,reset,probability=0.01,seed=5",
    "stall=2,probability=0.01,seed=6",
    "garbage=2,probability=0.01,seed=7",
    "split=7,probability=0.1,seed=9",
];

/// The servers: the second one responds where the first does not.
pub(crate) struct Servers([MockServer; 2]);

impl Servers {
    pub(crate) async fn start(requests_per_minute: u32, tokens_per_minute: u32) -> Result<Self, Failure> {
        let server = || {
            let mut builder =
                MockServer::builder().with_chunk_delay(Duration::from_millis(5)).with_recording(false);
            for fault in FAULTS {
                builder = builder.with_fault(fault.parse()?);
            }
            Ok::<_, Failure>(builder)
        };
        let first = server()?.with_rate_limits(requests_per_minute, tokens_per_minute).start().await?;
        Ok(Self([first, server()?.start().await?]))
    }

    fn sum(&self, value: impl Fn(Counters) -> u64) -> u64 {
        self.0.iter().map(|server| value(server.counters())).sum()
    }

    pub(crate) fn billed(&self) -> u64 {
        self.sum(|counters| counters.billed_requests)
    }

    pub(crate) fn uploaded_bytes(&self) -> u64 {
        self.sum(|counters| counters.http_bytes + counters.websocket_bytes)
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.0.iter().map(|server| *server.open_streams().borrow()).sum()
    }

    pub(crate) fn open_websockets(&self) -> usize {
        self.0.iter().map(|server| *server.open_websockets().borrow()).sum()
    }

    /// What the servers have counted, a line for each.
    pub(crate) fn summary(&self) -> String {
        let mut lines = String::new();
        for (name, server) in ["first", "second"].into_iter().zip(&self.0) {
            let counters = server.counters();
            lines += &format!(
                "{name} server: {} billed, {} refused by its limits, {} cancelled, {} WebSockets, {} KB by HTTP, {} KB by WebSocket\n",
                counters.billed_requests,
                counters.rate_limited_requests,
                counters.cancelled_responses,
                counters.opened_websockets,
                counters.http_bytes / 1000,
                counters.websocket_bytes / 1000,
            );
        }
        lines
    }
}

/// Two backends, each a fallback from the first server to the second: over WebSockets and over HTTP. They share the gate.
pub(crate) fn backends(
    servers: &Servers,
    gate: &Gate,
    meter: &GateMeter,
) -> Result<[Arc<dyn Backend>; 2], Failure> {
    let Servers([first, second]) = servers;
    let config = |server: &MockServer| {
        CodexBackendConfig::new("sk-soak")
            .with_base_url(server.base_url())
            .with_model("gpt-5.6-terra")
            .with_api(Api::Responses)
            .with_idle_timeout(Duration::from_millis(500))
            .with_min_retry_wait(Duration::from_millis(20))
            .with_max_retry_wait(Duration::from_secs(1))
            // What may have been billed is not sent again.
            .with_retry_if_maybe_processed(false)
    };
    let second: Arc<dyn Backend> = Arc::new(CodexBackend::new(config(second))?);
    let fallback = |websocket| {
        let config = config(first).with_websocket(websocket).with_gate(gate.clone());
        let backend = CodexBackend::new(config.with_meter(meter.provider.meter("soak")))?;
        let cool_down = Backoff::new().with_first_wait(Duration::from_millis(20));
        let fallback = Fallback::new(Arc::new(backend)).with_fallback(Arc::clone(&second));
        let fallback = fallback
            .with_cool_down(cool_down.with_max_wait(Duration::from_millis(100)))
            .with_max_wait(Duration::from_millis(500));
        Ok::<Arc<dyn Backend>, Failure>(Arc::new(fallback))
    };
    Ok([fallback(WebSocket::Always)?, fallback(WebSocket::Off)?])
}

/// Measures the waits in the gate, by the metrics of the backends.
pub(crate) struct GateMeter {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl GateMeter {
    pub(crate) fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).with_interval(Duration::from_secs(3600));
        Self { provider: SdkMeterProvider::builder().with_reader(reader.build()).build(), exporter }
    }

    /// The waits so far.
    pub(crate) fn waits(&self) -> GateWaits {
        self.exporter.reset();
        let mut waits = GateWaits::default();
        // Without an export there are no waits to report.
        let finished = self.provider.force_flush().and_then(|()| self.exporter.get_finished_metrics());
        let finished = finished.unwrap_or_default();
        for metric in finished.iter().flat_map(|resource| resource.scope_metrics()).flat_map(|s| s.metrics())
        {
            if let ("tachikoma.client.gate.wait", AggregatedMetrics::F64(MetricData::Histogram(histogram))) =
                (metric.name(), metric.data())
            {
                for point in histogram.data_points() {
                    waits.count += point.count();
                    waits.seconds += point.sum();
                    waits.longest = waits.longest.max(point.max().unwrap_or_default());
                }
            }
        }
        waits
    }
}

/// The waits of requests in the gate, each of which passes it twice.
#[derive(Default)]
pub(crate) struct GateWaits {
    count: u64,
    seconds: f64,
    longest: f64,
}

impl fmt::Display for GateWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = self.seconds / (self.count.max(1) as f64);
        write!(f, "{} waits, {:.0} ms on average", self.count, mean * 1000.0)?;
        write!(f, ", {:.0} ms the longest", self.longest * 1000.0)
    }
}
