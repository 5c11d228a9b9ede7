//! The instruments of a backend, and the measurement of one call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use tachikoma_backends_core::ErrorCategory;

use super::{GateWait, TokenCounts};

/// The bucket boundaries that the conventions recommend for seconds.
const SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// The bucket boundaries that the conventions recommend for tokens.
const TOKENS: [f64; 14] = [
    1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0,
    16_777_216.0, 67_108_864.0,
];

/// The bucket boundaries of the ratio of cached tokens.
const RATIOS: [f64; 12] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];

/// The `error.type` of a call that its caller has dropped before its end.
const CANCELLED: &str = "cancelled";

/// The instruments of a backend. A clone has the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Instruments>);

#[derive(Debug)]
struct Instruments {
    token_usage: Histogram<u64>,
    duration: Histogram<f64>,
    time_to_first_chunk: Histogram<f64>,
    cache_ratio: Histogram<f64>,
    cached_tokens: Counter<u64>,
    retries: Counter<u64>,
    gate_wait: Histogram<f64>,
    /// The attributes of all calls.
    server: Vec<KeyValue>,
}

impl Metrics {
    /// Makes the instruments.
    pub(crate) fn new(meter: &Meter, provider: &'static str, address: &str, port: Option<u16>) -> Self {
        let seconds = |name: &'static str, description: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        let mut server = vec![
            KeyValue::new("gen_ai.provider.name", provider),
            KeyValue::new("server.address", Arc::<str>::from(address)),
        ];
        server.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
        Self(Arc::new(Instruments {
            token_usage: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_description("Number of input and output tokens used.")
                .with_boundaries(TOKENS.to_vec())
                .build(),
            duration: seconds("gen_ai.client.operation.duration", "Duration of a call, up to its end."),
            time_to_first_chunk: seconds(
                "gen_ai.client.operation.time_to_first_chunk",
                "Time from the start of a streamed call to its first chunk.",
            ),
            cache_ratio: meter
                .f64_histogram("tachikoma.client.cache.ratio")
                .with_unit("1")
                .with_description("Share of the input tokens of a call that came from the cache.")
                .with_boundaries(RATIOS.to_vec())
                .build(),
            cached_tokens: meter
                .u64_counter("tachikoma.client.cache.tokens")
                .with_unit("{token}")
                .with_description("Number of input tokens that came from the cache.")
                .build(),
            retries: meter
                .u64_counter("tachikoma.client.retries")
                .with_unit("{retry}")
                .with_description("Number of requests that were sent again, by the error before.")
                .build(),
            gate_wait: seconds("tachikoma.client.gate.wait", "Time that a request waited in the gate."),
            server,
        }))
    }

    /// Counts a request that is sent again after an error of this category.
    pub(crate) fn count_retry(&self, category: ErrorCategory) {
        self.0.retries.add(1, &self.attributes([KeyValue::new("error.type", category.as_str())]));
    }

    /// Records a wait in the gate.
    pub(crate) fn record_gate_wait(&self, reason: GateWait, model: Option<&str>, wait: Duration) {
        let reason = match reason {
            GateWait::Slot => "slot",
            GateWait::RateLimit => "rate_limit",
        };
        let model = model.map(|model| KeyValue::new("gen_ai.request.model", model.to_owned()));
        let own = [KeyValue::new("tachikoma.gate.wait.reason", reason)].into_iter().chain(model);
        self.0.gate_wait.record(wait.as_secs_f64(), &self.attributes(own));
    }

    /// Measures a call from now on.
    pub(crate) fn measure(&self, operation: &'static str, model: &str) -> Measurement {
        Measurement {
            metrics: self.clone(),
            operation,
            model: model.into(),
            start: Instant::now(),
            first_chunk: None,
            is_ended: false,
        }
    }

    fn attributes(&self, own: impl IntoIterator<Item = KeyValue>) -> Vec<KeyValue> {
        self.0.server.iter().cloned().chain(own).collect()
    }
}

/// The measurement of one call. Dropped before the call has ended, it records that the call was cancelled.
#[derive(Debug)]
pub(crate) struct Measurement {
    metrics: Metrics,
    operation: &'static str,
    model: Arc<str>,
    start: Instant,
    first_chunk: Option<Duration>,
    is_ended: bool,
}

impl Measurement {
    /// Whether anything is measured.
    pub(crate) fn is_enabled(&self) -> bool {
        true
    }

    /// Notes the time to the first chunk, which is recorded with the end, where the model is known.
    pub(crate) fn first_chunk(&mut self, time: Duration) {
        self.first_chunk = Some(time);
    }

    /// Records a response from this model.
    pub(crate) fn end(&mut self, model: Option<&str>, tokens: TokenCounts) {
        let model = model.filter(|model| !model.is_empty());
        let mut attributes = self.attributes();
        attributes.extend(model.map(|model| KeyValue::new("gen_ai.response.model", model.to_owned())));
        self.record_times(&attributes, None);
        let instruments = &self.metrics.0;
        if let (Some(cached), Some(input)) = (tokens.cached, tokens.input.filter(|input| *input > 0)) {
            instruments.cache_ratio.record(f64::from(cached) / f64::from(input), &attributes);
            instruments.cached_tokens.add(cached.into(), &attributes);
        }
        for (kind, count) in [("input", tokens.input), ("output", tokens.output)] {
            let Some(count) = count else { continue };
            attributes.push(KeyValue::new("gen_ai.token.type", kind));
            instruments.token_usage.record(count.into(), &attributes);
            attributes.pop();
        }
        self.is_ended = true;
    }

    /// Records a failure.
    pub(crate) fn fail(&mut self, category: ErrorCategory) {
        self.record_failure(category.as_str());
    }

    /// Records nothing: the call goes on elsewhere.
    pub(crate) fn discard(&mut self) {
        self.is_ended = true;
    }

    fn record_failure(&mut self, error_type: &'static str) {
        self.record_times(&self.attributes(), Some(error_type));
        self.is_ended = true;
    }

    fn record_times(&self, attributes: &[KeyValue], error_type: Option<&'static str>) {
        let instruments = &self.metrics.0;
        if let Some(time) = self.first_chunk {
            instruments.time_to_first_chunk.record(time.as_secs_f64(), attributes);
        }
        let error_type = error_type.map(|error_type| KeyValue::new("error.type", error_type));
        let attributes: Vec<_> = attributes.iter().cloned().chain(error_type).collect();
        instruments.duration.record(self.start.elapsed().as_secs_f64(), &attributes);
    }

    /// The attributes that are known from the start.
    fn attributes(&self) -> Vec<KeyValue> {
        self.metrics.attributes([
            KeyValue::new("gen_ai.operation.name", self.operation),
            KeyValue::new("gen_ai.request.model", Arc::clone(&self.model)),
        ])
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        if !self.is_ended {
            self.record_failure(CANCELLED);
        }
    }
}
