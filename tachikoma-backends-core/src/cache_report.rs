//! What the provider's cache did for the prompts of a conversation.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::setters::optional_setters;
use crate::{CompletionResponse, Usage};

/// What the tokens of a response cost, in USD, and what they would have cost without a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheCost {
    /// What they cost, prompt and response: reads from the cache are cheaper than other tokens of a prompt, writes to it may be
    /// more expensive.
    pub usd: f64,
    /// What they would have cost without a cache.
    pub uncached_usd: f64,
}

impl CacheCost {
    /// The cost with and without a cache, in USD.
    pub const fn new(usd: f64, uncached_usd: f64) -> Self {
        Self { usd, uncached_usd }
    }

    /// What the cache saved, in USD. Negative where it cost more than it saved, as when tokens were written and not yet read.
    pub fn saved_usd(&self) -> f64 {
        self.uncached_usd - self.usd
    }
}

/// One response of a conversation in a [`CacheReport`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CacheStep {
    /// Its tokens; `None` where the server did not report them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What they cost; `None` where the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<CacheCost>,
}

impl CacheStep {
    /// The step of a response with this usage, without a cost.
    pub const fn new(usage: Option<Usage>) -> Self {
        Self { usage, cost: None }
    }

    optional_setters! {
        with_cost(cost: CacheCost);
    }

    /// The part of the prompt that came from the cache, from 0 to 1; `None` where the server did not report it, and for an empty
    /// prompt.
    pub fn hit_ratio(&self) -> Option<f64> {
        self.total().hit_ratio()
    }

    /// The totals of this step alone.
    fn total(&self) -> CacheTotal {
        let mut total = CacheTotal::default();
        total.add(self);
        total
    }
}

/// The steps of a [`CacheReport`] together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CacheTotal {
    /// The number of steps.
    pub steps: usize,
    /// How many of them have no usage, and count in nothing else here.
    pub unreported_steps: usize,
    /// Tokens of the prompts, cached ones included.
    pub prompt_tokens: u64,
    /// Those of them that belong to steps whose server reported [`cached_tokens`](Self::cached_tokens).
    pub measured_tokens: u64,
    /// Tokens that came from the cache; `None` where no step reported it.
    pub cached_tokens: Option<u64>,
    /// Tokens that were written to the cache; `None` where no step reported it.
    pub cache_write_tokens: Option<u64>,
    /// How many steps have no cost, and are missing in [`cost`](Self::cost).
    pub unpriced_steps: usize,
    /// What the steps cost; `None` where no step has a cost.
    pub cost: Option<CacheCost>,
}

impl CacheTotal {
    /// The part of the prompts that came from the cache, from 0 to 1, of the steps whose server reported it; `None` where none
    /// did, or their prompts were empty.
    pub fn hit_ratio(&self) -> Option<f64> {
        let cached = self.cached_tokens?;
        (self.measured_tokens > 0).then(|| cached as f64 / self.measured_tokens as f64)
    }

    fn add(&mut self, step: &CacheStep) {
        self.steps += 1;
        match &step.usage {
            Some(usage) => {
                let add = |sum: &mut Option<u64>, count: u32| {
                    *sum = Some(sum.unwrap_or_default().saturating_add(count.into()));
                };
                let prompt = usage.prompt_tokens;
                self.prompt_tokens = self.prompt_tokens.saturating_add(prompt.into());
                if let Some(cached) = usage.cached_tokens {
                    self.measured_tokens = self.measured_tokens.saturating_add(prompt.into());
                    add(&mut self.cached_tokens, cached.min(prompt));
                }
                if let Some(written) = usage.cache_write_tokens {
                    add(&mut self.cache_write_tokens, written);
                }
            }
            None => self.unreported_steps += 1,
        }
        match &step.cost {
            Some(cost) => {
                let sum = self.cost.get_or_insert_default();
                sum.usd += cost.usd;
                sum.uncached_usd += cost.uncached_usd;
            }
            None => self.unpriced_steps += 1,
        }
    }
}

/// What the provider's cache did for the prompts of a conversation, step by step and in [total](Self::total). Its `Display` is a
/// table with a line for each step.
///
/// A backend that knows its prices makes it with costs; from responses alone it has the tokens.
///
/// ```
/// # use tachikoma_backends_core::{CacheReport, CompletionResponse, Usage};
/// let responses = [
///     CompletionResponse::default().with_usage(Usage::new(2000, 50).with_cached_tokens(0)),
///     CompletionResponse::default().with_usage(Usage::new(3000, 50).with_cached_tokens(2000)),
/// ];
/// let report = CacheReport::from_responses(&responses);
/// assert_eq!(report.total().hit_ratio(), Some(0.4));
/// println!("{report}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CacheReport {
    /// The responses, in order.
    pub steps: Vec<CacheStep>,
}

impl CacheReport {
    /// A report with these steps.
    pub fn new(steps: impl IntoIterator<Item = CacheStep>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }

    /// A report on these responses, without costs.
    pub fn from_responses<'a>(responses: impl IntoIterator<Item = &'a CompletionResponse>) -> Self {
        Self::new(responses.into_iter().map(|response| CacheStep::new(response.usage)))
    }

    /// All steps together.
    pub fn total(&self) -> CacheTotal {
        let mut total = CacheTotal::default();
        self.steps.iter().for_each(|step| total.add(step));
        total
    }
}

impl fmt::Display for CacheReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<5} {:>10} {:>10} {:>10} {:>6} {:>12} {:>12}",
            "step", "prompt", "cached", "written", "hits", "cost USD", "saved USD"
        )?;
        for (i, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:<5} {}", i + 1, step.total())?;
        }
        let total = self.total();
        write!(f, "{:<5} {total}", "total")?;
        for (count, what) in [
            (total.unreported_steps, "without a reported usage"),
            (total.unpriced_steps, "without a known price, missing in the cost"),
        ] {
            if count > 0 {
                write!(f, "\n{count} of {} steps {what}", total.steps)?;
            }
        }
        Ok(())
    }
}

/// The columns of the table; `-` where something was not reported.
impl fmt::Display for CacheTotal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let is_reported = self.unreported_steps < self.steps;
        write!(
            f,
            "{:>10} {:>10} {:>10} {:>6} {:>12} {:>12}",
            or_dash(is_reported.then(|| self.prompt_tokens.to_string())),
            or_dash(self.cached_tokens.map(|count| count.to_string())),
            or_dash(self.cache_write_tokens.map(|count| count.to_string())),
            or_dash(self.hit_ratio().map(|ratio| format!("{:.1}%", ratio * 100.0))),
            or_dash(self.cost.map(|cost| format!("{:.6}", cost.usd))),
            or_dash(self.cost.map(|cost| format!("{:.6}", cost.saved_usd()))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u32, cached: Option<u32>, written: Option<u32>) -> Option<Usage> {
        let mut usage = Usage::new(prompt, 1);
        (usage.cached_tokens, usage.cache_write_tokens) = (cached, written);
        Some(usage)
    }

    #[test]
    fn the_hit_ratio_is_that_of_the_steps_that_reported_it() {
        for (steps, ratio, unreported) in [
            (vec![], None, 0),
            (vec![None], None, 1),
            (vec![usage(100, None, Some(5))], None, 0),
            (vec![usage(0, Some(0), None)], None, 0),
            (vec![usage(100, Some(0), None)], Some(0.0), 0),
            (vec![usage(100, Some(25), None), usage(300, None, None)], Some(0.25), 0),
            (vec![usage(100, Some(0), None), None, usage(300, Some(200), None)], Some(0.5), 1),
            // A server that counts the cached tokens apart.
            (vec![usage(100, Some(400), None)], Some(1.0), 0),
        ] {
            let report = CacheReport::new(steps.iter().copied().map(CacheStep::new));
            let total = report.total();
            assert_eq!((total.hit_ratio(), total.unreported_steps), (ratio, unreported), "{steps:?}");
            assert_eq!((total.steps, total.unpriced_steps), (steps.len(), steps.len()));
            let responses = steps.iter().map(|usage| CompletionResponse::default().with_usage(*usage));
            assert_eq!(CacheReport::from_responses(&responses.collect::<Vec<_>>()), report);
        }
    }

    #[test]
    fn a_report_is_a_table() {
        let report = CacheReport::new([
            CacheStep::new(usage(1200, Some(0), Some(1200))).with_cost(CacheCost::new(0.0035, 0.003)),
            CacheStep::new(usage(2400, Some(1200), None)).with_cost(CacheCost::new(0.0032, 0.0056)),
            CacheStep::new(None),
        ]);
        let expected = [
            "step      prompt     cached    written   hits     cost USD    saved USD",
            "1           1200          0       1200   0.0%     0.003500    -0.000500",
            "2           2400       1200          -  50.0%     0.003200     0.002400",
            "3              -          -          -      -            -            -",
            "total       3600       1200       1200  33.3%     0.006700     0.001900",
            "1 of 3 steps without a reported usage",
            "1 of 3 steps without a known price, missing in the cost",
        ];
        assert_eq!(report.to_string().lines().collect::<Vec<_>>(), expected);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<CacheReport>(&json).unwrap(), report);
    }

    #[test]
    fn totals_are_sums_beyond_32_bits() {
        let max = u64::from(u32::MAX);
        let full = usage(u32::MAX, Some(u32::MAX), Some(u32::MAX));
        let total = CacheReport::new([full, full, usage(1, None, None)].map(CacheStep::new)).total();
        assert_eq!((total.prompt_tokens, total.measured_tokens), (2 * max + 1, 2 * max));
        assert_eq!((total.cached_tokens, total.cache_write_tokens), (Some(2 * max), Some(2 * max)));
        assert_eq!((total.hit_ratio(), total.cost), (Some(1.0), None));
    }
}
