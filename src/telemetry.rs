//! Spans by OpenTelemetry's semantic conventions for generative AI:
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>. What was said is in them only where that was asked for.

mod content;

use std::sync::Arc;
use std::time::Instant;

use tachikoma_backends_core::{
    CompletionChunk, CompletionRequest, CompletionResponse, FinishReason, ToolCallAccumulator, ToolCallDelta,
    Usage,
};
use tracing::field::Empty;
use tracing::{Span, field, info_span};

use crate::auth::Redactor;
use crate::error::CodexError;

/// What a span says of the way to the server.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// `openai` or `azure.ai.openai`.
    pub(crate) provider: &'static str,
    /// The host's name.
    pub(crate) address: String,
    /// The port.
    pub(crate) port: Option<u16>,
    /// Masks the secrets that the server sends back.
    pub(crate) redactor: Arc<Redactor>,
}

/// One call of the API, from the request to the end of the answer, as a span. There is none where nobody listens.
#[derive(Debug)]
pub(crate) struct Operation {
    span: Span,
    start: Instant,
    has_content: bool,
    redactor: Arc<Redactor>,
    /// What a stream said so far, where that is recorded.
    said: Option<Said>,
}

#[derive(Debug, Default)]
struct Said {
    text: String,
    tool_calls: ToolCallAccumulator,
}

impl Operation {
    /// A request for text to this model. `with_content`: what is said is recorded.
    pub(crate) fn chat(
        peer: &Peer,
        model: &str,
        request: &CompletionRequest,
        with_content: bool,
    ) -> Option<Box<Self>> {
        let span = info_span!(
            "gen_ai.chat",
            otel.name = format_args!("chat {model}"),
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = peer.provider,
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
            server.address = peer.address,
            server.port = peer.port,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            "http.response.header.x-request-id" = Empty,
            error.type = Empty,
        );
        let with_content = with_content && !span.is_disabled();
        if with_content {
            span.record("gen_ai.input.messages", &*peer.redactor.text(&content::messages(&request.messages)));
        }
        Self::new(span, peer, with_content)
    }

    /// A request for embeddings of this model.
    pub(crate) fn embeddings(peer: &Peer, model: &str) -> Option<Box<Self>> {
        let span = info_span!(
            "gen_ai.embeddings",
            otel.name = format_args!("embeddings {model}"),
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = "embeddings",
            gen_ai.provider.name = peer.provider,
            gen_ai.request.model = model,
            gen_ai.response.model = Empty,
            gen_ai.usage.input_tokens = Empty,
            server.address = peer.address,
            server.port = peer.port,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            "http.response.header.x-request-id" = Empty,
            error.type = Empty,
        );
        Self::new(span, peer, false)
    }

    fn new(span: Span, peer: &Peer, with_content: bool) -> Option<Box<Self>> {
        let said = with_content.then(Said::default);
        let redactor = Arc::clone(&peer.redactor);
        let begun = || {
            Box::new(Self { span: span.clone(), start: Instant::now(), has_content: false, redactor, said })
        };
        (!span.is_disabled()).then(begun)
    }

    /// The span, in which everything is done.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// A piece of a streamed answer came.
    pub(crate) fn piece(&mut self, text: &str, tool_calls: &[ToolCallDelta]) {
        if !self.has_content {
            self.has_content = true;
            self.span.record("gen_ai.response.time_to_first_chunk", self.start.elapsed().as_secs_f64());
        }
        if let Some(said) = &mut self.said {
            said.text.push_str(text);
            tool_calls.iter().for_each(|delta| said.tool_calls.push(delta));
        }
    }

    /// A streamed answer is over.
    pub(crate) fn last(&mut self, chunk: &CompletionChunk) {
        let finish_reason = chunk.finish_reason.unwrap_or_default();
        self.ended(&Ending {
            id: chunk.id.as_deref(),
            model: chunk.model.as_deref(),
            finish_reason,
            finish_reason_text: chunk.finish_reason_text.as_deref(),
            usage: chunk.usage.as_ref(),
            service_tier: chunk.service_tier.as_deref(),
            request_id: chunk.request_id.as_deref(),
        });
        if let Some(said) = self.said.take() {
            let (calls, _) = said.tool_calls.finish(finish_reason.ends_turn());
            self.record("gen_ai.output.messages", Some(&content::answer(&said.text, &calls, finish_reason)));
        }
    }

    /// A whole answer came.
    pub(crate) fn answered(&mut self, response: &CompletionResponse) {
        self.ended(&Ending {
            id: response.id.as_deref(),
            model: Some(&response.model),
            finish_reason: response.finish_reason,
            finish_reason_text: response.finish_reason_text.as_deref(),
            usage: response.usage.as_ref(),
            service_tier: response.service_tier.as_deref(),
            request_id: response.request_id.as_deref(),
        });
        if self.said.take().is_some() {
            let text = response.content.as_deref().unwrap_or_default();
            let said = content::answer(text, &response.tool_calls, response.finish_reason);
            self.record("gen_ai.output.messages", Some(&said));
        }
    }

    /// Embeddings came.
    pub(crate) fn embedded(&self, model: &str, input_tokens: Option<u32>, request_id: Option<&str>) {
        self.record("gen_ai.response.model", Some(model));
        self.span.record("gen_ai.usage.input_tokens", input_tokens);
        self.record("http.response.header.x-request-id", request_id);
    }

    /// Records a text that the server sent.
    fn record(&self, field: &str, text: Option<&str>) {
        self.span.record(field, text.map(|text| self.redactor.text(text)).as_deref());
    }

    fn ended(&self, ending: &Ending<'_>) {
        let Ending { id, model, finish_reason, finish_reason_text, usage, service_tier, request_id } =
            *ending;
        let span = &self.span;
        self.record("gen_ai.response.id", id);
        self.record("gen_ai.response.model", model.filter(|model| !model.is_empty()));
        let reason = self.redactor.text(finish_reason_text.unwrap_or(finish_reason.as_str()));
        span.record("gen_ai.response.finish_reasons", field::display(format_args!("[{reason:?}]")));
        self.record("openai.response.service_tier", service_tier);
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

    /// It failed.
    pub(crate) fn failed(&self, error: &CodexError) {
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

/// What the end of an answer says.
struct Ending<'a> {
    id: Option<&'a str>,
    model: Option<&'a str>,
    finish_reason: FinishReason,
    finish_reason_text: Option<&'a str>,
    usage: Option<&'a Usage>,
    service_tier: Option<&'a str>,
    request_id: Option<&'a str>,
}
