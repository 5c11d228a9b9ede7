//! The usage of a chat completion.

use serde_json::Value;
use tachikoma_backends_core::Usage;

use crate::decode::answer::{self, Counts};

/// What a response cost. `None` where no number in it is known.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    let details = |of: &str, name: &str| usage.get(of).and_then(|details| details.get(name));
    answer::usage(&Counts {
        prompt: usage.get("prompt_tokens"),
        completion: usage.get("completion_tokens"),
        total: usage.get("total_tokens"),
        cached: details("prompt_tokens_details", "cached_tokens"),
        cache_write: answer::cache_write(usage, "prompt_tokens_details"),
        reasoning: details("completion_tokens_details", "reasoning_tokens"),
    })
}
