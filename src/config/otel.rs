//! The setting of the metrics.

use opentelemetry::metrics::Meter;

use super::CodexBackendConfig;

impl CodexBackendConfig {
    /// The meter that makes the instruments of the backend. By default that of the global provider when the backend is made, so that
    /// the provider must be set before.
    ///
    /// | Metric | Instrument | Unit | Attributes beside the common ones |
    /// |---|---|---|---|
    /// | `gen_ai.client.operation.duration` | histogram | s | `error.type` of a failed call |
    /// | `gen_ai.client.operation.time_to_first_chunk`, of streams | histogram | s | |
    /// | `gen_ai.client.token.usage` | histogram | {token} | `gen_ai.token.type`: `input` or `output` |
    /// | `tachikoma.client.cache.ratio`: the cached share of the input tokens, where the server reports it | histogram | 1 | |
    /// | `tachikoma.client.cache.tokens`: the cached input tokens | counter | {token} | |
    /// | `tachikoma.client.retries`: the requests that were sent again | counter | {retry} | `error.type` of the failure before |
    /// | `tachikoma.client.gate.wait`, with a [gate](Self::with_gate), once for each attempt | histogram | s | `tachikoma.gate.wait.reason`: `slot` or `rate_limit` |
    ///
    /// The common attributes are `gen_ai.provider.name`, `server.address` and `server.port`, those of calls also
    /// `gen_ai.operation.name`, `gen_ai.request.model` and `gen_ai.response.model`. `error.type` is the name of an
    /// [error category](crate::ErrorCategory), or `cancelled` for a call that was dropped before its end. No attribute has content or
    /// secrets.
    ///
    /// ```
    /// use tachikoma_backend_codex::CodexBackendConfig;
    ///
    /// let meter = opentelemetry::global::meter("my-agent");
    /// let config = CodexBackendConfig::new("sk-...").with_meter(meter);
    /// # assert!(config.meter().is_some());
    /// ```
    #[must_use]
    pub fn with_meter(mut self, meter: Meter) -> Self {
        self.meter = Some(meter);
        self
    }

    /// The meter, if it is set.
    pub fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }
}
