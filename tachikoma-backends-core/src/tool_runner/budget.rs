//! Limits on what a run may cost.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use super::error::ToolRunErrorKind;
use crate::{CompletionResponse, Usage};

/// What a response cost in US dollars, where that is known.
pub(super) type Price = dyn Fn(&CompletionResponse) -> Option<f64> + Send + Sync;

/// The limits of a run.
#[derive(Default)]
pub(super) struct Budget {
    pub(super) tokens: Option<u64>,
    pub(super) cost: Option<(f64, Box<Price>)>,
    pub(super) time: Option<Duration>,
}

impl Budget {
    /// Whether a further request is within the limits.
    pub(super) fn check(&self, spent: &Spending) -> Result<(), ToolRunErrorKind> {
        if let Some(budget) = self.tokens
            && spent.tokens.is_none_or(|tokens| tokens >= budget)
        {
            return Err(ToolRunErrorKind::TokenBudget { budget, spent: spent.tokens });
        }
        if let Some((budget_usd, _)) = self.cost
            && spent.cost_usd.is_none_or(|cost| cost >= budget_usd)
        {
            return Err(ToolRunErrorKind::CostBudget { budget_usd, spent_usd: spent.cost_usd });
        }
        Ok(())
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, cost, time } = self;
        f.debug_struct("Budget")
            .field("tokens", tokens)
            .field("cost_usd", &cost.as_ref().map(|(usd, _)| usd))
            .field("time", time)
            .finish()
    }
}

/// What a run has cost so far. A sum is `None` from the first response on that does not report its part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spending {
    /// All that was reported.
    pub(super) usage: Option<Usage>,
    tokens: Option<u64>,
    cost_usd: Option<f64>,
}

impl Spending {
    pub(super) fn new() -> Self {
        Self { usage: None, tokens: Some(0), cost_usd: Some(0.0) }
    }

    /// Adds what this response cost.
    pub(super) fn add(&mut self, response: &CompletionResponse, budget: &Budget) {
        self.usage = [self.usage, response.usage].into_iter().flatten().reduce(Usage::add);
        self.tokens = self.tokens.zip(response.usage.and_then(tokens)).map(|(sum, tokens)| sum + tokens);
        if let Some((_, price)) = &budget.cost {
            let cost = price(response).filter(|cost| cost.is_finite() && *cost >= 0.0);
            self.cost_usd = self.cost_usd.zip(cost).map(|(sum, cost)| sum + cost);
        }
    }
}

/// All tokens of a response and its prompt; `None` where its usage reports nothing but zeros.
pub(super) fn tokens(usage: Usage) -> Option<u64> {
    let both = u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens);
    Some(both.max(usage.total_tokens.into())).filter(|tokens| *tokens > 0)
}
