//! The known fields, events, items and values of the two APIs, from the document and the servers that implement them.
//! Anything else is recorded as unknown.

use serde_json::Value;

use crate::runtime::unknown::{KnownFields, UnknownFields, is_listed, parse_document};

/// Whether an output item of this type is known.
pub(crate) fn is_item(kind: &str) -> bool {
    is_listed(ITEMS, kind)
}

/// Whether an event of this type is known, although it is not read.
pub(crate) fn is_event(kind: &str) -> bool {
    is_listed(EVENTS, kind)
}

/// Records the unknown fields of a chat completion, or of a chunk of one.
pub(crate) fn note_chat(unknown: &mut UnknownFields, bytes: &[u8]) {
    if let Some(value) = parse_document(bytes) {
        unknown.add_fields(&value, CHAT);
    }
}

/// Records the unknown fields and items of a response, or of an event that holds one.
pub(crate) fn note_response(unknown: &mut UnknownFields, bytes: &[u8]) {
    let Some(value) = parse_document(bytes) else { return };
    let response = value.get("response").unwrap_or(&value);
    unknown.add_fields(response, RESPONSE);
    for item in response.get("output").and_then(Value::as_array).into_iter().flatten() {
        note_item(unknown, item.get("type").and_then(Value::as_str).unwrap_or_default());
    }
}

/// Records the type of an output item, if it is unknown. Many servers send no type.
pub(crate) fn note_item(unknown: &mut UnknownFields, kind: &str) {
    if !kind.is_empty() && !is_item(kind) {
        unknown.add_value("output[].type", kind);
    }
}

/// Records the type of an event, if it is unknown.
pub(crate) fn note_event(unknown: &mut UnknownFields, kind: &str) {
    if !is_event(kind) {
        unknown.add_event(kind);
    }
}

/// Records a finish reason without a variant, and an unknown service tier.
pub(crate) fn note_end(unknown: &mut UnknownFields, finish_reason: Option<&str>, service_tier: Option<&str>) {
    if let Some(reason) = finish_reason {
        unknown.add_value("finish_reason", reason);
    }
    if let Some(tier) = service_tier.filter(|tier| !SERVICE_TIERS.contains(tier)) {
        unknown.add_value("service_tier", tier);
    }
}

/// A chat completion, and a chunk of one.
const CHAT: KnownFields = &[
    (
        "",
        "choices created error id model moderation object prompt_filter_results provider service_tier \
        system_fingerprint timings usage obfuscation",
    ),
    (
        "choices[]",
        "content_filter_offsets content_filter_results delta finish_reason index logprobs message \
        native_finish_reason",
    ),
    ("choices[].message", MESSAGE),
    ("choices[].delta", MESSAGE),
    ("usage", "completion_tokens completion_tokens_details prompt_tokens prompt_tokens_details total_tokens"),
];

/// A message of a chat completion, and a delta of one.
const MESSAGE: &str = "annotations audio content function_call images reasoning reasoning_content reasoning_details \
    refusal role tool_calls";

/// A response.
const RESPONSE: KnownFields = &[
    (
        "",
        "background billing completed_at content_filters conversation created_at error \
        frequency_penalty id incomplete_details instructions max_output_tokens max_tool_calls \
        metadata model moderation object output output_text parallel_tool_calls presence_penalty \
        previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention \
        reasoning safety_identifier service_tier status store temperature text tool_choice tools \
        top_logprobs top_p truncation usage user",
    ),
    ("usage", "input_tokens input_tokens_details output_tokens output_tokens_details total_tokens"),
];

/// The items of a response.
pub(crate) const ITEMS: &str = "additional_tools apply_patch_call apply_patch_call_output code_interpreter_call compaction \
    computer_call computer_call_output custom_tool_call custom_tool_call_output file_search_call \
    function_call function_call_output image_generation_call local_shell_call \
    local_shell_call_output mcp_approval_request mcp_approval_response mcp_call mcp_list_tools \
    message program program_output reasoning shell_call shell_call_output tool_search_call \
    tool_search_output web_search_call";

/// The events of a response that are not read. The others are in `responses::event`, whose tests compare both lists with the
/// document.
pub(crate) const EVENTS: &str = "response.audio.delta response.audio.done response.audio.transcript.delta \
    response.audio.transcript.done response.code_interpreter_call_code.done \
    response.mcp_call_arguments.done response.shell_call_command.added response.shell_call_command.done \
    response.shell_call_output_content.done";

/// The service tiers.
const SERVICE_TIERS: &[&str] =
    &["auto", "default", "fast", "flex", "on_demand", "priority", "scale", "standard", "ultrafast"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_named_by_their_path() {
        #[track_caller]
        fn check(note: fn(&mut UnknownFields, &[u8]), document: &str, expected: &[&str]) {
            let mut unknown = UnknownFields::default();
            note(&mut unknown, document.as_bytes());
            assert_eq!(unknown.to_strings(), expected, "{document}");
        }
        check(note_chat, r#"{"id": "a", "choices": [{"index": 0, "delta": {"content": "b"}}]}"#, &[]);
        check(
            note_chat,
            r#"{"new": 1, "choices": [{"message": {"mood": 1}, "odd": 1}, {"message": {"mood": 2}}], "usage": {"watts": 3}}"#,
            &["field new", "field choices[].odd", "field choices[].message.mood", "field usage.watts"],
        );
        check(note_chat, "[DONE]", &[]);
        check(note_chat, &format!("{{\"new\": \"{}\"}}", "x".repeat(16 << 10)), &[]);
        let long = "n".repeat(200);
        check(note_chat, &format!("{{\"{long}\": 1}}"), &[&format!("field {}", &long[..100])]);
        check(
            note_response,
            r#"{"type": "response.completed", "response": {"id": "a", "new": 1, "output": [{"type": "message"}, {"type": "dream"}]}}"#,
            &["field new", "value output[].type: dream"],
        );
        check(note_response, r#"{"id": "a", "usage": {"watts": 1}}"#, &["field usage.watts"]);
        check(|unknown, _| note_event(unknown, "response.audio.delta"), "", &[]);
        check(|unknown, _| note_event(unknown, "response.sung"), "", &["event response.sung"]);
        check(|unknown, _| note_end(unknown, None, Some("default")), "", &[]);
        check(
            |unknown, _| note_end(unknown, Some("bored"), Some("on_demand")),
            "",
            &["value finish_reason: bored", "value service_tier: on_demand"],
        );
    }
}
