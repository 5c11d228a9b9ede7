//! The finish reasons of servers. To add one, add a row to [`FINISH_REASONS`].

use tachikoma_backends_core::{ErrorCategory, FinishReason};

use crate::CodexError;

/// The finish reasons of servers, in lower case, with their meaning. Any other is [`FinishReason::Other`], which is no evidence
/// that the model ended its turn.
const FINISH_REASONS: &[(&str, FinishReason)] = &[
    // OpenAI
    ("stop", FinishReason::Stop),
    ("length", FinishReason::Length),
    ("tool_calls", FinishReason::ToolUse),
    ("function_call", FinishReason::ToolUse),
    ("content_filter", FinishReason::ContentFilter),
    // Anthropic, through gateways
    ("end_turn", FinishReason::Stop),
    ("stop_sequence", FinishReason::Stop),
    ("tool_use", FinishReason::ToolUse),
    ("max_tokens", FinishReason::Length),
    ("model_context_window_exceeded", FinishReason::Length),
    ("refusal", FinishReason::ContentFilter),
    // Gemini
    ("safety", FinishReason::ContentFilter),
    ("image_safety", FinishReason::ContentFilter),
    ("recitation", FinishReason::ContentFilter),
    ("image_recitation", FinishReason::ContentFilter),
    ("language", FinishReason::ContentFilter),
    ("blocklist", FinishReason::ContentFilter),
    ("prohibited_content", FinishReason::ContentFilter),
    ("image_prohibited_content", FinishReason::ContentFilter),
    ("spii", FinishReason::ContentFilter),
    ("malformed_function_call", FinishReason::Error),
    ("unexpected_tool_call", FinishReason::Error),
    // Cohere
    ("complete", FinishReason::Stop),
    ("tool_call", FinishReason::ToolUse),
    ("error_toxic", FinishReason::ContentFilter),
    ("error_limit", FinishReason::Length),
    // Bedrock
    ("guardrail_intervened", FinishReason::ContentFilter),
    ("content_filtered", FinishReason::ContentFilter),
    ("malformed_model_output", FinishReason::Error),
    ("malformed_tool_use", FinishReason::Error),
    // Mistral, Together, text-generation-inference, vLLM, SGLang
    ("model_length", FinishReason::Length),
    ("eos", FinishReason::Stop),
    ("eos_token", FinishReason::Stop),
    ("max_output_tokens", FinishReason::Length),
    ("max_completion_tokens", FinishReason::Length),
    ("max_length", FinishReason::Length),
    ("context_length_exceeded", FinishReason::Length),
    ("context_window_exceeded", FinishReason::Length),
    ("error", FinishReason::Error),
    ("abort", FinishReason::Error),
    ("aborted", FinishReason::Error),
    // Zhipu, Kimi, DeepSeek, MiniMax
    ("sensitive", FinishReason::ContentFilter),
    ("network_error", FinishReason::Error),
    ("insufficient_system_resource", FinishReason::Error),
    // Failures of the server
    ("cancelled", FinishReason::Error),
    ("canceled", FinishReason::Error),
    ("failed", FinishReason::Error),
    ("internal_error", FinishReason::Error),
    ("overloaded", FinishReason::Error),
    ("server_error", FinishReason::Error),
    ("timeout", FinishReason::Error),
];

/// Whether a finish reason is not set: some servers send null as text.
pub(super) fn is_empty(word: &str) -> bool {
    ["", "null", "none", "nil", "undefined"].iter().any(|empty| word.trim().eq_ignore_ascii_case(empty))
}

/// The meaning of a finish reason. `has_calls` because Gemini ends tool calls with `stop`.
pub(super) fn meaning(word: &str, has_calls: bool) -> FinishReason {
    let lower = word.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    // Gemini's endpoint writes "function_call_filter: MALFORMED_FUNCTION_CALL".
    let last = lower.rsplit_once(":_").map_or(lower.as_str(), |(_, last)| last);
    let last = last.strip_prefix("finish_reason_").unwrap_or(last);
    let row = FINISH_REASONS.iter().find(|(word, _)| *word == last);
    let found = row.map_or(FinishReason::Other, |(_, reason)| *reason);
    if found == FinishReason::Stop && has_calls { FinishReason::ToolUse } else { found }
}

/// The severity of a finish reason: where choices differ, the most severe one counts.
pub(super) const fn severity(reason: FinishReason) -> u8 {
    match reason {
        FinishReason::Stop => 0,
        FinishReason::ToolUse => 1,
        FinishReason::Length => 3,
        FinishReason::ContentFilter => 4,
        FinishReason::Error => 5,
        // `Other`, and a reason that this release does not know.
        _ => 2,
    }
}

/// The error for a finish reason that means that the server failed.
pub(super) fn failed(word: &str) -> CodexError {
    let message = format!("the server failed within its response: its finish_reason is {word:?}");
    CodexError::new(ErrorCategory::Server, message).with_hint("Try again.").maybe_processed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finish_reasons_in_every_spelling() {
        for (word, has_calls, expected) in [
            ("stop", false, FinishReason::Stop),
            ("stop", true, FinishReason::ToolUse),
            ("STOP", false, FinishReason::Stop),
            ("FINISH_REASON_STOP", false, FinishReason::Stop),
            ("end-turn", true, FinishReason::ToolUse),
            ("length", true, FinishReason::Length),
            ("MAX_TOKENS", true, FinishReason::Length),
            ("tool_calls", true, FinishReason::ToolUse),
            ("function_call", false, FinishReason::ToolUse),
            ("SAFETY", false, FinishReason::ContentFilter),
            ("function_call_filter: MALFORMED_FUNCTION_CALL", false, FinishReason::Error),
            ("network_error", true, FinishReason::Error),
            ("weird", true, FinishReason::Other),
            ("7", false, FinishReason::Other),
        ] {
            assert_eq!(meaning(word, has_calls), expected, "{word}");
        }
    }

    #[test]
    fn rows_are_in_lower_case_and_unique() {
        for (row, (word, _)) in FINISH_REASONS.iter().enumerate() {
            assert_eq!(*word, word.to_ascii_lowercase());
            assert_eq!(FINISH_REASONS.iter().position(|(other, _)| other == word), Some(row), "{word}");
        }
    }
}
