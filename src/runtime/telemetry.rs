//! Spans by OpenTelemetry's semantic conventions for generative AI:
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>. They hold content only if that is enabled.

mod content;

use std::sync::Arc;
use std::time::Instant;

use tachikoma_backends_core::{
    CompletionChunk, CompletionResponse, FinishReason, Message, ToolCallAccumulator, ToolCallDelta, Usage,
};
use tracing::{Span, field};

use super::metrics::{Measurement, TokenCounts};
use super::{Error, Redactor};

/// One call of the API, from the request to the end of the response, as a span and in the metrics.
#[derive(Debug)]
pub(crate) struct Operation {
    span: Span,
    measurement: Measurement,
    start: Instant,
    has_content: bool,
    redactor: Arc<Redactor>,
    /// The content of a stream so far, where that is recorded.
    content: Option<StreamContent>,
    /// The provider's attribute for the service tier of a response.
    service_tier_attribute: &'static str,
}

#[derive(Debug, Default)]
struct StreamContent {
    text: String,
    tool_calls: ToolCallAccumulator,
}

impl Operation {
    /// The operation of this span; `None` without a subscriber and metrics. `record_content`: whether the content of the
    /// response is recorded.
    pub(crate) fn new(
        span: Span,
        measurement: Measurement,
        redactor: &Arc<Redactor>,
        record_content: bool,
        service_tier_attribute: &'static str,
    ) -> Option<Box<Self>> {
        if span.is_disabled() && !measurement.is_enabled() {
            return None;
        }
        let record_content = record_content && !span.is_disabled();
        Some(Box::new(Self {
            span,
            measurement,
            start: Instant::now(),
            has_content: false,
            redactor: Arc::clone(redactor),
            content: record_content.then(StreamContent::default),
            service_tier_attribute,
        }))
    }

    /// Records the conversation of the request, where content is recorded.
    pub(crate) fn record_input(&self, messages: &[Message]) {
        if self.content.is_some() {
            self.record("gen_ai.input.messages", Some(&content::messages(messages)));
        }
    }

    /// The span that covers the whole operation.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Records a delta of a streamed response.
    pub(crate) fn record_delta(&mut self, text: &str, tool_calls: &[ToolCallDelta]) {
        if !self.has_content {
            self.has_content = true;
            let time = self.start.elapsed();
            self.span.record("gen_ai.response.time_to_first_chunk", time.as_secs_f64());
            self.measurement.first_chunk(time);
        }
        if let Some(content) = &mut self.content {
            content.text.push_str(text);
            tool_calls.iter().for_each(|delta| content.tool_calls.push(delta));
        }
    }

    /// Records the end of a streamed response.
    pub(crate) fn record_final_chunk(&mut self, chunk: &CompletionChunk) {
        let finish_reason = chunk.finish_reason.unwrap_or_default();
        self.record_end(&ResponseEnd {
            id: chunk.id.as_deref(),
            model: chunk.model.as_deref(),
            finish_reason,
            finish_reason_text: chunk.finish_reason_text.as_deref(),
            usage: chunk.usage.as_ref(),
            service_tier: chunk.service_tier.as_deref(),
            request_id: chunk.request_id.as_deref(),
        });
        if let Some(StreamContent { text, tool_calls }) = self.content.take() {
            let (calls, _) = tool_calls.finish(finish_reason.ends_turn());
            self.record("gen_ai.output.messages", Some(&content::response(&text, &calls, finish_reason)));
        }
    }

    /// Records a response that was not streamed.
    pub(crate) fn record_response(&mut self, response: &CompletionResponse) {
        self.record_end(&ResponseEnd {
            id: response.id.as_deref(),
            model: Some(&response.model),
            finish_reason: response.finish_reason,
            finish_reason_text: response.finish_reason_text.as_deref(),
            usage: response.usage.as_ref(),
            service_tier: response.service_tier.as_deref(),
            request_id: response.request_id.as_deref(),
        });
        if self.content.take().is_some() {
            let text = response.content.as_deref().unwrap_or_default();
            let content = content::response(text, &response.tool_calls, response.finish_reason);
            self.record("gen_ai.output.messages", Some(&content));
        }
    }

    /// Records a response with embeddings.
    pub(crate) fn record_embeddings(
        &mut self,
        model: &str,
        input_tokens: Option<u32>,
        request_id: Option<&str>,
    ) {
        let tokens = TokenCounts { input: input_tokens, ..TokenCounts::default() };
        self.measurement.end(Some(&self.redactor.text(model)), tokens);
        self.record("gen_ai.response.model", Some(model));
        self.span.record("gen_ai.usage.input_tokens", input_tokens);
        self.record("http.response.header.x-request-id", request_id);
    }

    /// Records a text that the server sent.
    fn record(&self, field: &str, text: Option<&str>) {
        if self.span.is_disabled() {
            return;
        }
        self.span.record(field, text.map(|text| self.redactor.text(text)).as_deref());
    }

    fn record_end(&mut self, end: &ResponseEnd<'_>) {
        let ResponseEnd { id, model, finish_reason, finish_reason_text, usage, service_tier, request_id } =
            *end;
        if self.measurement.is_enabled() {
            let model = model.map(|model| self.redactor.text(model));
            self.measurement.end(model.as_deref(), usage.map(TokenCounts::from).unwrap_or_default());
        }
        let span = &self.span;
        if span.is_disabled() {
            return;
        }
        self.record("gen_ai.response.id", id);
        self.record("gen_ai.response.model", model.filter(|model| !model.is_empty()));
        let reason = self.redactor.text(finish_reason_text.unwrap_or(finish_reason.as_str()));
        span.record("gen_ai.response.finish_reasons", field::display(format_args!("[{reason:?}]")));
        self.record(self.service_tier_attribute, service_tier);
        self.record("http.response.header.x-request-id", request_id);
        if let Some(usage) = usage {
            let Usage {
                prompt_tokens,
                completion_tokens,
                cached_tokens,
                cache_write_tokens,
                reasoning_tokens,
                ..
            } = usage;
            span.record("gen_ai.usage.input_tokens", prompt_tokens);
            span.record("gen_ai.usage.output_tokens", completion_tokens);
            span.record("gen_ai.usage.cache_read.input_tokens", cached_tokens);
            span.record("gen_ai.usage.cache_creation.input_tokens", cache_write_tokens);
            span.record("gen_ai.usage.reasoning.output_tokens", reasoning_tokens);
        }
    }

    /// Ends the measurement without a result: the response goes on without this call.
    pub(crate) fn leave(&mut self) {
        self.measurement.discard();
    }

    /// Records the failure of the operation.
    pub(crate) fn record_error(&mut self, error: &Error) {
        self.measurement.fail(error.category());
        let span = &self.span;
        span.record("otel.status_code", "ERROR");
        span.record("error.type", error.category().as_str());
        span.record("http.response.status_code", error.status());
        span.record("http.response.header.x-request-id", error.request_id());
        if let Some(resent) = error.attempts().checked_sub(1).filter(|resent| *resent > 0) {
            span.record("http.request.resend_count", resent);
        }
    }
}

/// What is recorded at the end of a response.
struct ResponseEnd<'a> {
    id: Option<&'a str>,
    model: Option<&'a str>,
    finish_reason: FinishReason,
    finish_reason_text: Option<&'a str>,
    usage: Option<&'a Usage>,
    service_tier: Option<&'a str>,
    request_id: Option<&'a str>,
}
