//! The spans of requests, with the attributes of the semantic conventions for OpenAI:
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/openai/>.

use std::sync::Arc;

use tachikoma_backends_core::CompletionRequest;
use tracing::field::Empty;
use tracing::info_span;

use crate::runtime::metrics::Metrics;
use crate::runtime::{Redactor, telemetry::Operation};
use crate::server::Server;

/// The attribute for the service tier of a response.
const SERVICE_TIER: &str = "openai.response.service_tier";

/// The common attributes of a backend's spans, and its metrics.
#[derive(Debug)]
pub(super) struct Spans {
    /// `openai` or `azure.ai.openai`.
    provider: &'static str,
    address: String,
    port: Option<u16>,
    redactor: Arc<Redactor>,
    record_content: bool,
    metrics: Metrics,
}

impl Spans {
    pub(super) fn new(
        server: &Server,
        redactor: &Arc<Redactor>,
        record_content: bool,
        metrics: Metrics,
    ) -> Self {
        let (address, port) = server.host();
        let (provider, redactor) = (server.provider(), Arc::clone(redactor));
        Self { provider, address, port, redactor, record_content, metrics }
    }

    /// The operation of a request for text to this model; `None` without a subscriber and metrics.
    pub(super) fn chat(&self, model: &str, request: &CompletionRequest) -> Option<Box<Operation>> {
        let span = info_span!(
            "gen_ai.chat",
            otel.name = format_args!("chat {model}"),
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = self.provider,
            gen_ai.request.model = model,
            gen_ai.request.max_tokens = request.max_tokens,
            gen_ai.request.temperature = request.temperature,
            gen_ai.request.top_p = request.top_p,
            gen_ai.request.frequency_penalty = request.frequency_penalty,
            gen_ai.request.presence_penalty = request.presence_penalty,
            gen_ai.request.seed = request.seed,
            gen_ai.response.id = Empty,
            gen_ai.response.model = Empty,
            gen_ai.response.finish_reasons = Empty,
            gen_ai.response.time_to_first_chunk = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.cache_read.input_tokens = Empty,
            gen_ai.usage.cache_creation.input_tokens = Empty,
            gen_ai.usage.reasoning.output_tokens = Empty,
            gen_ai.input.messages = Empty,
            gen_ai.output.messages = Empty,
            openai.api.type = Empty,
            openai.request.service_tier = request.service_tier,
            openai.response.service_tier = Empty,
            server.address = self.address,
            server.port = self.port,
            tachikoma.gate.slot_wait = Empty,
            tachikoma.gate.rate_limit_wait = Empty,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            "http.response.header.x-request-id" = Empty,
            error.type = Empty,
        );
        let measurement = self.metrics.measure("chat", model);
        let operation = Operation::new(span, measurement, &self.redactor, self.record_content, SERVICE_TIER)?;
        operation.record_input(&request.messages);
        Some(operation)
    }

    /// The operation of a request for embeddings to this model.
    pub(super) fn embeddings(&self, model: &str) -> Option<Box<Operation>> {
        let span = info_span!(
            "gen_ai.embeddings",
            otel.name = format_args!("embeddings {model}"),
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = "embeddings",
            gen_ai.provider.name = self.provider,
            gen_ai.request.model = model,
            gen_ai.response.model = Empty,
            gen_ai.usage.input_tokens = Empty,
            server.address = self.address,
            server.port = self.port,
            tachikoma.gate.slot_wait = Empty,
            tachikoma.gate.rate_limit_wait = Empty,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            "http.response.header.x-request-id" = Empty,
            error.type = Empty,
        );
        let measurement = self.metrics.measure("embeddings", model);
        Operation::new(span, measurement, &self.redactor, false, SERVICE_TIER)
    }
}
