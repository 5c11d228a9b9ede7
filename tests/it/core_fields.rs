//! The fields of the core's types that this crate converts. The compiler cannot ask for a new one, since the types are
//! `non_exhaustive`; this test does.

use std::fmt::Debug;

use tachikoma_backends_core::{
    CompletionChunk, CompletionRequest, CompletionResponse, CustomTool, HostedTool, Message, PartOptions,
    ToolCall, ToolDefinition,
};

/// Where the fields of requests are converted.
const REQUESTS: &str = "src/api/chat and src/api/responses";
/// Where the fields of responses are filled.
const RESPONSES: &str = "src/runtime/decoder.rs and the decoders of src/api";

/// Compares the fields of a default value, by its `Debug` form, with a list.
#[track_caller]
fn check(value: &impl Debug, places: &str, expected: &[&str]) {
    let text = format!("{value:#?}");
    let fields: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(fields, expected, "convert the fields that are new in {places}, then list them here");
}

#[test]
fn every_field_of_a_request_is_converted() {
    check(
        &CompletionRequest::default(),
        REQUESTS,
        &[
            "messages", "model", "max_tokens", "temperature", "top_p", "stop", "tools", "tool_choice",
            "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning_summary", "verbosity",
            "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs",
            "prediction", "truncation", "compaction_threshold", "include", "prompt_cache_key",
            "prompt_cache", "moderation", "service_tier", "store", "metadata", "user", "safety_identifier",
            "extra", "max_retries",
        ],
    );
    check(
        &Message::default(),
        REQUESTS,
        &[
            "role", "content", "name", "tool_call_id", "is_error", "tool_calls", "refusal", "provider_state",
            "extra",
        ],
    );
    check(&ToolDefinition::default(), REQUESTS, &["name", "description", "parameters", "strict", "extra"]);
    check(&CustomTool::default(), REQUESTS, &["name", "description", "format", "extra"]);
    check(&HostedTool::default(), REQUESTS, &["kind", "settings"]);
    check(&PartOptions::default(), REQUESTS, &["cache_breakpoint", "extra"]);
    check(&ToolCall::default(), REQUESTS, &["id", "name", "arguments", "kind", "namespace"]);
}

#[test]
fn every_field_of_a_response_is_filled() {
    check(
        &CompletionChunk::default(),
        RESPONSES,
        &[
            "delta", "phase", "item", "items", "tool_calls", "refusal", "reasoning", "sequence_number",
            "is_final", "usage", "finish_reason", "finish_reason_text", "model", "id", "request_id",
            "service_tier", "provider_state",
        ],
    );
    check(
        &CompletionResponse::default(),
        RESPONSES,
        &[
            "content", "commentary", "tool_calls", "items", "incomplete_tool_calls", "finish_reason",
            "finish_reason_text", "usage", "model", "refusal", "reasoning", "id", "request_id",
            "service_tier", "provider_state",
        ],
    );
}
