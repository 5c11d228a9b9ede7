//! The events that are read, by kind.

use serde_json::Value;
use tachikoma_backends_core::{ErrorCategory, ItemProgress};

use super::item::Item;
use crate::CodexError;
use crate::openai::types::ResponseStreamEvent;
use crate::runtime::json;

/// Defines the enum with its `from_name`: a row for each variant, with all of its names.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $($name:literal)|+,)*) => {
        /// An event that is read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum EventKind { $($(#[$doc])* $variant,)* }

        impl EventKind {
            /// All names.
            #[cfg(test)]
            pub(super) const NAMES: &[&str] = &[$($($name,)+)*];

            /// The kind of event with this name, if it is read.
            pub(super) fn from_name(name: &str) -> Option<Self> {
                Some(match name {
                    $($($name)|+ => Self::$variant,)*
                    _ => return None,
                })
            }
        }
    };
}

events! {
    /// The response has begun. The event holds its id.
    Created = "response.created" | "response.queued" | "response.in_progress",
    ItemAdded = "response.output_item.added",
    ItemDone = "response.output_item.done",
    /// A part of a message, as a whole.
    PartDone = "response.content_part.done",
    /// A part of a message, as it begins.
    PartAdded = "response.content_part.added",
    /// A part of a summary, as a whole.
    SummaryPart = "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done",
    TextDelta = "response.output_text.delta",
    TextDone = "response.output_text.done",
    RefusalDelta = "response.refusal.delta",
    RefusalDone = "response.refusal.done",
    SummaryDelta = "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta",
    SummaryDone = "response.reasoning_summary_text.done" | "response.reasoning_summary.done",
    ReasoningDelta = "response.reasoning_text.delta" | "response.reasoning.delta",
    ReasoningDone = "response.reasoning_text.done" | "response.reasoning.done",
    ArgumentsDelta = "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta",
    ArgumentsDone = "response.function_call_arguments.done" | "response.custom_tool_call_input.done",
    /// A source of a text.
    Annotation = "response.output_text.annotation.added",
    /// A hosted tool is at work.
    Progress = "response.code_interpreter_call.completed"
        | "response.code_interpreter_call.in_progress"
        | "response.code_interpreter_call.interpreting"
        | "response.code_interpreter_call_code.delta"
        | "response.file_search_call.completed"
        | "response.file_search_call.in_progress"
        | "response.file_search_call.searching"
        | "response.image_generation_call.completed"
        | "response.image_generation_call.generating"
        | "response.image_generation_call.in_progress"
        | "response.image_generation_call.partial_image"
        | "response.mcp_call.completed"
        | "response.mcp_call.failed"
        | "response.mcp_call.in_progress"
        | "response.mcp_call_arguments.delta"
        | "response.mcp_list_tools.completed"
        | "response.mcp_list_tools.failed"
        | "response.mcp_list_tools.in_progress"
        | "response.shell_call_command.delta"
        | "response.shell_call_output_content.delta"
        | "response.web_search_call.completed"
        | "response.web_search_call.in_progress"
        | "response.web_search_call.searching",
    /// The response is over. Its status may be any.
    Completed = "response.completed" | "response.done",
    Incomplete = "response.incomplete",
    Failed = "response.failed",
    Cancelled = "response.cancelled" | "response.canceled",
    Error = "error",
}

/// The progress of a hosted tool, by the name of its event.
pub(super) fn progress(name: &str, event: &mut ResponseStreamEvent) -> ItemProgress {
    let (holder, status) = name.rsplit_once('.').unwrap_or(("", name));
    let what = holder.rsplit_once('.').map_or(holder, |(_, what)| what);
    let delta = event.delta.take();
    // A delta is a part of what its event names, such as the code.
    let mut progress = ItemProgress::new(if delta.is_some() { what } else { status });
    progress.delta = delta.map(|delta| match delta {
        Value::String(text) => text,
        delta => delta.to_string(),
    });
    progress.partial_image = event.partial_image_b64.take().and_then(|image| json::text(&image));
    progress
}

/// The text delta of an event.
///
/// # Errors
/// It is not text, and would be lost.
pub(super) fn delta_of(event: &mut ResponseStreamEvent) -> Result<String, CodexError> {
    let delta = match event.delta.take().or_else(|| event.text.take()) {
        Some(Value::String(text)) => return Ok(text),
        None => return Ok(String::new()),
        Some(delta) => delta,
    };
    let text = text_of(Some(delta.clone()));
    if !text.is_empty() || json::is_empty(&delta) {
        return Ok(text);
    }
    let message = format!("the server sent a text delta that is not text: {delta}");
    Err(CodexError::new(ErrorCategory::Parse, message).maybe_processed())
}

/// The text of a field that should be text: some servers send the part that contains it.
pub(super) fn text_of(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        Some(part @ Value::Object(_)) => Item(&part).text("text").to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::api::unknown_fields::{EVENTS, ITEMS};

    /// Names that only other servers send, or older versions.
    const OTHERS: &[&str] = &[
        "response.canceled",
        "response.cancelled",
        "response.done",
        "response.reasoning.delta",
        "response.reasoning.done",
        "response.reasoning_summary.delta",
        "response.reasoning_summary.done",
    ];

    /// The types of the objects in a union of the vendored document.
    fn types(unions: &[&str]) -> BTreeSet<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/closure.json");
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let schemas = &document["components"]["schemas"];
        let mut found = BTreeSet::new();
        let mut names: Vec<&str> = unions.to_vec();
        while let Some(name) = names.pop() {
            let schema = &schemas[name];
            found.extend(schema["properties"]["type"]["enum"][0].as_str().map(str::to_owned));
            for list in ["oneOf", "anyOf", "allOf"] {
                let parts = schema[list].as_array().into_iter().flatten();
                names.extend(parts.filter_map(|part| part["$ref"].as_str()?.rsplit('/').next()));
            }
        }
        found
    }

    #[test]
    fn the_events_match_the_document() {
        let read: BTreeSet<String> = EventKind::NAMES.iter().map(|name| (*name).to_owned()).collect();
        let ignored: BTreeSet<String> = EVENTS.split(' ').map(str::to_owned).collect();
        assert_eq!(read.intersection(&ignored).count(), 0, "an event is either read or not");
        let mut known: BTreeSet<String> = read.union(&ignored).cloned().collect();
        for other in OTHERS {
            assert!(known.remove(*other), "{other} is not read");
        }
        assert_eq!(known, types(&["ResponseStreamEvent"]));
    }

    #[test]
    fn the_items_match_the_document() {
        let known: BTreeSet<String> = ITEMS.split(' ').map(str::to_owned).collect();
        let mut document = types(&["OutputItem", "Item"]);
        document.insert("message".to_owned());
        let missing: Vec<_> = document.difference(&known).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
