//! The origin of provider state, and what the state of a response says about its cost.

use serde_json::Value;
use tachikoma_backends_core::ProviderState;

use crate::target::WireApi;

impl WireApi {
    /// The prefix of the origin of every state of this API.
    const fn origin(self) -> &'static str {
        match self {
            Self::ChatCompletions => "codex/chat",
            Self::Responses => "codex/responses",
        }
    }
}

/// The origin of states: an API, a server, an account there (`fingerprint`), and a model, for which reasoning is encrypted.
pub(crate) fn origin(api: WireApi, server: &str, fingerprint: u64, model: &str) -> String {
    format!("{} {server} {fingerprint:08x} {model}", api.origin())
}

/// The items that cost only tokens: texts, and calls that the client runs.
const TOKENS_ONLY: &[&str] = &[
    "apply_patch_call", "compaction", "computer_call", "custom_tool_call", "function_call",
    "local_shell_call", "mcp_approval_request", "message", "program", "reasoning",
];

/// The types of the items of hosted tools in a response's state, each once: their use may have a fee of its own, as may that of
/// unknown items.
pub(crate) fn hosted_items(state: &ProviderState) -> Vec<&str> {
    let is_responses = state.origin.starts_with(WireApi::Responses.origin());
    let items = state.data.as_array().filter(|_| is_responses);
    let mut found: Vec<&str> = Vec::new();
    let kinds = items.into_iter().flatten().filter_map(|item| item.get("type").and_then(Value::as_str));
    for kind in kinds {
        let has_fee = !kind.is_empty() && !kind.ends_with("_output") && !TOKENS_ONLY.contains(&kind);
        if has_fee && !found.contains(&kind) {
            found.push(kind);
        }
    }
    found
}
