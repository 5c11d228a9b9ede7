//! Metrics by OpenTelemetry's semantic conventions for generative AI, with the feature `otel`:
//! <https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md>. Without it they are empty
//! types, so that the code that measures is the same.

#[cfg(not(feature = "otel"))]
mod disabled;
#[cfg(feature = "otel")]
mod enabled;

use tachikoma_backends_core::Usage;

#[cfg(not(feature = "otel"))]
pub(crate) use self::disabled::{Measurement, Metrics};
#[cfg(feature = "otel")]
pub(crate) use self::enabled::{Measurement, Metrics};

/// Why a request waited in the gate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GateWait {
    /// For a place among the requests in progress.
    Slot,
    /// For requests or tokens of the rate limits.
    RateLimit,
}

impl GateWait {
    /// The field of a span that has the wait, in seconds.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Slot => "tachikoma.gate.slot_wait",
            Self::RateLimit => "tachikoma.gate.rate_limit_wait",
        }
    }
}

/// The tokens of a response, as far as the server has reported them.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "the disabled metrics do not read them"))]
pub(crate) struct TokenCounts {
    pub(crate) input: Option<u32>,
    pub(crate) output: Option<u32>,
    /// The input tokens that came from the cache.
    pub(crate) cached: Option<u32>,
}

impl From<&Usage> for TokenCounts {
    fn from(usage: &Usage) -> Self {
        Self {
            input: Some(usage.prompt_tokens),
            output: Some(usage.completion_tokens),
            cached: usage.cached_tokens,
        }
    }
}
