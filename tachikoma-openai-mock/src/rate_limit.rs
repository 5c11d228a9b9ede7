//! Limits on requests and tokens per minute, for each model, with OpenAI's headers.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::errors::ApiError;
use crate::tokens;

const MINUTE: f64 = 60.0;

/// The fields that hold the highest number of output tokens, which is charged with the request.
const MAX_TOKENS: [&str; 3] = ["max_output_tokens", "max_completion_tokens", "max_tokens"];

/// The limits of every model, and what is left of them.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// Requests and tokens per minute.
    limits: Option<[f64; 2]>,
    models: HashMap<String, [Level; 2]>,
}

/// What is left of a limit, which refills steadily.
#[derive(Debug, Clone, Copy)]
struct Level {
    left: f64,
    at: Instant,
}

/// How a request was decided.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The headers of its response.
    pub(crate) headers: Vec<(String, String)>,
    /// The error, if it is refused.
    pub(crate) refusal: Option<ApiError>,
}

impl RateLimiter {
    pub(crate) fn new(limits: Option<(u32, u32)>) -> Self {
        Self {
            limits: limits.map(|(requests, tokens)| [requests.into(), tokens.into()]),
            models: HashMap::new(),
        }
    }

    /// Replaces the limits; no model has more left than the new ones.
    pub(crate) fn set(&mut self, requests: u32, tokens: u32) {
        let limits = [requests.into(), tokens.into()];
        let now = Instant::now();
        for levels in self.models.values_mut() {
            for ((level, before), limit) in levels.iter_mut().zip(self.limits.unwrap_or(limits)).zip(limits) {
                *level = Level { left: level.left(before, now).min(limit), at: now };
            }
        }
        self.limits = Some(limits);
    }

    /// Charges a request with this body; `None` without limits.
    pub(crate) fn admit(&mut self, body: &[u8]) -> Option<Admission> {
        let limits = self.limits?;
        let fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let output = MAX_TOKENS.iter().find_map(|name| fields.get(*name)?.as_f64());
        let costs = [1.0, tokens::count(body.len()) as f64 + output.unwrap_or_default()];
        let model = fields.get("model").and_then(Value::as_str).unwrap_or_default();
        let now = Instant::now();
        let full = limits.map(|limit| Level { left: limit, at: now });
        let levels = self.models.entry(model.to_owned()).or_insert(full);
        let (mut headers, mut longest) = (Vec::new(), (Duration::ZERO, ""));
        let charges = KINDS.iter().zip(levels.iter()).zip(limits.into_iter().zip(costs));
        for ((kind, level), (limit, cost)) in charges.clone() {
            // A request that exceeds the limit alone passes when all of it is left.
            let missing = (cost.min(limit) - level.left(limit, now)).max(0.0);
            let wait = Duration::from_secs_f64(missing / limit * MINUTE);
            if wait > longest.0 {
                longest = (wait, kind);
            }
        }
        let (wait, reason) = longest;
        let is_refused = !wait.is_zero();
        let mut charged = Vec::new();
        for ((kind, level), (limit, cost)) in charges {
            let left = level.left(limit, now) - if is_refused { 0.0 } else { cost };
            let reset = (limit - left) / limit * MINUTE;
            headers.push((format!("x-ratelimit-limit-{kind}"), limit.to_string()));
            headers.push((format!("x-ratelimit-remaining-{kind}"), left.max(0.0).floor().to_string()));
            headers.push((format!("x-ratelimit-reset-{kind}"), format!("{}ms", (reset * 1000.0).ceil())));
            charged.push(Level { left, at: now });
        }
        levels.iter_mut().zip(charged).for_each(|(level, charged)| *level = charged);
        let refusal = is_refused.then(|| {
            headers.push(("retry-after-ms".to_owned(), (wait.as_secs_f64() * 1000.0).ceil().to_string()));
            headers.push(("retry-after".to_owned(), wait.as_secs_f64().ceil().to_string()));
            let message = format!(
                "Rate limit reached for {model} on {reason} per min. Please try again in {wait:.3?}."
            );
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, message).code("rate_limit_exceeded")
        });
        Some(Admission { headers, refusal })
    }
}

impl Level {
    fn left(self, limit: f64, now: Instant) -> f64 {
        (self.left + limit * now.duration_since(self.at).as_secs_f64() / MINUTE).min(limit)
    }
}

/// What is limited.
const KINDS: [&str; 2] = ["requests", "tokens"];

#[cfg(test)]
mod tests {
    use super::*;

    fn value(admission: &Admission, name: &str) -> String {
        admission.headers.iter().find(|(header, _)| *header == name).unwrap().1.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_refills() {
        let mut limiter = RateLimiter::new(Some((2, 100)));
        let body = br#"{"model": "m", "max_tokens": 10}"#;
        for left in ["1", "0"] {
            let admission = limiter.admit(body).unwrap();
            assert!(admission.refusal.is_none());
            assert_eq!(value(&admission, "x-ratelimit-remaining-requests"), left);
        }
        let refused = limiter.admit(body).unwrap();
        assert!(refused.refusal.is_some());
        assert_eq!(value(&refused, "retry-after"), "30");
        assert_eq!(value(&refused, "x-ratelimit-reset-requests"), "60000ms");
        // Other models have their own limits.
        assert!(limiter.admit(b"{}").unwrap().refusal.is_none());
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(limiter.admit(body).unwrap().refusal.is_none());
        limiter.set(1, 10);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(limiter.admit(body).unwrap().refusal.is_some());
    }

    #[test]
    fn without_limits_everything_passes() {
        assert!(RateLimiter::new(None).admit(b"{}").is_none());
    }
}
