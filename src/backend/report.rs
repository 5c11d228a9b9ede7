//! What operators see: rate limits, costs, and unknown fields.

use tachikoma_backends_core::CompletionResponse;

use super::CodexBackend;
use crate::CodexError;
use crate::api::state;
use crate::models::{Cost, OpenAIModel, ServiceTier, Support};
use crate::runtime::{rate_limit::RateLimits, unknown::UnknownField};

impl CodexBackend {
    /// What the last answer, or error, that spoke of them said of the account's limits on requests and tokens. `None` before
    /// the first, and from servers that say nothing.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-..."))?;
    /// if let Some(limits) = backend.rate_limits() {
    ///     println!("{:?} requests left, all of them again in {:?}", limits.requests.remaining, limits.requests.reset);
    /// }
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    pub fn rate_limits(&self) -> Option<RateLimits> {
        self.transport.rate_limits()
    }

    /// What the responses so far held that this release does not know, with how many responses held it: events, fields, and
    /// values where a few are known. None of them breaks a response. Fields are looked for in the first and the last event of a
    /// stream, and in responses of up to 16 KiB.
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

    /// What a response cost at OpenAI's prices: [`OpenAIModel::cost_at`] of the model that responded, in the service tier that
    /// it names. What its hosted tools did is billed beside the tokens; such a cost is [not complete](Cost::is_complete).
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexError};
    /// # use tachikoma_backends_core::CompletionResponse;
    /// /// Whether the budget, in USD, is spent.
    /// fn charge(backend: &CodexBackend, response: &CompletionResponse, budget: &mut f64) -> Result<bool, CodexError> {
    ///     let cost = backend.cost(response)?;
    ///     *budget -= cost.usd;
    ///     Ok(*budget <= 0.0 || !cost.is_complete())
    /// }
    /// ```
    ///
    /// # Errors
    /// The server did not report how many tokens there were, or a price is not known: of the model, of the tier, or of writes
    /// to the cache.
    pub fn cost(&self, response: &CompletionResponse) -> Result<Cost, CodexError> {
        let usage = response.usage.as_ref().ok_or_else(|| {
            CodexError::configuration("the server did not report how many tokens the response cost")
        })?;
        let name = response.service_tier.as_deref().unwrap_or_default();
        let tier = ServiceTier::from_response(name).ok_or_else(|| {
            CodexError::configuration(format!("the price of the service tier {name:?} is not known"))
                .with_hint("Compute the cost from the response's Usage and the prices of your contract.")
        })?;
        let model = if response.model.is_empty() { self.config.model().as_str() } else { &response.model };
        let model = OpenAIModel::new(model);
        let usd = model.cost_at(usage, tier)?;
        let spec = model.spec();
        let items = response.provider_state.as_ref().map(state::hosted_items).unwrap_or_default();
        let audio = (spec.audio_input == Support::Yes).then_some("audio tokens");
        let search = spec.searches_web.then_some("web searches");
        let excludes = items.into_iter().chain(audio).chain(search).map(str::to_owned).collect();
        Ok(Cost { usd, excludes })
    }
}
