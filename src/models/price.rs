//! What a model costs, and what a response cost.

use std::fmt;

use tachikoma_backends_core::Usage;
use thiserror::Error;

use super::ModelSpec;

/// The class of service of a response, which decides its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceTier {
    /// The usual one.
    #[default]
    Standard,
    /// Cheaper and slower.
    Flex,
    /// Faster and more expensive; OpenAI also calls it fast mode.
    Priority,
    /// A response of the Batch API.
    Batch,
}

impl ServiceTier {
    /// The tier that a server names in its response; `None` where the word is unknown, as are `auto` and `scale`: these say
    /// nothing of the price.
    pub fn from_response(name: &str) -> Option<Self> {
        Some(match name {
            "" | "default" | "standard" | "on_demand" => Self::Standard,
            "flex" => Self::Flex,
            "priority" | "fast" => Self::Priority,
            "batch" => Self::Batch,
            _ => return None,
        })
    }

    /// The API's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "default",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
        }
    }
}

impl fmt::Display for ServiceTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a model costs in one tier, in USD for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Price {
    /// Input.
    pub input: f64,
    /// Input that the server had cached; as [`input`](Self::input) where there is no discount or none is known.
    pub cached_input: Option<f64>,
    /// Input that the server wrote to its cache, where the source states what that costs. It is the price at the usual lifetime
    /// of the cache (30 minutes).
    pub cache_write: Option<f64>,
    /// Output, reasoning included.
    pub output: f64,
    /// Whether the price is known for inputs beyond [`ModelSpec::long_context_from`] as well.
    pub covers_long_context: bool,
}

/// What a model costs, tier by tier; `None` where no source states the tier's price.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prices {
    /// The usual price.
    pub standard: Price,
    /// With the service tier `flex`.
    pub flex: Option<Price>,
    /// With the service tier `priority`, alias `fast`.
    pub priority: Option<Price>,
    /// Over the Batch API.
    pub batch: Option<Price>,
}

impl Prices {
    /// The price in this tier.
    pub const fn at(&self, tier: ServiceTier) -> Option<Price> {
        match tier {
            ServiceTier::Standard => Some(self.standard),
            ServiceTier::Flex => self.flex,
            ServiceTier::Priority => self.priority,
            ServiceTier::Batch => self.batch,
        }
    }
}

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
    /// What a response cost in the standard tier, in USD: [`cost_at`](Self::cost_at).
    ///
    /// # Errors
    /// As [`cost_at`](Self::cost_at).
    pub fn cost(&self, usage: &Usage) -> Result<f64, PriceError> {
        self.cost_at(usage, ServiceTier::Standard)
    }

    /// What the tokens of a response cost in this tier, in USD: cached ones, writes to the cache and the higher price of long
    /// inputs included. Fees of hosted tools are not tokens, and not included.
    ///
    /// # Errors
    /// Which part of the price is unknown.
    pub fn cost_at(&self, usage: &Usage, tier: ServiceTier) -> Result<f64, PriceError> {
        let price = self.prices.ok_or(PriceError::Model)?.at(tier).ok_or(PriceError::Tier(tier))?;
        let is_long = self.long_context_from.is_some_and(|limit| usage.prompt_tokens > limit);
        if is_long && !price.covers_long_context {
            return Err(PriceError::LongContext(tier));
        }
        let (input_factor, output_factor) = if is_long { (2.0, 1.5) } else { (1.0, 1.0) };
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

/// How prices in other tiers, and of writes to the cache, follow from a model's standard price. Each factor is a quotient of two
/// prices that a source states for that model, not a rule of thumb.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) cache_write: Option<f64>,
    pub(super) flex: Option<f64>,
    pub(super) priority: Option<f64>,
    pub(super) batch: Option<f64>,
    pub(super) is_batch_cached: bool,
    pub(super) is_long_flex: bool,
    pub(super) is_long_priority: bool,
}

/// Nothing is known but the standard price.
pub(super) const STANDARD_ONLY: Terms = Terms {
    cache_write: None,
    flex: None,
    priority: None,
    batch: None,
    is_batch_cached: false,
    is_long_flex: true,
    is_long_priority: false,
};
/// Writes to the cache have no fee of their own (OpenAI's guide on prompt caching, of models before GPT-5.6).
pub(super) const FREE_WRITES: Terms = Terms { cache_write: Some(1.0), ..STANDARD_ONLY };
/// Half the price in batches, without a stated price of cached input.
pub(super) const BATCH: Terms = Terms { batch: Some(0.5), ..FREE_WRITES };
/// Half the price in batches and with flex processing.
pub(super) const FLEX: Terms = Terms { flex: Some(0.5), is_batch_cached: true, ..BATCH };
/// Twice the price in fast mode, which excludes long inputs.
pub(super) const FAST: Terms = Terms { priority: Some(2.0), ..FLEX };
/// Writes to the cache cost 1.25 times the input (OpenAI's guide on prompt caching, of GPT-5.6 and later families).
pub(super) const PAID_WRITES: Terms = Terms { cache_write: Some(1.25), ..STANDARD_ONLY };
/// All tiers, for long inputs as well.
pub(super) const ALL_TIERS: Terms = Terms {
    flex: Some(0.5),
    priority: Some(2.0),
    batch: Some(0.5),
    is_batch_cached: true,
    is_long_priority: true,
    ..PAID_WRITES
};

impl Terms {
    /// The prices of a model whose standard prices are these.
    pub(super) const fn prices(self, input: f64, cached_input: Option<f64>, output: f64) -> Prices {
        let standard = Price {
            input,
            cached_input,
            cache_write: times(self.cache_write, input),
            output,
            covers_long_context: true,
        };
        let uncached = Price { cached_input: None, ..standard };
        Prices {
            standard,
            flex: scaled(standard, self.flex, self.is_long_flex),
            priority: scaled(standard, self.priority, self.is_long_priority),
            batch: scaled(if self.is_batch_cached { standard } else { uncached }, self.batch, true),
        }
    }
}

const fn times(number: Option<f64>, factor: f64) -> Option<f64> {
    match number {
        Some(number) => Some(number * factor),
        None => None,
    }
}

const fn scaled(price: Price, factor: Option<f64>, covers_long_context: bool) -> Option<Price> {
    let Some(factor) = factor else { return None };
    Some(Price {
        input: price.input * factor,
        cached_input: times(price.cached_input, factor),
        cache_write: times(price.cache_write, factor),
        output: price.output * factor,
        covers_long_context,
    })
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
            if tier == Standard {
                assert_eq!(lookup(id).spec.cost(&usage), cost);
            }
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

    #[test]
    fn service_tiers_have_the_words_of_servers() {
        for (name, expected) in [
            ("", Some(Standard)),
            ("default", Some(Standard)),
            ("standard", Some(Standard)),
            ("on_demand", Some(Standard)),
            ("flex", Some(Flex)),
            ("priority", Some(Priority)),
            ("fast", Some(Priority)),
            ("batch", Some(Batch)),
            ("auto", None),
            ("scale", None),
            ("ultrafast", None),
            ("provisioned", None),
        ] {
            assert_eq!(ServiceTier::from_response(name), expected, "{name}");
        }
    }
}
