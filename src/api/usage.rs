//! Token counts in a response, under the field names of different servers.

use serde_json::Value;
use tachikoma_backends_core::Usage;

use crate::runtime::json;

/// The field names of the counts in one API.
#[derive(Debug)]
pub(crate) struct UsageNames {
    input: &'static str,
    output: &'static str,
    input_details: &'static str,
    output_details: &'static str,
}

pub(crate) const CHAT: UsageNames = UsageNames {
    input: "prompt_tokens",
    output: "completion_tokens",
    input_details: "prompt_tokens_details",
    output_details: "completion_tokens_details",
};

pub(crate) const RESPONSES: UsageNames = UsageNames {
    input: "input_tokens",
    output: "output_tokens",
    input_details: "input_tokens_details",
    output_details: "output_tokens_details",
};

/// The usage of a response. `None` without a count of input, output or total tokens.
pub(crate) fn read(usage: &Value, names: &UsageNames) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(json::count);
    let detail = |of: &str, name: &str| usage.get(of)?.get(name).and_then(json::count);
    let [input, output, total] = [names.input, names.output, "total_tokens"].map(count);
    input.or(output).or(total)?;
    let (prompt_tokens, completion_tokens) = (input.unwrap_or_default(), output.unwrap_or_default());
    let mut found = Usage::new(prompt_tokens, completion_tokens);
    found.total_tokens = total.unwrap_or(found.total_tokens);
    found.cached_tokens = detail(names.input_details, "cached_tokens").or_else(|| cache_read(usage));
    found.cache_write_tokens = cache_write(usage, names.input_details);
    found.reasoning_tokens = detail(names.output_details, "reasoning_tokens");
    Some(found)
}

/// The tokens that came from the cache, by the names that servers have beside the details: Hugging Face and Moonshot, DeepSeek,
/// Mistral, and Anthropic.
fn cache_read(usage: &Value) -> Option<u32> {
    const NAMES: [&str; 4] =
        ["cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens"];
    NAMES.into_iter().filter_map(|name| usage.get(name)).find_map(json::count)
}

/// The tokens that were written to the cache, by the names of OpenAI and OpenRouter, of LiteLLM, or of Anthropic, within the
/// details or beside them.
fn cache_write(usage: &Value, details: &str) -> Option<u32> {
    const NAMES: [&str; 3] = ["cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"];
    let holders = [usage.get(details), Some(usage)].into_iter().flatten();
    holders.flat_map(|holder| NAMES.map(|name| holder.get(name))).flatten().find_map(json::count)
}

/// The later usage, unless it is all zeros.
pub(crate) fn later(held: Option<Usage>, new: Option<Usage>) -> Option<Usage> {
    let is_zero =
        |usage: &Usage| usage.prompt_tokens == 0 && usage.completion_tokens == 0 && usage.total_tokens == 0;
    new.filter(|new| held.is_none() || !is_zero(new)).or(held)
}
