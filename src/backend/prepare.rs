//! Resolves the target of a core request, validates it and encodes its body.

use std::collections::BTreeSet;
use std::sync::Arc;

use tachikoma_backends_core::{CompletionRequest, ErrorCategory};
use tracing::Span;

use super::api_choice::{self, ApiChoice};
use super::chain::{Continuation, Conversation};
use super::{CodexBackend, RequestPreview, background};
use crate::CodexError;
use crate::api::{ResponseContext, TextProtocol, custom_tool, encode, responses, state};
use crate::config::Api;
use crate::models::{Lookup, ModelSpec, OpenAIModel};
use crate::runtime::gate::Load;
use crate::runtime::transport::Bytes;
use crate::target::{Target, WireApi};
use crate::tokens;
use crate::validate::{adapt, validate};

/// A request that is ready to be sent.
pub(super) struct PreparedRequest {
    pub(super) protocol: Arc<dyn TextProtocol>,
    pub(super) body: Bytes,
    pub(super) target: Target,
    /// The context for decoding its response.
    pub(super) context: ResponseContext,
    pub(super) warnings: Vec<String>,
    /// Whether the server stores the response, and whether it generates it in the background.
    pub(super) is_stored: bool,
    pub(super) is_background: bool,
    /// What the gate counts, if there is one.
    pub(super) load: Option<Load>,
}

impl PreparedRequest {
    /// The model, if the path names its deployment on Azure.
    pub(super) fn model_in_path(&self) -> Option<&str> {
        self.protocol.is_in_deployment().then_some(self.target.model.as_str())
    }
}

impl CodexBackend {
    /// The URL and body that would be sent for this request, without sending it.
    ///
    /// # Errors
    /// The request would be refused before sending.
    pub fn preview(&self, request: &CompletionRequest) -> Result<RequestPreview, CodexError> {
        let prepared = self.prepare(request.clone(), false)?;
        let url = self.server.operation_url(prepared.model_in_path(), prepared.protocol.path())?;
        let body = serde_json::from_slice(&prepared.body).map_err(encode::unencodable)?;
        Ok(RequestPreview { api: prepared.target.api, url, body, warnings: prepared.warnings })
    }

    /// The API that this request would go to, and why.
    pub fn api_for(&self, request: &CompletionRequest) -> ApiChoice {
        let model = self.model_of(request);
        self.choose(request, &model, &self.lookup(&model).spec)
    }

    fn choose(&self, request: &CompletionRequest, model: &OpenAIModel, spec: &ModelSpec) -> ApiChoice {
        if self.config.api() == Api::Auto && self.is_compacted(request, model) {
            let reason = "the conversation was compacted by the Responses API".to_owned();
            return ApiChoice { api: WireApi::Responses, reason };
        }
        let (host, _) = self.server.host();
        api_choice::choose(self.config.api(), request, model, spec, self.server.is_official(), &host)
    }

    /// Whether the conversation holds a compaction from the Responses API, this server, account and model.
    fn is_compacted(&self, request: &CompletionRequest, model: &OpenAIModel) -> bool {
        let has_state = request.messages.iter().any(|message| message.provider_state.is_some());
        has_state && {
            let origin = self.state_origin(WireApi::Responses, model);
            request.messages.iter().any(|message| responses::is_compacted(message, &origin))
        }
    }

    /// The target of a request.
    pub(super) fn target(&self, request: &CompletionRequest, stream: bool) -> Target {
        let model = self.model_of(request);
        let lookup = self.lookup(&model);
        let ApiChoice { api, reason } = self.choose(request, &model, &lookup.spec);
        tracing::debug!(api = api.as_str(), reason, "the API of a request was chosen");
        Target { stream, ..self.resolved(model, lookup, api) }
    }

    /// The target of a request for a whole response of this API.
    pub(super) fn target_for(&self, request: &CompletionRequest, api: WireApi) -> Target {
        let model = self.model_of(request);
        let lookup = self.lookup(&model);
        self.resolved(model, lookup, api)
    }

    fn resolved(&self, model: OpenAIModel, lookup: Lookup, api: WireApi) -> Target {
        let state_origin = self.state_origin(api, &model);
        let (is_official, stream_usage) = (self.server.is_official(), self.config.stream_usage());
        let deployment = self.server.model_in_body(api.protocol().is_in_deployment());
        let model_in_body = deployment.map_or_else(|| model.to_string(), str::to_owned);
        Target { model_in_body, is_official, stream_usage, state_origin, ..Target::new(model, lookup, api) }
    }

    /// The origin of state from this API, server, account and model.
    pub(super) fn state_origin(&self, api: WireApi, model: &OpenAIModel) -> String {
        let config = &self.config;
        let account =
            [config.base_url(), config.organization().unwrap_or(""), config.project().unwrap_or("")];
        let fingerprint = config.credentials().fingerprint(&account);
        state::origin(api, &self.server.origin(), fingerprint, model.as_str())
    }

    fn model_of(&self, request: &CompletionRequest) -> OpenAIModel {
        request.model.as_deref().map_or_else(|| self.config.model().clone(), OpenAIModel::new)
    }

    /// A request that may succeed, adapted to its model, and the warnings about it.
    ///
    /// # Errors
    /// It cannot succeed.
    pub(super) fn checked(
        &self,
        mut request: CompletionRequest,
        target: &Target,
    ) -> Result<(CompletionRequest, Vec<String>), CodexError> {
        // The messages of a continuation are counted from the previous response on.
        if target.previous_response.is_none() {
            target.api.protocol().prune(&mut request.messages, &target.state_origin);
        }
        request.max_tokens = request.max_tokens.or(self.config.max_tokens());
        let findings = validate(&request, target);
        let (errors, findings): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.is_error(target.is_official));
        if !errors.is_empty() {
            let is_setting = errors.iter().all(|error| error.by_api) && self.config.api() != Api::Auto;
            let category =
                if is_setting { ErrorCategory::Configuration } else { ErrorCategory::InvalidRequest };
            let messages: Vec<_> = errors.into_iter().map(|error| error.message).collect();
            let error = CodexError::unsent(category, messages.join("; "));
            return Err(if is_setting { error.with_hint("Api::Auto chooses automatically.") } else { error });
        }
        let mut warnings: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
        if target.is_official {
            warnings.extend(adapt(&mut request, target));
        }
        Ok((request, warnings))
    }

    /// # Errors
    /// The request cannot succeed, or cannot be encoded.
    pub(super) fn prepare(
        &self,
        request: CompletionRequest,
        stream: bool,
    ) -> Result<PreparedRequest, CodexError> {
        let target = self.target(&request, stream);
        self.prepare_for(request, target)
    }

    /// What continues a previous response, or the whole conversation.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(super) fn prepare_conversation(
        &self,
        conversation: &mut Conversation,
        continuation: Option<&Continuation>,
        stream: bool,
    ) -> Result<PreparedRequest, CodexError> {
        let Some(continuation) = continuation else {
            return self.prepare(conversation.request_from(0), stream);
        };
        let (request, previous) = conversation.continuation(continuation);
        let target = Target { previous_response: Some(previous), ..self.target(&request, stream) };
        // The limit is that of the whole conversation.
        let warning = self.check_length(|| conversation.too_long(continuation, &request, &target))?;
        let mut prepared = self.prepare_for(request, target)?;
        prepared.load = conversation.inspect(|whole| self.load(whole, &prepared.target));
        prepared.warnings.extend(warning);
        Ok(prepared)
    }

    fn prepare_for(&self, request: CompletionRequest, target: Target) -> Result<PreparedRequest, CodexError> {
        Span::current().record("openai.api.type", target.api.attribute());
        let (mut request, mut warnings) = self.checked(request, &target)?;
        warnings.extend(self.check_length(|| tokens::too_long(&request, &target))?);
        let load = self.load(&request, &target);
        let limits = self.config.reliability();
        let context = ResponseContext {
            max_tool_calls: limits.max_tool_calls,
            max_call_bytes: limits.max_event_bytes,
            limit: request.max_tokens.filter(|_| !target.is_official),
            state_origin: target.state_origin.clone(),
            custom_tools: match target.takes_custom_tools() {
                true => BTreeSet::new(),
                false => custom_tool::names(&request.tools),
            },
            storing: None,
        };
        let is_background = target.api == WireApi::Responses && background::is_background(&request);
        if is_background {
            background::store(&mut request)?;
        }
        let is_stored = target.api == WireApi::Responses && background::is_stored(&request);
        let protocol = target.api.protocol();
        let body = protocol.encode(request, &target)?;
        Ok(PreparedRequest { protocol, body, target, context, warnings, is_stored, is_background, load })
    }
}
