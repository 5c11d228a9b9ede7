//! What a response cost.

use std::fmt;

use tachikoma_backends_core::{CacheCost, Usage};
use thiserror::Error;

use super::{ModelSpec, OpenAIModel, ServiceTier};
use crate::CodexError;

/// Which part of a cost is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PriceError {
    /// The model has no price.
    #[error("the price of the model is not known")]
    Model,
    /// The model has a price, but not in this tier.
    #[error("the price of the model in the service tier \"{0}\" is not known")]
    Tier(ServiceTier),
    /// The model has a price in this tier, but not for so long an input.
    #[error("the price of long inputs in the service tier \"{0}\" is not known")]
    LongContext(ServiceTier),
    /// Tokens were written to the cache, and what that costs is unknown.
    #[error("the price of writing to the cache is not known")]
    CacheWrite,
}

impl ModelSpec {
    /// What the tokens of a response cost in this tier, in USD: cached ones, writes to the cache and the higher price of long
    /// inputs included. Fees of hosted tools are not tokens, and not included.
    ///
    /// # Errors
    /// Which part of the price is unknown.
    pub fn cost_at(&self, usage: &Usage, tier: ServiceTier) -> Result<f64, PriceError> {
        let price = self.prices.ok_or(PriceError::Model)?.at(tier).ok_or(PriceError::Tier(tier))?;
        let long = self.long_context.filter(|long| usage.prompt_tokens > long.from);
        if long.is_some() && !price.covers_long_context {
            return Err(PriceError::LongContext(tier));
        }
        let (input_factor, output_factor) =
            long.map_or((1.0, 1.0), |long| (long.input_factor, long.output_factor));
        let cached = usage.cached_tokens.unwrap_or(0).min(usage.prompt_tokens);
        let written = usage.cache_write_tokens.unwrap_or(0).min(usage.prompt_tokens - cached);
        let write_cost = match (written, price.cache_write) {
            (0, _) => 0.0,
            (written, Some(price)) => f64::from(written) * price,
            (_, None) => return Err(PriceError::CacheWrite),
        };
        let cached_cost = f64::from(cached) * price.cached_input.unwrap_or(price.input);
        let rest = usage.prompt_tokens - cached - written;
        let input_cost = f64::from(rest) * price.input + cached_cost + write_cost;
        let output_cost = f64::from(usage.completion_tokens) * price.output;
        Ok((input_cost * input_factor + output_cost * output_factor) / 1e6)
    }

    /// As [`cost_at`](Self::cost_at), with an error that names the model.
    ///
    /// # Errors
    /// Of the category `configuration`: which part of the price is unknown.
    pub(crate) fn cost_of(
        &self,
        model: &OpenAIModel,
        usage: &Usage,
        tier: ServiceTier,
    ) -> Result<f64, CodexError> {
        self.cost_at(usage, tier).map_err(|error| {
            CodexError::configuration(format!("{error}: \"{model}\""))
                .with_hint("Set the prices of your contract by with_model_facts.")
                .with_source(error)
        })
    }

    /// What the tokens of a response cost in this tier, with and without the cache.
    ///
    /// # Errors
    /// Which part of the price is unknown.
    pub fn cache_cost_at(&self, usage: &Usage, tier: ServiceTier) -> Result<CacheCost, PriceError> {
        let mut uncached = *usage;
        (uncached.cached_tokens, uncached.cache_write_tokens) = (None, None);
        Ok(CacheCost::new(self.cost_at(usage, tier)?, self.cost_at(&uncached, tier)?))
    }
}

impl OpenAIModel {
    /// What a response cost in the standard tier, in USD: [`cost_at`](Self::cost_at).
    ///
    /// ```
    /// # use tachikoma_backend_codex::OpenAIModel;
    /// # use tachikoma_backends_core::Usage;
    /// let usage = Usage::new(100_000, 10_000);
    /// assert_eq!(OpenAIModel::GPT_5_6_TERRA.cost(&usage)?, 0.32);
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    ///
    /// # Errors
    /// As [`cost_at`](Self::cost_at).
    pub fn cost(&self, usage: &Usage) -> Result<f64, CodexError> {
        self.cost_at(usage, ServiceTier::Standard)
    }

    /// What the tokens of a response cost in this tier at OpenAI's prices, in USD: cached tokens, writes to the cache and the
    /// higher price of long inputs included. Fees of hosted tools, surcharges for a region, and what a longer lifetime of the
    /// cache costs, are not.
    ///
    /// # Errors
    /// The message states which part of the price is not known: the model's, the tier's, or that of writes to the cache.
    pub fn cost_at(&self, usage: &Usage, tier: ServiceTier) -> Result<f64, CodexError> {
        self.spec().cost_of(self, usage, tier)
    }
}

/// What a response cost at OpenAI's prices.
///
/// To hold a spending limit, count [`usd`](Self::usd) and stop, or ask, where the cost [is not complete](Self::is_complete):
/// then it is the least that the response cost.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Cost {
    /// The tokens' cost, in USD.
    pub usd: f64,
    /// What the response was billed for beside its tokens and at an unknown price: the types of the items that hosted tools
    /// left in the response (`web_search_call`), each once, and the audio or search of models that are made for it.
    pub excludes: Vec<String>,
}

impl Cost {
    /// Whether nothing is known to be missing from [`usd`](Self::usd).
    pub fn is_complete(&self) -> bool {
        self.excludes.is_empty()
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_complete() {
            return write!(f, "{:.6} USD", self.usd);
        }
        write!(f, "at least {:.6} USD, without the unknown fees of {}", self.usd, self.excludes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::PriceError::{CacheWrite, LongContext, Model, Tier};
    use super::ServiceTier::{Batch, Flex, Priority, Standard};
    use super::*;
    use crate::models::lookup::lookup;

    #[test]
    fn cost_follows_tier_cache_and_length() {
        /// Input with cached and written tokens in it, and output.
        fn usage(input: u32, cached: u32, written: u32, output: u32) -> Usage {
            let mut usage = Usage::new(input, output).with_total_tokens(0);
            usage.cached_tokens = Some(cached).filter(|count| *count > 0);
            usage.cache_write_tokens = Some(written).filter(|count| *count > 0);
            usage
        }
        #[track_caller]
        fn check(id: &str, tier: ServiceTier, usage: Usage, expected: Result<f64, PriceError>) {
            let cost = lookup(id).spec.cost_at(&usage, tier);
            let text = |cost: Result<f64, PriceError>| cost.map(|usd| format!("{usd:.6}"));
            assert_eq!(text(cost), text(expected), "{id} {tier} {usage:?}");
        }
        let terra = "gpt-5.6-terra";
        check(terra, Standard, usage(100_000, 0, 0, 10_000), Ok(0.2 + 0.12));
        check(terra, Standard, usage(100_000, 50_000, 0, 0), Ok(0.1 + 0.01));
        check(terra, Standard, usage(100_000, 50_000, 20_000, 0), Ok(0.06 + 0.01 + 0.05));
        check(terra, Standard, usage(100, 1_000_000, 1_000_000, 0), Ok(0.000_02));
        check(terra, Standard, usage(100, 0, 1_000_000, 0), Ok(0.000_25));
        check(terra, Standard, usage(272_000, 0, 0, 0), Ok(0.544));
        check(terra, Standard, usage(300_000, 0, 0, 10_000), Ok(1.2 + 0.18));
        check(terra, Standard, usage(300_000, 0, 300_000, 0), Ok(1.5));
        // The figures of LiteLLM 1.109.1 for a million tokens each of input, cached input, writes and output.
        const M: u32 = 100_000;
        for (id, tier, input, cached, written, output) in [
            (terra, Flex, 1.0, 0.1, 1.25, 6.0),
            (terra, Batch, 1.0, 0.1, 1.25, 6.0),
            (terra, Priority, 4.0, 0.4, 5.0, 24.0),
            ("gpt-6-astra", Standard, 10.0, 1.0, 12.5, 50.0),
            ("gpt-6-astra", Priority, 20.0, 2.0, 25.0, 100.0),
            ("gpt-6.1-sol", Flex, 1.0, 0.05, 1.25, 5.0),
            ("gpt-5.5", Priority, 12.5, 1.25, 12.5, 75.0),
            ("gpt-5.5", Flex, 2.5, 0.25, 2.5, 15.0),
            ("gpt-5.1", Priority, 2.5, 0.25, 2.5, 20.0),
            ("gpt-5-mini", Priority, 0.45, 0.045, 0.45, 3.6),
            ("gpt-4.1", Priority, 3.5, 0.875, 3.5, 14.0),
            ("gpt-4.1", Batch, 1.0, 1.0, 1.0, 4.0),
            ("gpt-4o", Priority, 4.25, 2.125, 4.25, 17.0),
            ("gpt-4o-mini", Priority, 0.25, 0.125, 0.25, 1.0),
            ("gpt-4o-2024-05-13", Priority, 8.75, 8.75, 8.75, 26.25),
            ("o3", Flex, 1.0, 0.25, 1.0, 4.0),
            ("o4-mini", Priority, 2.0, 0.5, 2.0, 8.0),
            ("o3-pro", Batch, 10.0, 10.0, 10.0, 40.0),
            ("gpt-5.3-codex", Priority, 3.5, 0.35, 3.5, 28.0),
        ] {
            check(id, tier, usage(M, 0, 0, 0), Ok(input / 10.0));
            check(id, tier, usage(M, M, 0, 0), Ok(cached / 10.0));
            check(id, tier, usage(M, 0, M, 0), Ok(written / 10.0));
            check(id, tier, usage(0, 0, 0, M), Ok(output / 10.0));
        }
        // Long inputs.
        check(terra, Priority, usage(1_000_000, 0, 0, 1_000_000), Ok(8.0 + 36.0));
        check(terra, Flex, usage(1_000_000, 1_000_000, 0, 0), Ok(0.2));
        check("gpt-5.5", Batch, usage(1_000_000, 0, 0, 0), Ok(5.0));
        check("gpt-5.5", Priority, usage(1_000_000, 0, 0, 0), Err(LongContext(Priority)));
        check("gpt-5.5-pro", Flex, usage(300_000, 0, 0, 0), Err(LongContext(Flex)));
        check("gpt-5.5-pro", Flex, usage(100_000, 0, 0, 0), Ok(1.5));
        // What no source states.
        check("gpt-5.4-nano", Priority, usage(1, 0, 0, 0), Err(Tier(Priority)));
        check("gpt-4o", Flex, usage(1, 0, 0, 0), Err(Tier(Flex)));
        check("gpt-5.6-cyber", Batch, usage(1, 0, 0, 0), Err(Tier(Batch)));
        check("chat-latest", Standard, usage(1_000, 0, 1, 0), Err(CacheWrite));
        check("chat-latest", Standard, usage(1_000, 0, 0, 0), Ok(0.005));
        check("gpt-5.6-nova", Standard, usage(1_000, 0, 0, 0), Err(Model));
        check("my-deployment", Flex, usage(1_000, 0, 0, 0), Err(Model));
        check("ft:gpt-4o:acme", Standard, usage(1_000, 0, 0, 0), Err(Model));
    }
}
