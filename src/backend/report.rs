//! Reports for operators: rate limits, costs and unknown fields.

use tachikoma_backends_core::CompletionResponse;

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

    /// What a response cost at OpenAI's prices: [`OpenAIModel::cost_at`] of the model that responded, in the service tier that
    /// it names. Hosted tools are billed separately; such a cost is [not complete](Cost::is_complete).
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
    /// The server did not report the usage, or a price is unknown: of the model, of the tier, or of cache writes.
    pub fn cost(&self, response: &CompletionResponse) -> Result<Cost, CodexError> {
        let usage = response.usage.as_ref().ok_or_else(|| {
            CodexError::configuration("the server did not report the usage of the response")
        })?;
        let name = response.service_tier.as_deref().unwrap_or_default();
        let tier = ServiceTier::from_response(name).ok_or_else(|| {
            CodexError::configuration(format!("the price of the service tier {name:?} is unknown"))
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
