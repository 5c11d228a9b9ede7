//! What the words that end a choice mean: a table. Where do I add a finish reason of another server? One row in [`WORDS`].

use tachikoma_backends_core::{ErrorCategory, FinishReason};

use crate::CodexError;

/// The words of servers, in lower case, with what they mean. A word that is not here is [`FinishReason::Other`], which is no
/// evidence that the model ended its turn.
const WORDS: &[(&str, FinishReason)] = &[
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
    // What servers say of themselves
    ("cancelled", FinishReason::Error),
    ("canceled", FinishReason::Error),
    ("failed", FinishReason::Error),
    ("internal_error", FinishReason::Error),
    ("overloaded", FinishReason::Error),
    ("server_error", FinishReason::Error),
    ("timeout", FinishReason::Error),
];

/// Whether a word is none: some servers write their null as text.
pub(super) fn is_empty(word: &str) -> bool {
    ["", "null", "none", "nil", "undefined"].iter().any(|empty| word.trim().eq_ignore_ascii_case(empty))
}

/// What a finish reason means. `has_calls` because Gemini ends tool calls with `stop`.
pub(super) fn meaning(word: &str, has_calls: bool) -> FinishReason {
    let lower = word.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    // Gemini's endpoint writes "function_call_filter: MALFORMED_FUNCTION_CALL".
    let last = lower.rsplit_once(":_").map_or(lower.as_str(), |(_, last)| last);
    let last = last.strip_prefix("finish_reason_").unwrap_or(last);
    let found =
        WORDS.iter().find(|(known, _)| *known == last).map_or(FinishReason::Other, |(_, reason)| *reason);
    if found == FinishReason::Stop && has_calls { FinishReason::ToolUse } else { found }
}

/// How much a reason takes away from a response: where choices ended for several, the worst one holds.
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

/// The server ended the response with a word that means that it failed, and does not say more.
pub(super) fn failed(word: &str) -> CodexError {
    let message = format!("the server failed within its response: its finish_reason is {word:?}");
    CodexError::new(ErrorCategory::Server, message).with_hint("Try again.").maybe_processed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_every_spelling() {
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
    fn rows_are_in_lower_case_and_stand_once() {
        for (row, (word, _)) in WORDS.iter().enumerate() {
            assert_eq!(*word, word.to_ascii_lowercase());
            assert_eq!(WORDS.iter().position(|(other, _)| other == word), Some(row), "{word} stands twice");
        }
    }
}
