//! Reports for operators: rate limits, costs, the cache of prompts, and unknown fields.

use tachikoma_backends_core::{CacheCost, CacheReport, CacheStep, CompletionResponse};

use super::CodexBackend;
use crate::CodexError;
use crate::api::state;
use crate::models::{Cost, OpenAIModel, ServiceTier, Support};
use crate::runtime::{rate_limit::RateLimits, unknown::UnknownField};

impl CodexBackend {
    /// The account's limits on requests and tokens by the last response that had them. `None` before the first, and for servers
    /// that do not send them.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-..."))?;
    /// if let Some(limits) = backend.rate_limits() {
    ///     println!("{:?} requests left, reset in {:?}", limits.requests.remaining, limits.requests.reset);
    /// }
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    pub fn rate_limits(&self) -> Option<RateLimits> {
        self.transport.rate_limits()
    }

    /// The events, fields and enum values of the responses so far that this release does not know, with the number of responses
    /// that had them. None of them breaks a response. Fields are looked for in the first and the last event of a stream, and in
    /// responses of up to 16 KiB.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-..."))?;
    /// for unknown in backend.unknown_fields() {
    ///     println!("{} {}: {}", unknown.kind, unknown.name, unknown.count);
    /// }
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    pub fn unknown_fields(&self) -> Vec<UnknownField> {
        self.unknown_fields.list()
    }

    /// What a response cost at the prices of the model that responded, in the service tier that it names: OpenAI's, unless the
    /// [settings](crate::CodexBackendConfig::with_model_facts) or the server's list state others. Hosted tools are billed separately; such a cost is [not complete](Cost::is_complete).
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexError};
    /// # use tachikoma_backends_core::{CacheCost, CacheReport, CacheStep, CompletionResponse};
    /// /// Whether the budget, in USD, is spent.
    /// fn charge(backend: &CodexBackend, response: &CompletionResponse, budget: &mut f64) -> Result<bool, CodexError> {
    ///     let cost = backend.cost(response)?;
    ///     *budget -= cost.usd;
    ///     Ok(*budget <= 0.0 || !cost.is_complete())
    /// }
    /// ```
    ///
    /// # Errors
    /// The server did not report the usage, or a price is unknown: of the model, of the tier, or of cache writes.
    pub fn cost(&self, response: &CompletionResponse) -> Result<Cost, CodexError> {
        let usage = response.usage.as_ref().ok_or_else(|| {
            CodexError::configuration("the server did not report the usage of the response")
        })?;
        let name = tier_name(response);
        let tier = ServiceTier::from_response(name).ok_or_else(|| {
            CodexError::configuration(format!("the price of the service tier {name:?} is unknown"))
                .with_hint("Compute the cost from the response's Usage and the prices of your contract.")
        })?;
        let model = self.model_of_response(response);
        let spec = self.lookup(&model).spec;
        let usd = spec.cost_of(&model, usage, tier)?;
        let items = response.provider_state.as_ref().map(state::hosted_items).unwrap_or_default();
        let audio = (spec.audio_input == Support::Yes).then_some("audio tokens");
        let search = spec.searches_web.then_some("web searches");
        let excludes = items.into_iter().chain(audio).chain(search).map(str::to_owned).collect();
        Ok(Cost { usd, excludes })
    }

    /// What the server's cache did for the prompts of a conversation: how much of them came from it, and what that saved at
    /// the same prices as in [`cost`](Self::cost) against a conversation without a cache. The costs are those of the tokens alone; a step whose price is
    /// unknown has none.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionResponse, OpenAIModel, Usage};
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-..."))?;
    /// # let model = OpenAIModel::GPT_5_6_TERRA.to_string();
    /// # let response = |usage| CompletionResponse::default().with_model(&*model).with_usage(usage);
    /// let responses = [
    ///     response(Usage::new(100_000, 0).with_cached_tokens(0).with_cache_write_tokens(100_000)),
    ///     response(Usage::new(100_000, 0).with_cached_tokens(100_000)),
    /// ];
    /// let total = backend.cache_report(&responses).total();
    /// assert_eq!(total.hit_ratio(), Some(0.5));
    /// let saved = total.cost.map(|cost| format!("{:.2}", cost.saved_usd()));
    /// assert_eq!(saved.as_deref(), Some("0.13"));
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    pub fn cache_report<'a>(
        &self,
        responses: impl IntoIterator<Item = &'a CompletionResponse>,
    ) -> CacheReport {
        CacheReport::new(responses.into_iter().map(|response| {
            let step = CacheStep::new(response.usage);
            match self.cache_cost(response) {
                Some(cost) => step.with_cost(cost),
                None => step,
            }
        }))
    }

    fn cache_cost(&self, response: &CompletionResponse) -> Option<CacheCost> {
        let tier = ServiceTier::from_response(tier_name(response))?;
        self.lookup(&self.model_of_response(response)).spec.cache_cost_at(response.usage.as_ref()?, tier).ok()
    }

    /// The model that responded, or the configured one where the server did not name it.
    fn model_of_response(&self, response: &CompletionResponse) -> OpenAIModel {
        if response.model.is_empty() {
            self.config.model().clone()
        } else {
            OpenAIModel::new(&*response.model)
        }
    }
}

/// The service tier that the server named; empty where it named none.
fn tier_name(response: &CompletionResponse) -> &str {
    response.service_tier.as_deref().unwrap_or_default()
}
