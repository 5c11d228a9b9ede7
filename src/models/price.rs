//! What a model costs.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// The tier that a server names in its response; `None` where the name is unknown, as are `auto` and `scale`: the
    /// price does not follow from these.
    pub fn from_response(name: &str) -> Option<Self> {
        Some(match name {
            "" | "default" | "standard" | "on_demand" => Self::Standard,
            "flex" => Self::Flex,
            "priority" | "fast" => Self::Priority,
            "batch" => Self::Batch,
            _ => return None,
        })
    }

    /// Its name in the API.
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
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Price {
    /// Input.
    pub input: f64,
    /// Input that the server had cached; as [`input`](Self::input) where no discount is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Input that the server wrote to its cache, where the source states what that costs. It is the price at the usual lifetime
    /// of the cache (30 minutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Output, reasoning included.
    pub output: f64,
    /// Whether the price is known for inputs beyond [`ModelSpec::long_context`](super::spec::ModelSpec::long_context) as well;
    /// in files it is, where they do not state it.
    #[serde(default = "is_known")]
    pub covers_long_context: bool,
}

const fn is_known() -> bool {
    true
}

impl Price {
    /// A price of input and output, in USD for a million tokens, without a discount of cached input. What writes to the cache
    /// cost is unknown.
    pub const fn new(input: f64, output: f64) -> Self {
        Self { input, cached_input: None, cache_write: None, output, covers_long_context: true }
    }

    /// Sets [`cached_input`](Self::cached_input).
    #[must_use]
    pub const fn with_cached_input(mut self, usd: f64) -> Self {
        self.cached_input = Some(usd);
        self
    }

    /// Sets [`cache_write`](Self::cache_write).
    #[must_use]
    pub const fn with_cache_write(mut self, usd: f64) -> Self {
        self.cache_write = Some(usd);
        self
    }
}

/// What a model costs, tier by tier; `None` where no source states the tier's price.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Prices {
    /// The usual price.
    pub standard: Price,
    /// With the service tier `flex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flex: Option<Price>,
    /// With the service tier `priority`, alias `fast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Price>,
    /// Over the Batch API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Price>,
}

impl Prices {
    /// Prices of which only the usual ones are known.
    pub const fn new(standard: Price) -> Self {
        Self { standard, flex: None, priority: None, batch: None }
    }

    /// Sets the price in this tier.
    #[must_use]
    pub const fn with_tier(mut self, tier: ServiceTier, price: Price) -> Self {
        match tier {
            ServiceTier::Standard => self.standard = price,
            ServiceTier::Flex => self.flex = Some(price),
            ServiceTier::Priority => self.priority = Some(price),
            ServiceTier::Batch => self.batch = Some(price),
        }
        self
    }

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
    use super::ServiceTier::{Batch, Flex, Priority, Standard};
    use super::*;

    #[test]
    fn service_tiers_have_the_names_of_servers() {
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
